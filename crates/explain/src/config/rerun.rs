use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::budget::Budget;
use crate::methods::GridShapleyConfig;
use crate::registry::MethodId;

/// The budgets with which methods run that are run again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RerunConfig {
    /// Methods that are left out.
    pub skip: Vec<MethodId>,
    /// Gradients of Integrated Gradients, without refinement.
    pub steps: usize,
    /// Images of the background of expected gradients, two gradients each.
    pub background: usize,
    /// Samples of `SmoothGrad`.
    pub noisy: usize,
    /// Coalitions of `KernelSHAP` and of LIME.
    pub coalitions: usize,
    /// Permutations of permutation SHAP.
    pub permutations: usize,
}

impl Default for RerunConfig {
    /// About a tenth of the budgets of the explanations; exact Shapley values have no smaller budget and are left out.
    fn default() -> Self {
        let skip = vec![MethodId::of::<GridShapleyConfig>()];
        Self { skip, steps: 32, background: 10, noisy: 16, coalitions: 200, permutations: 8 }
    }
}

impl RerunConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("steps", self.steps, 2..=1 << 20)?;
        require_within("background", self.background, 1..=10_000)?;
        require_within("noisy", self.noisy, 2..=1 << 20)?;
        require_within("coalitions", self.coalitions, 4..=10_000_000)?;
        require_within("permutations", self.permutations, 1..=1_000_000)
    }

    /// What a method may cost that is run again and again.
    pub fn budget(&self) -> Budget {
        let &Self { skip: _, steps, background, noisy, coalitions, permutations } = self;
        Budget { steps, background, noisy, coalitions, permutations }
    }
}
