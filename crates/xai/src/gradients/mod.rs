//! Explanations by the gradient of a score with respect to the image.
//!
//! All of them evaluate gradients at images near the one to explain or between it and a baseline, batch by batch, and
//! add them up in f64 in the order of the samples, so that the batch size changes the memory alone. [`grad_cam`] differentiates
//! with respect to feature maps instead.
//!
//! ```
//! use tinylsa_xai::burn::tensor::Tensor;
//! use tinylsa_xai::gradients::{SmoothGradConfig, smooth_grad};
//! use tinylsa_xai::{Execution, Image, Target};
//!
//! // the score is the cube of the first pixel x, whose gradient is 3 x², and 3 x² + 3 σ² under noise of deviation σ
//! let cube = |images: Tensor<4>| images.flatten::<2>(1, 3).narrow(1, 0, 1).powi_scalar(3);
//! let image = Image::new(vec![3.0, 1.0], [1, 1, 2])?;
//! let config = SmoothGradConfig::default();
//! let found = smooth_grad(&cube, &image, Target::Class(0), &config, &Execution::default())?;
//! let (error, deviation) = (found.standard_error[0], found.noise_deviation as f32);
//! assert!((found.attribution.values[0] - 27.0 - 3.0 * deviation.powi(2)).abs() < 5.0 * error);
//! assert_eq!(found.attribution.values[1], 0.0);
//! assert!(found.reached && found.samples < config.samples);
//! # Ok::<(), tinylsa_xai::ExplainError>(())
//! ```
//!
//! # A model in evaluation mode
//!
//! burn's `BatchNorm` and `Dropout` behave as in training as soon as their input is tracked. `model.valid()` switches them
//! off on every device, and is all it takes:
//!
//! ```
//! use tinylsa_xai::burn::module::Module;
//! use tinylsa_xai::burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
//! use tinylsa_xai::burn::tensor::{Device, Tensor};
//! use tinylsa_xai::{ExplainError, Execution, Image, Target, input_gradient};
//!
//! #[derive(Module, Debug)]
//! struct Network {
//!     norm: BatchNorm,
//!     dropout: Dropout,
//!     head: Linear,
//! }
//!
//! impl Network {
//!     fn forward(&self, images: Tensor<4>) -> Tensor<2> {
//!         self.head.forward(self.dropout.forward(self.norm.forward(images)).flatten(1, 3))
//!     }
//! }
//!
//! let device = Device::default();
//! let loaded = || Network {
//!     norm: BatchNormConfig::new(3).init(&device),
//!     dropout: DropoutConfig::new(0.5).init(),
//!     head: LinearConfig::new(12, 2).init(&device),
//! };
//! let image = Image::new((0..12).map(|value| value as f32).collect(), [3, 2, 2])?;
//! let explain = |network: &Network| {
//!     input_gradient(&|images| network.forward(images), &image, Target::Predicted, &Execution::default())
//! };
//! assert!(matches!(explain(&loaded()), Err(ExplainError::TrainingBehaviour { .. })));
//! assert!(explain(&loaded().valid()).is_ok());
//! # Ok::<(), ExplainError>(())
//! ```

mod baseline;
mod bisection;
mod expected;
mod grad_cam;
mod integrated;
mod path;
mod plain;
mod quadrature;
mod smooth;

pub use baseline::{BaselineConfig, BaselineKind};
pub use expected::{ExpectedGradients, ExpectedGradientsConfig, expected_gradients};
pub use grad_cam::{GradCam, GradCamConfig, SplitScorer, grad_cam};
pub use integrated::{IntegratedGradients, IntegratedGradientsConfig, PathDiagnostics, integrated_gradients};
pub use plain::{
    PROBE_SIZE, ProbedGradient, UNSTABLE_CHANGE, for_every_class, input_gradient, input_times_gradient,
    probed_input_gradient, probed_input_times_gradient,
};
pub use quadrature::{PathRule, Quadrature, QuadratureRule};
pub(crate) use smooth::{Moments, relative_norm};
pub use smooth::{SmoothGrad, SmoothGradConfig, SmoothGradKind, smooth_grad};
