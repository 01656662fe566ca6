use burn::tensor::Device;

use crate::file::{LoadedModel, ModelFile, ModelFileError};
use crate::inference::{InferenceModel, LoadedInferenceModel};
use crate::network::TinyCnnLsa;

const WEIGHTS: &[u8] = include_bytes!("../weights/tinycnn-lsa.safetensors");

impl TinyCnnLsa {
    /// The network with the weights that this crate ships, trained on Fashion-MNIST, and the temperature that
    /// calibrates it. `docs/model-card.md` says how they came about and what they are worth.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tinylsa_model::TinyCnnLsa;
    ///
    /// let device = Device::flex();
    /// let pretrained = TinyCnnLsa::pretrained(&device)?;
    /// let logits = pretrained.model.forward(Tensor::<4>::zeros([1, 1, 28, 28], &device));
    /// assert_eq!(logits.dims(), [1, pretrained.metadata.class_names.len()]);
    /// # Ok::<(), tinylsa_model::ModelFileError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelFileError`] if the crate was built with a file that does not fit this version of the network.
    pub fn pretrained(device: &Device) -> Result<LoadedModel, ModelFileError> {
        Self::from_safetensors(WEIGHTS, device)
    }
}

impl InferenceModel {
    /// The folded form of [`TinyCnnLsa::pretrained`].
    ///
    /// ```
    /// use tinylsa_model::InferenceModel;
    ///
    /// let pixels = vec![0.0; 28 * 28];
    /// let classified = InferenceModel::pretrained()?.classify(&pixels)?;
    /// let best = classified[0].best();
    /// assert!(best.probability > 0.1 && !best.name.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelFileError`] if the crate was built with a file that does not fit this version of the network.
    pub fn pretrained() -> Result<LoadedInferenceModel, ModelFileError> {
        Self::from_safetensors(WEIGHTS)
    }
}
