//! The explanation methods, a file each, and the list that makes them known.
//!
//! A new method is a file here, a `mod` line and a line of the list. Configs, the command line, figures, scores and pages
//! find it through the list.

use serde::de::{Error, MapAccess};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, ExpectedGradientsConfig, GradCamConfig, IntegratedGradientsConfig,
    KernelShapConfig, LimeConfig, OcclusionConfig, PermutationShapConfig, RiseConfig, SmoothGradConfig,
};

use crate::method::{Entry, Method, Registered};

mod attention_flow;
mod attention_rollout;
mod class_evidence;
mod exact_shapley;
mod expected_gradients;
mod fixed_query;
mod grad_cam;
mod gradient_rollout;
mod input_gradient;
mod input_times_gradient;
mod integrated_gradients;
mod kernel_shap;
mod lime;
mod multi_head_attention;
mod occlusion;
mod permutation_shap;
mod rise;
mod self_attention;
mod smooth_grad;

mod support;

pub use class_evidence::ClassEvidence;
pub use exact_shapley::GridShapleyConfig;
pub use fixed_query::FixedQueryConfig;
pub use gradient_rollout::GradientRollout;
pub use input_gradient::InputGradient;
pub use input_times_gradient::InputTimesGradient;
pub use multi_head_attention::MultiHeadAttention;
pub use self_attention::SelfAttention;

/// Lists the methods by the types of their settings, in the order in which they are run and shown.
macro_rules! registry {
    ($($method:ty),+ $(,)?) => {
        pub(crate) static ENTRIES: &[Entry] = &[$(Entry {
            facts: &<$method as Registered>::FACTS,
            default: || Box::new(<$method>::default()),
        }),+];

        /// Reads the value of the key that was just read as the settings of the method of this name.
        pub(crate) fn read_table<'de, A: MapAccess<'de>>(
            name: &str,
            map: &mut A,
        ) -> Result<Box<dyn Method>, A::Error> {
            $(if name == <$method as Registered>::FACTS.name {
                return Ok(Box::new(map.next_value::<$method>()?));
            })+
            Err(A::Error::custom(format!("the method {name} is not registered")))
        }
    };
}

registry! {
    SelfAttention,
    MultiHeadAttention,
    AttentionRolloutConfig,
    GradientRollout,
    AttentionFlowConfig,
    FixedQueryConfig,
    IntegratedGradientsConfig,
    ExpectedGradientsConfig,
    SmoothGradConfig,
    InputGradient,
    InputTimesGradient,
    GradCamConfig,
    ClassEvidence,
    GridShapleyConfig,
    KernelShapConfig,
    PermutationShapConfig,
    LimeConfig,
    OcclusionConfig,
    RiseConfig,
}
