//! The scores that explain again: max-sensitivity and the randomisation of parameters.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tinylsa_model::{State, TinyCnnLsa, state_of, with_state};
use tinylsa_settings::{InvalidSetting, require_within};
use tinylsa_xai::{
    ExactShapleyConfig, ExpectedGradientsConfig, ExplainError, IntegratedGradientsConfig, KernelShapConfig, LimeConfig,
    PermutationShapConfig, Picture, SmoothGradConfig, max_sensitivity, parameter_randomisation,
};

use super::relevance::Relevance;
use crate::config::ExplainConfig;
use crate::explainer::{ExplainedNetwork, Explainer, Question};
use crate::{BackgroundConfig, Method};

/// The budgets with which methods run that are run again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RerunConfig {
    /// Methods that are left out.
    pub skip: Vec<Method>,
    /// Gradients of Integrated Gradients, without refinement.
    pub steps: usize,
    /// Pictures of the background of expected gradients, two gradients each.
    pub background: usize,
    /// Samples of `SmoothGrad`.
    pub noisy: usize,
    /// Coalitions of `KernelSHAP` and of LIME.
    pub coalitions: usize,
    /// Permutations of permutation SHAP.
    pub permutations: usize,
}

impl Default for RerunConfig {
    /// About a tenth of the budgets of the explanations; exact Shapley values have no smaller budget and are left out.
    fn default() -> Self {
        let skip = vec![Method::ExactShapley];
        Self { skip, steps: 32, background: 10, noisy: 16, coalitions: 200, permutations: 8 }
    }
}

impl RerunConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("steps", self.steps, 2..=1 << 20)?;
        require_within("background", self.background, 1..=10_000)?;
        require_within("noisy", self.noisy, 2..=1 << 20)?;
        require_within("coalitions", self.coalitions, 4..=10_000_000)?;
        require_within("permutations", self.permutations, 1..=1_000_000)
    }

    /// The settings of the methods with these budgets.
    pub(super) fn budgeted(&self, config: &ExplainConfig) -> ExplainConfig {
        let integrated = config.integrated_gradients.clone().unwrap_or_default();
        let lime = config.lime.clone().unwrap_or_default();
        ExplainConfig {
            integrated_gradients: Some(IntegratedGradientsConfig {
                steps: self.steps,
                maximum_steps: self.steps,
                tolerance: f64::INFINITY,
                ..integrated
            }),
            expected_gradients: Some(ExpectedGradientsConfig { strata: 1 }),
            background: BackgroundConfig { pictures: self.background },
            smooth_grad: Some(SmoothGradConfig {
                samples: self.noisy,
                ..config.smooth_grad.clone().unwrap_or_default()
            }),
            kernel_shap: Some(KernelShapConfig { evaluations: Some(self.coalitions) }),
            permutation_shap: Some(PermutationShapConfig { permutations: self.permutations }),
            exact_shapley: Some(ExactShapleyConfig { limit: 20 }),
            lime: Some(LimeConfig { samples: self.coalitions, folds: lime.folds.min(self.coalitions), ..lime }),
            ..config.clone()
        }
    }
}

/// The map of a method on a picture, on the pixels.
fn relevance(explainer: &Explainer<'_>, method: Method, question: Question<'_>) -> Result<Vec<f32>> {
    let explained = explainer.explain(method, question)?;
    let found = Relevance::of(method, &explained.maps, question.picture.shape());
    Ok(found.with_context(|| format!("{method} gives no map over the pixels"))?.map)
}

/// How much the map of a method changes with the picture.
pub(super) fn sensitivity(explainer: &Explainer<'_>, method: Method, question: Question<'_>) -> Result<Option<f64>> {
    let execution = explainer.execution(question.seed);
    let config = &explainer.config.scores.max_sensitivity;
    let explain = |picture: &Picture| {
        relevance(explainer, method, Question { picture, ..question }).map_err(|error| {
            error
                .downcast::<ExplainError>()
                .unwrap_or_else(|error| ExplainError::Device { what: "an explanation", reason: format!("{error:#}") })
        })
    };
    Ok(max_sensitivity(question.picture, config, &execution, explain)?)
}

/// A network some of whose layers were initialised again.
pub(super) struct Randomised {
    /// Such as "head to blocks.0".
    pub(super) layers: String,
    pub(super) model: ExplainedNetwork,
}

/// The network with its top 1, 2, … layers initialised again, the last one with all of them.
///
/// # Errors
/// If the state does not fit, which it does.
pub(super) fn randomised(explainer: &Explainer<'_>, seed: u64) -> Result<Vec<Randomised>> {
    let model = &explainer.model.network;
    let fresh = model.config().init(&explainer.execution.device)?.with_initial_weights(seed);
    let fresh: State = state_of(&fresh);
    let mut state = state_of(model);
    let layers = layers(model);
    let count = layers.len();
    let mut cascade = Vec::with_capacity(count);
    for (depth, (name, prefixes)) in layers.into_iter().enumerate() {
        for (tensor, value) in &mut state {
            if prefixes.iter().any(|prefix| tensor.starts_with(prefix.as_str())) {
                value.clone_from(fresh.get(tensor).context("a network without one of its tensors")?);
            }
        }
        let layers = match depth {
            0 => name,
            _ if depth + 1 == count => "all layers".to_owned(),
            _ => format!("head to {name}"),
        };
        cascade.push(Randomised { layers, model: with_state(model.clone(), &state)?.into() });
    }
    Ok(cascade)
}

/// The layers from the logits down, and how the names of their tensors begin.
fn layers(model: &TinyCnnLsa) -> Vec<(String, Vec<String>)> {
    let config = model.config();
    let mut layers = vec![("head".to_owned(), vec!["head.".to_owned(), "norm.".to_owned()])];
    layers.extend((0..config.attention.blocks).rev().map(|block| {
        let name = format!("blocks.{block}");
        let prefix = format!("{name}.");
        (name, if block == 0 { vec![prefix, "positions".to_owned()] } else { vec![prefix] })
    }));
    layers.extend((0..config.stages.len()).rev().map(|stage| {
        let name = format!("stages.{stage}");
        let prefix = format!("{name}.");
        (name, vec![prefix])
    }));
    layers
}

/// How like the map of a method stays to itself while layers are initialised again.
pub(super) fn randomisation(
    explainer: &Explainer<'_>,
    cascade: &[Randomised],
    method: Method,
    question: Question<'_>,
) -> Result<Vec<Option<f64>>> {
    let trained = relevance(explainer, method, question)?;
    let of_random = |randomised: &Randomised| {
        relevance(&Explainer { model: &randomised.model, ..explainer.clone() }, method, question)
    };
    let maps = cascade.iter().map(of_random).collect::<Result<Vec<_>>>()?;
    Ok(parameter_randomisation(&trained, maps.len(), |depth| Ok(maps[depth - 1].clone()))?)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use tinylsa_model::TinyCnnLsaConfig;

    use super::*;

    #[test]
    fn every_tensor_belongs_to_one_layer() {
        let model = TinyCnnLsaConfig::default().init(&Device::flex()).unwrap();
        let layers = layers(&model);
        for tensor in state_of(&model).keys() {
            let holds = |prefixes: &Vec<String>| prefixes.iter().any(|prefix| tensor.starts_with(prefix.as_str()));
            assert_eq!(layers.iter().filter(|(_, prefixes)| holds(prefixes)).count(), 1, "{tensor}");
        }
        let names: Vec<&str> = layers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["head", "blocks.1", "blocks.0", "stages.2", "stages.1", "stages.0"]);
    }
}
