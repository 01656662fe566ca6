//! The network with weights that no longer change, made ready to look at pictures.

mod build;
mod pipeline;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use thiserror::Error;
use tinylsa_system::sha256_hex;

use crate::config::TinyCnnLsaConfig;
use crate::file::{ModelFileError, ModelMetadata, model_state, read_model_file};
use crate::network::TinyCnnLsa;
use crate::state::{State, StateError, state_of};
use pipeline::{Pipeline, Workspace};

/// Pictures that one core takes through the layers together: enough for the products on the last, small maps to fill
/// their registers, few enough to stay in the core's cache.
const GROUP: usize = 7;

/// The same function as [`TinyCnnLsa::forward`], several times as fast, for weights that no longer change.
///
/// The batch normalisations are folded into the convolutions, each convolution adds its bias and residual, rectifies
/// and pools in the same pass, and all weights are packed once. There are no tensors in between: one core takes some
/// pictures through all layers in memory that stays in its cache. A single picture is computed on the calling thread.
///
/// The logits agree with [`TinyCnnLsa::forward`] within 1e-5 of the largest, and those of a picture have the same bits
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

/// Pixels that are no whole number of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{found} pixels are no whole number of pictures of {size}×{size}")]
pub struct PixelCountError {
    /// Number of pixels.
    pub found: usize,
    /// Height and width that the network was made for.
    pub size: usize,
}

/// A network read from a file for inference, and what the file says of it.
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

    /// Reads the bytes of a file that [`TinyCnnLsa::to_safetensors`] made.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<LoadedInferenceModel, ModelFileError> {
        let (metadata, state) = model_state(bytes)?;
        let model = Self::from_state(&metadata.model, &state)?;
        Ok(LoadedInferenceModel { model, metadata, sha256: sha256_hex(bytes) })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelFileError`] says what is wrong with the file.
    pub fn load(path: &Path) -> Result<LoadedInferenceModel, ModelFileError> {
        Self::from_safetensors(&read_model_file(path)?)
    }

    /// The config that the network was made from.
    pub fn config(&self) -> &TinyCnnLsaConfig {
        &self.config
    }

    /// The logits of pictures that lie one after the other, row by row, 0 being black and 1 white: a row of as many
    /// values as there are classes for each picture.
    ///
    /// # Errors
    /// [`PixelCountError`] if there is no whole number of pictures.
    pub fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelCountError> {
        let size = self.config.image_size;
        if !pixels.len().is_multiple_of(size * size) {
            return Err(PixelCountError { found: pixels.len(), size });
        }
        let mut logits = vec![0.0; pixels.len() / (size * size) * self.config.classes];
        self.write_logits(pixels, &mut logits);
        Ok(logits)
    }

    /// The logits of pictures in a tensor, on the tensor's device.
    ///
    /// # Shapes
    /// - images: `[batch, 1, image_size, image_size]`, 0 is black and 1 is white
    /// - output: `[batch, classes]`
    ///
    /// # Panics
    /// If the pictures have another shape.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let (device, size) = (images.device(), self.config.image_size);
        let [batch, channels, height, width] = images.dims();
        assert_eq!(
            [channels, height, width],
            [1, size, size],
            "InferenceModel takes images of shape [batch, 1, {size}, {size}]"
        );
        let data = images.into_data().convert::<f32>();
        let pixels = data.as_slice::<f32>().expect("the data was converted to f32");
        let mut logits = vec![0.0; batch * self.config.classes];
        self.write_logits(pixels, &mut logits);
        Tensor::from_data(TensorData::new(logits, [batch, self.config.classes]), &device)
    }

    fn write_logits(&self, pixels: &[f32], logits: &mut [f32]) {
        let (picture, classes) = (self.config.image_size.pow(2), self.config.classes);
        let pictures = logits.len() / classes;
        // the pool of threads is not even asked about a single picture, because asking starts it
        let threads = if pictures > 1 { rayon::current_num_threads() } else { 1 };
        let group = pictures.div_ceil(threads).clamp(1, GROUP);
        if threads == 1 {
            let groups = pixels.chunks(group * picture).zip(logits.chunks_mut(group * classes));
            groups.for_each(|(pixels, logits)| self.write_group(pixels, logits));
        } else {
            let groups = pixels.par_chunks(group * picture).zip(logits.par_chunks_mut(group * classes));
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
