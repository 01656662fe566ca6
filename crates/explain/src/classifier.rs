//! Any classifier as a model that can be explained.

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_model::{Classifier, ModelConfig, state_of, with_owned_state};
use tinylsa_xai::{
    AttentionTap, Execution, ExplainError, ExplainedScore, Image, LayerAttention, Target, TokenGrid, TracedAttention,
    trace_attention,
};

use crate::cascade::cascade;
use crate::error::Result;
use crate::explainable::{AttentionFacts, AttentionSource, Explainable, FeatureMaps, ImageAttention, RandomisedModel};

/// A forward pass from images to logits in which every attention layer hands its matrices to
/// [`AttentionTap::record`] and goes on with what that returns.
pub type TappedForward<M> = fn(&M, Tensor<4>, &mut AttentionTap) -> Tensor<2>;

/// Any [`Classifier`] as a model that can be explained: its logits, their gradients, and copies of it whose layers are
/// initialised again from the top, for the randomisation of parameters.
///
/// What a network has besides is added by the parts of its own forward pass: attention by
/// [`ExplainedClassifier::with_attention`], feature maps by [`ExplainedClassifier::with_feature_maps`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tinylsa_explain::{Explainable, ExplainedClassifier};
/// use tinylsa_model::{TinyCnnLsa, TinyCnnLsaConfig};
///
/// let model: TinyCnnLsa = TinyCnnLsaConfig::default().init(&Device::flex())?;
/// let explained = ExplainedClassifier::new(&model)
///     .with_feature_maps(TinyCnnLsa::feature_map, TinyCnnLsa::forward_from_features);
/// assert!(explained.feature_maps().is_some() && explained.attention().is_none());
/// assert_eq!(explained.scores(Tensor::zeros([2, 1, 28, 28], &Device::flex())).dims(), [2, 10]);
/// # Ok::<(), tinylsa_model::InvalidSetting>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExplainedClassifier<M> {
    model: M,
    attention: Option<TappedClassifier<M>>,
    feature_maps: Option<CutClassifier<M>>,
}

/// A classifier whose forward pass gives its attention.
#[derive(Clone, Debug)]
struct TappedClassifier<M> {
    model: M,
    grid: TokenGrid,
    forward: TappedForward<M>,
    /// What changes the tokens beside the attention.
    beside: &'static [&'static str],
}

/// A classifier cut in two behind its last feature maps.
#[derive(Clone, Debug)]
struct CutClassifier<M> {
    model: M,
    features: fn(&M, Tensor<4>) -> Tensor<4>,
    scores: fn(&M, Tensor<4>) -> Tensor<2>,
}

impl<M: Classifier> ExplainedClassifier<M> {
    /// Takes a copy of the network in evaluation, on a device without automatic differentiation.
    pub fn new(model: &M) -> Self {
        Self { model: model.valid(), attention: None, feature_maps: None }
    }

    /// The network, in evaluation.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The same with the attention of every layer: `forward` computes the logits of [`Classifier::forward`] and hands
    /// the matrices over on the way. `grid` says where the tokens lie on the image.
    #[must_use]
    pub fn with_attention(self, grid: TokenGrid, forward: TappedForward<M>) -> Self {
        let attention = Some(TappedClassifier { model: self.model.clone(), grid, forward, beside: &[] });
        Self { attention, ..self }
    }

    /// The same, with what changes the tokens beside the attention and is in none of its maps, such as "a perceptron on each
    /// token". Readers of the maps are told.
    #[must_use]
    pub fn with_beside(mut self, beside: &'static [&'static str]) -> Self {
        if let Some(tapped) = &mut self.attention {
            tapped.beside = beside;
        }
        self
    }

    /// The same cut in two behind its last feature maps: `features` computes the maps `[batch, maps, rows, columns]` of
    /// images and `scores` the logits of maps, so that one after the other is [`Classifier::forward`].
    #[must_use]
    pub fn with_feature_maps(
        self,
        features: fn(&M, Tensor<4>) -> Tensor<4>,
        scores: fn(&M, Tensor<4>) -> Tensor<2>,
    ) -> Self {
        let feature_maps = Some(CutClassifier { model: self.model.clone(), features, scores });
        Self { feature_maps, ..self }
    }

    /// The same parts of another network of the kind.
    fn like(&self, model: M) -> Self {
        let attention = self.attention.as_ref().map(|tapped| TappedClassifier { model: model.clone(), ..*tapped });
        let feature_maps = self.feature_maps.as_ref().map(|cut| CutClassifier { model: model.clone(), ..*cut });
        Self { model, attention, feature_maps }
    }
}

impl<M: Classifier> Explainable for ExplainedClassifier<M> {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.model.forward(images)
    }

    fn attention(&self) -> Option<&dyn AttentionSource> {
        self.attention.as_ref().map(|tapped| tapped as &dyn AttentionSource)
    }

    fn feature_maps(&self) -> Option<&dyn FeatureMaps> {
        self.feature_maps.as_ref().map(|cut| cut as &dyn FeatureMaps)
    }

    fn randomised(&self, seed: u64, device: &Device) -> Result<Vec<RandomisedModel>> {
        let fresh = state_of(&self.model.config().init_with_seed(seed, device)?);
        let mut layers = self.model.layers();
        layers.reverse();
        cascade(state_of(&self.model), &fresh, &layers, |state| {
            Ok(Box::new(self.like(with_owned_state(self.model.clone(), state)?)))
        })
    }
}

impl<M: Classifier> FeatureMaps for CutClassifier<M> {
    fn features(&self, images: Tensor<4>) -> Tensor<4> {
        (self.features)(&self.model, images)
    }

    fn scores_from(&self, maps: Tensor<4>) -> Tensor<2> {
        (self.scores)(&self.model, maps)
    }
}

impl<M: Classifier> TappedClassifier<M> {
    fn traced(&self, images: &Tensor<4>, target: Target) -> Result<TracedAttention, ExplainError> {
        let image = Image::from_tensor(images.clone().narrow(0, 0, 1).squeeze_dim(0))?;
        let execution = Execution { device: images.device(), ..Execution::default() };
        let forward = |images: Tensor<4>, tap: &mut AttentionTap| (self.forward)(&self.model, images, tap);
        trace_attention(&forward, &image, target, &execution)
    }
}

impl<M: Classifier> AttentionSource for TappedClassifier<M> {
    fn facts(&self) -> AttentionFacts {
        let beside = self.beside.iter().map(|&part| part.to_owned()).collect();
        AttentionFacts { beside, ..AttentionFacts::default() }
    }

    fn trace(&self, images: Tensor<4>) -> Result<ImageAttention, ExplainError> {
        let layers = self.traced(&images, Target::Predicted)?.layers;
        Ok(ImageAttention { grid: self.grid, layers, checks: Vec::new(), readout: Vec::new(), evidence: Vec::new() })
    }

    fn gradients(&self, images: Tensor<4>, explained: ExplainedScore) -> Result<Option<Vec<Tensor<3>>>, ExplainError> {
        let traced = self.traced(&images, explained.into())?;
        let gradient = |(layer, values): (&LayerAttention, Vec<f64>)| {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            let shape = [layer.heads(), layer.tokens(), layer.tokens()];
            Tensor::from_data(TensorData::new(values, shape), &images.device())
        };
        Ok(Some(traced.layers.iter().zip(traced.gradients).map(gradient).collect()))
    }
}
