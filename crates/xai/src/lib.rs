//! Explanations of burn models and scores of explanations.
//!
//! # A model is a function
//!
//! Nothing in here knows a model's layers. Whatever maps images `[batch, channels, height, width]` to scores `[batch,
//! classes]` is a [`Scorer`], every `Fn(Tensor<4>) -> Tensor<2>` among them, so a model of another workspace is explained
//! by `|images| model.forward(images)` with the model put into evaluation mode by `model.valid()`. Its weights stay on
//! the plain device: the gradient methods track the images alone. Only the attention maps need more than that, the
//! attention of each layer ([`LayerAttention`], [`LinearAttention`]), which a model has to give out itself.
//!
//! Which scores are explained, logits or probabilities, is the scorer's choice. Logits are the better one for most
//! purposes, since probabilities saturate.
//!
//! # Where to look
//!
//! - [`gradients`]: [`integrated_gradients`], [`expected_gradients`], [`smooth_grad`], [`grad_cam`] and, as controls, the
//!   plain [`input_gradient`] and [`input_times_gradient`]. What an image is compared with comes from a [`BaselineConfig`]
//!   or is any [`Image`].
//! - [`shapley`]: [`exact_shapley`], [`kernel_shap`] and [`permutation_shap`] over the segments of a [`Masker`].
//! - [`perturbation`]: [`lime`](fn@lime) over the same, [`occlusion`](fn@occlusion) and [`rise`](fn@rise).
//! - [`segmentation`]: grids, superpixels, and segments of one's own.
//! - [`attention`]: [`LinearAttention`] makes the matrices of linear attention visible, [`attention_rollout`],
//!   [`gradient_rollout`] and [`attention_flow`] follow them through the layers, [`fixed_query_maps`] shows where chosen
//!   tokens look, [`trace_attention`] obtains the gradients of attention.
//! - [`scores`] of an explanation, to tell a map that explains from one that looks good.
//!
//! # What every method keeps to
//!
//! - A method is a function of the scorer, the image, the target, a config whose default suits small grey images, and
//!   an [`Execution`].
//! - Its result holds the diagnostics that are needed to judge it: a completeness error, a standard error, a coefficient
//!   of determination, a share of saturated flows. A promise that was missed is a field of the result and a warning.
//! - [`Execution::batch_size`] bounds the memory of the scorer, whatever the number of samples, and
//!   [`Execution::memory_limit`] that of everything else. The batch size and the number of threads do not change a bit of a
//!   result; [`Execution::seed`] names every random draw.
//! - A scorer that gives one image two different scores in two batches is refused ([`check_scorer`]), and so is a score
//!   that is not finite.
//! - A call that is cancelled ([`Cancellation`]) stops within a second, in whatever loop it is.
//! - Bad input and a cancelled call end in an [`ExplainError`], never in a panic or a map without meaning. What is not
//!   defined (the correlation of constants, a probability among one class) is an error or `None`, never a number.
//!
//! # Example
//!
//! ```
//! use burn::tensor::{Tensor, activation::relu};
//! use tinylsa_xai::{BaselineConfig, Execution, IntegratedGradientsConfig, Image, Target, integrated_gradients};
//!
//! // a model that sees the brightest corner of an image of 2 × 2 pixels, and the mean of the whole
//! let model = |images: Tensor<4>| -> Tensor<2> {
//!     let pixels: Tensor<2> = images.flatten(1, 3);
//!     let corner = relu(pixels.clone().narrow(1, 0, 1) - 0.5);
//!     Tensor::cat(vec![corner * 4.0, pixels.mean_dim(1)], 1)
//! };
//! let image = Image::new(vec![1.0, 0.5, 0.0, 0.25], [1, 2, 2])?;
//! let execution = Execution { batch_size: 16, ..Execution::default() };
//! let baselines = BaselineConfig::default().images(&image, &execution)?;
//! let config = IntegratedGradientsConfig::default();
//! let found = integrated_gradients(&model, &image, &baselines, Target::Predicted, &config, &execution)?;
//!
//! assert_eq!(found.attribution.target.class, 0);
//! assert!(found.converged);
//! assert!((found.attribution.values[0] - 2.0).abs() < 0.02, "all of the score of 2 comes from the corner");
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::doc_markdown, reason = "the pages of the methods are formulas in plain text")]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod attention;
mod attribution;
mod door;
mod error;
mod execution;
mod gradient;
pub mod gradients;
mod image;
mod lime;
mod masker;
pub mod perturbation;
mod resize;
mod scorer;
pub mod scores;
pub mod segmentation;
pub mod shapley;
mod surrogate;
mod watch;

