//! Explanations by the gradient of a score with respect to the picture.
//!
//! All of them evaluate gradients at pictures near the one to explain or between it and a baseline, batch by batch, and
//! add them up in f64 in the order of the samples, so that the batch size changes the memory alone.

mod baseline;
mod expected;
mod grad_cam;
mod integrated;
mod plain;
mod quadrature;
mod smooth;

pub use baseline::{BaselineConfig, BaselineKind};
pub use expected::{ExpectedGradients, ExpectedGradientsConfig, expected_gradients};
pub use grad_cam::{GradCam, GradCamConfig, SplitScorer, grad_cam};
pub use integrated::{IntegratedGradients, IntegratedGradientsConfig, PathDiagnostics, integrated_gradients};
pub use plain::{for_every_class, input_gradient, input_times_gradient};
pub use quadrature::{Quadrature, QuadratureRule};
pub(crate) use smooth::{Moments, relative_norm};
pub use smooth::{SmoothGrad, SmoothGradConfig, SmoothGradKind, smooth_grad};
