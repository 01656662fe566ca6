//! The scores that explain again: max-sensitivity and the randomisation of parameters.

use tinylsa_xai::{
    Execution, ExplainError, ExplainedScore, Image, Randomised, lit_pixels, max_sensitivity, parameter_randomisation,
};

use super::relevance::Relevance;
use crate::background::Background;
use crate::error::{Context, ExplanationError, Result};
use crate::explainable::{Explainable, RandomisedModel};
use crate::explainer::Explainer;
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

/// How a map over the pixels is made of an image for a model.
pub(super) type MapOf<'a> = dyn Fn(&dyn Explainable, &Image) -> Result<Vec<f32>> + 'a;

impl Rerun<'_> {
    /// How much a map changes with the image.
    pub(super) fn sensitivity(&self, map_of: &MapOf<'_>) -> Result<Option<f64>> {
        let explain = |image: &Image| {
            map_of(self.explainer.model, image).map_err(|error| match error {
                ExplanationError::Method(error) => error,
                error => ExplainError::Device { what: "an explanation", reason: error.to_string() },
            })
        };
        let config = &self.explainer.config.scores.max_sensitivity;
        let execution = Execution { seed: self.seed, ..self.explainer.execution.clone() };
        Ok(max_sensitivity(self.image, config, &execution, explain)?)
    }

    /// How like a map stays to itself while layers are initialised again.
    pub(super) fn randomisation(&self, map_of: &MapOf<'_>, cascade: &[RandomisedModel]) -> Result<Vec<Randomised>> {
        let trained = map_of(self.explainer.model, self.image)?;
        let of_random = |random: &RandomisedModel| map_of(random.model.as_ref(), self.image);
        let maps = cascade.iter().map(of_random).collect::<Result<Vec<_>>>()?;
        let lit = lit_pixels(self.image, &self.explainer.config.shared.fill.black)?;
        Ok(parameter_randomisation(&trained, &lit, maps.len(), |depth| Ok(maps[depth - 1].clone()))?)
    }

    /// The map of a method with a smaller budget.
    pub(super) fn method(&self, method: MethodId) -> Box<MapOf<'_>> {
        let config = self.explainer.config;
        let settings = config.method(method).budgeted(&config.scores.rerun.budget());
        Box::new(move |model, image| {
            let explainer = Explainer { model, background: self.background, ..self.explainer.clone() };
            let explained = settings.explain(&explainer.context(&config.shared, image, self.explained, self.seed))?;
            let found = Relevance::of(&explained.maps, image.shape());
            Ok(found.with_context(|| format!("{method} gives no map over the pixels"))?.map)
        })
    }
}
