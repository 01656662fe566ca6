//! Weights that torchvision trained: the names and layouts of its tensors, and a network's state from them.

use std::collections::BTreeMap;

use burn::tensor::Device;
use thiserror::Error;

use crate::classifier::ModelConfig;
use crate::file::{ModelFileError, floats_from_safetensors};
use crate::init_error::InitError;
use crate::state::{HostTensor, State, StateError, state_of, with_owned_state};

/// The config of a network that torchvision has, too.
///
/// ```no_run
/// use burn::tensor::Device;
/// use tinylsa_model::networks::{ResNetConfig, TorchvisionConfig};
///
/// // written in Python by `safetensors.torch.save_file(resnet50(weights="DEFAULT").state_dict(), "resnet50.safetensors")`
/// let bytes = std::fs::read("resnet50.safetensors")?;
/// let model = ResNetConfig::resnet50().load_torchvision(&bytes, &Device::flex())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TorchvisionConfig: ModelConfig {
    /// The names of the tensors in torchvision.
    fn torchvision(&self) -> Torchvision;

    /// The network with the weights of torchvision's `state_dict`, as the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`TorchvisionError`] if the config is invalid, or names the first tensor that does not fit.
    fn load_torchvision(&self, bytes: &[u8], device: &Device) -> Result<Self::Model, TorchvisionError> {
        let model = self.init_for_loading(device)?;
        let state = self.torchvision().state(&floats_from_safetensors(bytes)?, &state_of(&model))?;
        Ok(with_owned_state(model, state)?)
    }
}

/// The tensors of a network and those of its model in torchvision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Torchvision {
    /// In the order of the forward pass.
    pub tensors: Vec<TorchvisionTensor>,
}

/// A tensor here and there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorchvisionTensor {
    /// Its path in the network here.
    pub name: String,
    /// Its key in the `state_dict` of torchvision's model.
    pub key: String,
    /// Whether rows and columns change places: a linear layer here is `x · W`, there `x · Wᵀ`.
    pub transposed: bool,
}

/// A `state_dict` that is not one of the network's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TorchvisionError {
    /// The bytes are no file of floating-point tensors.
    #[error(transparent)]
    File(#[from] ModelFileError),
    /// The config is invalid.
    #[error(transparent)]
    Config(#[from] InitError),
    /// The names cover another network than the config's.
    #[error(transparent)]
    State(#[from] StateError),
    /// A tensor that the network needs is not there.
    #[error("the tensor {key}, the network's {name}, is missing; the network expects {expected:?}")]
    Missing {
        /// Its key in the `state_dict`.
        key: String,
        /// Its path in the network.
        name: String,
        /// The shape that it should have.
        expected: Vec<usize>,
    },
    /// A tensor that the network has no place for.
    #[error("the tensor {key} of shape {found:?} belongs to no part of the network")]
    Unexpected {
        /// Its key in the `state_dict`.
        key: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor of another size.
    #[error("the tensor {key}, the network's {name}, has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Its key in the `state_dict`.
        key: String,
        /// Its path in the network.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that it should have.
        expected: Vec<usize>,
    },
}

impl Torchvision {
    /// The network's state from a `state_dict`, whose tensors are those of `own`, the state of a network of the config.
    ///
    /// # Errors
    /// [`TorchvisionError`] names the first tensor that is missing, of another shape, or of no use.
    pub fn state(&self, state_dict: &State, own: &State) -> Result<State, TorchvisionError> {
        let mut rest: BTreeMap<&str, &HostTensor> =
            state_dict.iter().map(|(key, tensor)| (key.as_str(), tensor)).collect();
        let mut state = State::new();
        for TorchvisionTensor { name, key, transposed } in &self.tensors {
            let there = |shape: &[usize]| -> Vec<usize> {
                if *transposed { shape.iter().rev().copied().collect() } else { shape.to_vec() }
            };
            let expected = there(&own.get(name).map(|tensor| tensor.shape.clone()).unwrap_or_default());
            let Some(tensor) = rest.remove(key.as_str()) else {
                return Err(TorchvisionError::Missing { key: key.clone(), name: name.clone(), expected });
            };
            if tensor.shape != expected {
                let (key, name, found) = (key.clone(), name.clone(), tensor.shape.clone());
                return Err(TorchvisionError::Shape { key, name, found, expected });
            }
            state.insert(name.clone(), if *transposed { turned(tensor) } else { tensor.clone() });
        }
        match rest.pop_first() {
            Some((key, tensor)) => {
                Err(TorchvisionError::Unexpected { key: key.to_owned(), found: tensor.shape.clone() })
            }
            None => Ok(state),
        }
    }

    /// A tensor that is the same here and there.
    pub(super) fn tensor(&mut self, name: &str, key: &str) {
        self.tensors.push(TorchvisionTensor { name: name.to_owned(), key: key.to_owned(), transposed: false });
    }

    /// The kernels of a convolution without a bias.
    pub(super) fn kernels(&mut self, name: &str, key: &str) {
        self.tensor(&format!("{name}.weight"), &format!("{key}.weight"));
    }

    /// A convolution with a bias.
    pub(super) fn convolution(&mut self, name: &str, key: &str) {
        self.kernels(name, key);
        self.tensor(&format!("{name}.bias"), &format!("{key}.bias"));
    }

    /// A linear layer with a bias.
    pub(super) fn linear(&mut self, name: &str, key: &str) {
        self.matrix(&format!("{name}.weight"), &format!("{key}.weight"));
        self.tensor(&format!("{name}.bias"), &format!("{key}.bias"));
    }

    /// The matrix of a linear layer.
    pub(super) fn matrix(&mut self, name: &str, key: &str) {
        self.tensors.push(TorchvisionTensor { name: name.to_owned(), key: key.to_owned(), transposed: true });
    }

    /// Scale and shift of a layer normalisation.
    pub(super) fn layer_norm(&mut self, name: &str, key: &str) {
        self.tensor(&format!("{name}.gamma"), &format!("{key}.weight"));
        self.tensor(&format!("{name}.beta"), &format!("{key}.bias"));
    }

    /// A batch normalisation.
    pub(super) fn batch_norm(&mut self, name: &str, key: &str) {
        self.layer_norm(name, key);
        self.tensor(&format!("{name}.running_mean"), &format!("{key}.running_mean"));
        self.tensor(&format!("{name}.running_variance"), &format!("{key}.running_var"));
    }

    /// A convolution without a bias and the batch normalisation behind it.
    pub(super) fn normed_convolution(&mut self, name: &str, [convolution, norm]: [&str; 2]) {
        self.kernels(&format!("{name}.convolution"), convolution);
        self.batch_norm(&format!("{name}.norm"), norm);
    }
}

/// A matrix with rows and columns exchanged.
fn turned(tensor: &HostTensor) -> HostTensor {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
    let mut values = Vec::with_capacity(tensor.values.len());
    for column in 0..columns {
        values.extend((0..rows).map(|row| tensor.values[row * columns + column]));
    }
    HostTensor { shape: vec![columns, rows], values }
}
