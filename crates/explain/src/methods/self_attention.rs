use serde::{Deserialize, Serialize};
use tinylsa_xai::HeadFusion;

use super::support::attention::layer_maps;
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::AttentionView;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// The attention matrix of every layer, heads fused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfAttention {
    /// How heads become one.
    pub fusion: HeadFusion,
}

impl Registered for SelfAttention {
    const FACTS: MethodFacts = MethodFacts {
        name: "self-attention",
        title: "Self-attention",
        meaning: Meaning {
            shows: "how each layer mixes tokens, heads fused, exactly as it computes them",
            does_not_show: "which class the mixing speaks for, or what the layers after it make of it",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

impl Method for SelfAttention {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        layer_maps(at, self.fusion, AttentionView::Fused)
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
