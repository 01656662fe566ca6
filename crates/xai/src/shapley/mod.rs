//! Shapley values: exact by enumeration, and estimated by `KernelSHAP` and by permutation walks.
//!
//! Every method is a *plan*: the coalitions it asks for, and a pure function from their values to a
//! [`ShapleySolution`]. The plans know nothing of images and are tested against games whose Shapley values are known.
//! The functions [`exact_shapley`], [`kernel_shap`] and [`permutation_shap`] put a [`Masker`](crate::Masker) and a
//! scorer between the two halves.
//!
//! ```
//! use tinylsa_xai::burn::tensor::Tensor;
//! use tinylsa_xai::shapley::{ExactShapleyConfig, exact_shapley};
//! use tinylsa_xai::{Execution, Masker, Image, Segmentation, Target};
//!
//! // the score is the product of the left and the right half: worth 6 together and nothing alone
//! let product = |images: Tensor<4>| {
//!     let pixels: Tensor<2> = images.flatten(1, 3);
//!     pixels.clone().narrow(1, 0, 1) * pixels.narrow(1, 1, 1)
//! };
//! let execution = Execution::default();
//! let image = Image::new(vec![2.0, 3.0], [1, 1, 2])?;
//! let black = Image::filled(0.0, [1, 1, 2])?;
//! let masker = Masker::with_backgrounds(image, Segmentation::grid(1, 2, 1, 2)?, vec![black])?;
//! let found = exact_shapley(&product, &masker, Target::Predicted, &ExactShapleyConfig::default(), &execution)?;
//! assert_eq!(found.solution.of(0)?, [3.0, 3.0]);
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```

mod exact;
mod explanation;
mod kernel;
mod permutation;
mod solution;

pub use exact::{ExactShapleyConfig, ExactShapleyPlan, exact_shapley_evaluations};
pub use explanation::{ShapleyExplanation, exact_shapley, kernel_shap, permutation_shap};
pub use kernel::{KernelShapConfig, KernelShapPlan};
pub use permutation::{PermutationShapConfig, PermutationShapPlan};
pub use solution::ShapleySolution;
