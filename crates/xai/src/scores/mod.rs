//! Scores of an explanation.
//!
//! A score without a control says little: many of them can be won by a map that has nothing to do with the model. Every
//! table of scores should hold the three controls beside the methods, a [`random_map`], the [`sobel_edge_map`] and the
//! plain gradient; every mean over images its [`mean_interval`]; and every method its [`paired_difference`] to each control.
//! [`rank_methods`] puts methods in order by one score, whose direction is a property of the [`ScoreKind`], and
//! [`overall_ranking`] by all of them.
//!
//! [`faithfulness_correlation`], [`mu_fidelity`] and [`infidelity`] perturb the image in ways that do not depend on the map.
//! Where several maps of one image are scored, [`ProbedSubsets`], [`ProbedCells`] and [`ProbedSquares`] ask the model once
//! for all of them.
//!
//! A score that is not defined for an image, such as a correlation with something that does not vary, is `None` and
//! never a number that happens to look good or bad.
//!
//! ```
//! use tinylsa_xai::burn::tensor::Tensor;
//! use tinylsa_xai::scores::{Baseline, DeletionConfig, Probe, ScoreScale, deletion_insertion};
//! use tinylsa_xai::{Execution, FillConfig, Image, Target};
//!
//! // the score is the first of four pixels; a map that says so beats one that names another pixel
//! let first = |images: Tensor<4>| images.flatten::<2>(1, 3).narrow(1, 0, 1);
//! let image = Image::filled(1.0, [1, 2, 2])?;
//! let probe = Probe {
//!     scorer: &first,
//!     image: &image,
//!     target: Target::Class(0),
//!     scale: ScoreScale::Logits,
//!     baseline: Baseline::Black,
//!     fill: &FillConfig::default(),
//!     execution: &Execution::default(),
//! };
//! let config = DeletionConfig { steps: 4 };
//! let right = deletion_insertion(&probe, &[1.0, 0.0, 0.0, 0.0], &config)?;
//! let wrong = deletion_insertion(&probe, &[0.0, 0.0, 0.0, 1.0], &config)?;
//! assert!(right.deletion_area < wrong.deletion_area && right.insertion_area > wrong.insertion_area);
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```
//!
#![doc = include_str!("../../docs/methods/scores.md")]

mod controls;
mod deletion;
mod faithfulness;
mod infidelity;
mod interval;
mod kind;
mod localisation;
mod probe;
mod randomisation;
mod ranking;
mod sensitivity;
mod shape;
mod statistics;
mod student;

pub use controls::{random_map, sobel_edge_map};
pub use deletion::{DeletionConfig, DeletionInsertion, deletion_insertion};
pub use faithfulness::{
    FaithfulnessConfig, MuFidelityConfig, ProbedCells, ProbedSubsets, faithfulness_correlation, mu_fidelity,
};
pub use infidelity::{AttributionKind, Infidelity, InfidelityConfig, ProbedSquares, infidelity};
pub use interval::{MeanInterval, mean_interval, paired_difference};
pub use kind::{Direction, ScoreKind};
pub use localisation::{pointing_game, relevance_mass_accuracy, relevance_rank_accuracy};
pub use probe::{Baseline, Probe, ScoreScale};
pub use randomisation::{Randomised, lit_pixels, magnitude_rank_correlation, parameter_randomisation};
pub use ranking::{
    MethodScore, OverallPlace, OverallRanking, RankedMethod, Ranking, Unplaced, overall_ranking, rank_methods,
};
pub use sensitivity::{MaxSensitivityConfig, max_sensitivity};
pub use shape::{completeness, complexity, sparseness};
