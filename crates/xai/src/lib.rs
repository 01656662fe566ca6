//! Explanations of burn models and scores of explanations.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attention;
mod attribution;
mod error;
mod execution;
mod gradient;
mod gradients;
mod lime;
mod masker;
mod normal;
mod picture;
mod scorer;
mod scores;
mod segmentation;
mod shapley;
mod surrogate;

pub use attention::{
    AttentionFlowConfig, AttentionRolloutConfig, AttentionRows, AttentionStatistics, FlowMaps, HeadFusion,
    LayerAttention, LinearAttention, LinearAttentionCheck, QueryMap, Rollout, TokenMatrix, attention_flow,
    attention_rollout, fixed_query_maps, fixed_query_positions, gradient_rollout, token_of_largest_attribution,
};
pub use attribution::{Attribution, Target};
pub use error::ExplainError;
pub use execution::{Cancellation, Execution};
pub use gradients::{
    BaselineConfig, BaselineKind, ExpectedGradients, ExpectedGradientsConfig, IntegratedGradients,
    IntegratedGradientsConfig, PathDiagnostics, Quadrature, QuadratureRule, SmoothGrad, SmoothGradConfig,
    SmoothGradKind, expected_gradients, for_every_class, input_gradient, input_times_gradient, integrated_gradients,
    smooth_grad,
};
pub use lime::{LimeConfig, LimeExplanation, LimePlan, LimeSolution, LimeWarning, lime};
pub use masker::{CoalitionValues, Coalitions, Fill, FillConfig, Masker};
pub use picture::Picture;
pub use scorer::{Scorer, Scores};
pub use scores::{
    AttributionKind, Baseline, BootstrapConfig, BootstrapInterval, DeletionConfig, DeletionInsertion, Direction,
    FaithfulnessConfig, Infidelity, InfidelityConfig, MaxSensitivityConfig, MethodScore, MuFidelityConfig, Probe,
    RankedMethod, Ranking, ScoreKind, ScoreScale, bootstrap_interval, completeness, complexity, deletion_insertion,
    faithfulness_correlation, infidelity, magnitude_rank_correlation, max_sensitivity, mu_fidelity,
    parameter_randomisation, pointing_game, random_map, rank_methods, relevance_mass_accuracy, relevance_rank_accuracy,
    sobel_edge_map, sparseness,
};
pub use segmentation::{GridConfig, Segmentation, SegmentationConfig, SegmentationError, SegmentationKind, SlicConfig};
pub use shapley::{
    ExactShapleyConfig, ExactShapleyPlan, KernelShapConfig, KernelShapPlan, PermutationShapConfig, PermutationShapPlan,
    ShapleyExplanation, ShapleySolution, exact_shapley, exact_shapley_evaluations, kernel_shap, permutation_shap,
};
pub use surrogate::{RidgeSurrogate, fit_ridge};
