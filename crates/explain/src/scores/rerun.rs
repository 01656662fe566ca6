//! The scores that explain again: max-sensitivity and the randomisation of parameters.

use tinylsa_xai::{Execution, ExplainError, ExplainedScore, Image, max_sensitivity, parameter_randomisation};

use super::relevance::Relevance;
use crate::background::Background;
use crate::error::{Context, ExplanationError, Result};
use crate::explainable::{Explainable, RandomisedModel};
use crate::explainer::Explainer;
use crate::method::Method;
use crate::registry::MethodId;

/// Explains one class of one image again and again by a method with a smaller budget.
pub(super) struct Rerun<'a> {
    pub(super) explainer: &'a Explainer<'a>,
    /// The part of the background that the budget allows.
    pub(super) background: &'a Background,
    pub(super) image: &'a Image,
    pub(super) explained: ExplainedScore,
    pub(super) seed: u64,
}

impl Rerun<'_> {
    /// How much the map of a method changes with the image.
    pub(super) fn sensitivity(&self, method: MethodId) -> Result<Option<f64>> {
        let settings = self.budgeted(method);
        let explain = |image: &Image| {
            self.relevance(settings.as_ref(), self.explainer.model, image).map_err(|error| match error {
                ExplanationError::Method(error) => error,
                error => ExplainError::Device { what: "an explanation", reason: error.to_string() },
            })
        };
        let config = &self.explainer.config.scores.max_sensitivity;
        let execution = Execution { seed: self.seed, ..self.explainer.execution.clone() };
        Ok(max_sensitivity(self.image, config, &execution, explain)?)
    }

    /// How like the map of a method stays to itself while layers are initialised again.
    pub(super) fn randomisation(&self, method: MethodId, cascade: &[RandomisedModel]) -> Result<Vec<Option<f64>>> {
        let settings = self.budgeted(method);
        let trained = self.relevance(settings.as_ref(), self.explainer.model, self.image)?;
        let of_random = |random: &RandomisedModel| self.relevance(settings.as_ref(), random.model.as_ref(), self.image);
        let maps = cascade.iter().map(of_random).collect::<Result<Vec<_>>>()?;
        Ok(parameter_randomisation(&trained, maps.len(), |depth| Ok(maps[depth - 1].clone()))?)
    }

    fn budgeted(&self, method: MethodId) -> Box<dyn Method> {
        let config = self.explainer.config;
        config.method(method).budgeted(&config.scores.rerun.budget())
    }

    /// The map of a method on an image, on the pixels.
    fn relevance(&self, method: &dyn Method, model: &dyn Explainable, image: &Image) -> Result<Vec<f32>> {
        let explainer = Explainer { model, background: self.background, ..self.explainer.clone() };
        let explained =
            method.explain(&explainer.context(&explainer.config.shared, image, self.explained, self.seed))?;
        let found = Relevance::of(&explained.maps, image.shape());
        Ok(found.with_context(|| format!("{} gives no map over the pixels", method.facts().name))?.map)
    }
}
