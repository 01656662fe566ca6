//! What methods ask of a model, and what a model gives.

use crate::explainable::Explainable;

/// What a method asks of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Scores alone.
    Scores,
    /// Scores that can be differentiated with respect to the image.
    Gradients,
    /// The attention of the layers.
    Attention,
    /// The last feature maps, and the scores as a function of them.
    FeatureMaps,
    /// What each token says for each class.
    TokenEvidence,
}

impl Needs {
    /// In the words of an error.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Scores => "scores",
            Self::Gradients => "differentiable scores",
            Self::Attention => "attention",
            Self::FeatureMaps => "feature maps",
            Self::TokenEvidence => "scores that are sums over tokens",
        }
    }
}

/// What a model gives beside its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Its attention.
    pub attention: bool,
    /// Its last feature maps, and its scores as a function of them.
    pub feature_maps: bool,
    /// What each token says for each class.
    pub token_evidence: bool,
}

impl Given {
    /// What this model gives.
    pub fn by(model: &dyn Explainable) -> Self {
        Self {
            attention: model.attention().is_some(),
            feature_maps: model.feature_maps().is_some(),
            token_evidence: model.token_evidence().is_some(),
        }
    }

    /// Whether that is what a method needs.
    pub fn serves(self, needs: Needs) -> bool {
        match needs {
            Needs::Scores | Needs::Gradients => true,
            Needs::Attention => self.attention,
            Needs::FeatureMaps => self.feature_maps,
            Needs::TokenEvidence => self.token_evidence,
        }
    }
}
