use serde::{Deserialize, Serialize};
use tinylsa_xai::HeadFusion;

use super::support::attention::layer_maps;
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::AttentionView;
use crate::method::{Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// The attention matrix of every head of every layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiHeadAttention {
    /// How heads become one, for the map beside those of the heads.
    pub fusion: HeadFusion,
}

impl Registered for MultiHeadAttention {
    const FACTS: MethodFacts = MethodFacts {
        name: "multi-head-attention",
        title: "Multi-head attention",
        meaning: Meaning {
            shows: "how each head of each layer mixes tokens",
            does_not_show: "which heads the prediction depends on; one head that looks sensible proves nothing",
        },
        needs: Needs::Attention,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

impl Method for MultiHeadAttention {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        layer_maps(at, self.fusion, AttentionView::Heads)
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}
