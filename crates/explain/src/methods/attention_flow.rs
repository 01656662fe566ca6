use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{AttentionCheck, AttentionFlowConfig, attention_flow};

use super::support::attention::{Concentration, check_warnings, shown_queries};
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::{FlowMap, Maps, saturation};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// From this share of saturated flows on, a flow map says little of its query.
const SATURATED: f64 = 0.5;

impl Registered for AttentionFlowConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "attention-flow",
        title: "Attention flow",
        meaning: Meaning {
            shows: "how much can flow from each token to the query through all layers, with attention weights as \
                    capacities",
            does_not_show: "one flow, since every pair of tokens is a maximum of its own, or anything about the class",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct FlowDiagnostics {
    checks: Vec<AttentionCheck>,
    saturated_fraction: f64,
    pooled: Concentration,
}

impl Diagnostics for FlowDiagnostics {
    fn sentences(&self) -> Vec<String> {
        vec![saturation(self.saturated_fraction)]
    }
}

impl Method for AttentionFlowConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let traced = at.attention()?;
        let flows = attention_flow(&traced.layers, None, self, &at.execution.cancellation)?;
        let pooled = traced.read_flows(&flows, at.explained.class)?;
        let mut warnings = check_warnings(traced);
        if flows.saturated_fraction > SATURATED {
            let share = 100.0 * flows.saturated_fraction;
            warnings.push(format!("{share:.0} % of the flows are at their bound and do not depend on the query"));
        }
        let diagnostics = FlowDiagnostics {
            checks: traced.checks.clone(),
            saturated_fraction: flows.saturated_fraction,
            pooled: Concentration::of(&pooled),
        };
        let queries = shown_queries(traced.grid)?;
        Ok(Explained {
            maps: Maps::Flow(FlowMap { grid: traced.grid, flows, pooled, queries }),
            diagnostics: Box::new(diagnostics),
            warnings,
            evidence: Vec::new(),
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
