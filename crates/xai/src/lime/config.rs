use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::masker::{DEFAULT_TOLERANCE, require_tolerance};

/// Settings of LIME.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimeConfig {
    /// The most coalitions that are evaluated, the full one included.
    pub samples: usize,
    /// The relative standard error at which sampling ends; 0 takes all of the samples.
    pub tolerance: f64,
    /// Width σ of the kernel `√exp(−d² / σ²)` over the cosine distance `d` to the full coalition.
    pub kernel_width: f64,
    /// Ridge penalty on the coefficients; the intercept is free.
    pub penalty: f64,
    /// Parts of the cross-validation that gives the held-out R². It costs no forward pass.
    pub folds: usize,
}

impl Default for LimeConfig {
    /// 2000 samples, twice those of `lime_image`, so that 49 segments reach the tolerance of 20 % on nearly every image;
    /// width 0.25 and penalty 1 as in `lime_image`, and five folds.
    fn default() -> Self {
        Self { samples: 2000, tolerance: DEFAULT_TOLERANCE, kernel_width: 0.25, penalty: 1.0, folds: 5 }
    }
}

impl LimeConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("samples", self.samples, 4..=10_000_000)?;
        require_tolerance(self.tolerance)?;
        require_within("kernel_width", self.kernel_width, 1e-3..=1e6)?;
        require_within("penalty", self.penalty, 0.0..=1e12)?;
        require_within("folds", self.folds, 2..=self.samples.min(100))
    }
}
