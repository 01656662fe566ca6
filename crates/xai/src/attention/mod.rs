//! Explanations by the attention of a model.
//!
//! The maps of this module take attention matrices, not a model: whoever traces a model hands over one
//! [`LayerAttention`] a layer, in the order in which the image passes through them, or for linear attention the
//! features of queries and keys ([`LinearAttention`]) from which the same matrices follow exactly. A [`TokenGrid`] says
//! where the tokens lie on the image: a class token and other prefix tokens first, then a grid, row by row.
//!
//! [`gradient_rollout`] needs the gradients of a score with respect to the attention besides. [`trace_attention`] obtains
//! both from a model that hands its matrices to an [`AttentionTap`] on the way.
//!
//! ```
//! use tinylsa_xai::attention::{AttentionRolloutConfig, LayerAttention, TokenGrid, attention_rollout};
//! use tinylsa_xai::Cancellation;
//!
//! // a class token in front of a grid of 1 × 2 tokens; every token attends to the last one
//! let layer = LayerAttention::new([0.0, 0.0, 1.0].repeat(3), 1, 3)?;
//! let rollout = attention_rollout(&[layer], &AttentionRolloutConfig::default(), &Cancellation::default())?;
//! // half of the class token is the residual connection, the other half comes from the last token
//! assert_eq!(rollout.pooled(TokenGrid::new(1, 2).with_prefix(1))?, [0.0, 0.5]);
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```
//!
#![doc = include_str!("../../docs/methods/attention.md")]
#![doc = include_str!("../../docs/methods/multi-head-attention.md")]

mod check;
mod flow;
mod grid;
mod linear;
mod matrix;
mod max_flow;
mod query;
mod rollout;
mod rows;
mod statistics;
mod trace;

pub use check::{AttentionCheck, check_attention};
pub use flow::{AttentionFlowConfig, FlowMaps, attention_flow};
pub use grid::{FixedQuery, TokenGrid, fixed_query_positions, token_of_largest_attribution};
pub use linear::LinearAttention;
pub use matrix::{HeadFusion, LayerAttention, TokenMatrix};
pub use query::{QueryMap, fixed_query_maps};
pub use rollout::{AttentionRolloutConfig, Rollout, attention_rollout, gradient_rollout};
pub use rows::AttentionRows;
pub use statistics::{AttentionStatistics, relative_entropy};
pub use trace::{AttentionTap, TracedAttention, trace_attention};
