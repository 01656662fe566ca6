//! The network with weights that no longer change, made ready for inference.

mod build;
mod classify;
mod pipeline;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use tinylsa_shape::ImageShape;
use tinylsa_system::sha256_hex;

use crate::config::TinyCnnLsaConfig;
use crate::file::{ModelFileError, ModelMetadata, model_state, read_model_file};
use crate::network::TinyCnnLsa;
use crate::predictor::{PixelError, Predictor};
use crate::state::{State, StateError, state_of};
pub use classify::{Classification, ClassifyError, RankedClass};
use pipeline::{Pipeline, Workspace};

/// Images that one core takes through the layers together: enough for the products on the last, small maps to fill
/// their registers, few enough to stay in the core's cache.
const GROUP: usize = 7;

/// The same function as [`TinyCnnLsa::forward`], several times as fast, for weights that no longer change.
///
/// The batch normalisations are folded into the convolutions, each convolution adds its bias and residual, rectifies
/// and pools in the same pass, and all weights are packed once. There are no tensors in between: one core takes some
/// images through all layers in memory that stays in its cache. A single image is computed on the calling thread.
///
/// The logits agree with [`TinyCnnLsa::forward`] within 1e-5 of the largest, and those of an image have the same bits
/// whatever batch it comes in, at any number of threads. Gradients do not flow through it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tinylsa_model::TinyCnnLsaConfig;
///
/// let device = Device::flex();
/// let model = TinyCnnLsaConfig::default().init(&device)?;
/// let inference = model.for_inference();
/// let logits = inference.logits(&vec![0.5; 2 * 28 * 28])?;
/// assert_eq!(logits.len(), 2 * 10);
///
/// // or as a function of a tensor, as explanation methods take it
/// let score = |images: Tensor<4>| inference.forward(images);
/// assert_eq!(score(Tensor::zeros([3, 1, 28, 28], &device)).dims(), [3, 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InferenceModel {
    config: TinyCnnLsaConfig,
    pipeline: Pipeline,
    /// Those that no core is using.
    workspaces: Mutex<Vec<Workspace>>,
}

/// A network read from a file for inference, and what the file says of it. [`LoadedInferenceModel::classify`] turns
/// images into named classes.
#[derive(Debug)]
pub struct LoadedInferenceModel {
    /// The network.
    pub model: InferenceModel,
    /// The file's metadata.
    pub metadata: ModelMetadata,
    /// The SHA-256 of the file that it was read from, in hexadecimal.
    pub sha256: String,
}

impl TinyCnnLsa {
    /// The network with its present weights and running statistics, made ready for inference.
    ///
    /// # Panics
    /// Never: a network has the tensors of its config.
    pub fn for_inference(&self) -> InferenceModel {
        InferenceModel::from_state(self.config(), &state_of(self)).expect("a network has the tensors of its config")
    }
}

impl InferenceModel {
    /// Folds and packs the tensors of a network, which have the names of [`state_of`].
    ///
    /// # Errors
    /// [`StateError`] if they are not those of the config, which must be valid.
    pub fn from_state(config: &TinyCnnLsaConfig, state: &State) -> Result<Self, StateError> {
        Ok(Self {
            config: config.clone(),
            pipeline: build::pipeline(config, state)?,
            workspaces: Mutex::new(Vec::new()),
        })
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<LoadedInferenceModel, ModelFileError> {
        let (metadata, state) = model_state::<TinyCnnLsaConfig>(bytes)?;
        let model = Self::from_state(&metadata.config, &state)?;
        Ok(LoadedInferenceModel { model, metadata, sha256: sha256_hex(bytes) })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the file.
    pub fn load(path: &Path) -> Result<LoadedInferenceModel, ModelFileError> {
        Self::from_safetensors(&read_model_file::<TinyCnnLsaConfig>(path)?)
    }

    /// The config that the network was made from.
    pub fn config(&self) -> &TinyCnnLsaConfig {
        &self.config
    }

    /// The logits of images that lie one after the other, channel by channel and row by row, with values from 0 to 1: a
    /// row of as many values as there are classes for each image.
    ///
    /// # Errors
    /// [`PixelError`] if there is no whole number of images, or if a pixel is not finite.
    pub fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelError> {
        let images = PixelError::require_images(pixels, self.config.input)?;
        let mut logits = vec![0.0; images * self.config.classes];
        self.write_logits(pixels, &mut logits);
        Ok(logits)
    }

    /// The logits of images in a tensor, on the tensor's device.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, classes]`
    ///
    /// # Panics
    /// If the images have another shape.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let (device, expected) = (images.device(), self.config.input);
        let [batch, channels, height, width] = images.dims();
        let found = ImageShape { channels, height, width };
        assert_eq!(found, expected, "InferenceModel was made for images of {expected}, found {found}");
        let data = images.into_data().convert::<f32>();
        let pixels = data.as_slice::<f32>().expect("the data was converted to f32");
        let mut logits = vec![0.0; batch * self.config.classes];
        self.write_logits(pixels, &mut logits);
        Tensor::from_data(TensorData::new(logits, [batch, self.config.classes]), &device)
    }

    fn write_logits(&self, pixels: &[f32], logits: &mut [f32]) {
        let (image, classes) = (self.config.input.values(), self.config.classes);
        let images = logits.len() / classes;
        // the pool of threads is not even asked about a single image, because asking starts it
        let threads = if images > 1 { rayon::current_num_threads() } else { 1 };
        let group = images.div_ceil(threads).clamp(1, GROUP);
        if threads == 1 {
            let groups = pixels.chunks(group * image).zip(logits.chunks_mut(group * classes));
            groups.for_each(|(pixels, logits)| self.write_group(pixels, logits));
        } else {
            let groups = pixels.par_chunks(group * image).zip(logits.par_chunks_mut(group * classes));
            groups.for_each(|(pixels, logits)| self.write_group(pixels, logits));
        }
    }

    fn write_group(&self, pixels: &[f32], logits: &mut [f32]) {
        let workspaces = || self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = workspaces().pop().unwrap_or_default();
        self.pipeline.run(pixels, &mut workspace, logits);
        workspaces().push(workspace);
    }
}

impl Predictor for InferenceModel {
    fn input(&self) -> ImageShape {
        self.config.input
    }

    fn classes(&self) -> usize {
        self.config.classes
    }

    fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelError> {
        InferenceModel::logits(self, pixels)
    }
}
