//! What a model gives to those who explain it.

use std::fmt::Debug;

use burn::tensor::{Device, Tensor};
use tinylsa_xai::{AttentionCheck, ExplainError, ExplainedScore, FlowMaps, LayerAttention, Rollout, TokenGrid};

use crate::error::Result;
use crate::maps::NamedTensor;

/// A model that can be explained. Images are `[batch, channels, height, width]`, scores `[batch, classes]`; logits are
/// the usual scores. The model is in evaluation mode.
///
/// Only [`Explainable::scores`] is required. Attention, feature maps, what tokens say for the classes, and copies of the model
/// with layers initialised again, are optional: methods and scores that need them are refused or left out without.
pub trait Explainable: Debug {
    /// The scores of images on a plain device.
    fn scores(&self, images: Tensor<4>) -> Tensor<2>;

    /// The same scores, computed so that they can be differentiated with respect to images that are tracked. A model that
    /// has a faster form for scores alone overrides this.
    fn differentiable_scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.scores(images)
    }

    /// The attention of the model, if it has any.
    fn attention(&self) -> Option<&dyn AttentionSource> {
        None
    }

    /// The model cut in two behind its last feature maps, if it can be.
    fn feature_maps(&self) -> Option<&dyn FeatureMaps> {
        None
    }

    /// What each token says for each class, if the model's scores are sums over its last tokens.
    fn token_evidence(&self) -> Option<&dyn EvidenceSource> {
        None
    }

    /// Copies of the model with its top 1, 2, … layers initialised again, the last copy with all of them; none if the
    /// model cannot be initialised again. Random draws are named by `seed`.
    ///
    /// # Errors
    /// If the weights cannot be replaced.
    fn randomised(&self, _seed: u64, _device: &Device) -> Result<Vec<RandomisedModel>> {
        Ok(Vec::new())
    }
}

/// A model cut in two behind its last feature maps: `scores_from(features(images))` are its scores.
pub trait FeatureMaps: Debug {
    /// Images `[batch, channels, height, width]` to feature maps `[batch, maps, rows, columns]`.
    fn features(&self, images: Tensor<4>) -> Tensor<4>;

    /// Feature maps to scores `[batch, classes]`, differentiable with respect to the maps.
    fn scores_from(&self, maps: Tensor<4>) -> Tensor<2>;
}

/// A model some of whose layers were initialised again.
#[derive(Debug)]
pub struct RandomisedModel {
    /// Which layers, such as "head to blocks.0".
    pub layers: String,
    /// The model.
    pub model: Box<dyn Explainable>,
}

/// What a reader of attention maps must know of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttentionFacts {
    /// What changes the tokens beside the attention and is in none of its maps, such as "a gate".
    pub beside: Vec<String>,
    /// Whether each class reads the tokens of the last layer by weights of its own, so that what all layers together take
    /// from the image depends on the class.
    pub reads_by_class: bool,
}

/// The attention of a model.
pub trait AttentionSource: Debug {
    /// What a reader of its maps must know.
    fn facts(&self) -> AttentionFacts {
        AttentionFacts::default()
    }

    /// The attention of every layer on the first of the images.
    ///
    /// # Errors
    /// If the matrices are none of attention, or the device fails.
    fn trace(&self, images: Tensor<4>) -> Result<ImageAttention, ExplainError>;

    /// The gradient of the first image's `explained` score with respect to the attention of every layer, the first layer
    /// first, each `[heads, tokens, tokens]`; nothing if the model does not give gradients of its attention.
    ///
    /// # Errors
    /// If the score does not depend on the attention, a gradient is not finite, or the device fails.
    fn gradients(
        &self,
        _images: Tensor<4>,
        _explained: ExplainedScore,
    ) -> Result<Option<Vec<Tensor<3>>>, ExplainError> {
        Ok(None)
    }
}

/// A model whose scores are sums over its last tokens: `score_c = b_c + Σ_j E_cj`.
pub trait EvidenceSource: Debug {
    /// What each token says for each class of the first of the images.
    ///
    /// # Errors
    /// If a number is not finite, or the device fails.
    fn evidence(&self, images: Tensor<4>) -> Result<TokenEvidence, ExplainError>;
}

/// What each token of an image says for each class.
#[derive(Clone, Debug)]
pub struct TokenEvidence {
    /// Where the tokens lie on the image; no prefix tokens.
    pub grid: TokenGrid,
    /// `E_cj`, a row of as many values as there are tokens for each class.
    pub evidence: Vec<Vec<f64>>,
    /// How much each class counts each token, at least 0 and rows that sum to 1.
    pub attention: Vec<Vec<f64>>,
    /// `b_c`.
    pub biases: Vec<f64>,
    /// The scores.
    pub scores: Vec<f64>,
}

/// The attention of every layer on one image.
#[derive(Clone, Debug)]
pub struct ImageAttention {
    /// Where the tokens lie on the image.
    pub grid: TokenGrid,
    /// The matrices, the first layer first.
    pub layers: Vec<LayerAttention>,
    /// How well the matrices account for what each layer computed; empty if that was not compared.
    pub checks: Vec<AttentionCheck>,
    /// How much each class counts each token behind the last layer, a row of weights for each class; empty if a head reads
    /// the class token, or the mean of the tokens.
    pub readout: Vec<Vec<f64>>,
    /// What another library needs to compute the matrices again.
    pub evidence: Vec<NamedTensor>,
}

impl ImageAttention {
    /// The map of a rollout that the head reads for a class.
    pub(crate) fn read_rollout(&self, rollout: &Rollout, class: usize) -> Result<Vec<f64>, ExplainError> {
        match self.readout.get(class) {
            Some(weights) => rollout.weighted(weights, self.grid),
            None => rollout.pooled(self.grid),
        }
    }

    /// The map of flows that the head reads for a class.
    pub(crate) fn read_flows(&self, flows: &FlowMaps, class: usize) -> Result<Vec<f64>, ExplainError> {
        match self.readout.get(class) {
            Some(weights) => flows.weighted(weights, self.grid),
            None => flows.pooled(self.grid),
        }
    }
}

/// Any function from images to scores. It gives scores and gradients, no attention.
///
/// ```
/// use burn::tensor::Tensor;
/// use tinylsa_explain::{Explainable, FromFunction};
///
/// let model = FromFunction(|images: Tensor<4>| images.flatten::<2>(1, 3).mean_dim(1));
/// assert_eq!(model.scores(Tensor::ones([2, 1, 4, 4], &Default::default())).dims(), [2, 1]);
/// ```
pub struct FromFunction<F>(pub F);

impl<F> Debug for FromFunction<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a function from images to scores")
    }
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> Explainable for FromFunction<F> {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.0(images)
    }
}
