//! Shapley values: exact by enumeration, and estimated by `KernelSHAP` and by permutation walks.
//!
//! Every method is a *plan*: the coalitions it asks for, and a pure function from their values to a
//! [`ShapleySolution`]. The plans know nothing of pictures and are tested against games whose Shapley values are known.
//! The functions [`exact_shapley`], [`kernel_shap`] and [`permutation_shap`] put a [`Masker`](crate::Masker) and a
//! scorer between the two halves.

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
