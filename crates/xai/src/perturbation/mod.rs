//! Explanations by changing parts of the image: LIME, occlusion and RISE.
//!
//! They ask for scores alone, so that they explain any function of an image. [`lime`](fn@lime) fits a linear model of the
//! segments of a [`Masker`](crate::Masker); the Shapley methods over the same masker are in [`shapley`](crate::shapley).
//! [`occlusion`](fn@occlusion) slides a window over the image, and [`rise`](fn@rise) hides random parts with soft edges.
//! All of them explain several targets at the cost of one ([`Targets`](crate::Targets)).
//!
//! ```
//! use burn::tensor::Tensor;
//! use tinylsa_xai::perturbation::{OcclusionConfig, occlusion};
//! use tinylsa_xai::{Execution, Image, Target};
//! # use tinylsa_xai::burn;
//!
//! // a model that adds up the left half of a 4 × 4 image
//! let left_half = |images: Tensor<4>| images.narrow(3, 0, 2).flatten::<2>(1, 3).sum_dim(1);
//! let image = Image::filled(1.0, [1, 4, 4])?;
//! let black = Image::filled(0.0, [1, 4, 4])?;
//! let config = OcclusionConfig { height: 2, width: 2, row_stride: 2, column_stride: 2 };
//! let found = occlusion(&left_half, &image, &black, Target::Class(0), &config, &Execution::default())?;
//! // each of the two windows on the left takes 4 off the score, those on the right nothing
//! assert_eq!(found.attributions[0].per_pixel()[..4], [4.0, 4.0, 0.0, 0.0]);
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```

mod occlusion;
mod rise;

pub use crate::lime::{LimeConfig, LimeExplanation, LimePlan, LimeSolution, LimeWarning, lime};
pub use occlusion::{Occlusion, OcclusionConfig, occlusion};
pub use rise::{Rise, RiseConfig, rise};
