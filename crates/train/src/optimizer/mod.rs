//! The rules that change the weights, over plain slices.
//!
//! The arithmetic is that of `tinylsa_kernels`. Slices make it the same in the same order on every backend, and its state
//! is saved as it stands.

mod adamw;
mod muon;
mod nesterov;
mod update;

use serde::{Deserialize, Serialize};
use tinylsa_settings::InvalidSetting;

pub use adamw::AdamWConfig;
pub use muon::MuonConfig;
pub use nesterov::NesterovConfig;
pub(crate) use update::{MomentLengths, Update};
pub use update::{Moments, OptimizerState};

/// Which rule changes the weights, and the settings of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The rule that is used.
    pub kind: OptimizerKind,
    /// Settings of AdamW, which Muon uses too, for what is no matrix.
    #[serde(default)]
    pub adamw: AdamWConfig,
    /// Settings of stochastic gradient descent with Nesterov's momentum.
    #[serde(default)]
    pub nesterov: NesterovConfig,
    /// Settings of Muon.
    #[serde(default)]
    pub muon: MuonConfig,
}

/// The rules there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay.
    Adamw,
    /// Stochastic gradient descent with Nesterov's momentum.
    Nesterov,
    /// Orthogonalised momentum for matrices and filters, AdamW for the rest.
    Muon,
}

impl Default for OptimizerConfig {
    /// Muon, as in `configs/base.toml`.
    fn default() -> Self {
        Self::new(OptimizerKind::Muon)
    }
}

impl OptimizerConfig {
    /// A rule with the default settings.
    pub fn new(kind: OptimizerKind) -> Self {
        Self { kind, adamw: AdamWConfig::default(), nesterov: NesterovConfig::default(), muon: MuonConfig::default() }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.adamw.validate().map_err(|error| error.within("adamw"))?;
        self.nesterov.validate().map_err(|error| error.within("nesterov"))?;
        self.muon.validate().map_err(|error| error.within("muon"))
    }

    /// The highest learning rate of the schedule.
    pub fn learning_rate(&self) -> f64 {
        match self.kind {
            OptimizerKind::Adamw => self.adamw.learning_rate,
            OptimizerKind::Nesterov => self.nesterov.learning_rate,
            OptimizerKind::Muon => self.muon.learning_rate,
        }
    }

    /// How many values the rule remembers of a tensor of this shape.
    pub(crate) fn moment_lengths(&self, shape: &[usize]) -> MomentLengths {
        let length = shape.iter().product();
        let second = match self.kind {
            OptimizerKind::Nesterov => 0,
            OptimizerKind::Muon if muon::applies_to(shape) => 0,
            OptimizerKind::Adamw | OptimizerKind::Muon => length,
        };
        MomentLengths { first: length, second }
    }

    pub(crate) fn update(&self, update: Update<'_>) {
        match self.kind {
            OptimizerKind::Nesterov => self.nesterov.update(update),
            OptimizerKind::Muon if muon::applies_to(update.shape) => self.muon.update(update),
            // Muon leaves what is no matrix to AdamW.
            OptimizerKind::Adamw | OptimizerKind::Muon => self.adamw.update(update),
        }
    }
}