pub use attention::{
    AttentionCheck, AttentionFlowConfig, AttentionRolloutConfig, AttentionRows, AttentionStatistics, AttentionTap,
    FixedQuery, FlowMaps, HeadFusion, LayerAttention, LinearAttention, QueryMap, Rollout, TokenGrid, TokenMatrix,
    TracedAttention, attention_flow, attention_rollout, check_attention, fixed_query_maps, fixed_query_positions,
    gradient_rollout, relative_entropy, token_of_largest_attribution, trace_attention,
};
pub use attribution::{Attribution, ExplainedScore, Target, Targets};
pub use burn;
pub use door::{check_differentiable_scorer, check_scorer};
pub use error::ExplainError;
pub use execution::{Cancellation, Execution};
pub use gradients::{
    BaselineConfig, BaselineKind, ExpectedGradients, ExpectedGradientsConfig, GradCam, GradCamConfig,
    IntegratedGradients, IntegratedGradientsConfig, PROBE_SIZE, PathDiagnostics, PathRule, ProbedGradient, Quadrature,
    QuadratureRule, SmoothGrad, SmoothGradConfig, SmoothGradKind, SplitScorer, UNSTABLE_CHANGE, expected_gradients,
    for_every_class, grad_cam, input_gradient, input_times_gradient, integrated_gradients, probed_input_gradient,
    probed_input_times_gradient, smooth_grad,
};
pub use image::Image;
pub use masker::{CoalitionValues, Coalitions, EvaluatedGame, ExplainedValues, Fill, FillConfig, Masker, Sampling};
pub use perturbation::{
    LimeConfig, LimeExplanation, LimePlan, LimeSolution, LimeWarning, Occlusion, OcclusionConfig, Rise, RiseConfig,
    lime, occlusion, rise,
};
pub use scorer::{Scorer, Scores};
pub use scores::{
    AttributionKind, Baseline, DeletionConfig, DeletionInsertion, Direction, FaithfulnessConfig, Infidelity,
    InfidelityConfig, MaxSensitivityConfig, MeanInterval, MethodScore, MuFidelityConfig, OverallPlace, OverallRanking,
    Probe, ProbedCells, ProbedSquares, ProbedSubsets, Randomised, RankedMethod, Ranking, ScoreKind, ScoreScale,
    Unplaced, completeness, complexity, deletion_insertion, faithfulness_correlation, infidelity, lit_pixels,
    magnitude_rank_correlation, max_sensitivity, mean_interval, mu_fidelity, overall_ranking, paired_difference,
    parameter_randomisation, pointing_game, random_map, rank_methods, relevance_mass_accuracy, relevance_rank_accuracy,
    sobel_edge_map, sparseness,
};
pub use segmentation::{GridConfig, Segmentation, SegmentationConfig, SegmentationError, SegmentationKind, SlicConfig};
pub use shapley::{
    ExactShapleyConfig, ExactShapleyPlan, KernelShapConfig, KernelShapPlan, PermutationShapConfig, PermutationShapPlan,
    ShapleyExplanation, ShapleySolution, exact_shapley, exact_shapley_evaluations, kernel_shap, permutation_shap,
};
pub use surrogate::{RidgeSurrogate, fit_ridge};
pub use tinylsa_settings::InvalidSetting;
pub use tinylsa_shape::ImageShape;
pub use watch::{ExplainStep, Watch};
