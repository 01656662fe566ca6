//! Explanations by the attention of a model.
//!
//! The maps of this module take attention matrices, not a model: whoever traces a model hands over one
//! [`LayerAttention`] a layer, in the order in which the picture passes through them, or for linear attention the
//! features of queries and keys ([`LinearAttention`]) from which the same matrices follow exactly. Tokens lie on a grid,
//! row by row; there is no class token.

mod check;
mod flow;
mod grid;
mod linear;
mod matrix;
mod max_flow;
mod query;
mod rollout;
mod statistics;

pub use check::{AttentionCheck, check_attention};
pub use flow::{AttentionFlowConfig, FlowMaps, attention_flow};
pub use grid::{FixedQuery, TokenGrid, fixed_query_positions, token_of_largest_attribution};
pub use linear::LinearAttention;
pub use matrix::{HeadFusion, LayerAttention, TokenMatrix};
pub use query::{AttentionRows, QueryMap, fixed_query_maps};
pub use rollout::{AttentionRolloutConfig, Rollout, attention_rollout, gradient_rollout};
pub use statistics::AttentionStatistics;
