//! The images, weights and results that we and our peers work on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tinylsa_data::{
    DataConfig, Dataset, DatasetName, ImageForm, Publication, Split, SyntheticConfig, synthetic_garments, to_unit,
};
use tinylsa_experiment::dataset::obtain;
use tinylsa_experiment::models::NetworkMetadata;
use tinylsa_kernels::cross_entropy;
use tinylsa_model::networks::{Network, NetworkKind};
use tinylsa_model::{
    Classifier, HostTensor, ModelConfig, Precision, State, gradients_of, model_to_safetensors, require_sound,
    state_from_safetensors, state_of, state_to_safetensors, values_of, with_state,
};
use tinylsa_random::{Draw, Purpose};
use tinylsa_train::{TrainConfig, smoothed_targets};

/// The garments that are drawn for networks that take such images.
const GARMENTS: SyntheticConfig = SyntheticConfig { train: 2048, test: 10, seed: 0 };
/// Images of noise for any other network.
const NOISE_IMAGES: usize = 512;
const NOISE: Purpose = Purpose::new("noise that a measured network is given");
/// The metadata key of the files with images.
const KEY: &str = "bench";

/// Which images a network is measured on. What they show changes no timing, so that images are drawn where none are named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MeasuredImages {
    /// Drawn garments where the network takes such images, noise elsewhere.
    Drawn,
    /// Images of a source.
    Of(Box<SourceImages>),
}

/// Images of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceImages {
    /// How they are read.
    pub data: DataConfig,
    /// Where their files are, instead of what `data` says.
    pub data_dir: Option<PathBuf>,
}

impl MeasuredImages {
    /// The training images for a network of this form, if they are drawn, or else those of the source.
    pub(crate) fn training(&self, drawn: ImageForm) -> Result<Dataset> {
        match self {
            Self::Of(images) => Ok(obtain(&images.data, images.data_dir.as_deref(), true, &Arc::default())?.train),
            Self::Drawn if drawn == Publication::FORM => Ok(synthetic_garments(&GARMENTS)?.train),
            Self::Drawn => Ok(noise(drawn)),
        }
    }
}

/// Images of noise with every class in turn.
fn noise(form: ImageForm) -> Dataset {
    let ImageForm { shape, classes } = form;
    let levels = |index: usize| {
        let mut image = vec![0; shape.values()];
        Draw { seed: 0, purpose: NOISE, epoch: 0, index: index as u64 }.generator().fill(image.as_mut_slice());
        image
    };
    Dataset {
        name: DatasetName::new("bench/noise"),
        split: Split::Train,
        shape,
        class_names: (0..classes).map(|class| class.to_string()).collect(),
        images: (0..NOISE_IMAGES).flat_map(levels).collect(),
        labels: (0..NOISE_IMAGES).map(|index| (index % classes) as u32).collect(),
        masks: None,
    }
}

/// A folder with all that a process which is measured has to read.
#[derive(Debug)]
pub(crate) struct SharedFiles {
    folder: TempDir,
}

/// The network whose results are compared: that of a file, or one of initial weights.
pub(crate) struct SharedModel {
    /// Its weights, on the device without automatic differentiation.
    pub(crate) model: Network,
    pub(crate) metadata: NetworkMetadata,
}

impl SharedFiles {
    /// Writes the model, the training's settings, and `count` images with our logits for them.
    ///
    /// # Errors
    /// If a file cannot be written, or there are no such images.
    pub(crate) fn write(model: &SharedModel, train: &TrainConfig, dataset: &Dataset, count: usize) -> Result<Self> {
        let files = Self { folder: tempfile::tempdir().context("failed to make a folder")? };
        files.put("model.safetensors", &model_to_safetensors(&model.model, &model.metadata, Precision::Single)?)?;
        files.put("training.json", &serde_json::to_vec_pretty(train)?)?;
        files.put("batch.safetensors", &batch(&model.model, train, dataset, count)?)?;
        Ok(files)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model.safetensors")
    }

    pub(crate) fn batch(&self) -> PathBuf {
        self.folder.path().join("batch.safetensors")
    }

    pub(crate) fn training(&self) -> PathBuf {
        self.folder.path().join("training.json")
    }
}

/// Initial weights, but with a scale of 1 where the initial one is 0: at the end of residual branches, where it would
/// make every gradient of the branch 0 and a comparison of them void.
///
/// # Errors
/// If a weight is missing, which cannot be.
pub(crate) fn with_open_branches(model: Network) -> Result<Network> {
    let mut state = state_of(&model);
    for (name, tensor) in &mut state {
        if name.rsplit('.').next() == Some("gamma") && tensor.values.iter().all(|&value| value == 0.0) {
            tensor.values.fill(1.0);
        }
    }
    Ok(with_state(model, &state)?)
}

/// The images that a batch file holds: `[count, channels, height, width]`.
pub(crate) fn read_batch(path: &Path) -> Result<HostTensor> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let (mut state, _) = state_from_safetensors(&bytes, KEY)?;
    state.remove("images").with_context(|| format!("{} holds no images", path.display()))
}

/// Images and labels, our logits in evaluation, and, of our own network, loss and gradients of one training step on all of
/// them. Of the others no peer has the weights.
fn batch(model: &Network, train: &TrainConfig, dataset: &Dataset, count: usize) -> Result<Vec<u8>> {
    let plain = Device::flex();
    let tracked = plain.clone().autodiff();
    let indices: Vec<usize> = (0..count).map(|index| index % dataset.len()).collect();
    let pixels: Vec<f32> = indices.iter().flat_map(|&index| to_unit(dataset.image(index))).collect();
    let labels: Vec<u32> = indices.iter().map(|&index| dataset.label(index)).collect();
    let shape = [count, dataset.shape.channels, dataset.shape.height, dataset.shape.width];
    let images = |device: &Device| Tensor::<4>::from_data(TensorData::new(pixels.clone(), shape), device);

    let logits = values_of(&model.forward(images(&plain)));
    let classes = model.config().classes();
    let mut state = State::new();
    if model.config().network_kind() == NetworkKind::TinyCnnLsa {
        let trained = with_state(model.config().init(&tracked)?, &state_of(model))?;
        let targets = TensorData::new(smoothed_targets(&labels, classes, train.label_smoothing), [count, classes]);
        let output = trained.forward_training(images(&tracked));
        let loss = cross_entropy(output.logits, Tensor::from_data(targets, &tracked));
        let gradients = gradients_of(&trained, &loss.backward());
        state.extend(gradients.into_iter().map(|(name, values)| (format!("gradient.{name}"), values)));
        state.insert("loss".to_owned(), HostTensor { shape: vec![1], values: values_of(&loss) });
    }
    let mut put = |name: &str, shape: &[usize], values: Vec<f32>| {
        state.insert(name.to_owned(), HostTensor { shape: shape.to_vec(), values });
    };
    put("images", &shape, pixels.clone());
    put("labels", &[count], labels.iter().map(|&label| label as f32).collect());
    put("logits", &[count, classes], logits);
    require_sound(&state).context("the network that is measured computes with no finite numbers")?;
    Ok(state_to_safetensors(&state, KEY, "batch".to_owned())?)
}
