use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tinylsa_model::values_of;
use tinylsa_xai::{AttentionCheck, gradient_rollout};

use super::support::attention::{Concentration, check_warnings, shown_queries};
use crate::budget::Budget;
use crate::error::{Context, Result};
use crate::maps::{Maps, NamedTensor, RolloutMaps};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// Rollout of attention weighted by the gradient of the class. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientRollout {}

impl Registered for GradientRollout {
    const FACTS: MethodFacts = MethodFacts {
        name: "gradient-rollout",
        title: "Gradient-weighted rollout",
        meaning: Meaning {
            shows: "rollout of the attention whose increase would raise the logit of the class",
            does_not_show: "contributions that add up to the logit, or what speaks against the class",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct GradientRolloutDiagnostics {
    checks: Vec<AttentionCheck>,
    pooled: Concentration,
}

impl Diagnostics for GradientRolloutDiagnostics {}

impl Method for GradientRollout {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let traced = at.attention()?;
        let source = at.model.attention().context("the model gives no attention")?;
        let gradients = source.gradients(at.image_pair(), at.explained)?;
        let gradients = gradients.context("the model gives no gradients of its attention")?;
        let on_host: Vec<Vec<f64>> =
            gradients.iter().map(|layer| values_of(layer).into_iter().map(f64::from).collect()).collect();
        let found = gradient_rollout(&traced.layers, &on_host, &at.execution.cancellation)?;
        let pooled = traced.read_rollout(&found, at.explained.class)?;
        let mut warnings = check_warnings(traced);
        if pooled.iter().all(|&value| value == 0.0) {
            warnings.push("no attention speaks for the class: the map is 0 everywhere".to_owned());
        }
        let named = |(layer, gradient): (usize, &Tensor<3>)| {
            NamedTensor::f32(format!("layer-{layer}/gradient"), gradient.dims().to_vec(), values_of(gradient))
        };
        let diagnostics =
            GradientRolloutDiagnostics { checks: traced.checks.clone(), pooled: Concentration::of(&pooled) };
        Ok(Explained {
            maps: Maps::Rollout(RolloutMaps {
                grid: traced.grid,
                pooled,
                matrix: found.matrix,
                queries: shown_queries(traced.grid)?,
                gradient_weighted: true,
            }),
            diagnostics: Box::new(diagnostics),
            warnings,
            evidence: gradients.iter().enumerate().map(named).collect(),
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
