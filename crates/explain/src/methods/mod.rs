//! The explanation methods, a file each. `registry.rs` lists them.

mod attention_flow;
mod attention_rollout;
mod exact_shapley;
mod expected_gradients;
mod fixed_query;
mod gradient_rollout;
mod input_gradient;
mod input_times_gradient;
mod integrated_gradients;
mod kernel_shap;
mod lime;
mod multi_head_attention;
mod permutation_shap;
mod self_attention;
mod smooth_grad;

mod support;

pub use fixed_query::FixedQueryConfig;
pub use gradient_rollout::GradientRollout;
pub use input_gradient::InputGradient;
pub use input_times_gradient::InputTimesGradient;
pub use multi_head_attention::MultiHeadAttention;
pub use self_attention::SelfAttention;
