use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{AttentionCheck, AttentionRolloutConfig, AttentionStatistics, attention_rollout};

use super::support::attention::{Concentration, MatrixStatistics, check_warnings, shown_queries};
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::{Maps, RolloutMaps};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

impl Registered for AttentionRolloutConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "attention-rollout",
        title: "Attention rollout",
        meaning: Meaning {
            shows: "what all layers together take from each token, if only attention and residual connections act",
            does_not_show: "what the class rests on: values and perceptrons are ignored, and the map is the same for all \
                            classes unless each reads the tokens by itself",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct RolloutDiagnostics {
    checks: Vec<AttentionCheck>,
    rollout: MatrixStatistics,
    pooled: Concentration,
}

impl Diagnostics for RolloutDiagnostics {}

impl Method for AttentionRolloutConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let traced = at.attention()?;
        let found = attention_rollout(&traced.layers, self, &at.execution.cancellation)?;
        let pooled = traced.read_rollout(&found, at.explained.class)?;
        let diagnostics = RolloutDiagnostics {
            checks: traced.checks.clone(),
            rollout: (&AttentionStatistics::of(&found.matrix)).into(),
            pooled: Concentration::of(&pooled),
        };
        Ok(Explained {
            maps: Maps::Rollout(RolloutMaps {
                grid: traced.grid,
                pooled,
                matrix: found.matrix,
                queries: shown_queries(traced.grid)?,
                gradient_weighted: false,
            }),
            diagnostics: Box::new(diagnostics),
            warnings: check_warnings(traced),
            evidence: Vec::new(),
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
