use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tinylsa_data::{AugmentationConfig, MixingConfig};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::optimizer::OptimizerConfig;
use crate::targets::DistillationConfig;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training images.
    pub epochs: usize,
    /// Steps after which the training ends, in the middle of an epoch if need be, in place of the epochs; left out, these count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Images of a step.
    pub batch_size: usize,
    /// The share of the target spread evenly over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// The largest Euclidean norm of all gradients together; longer ones are shortened to it. 0 switches it off.
    pub gradient_norm: f64,
    /// The fraction by which the running statistics of the batch normalisations move towards those of a batch. burn's own
    /// `BatchNorm` has a momentum of its own instead.
    pub norm_momentum: f64,
    /// Which epoch's averaged weights are the result.
    pub keep: KeptEpoch,
    /// Epochs without a better validation accuracy after which the training stops. 0 never stops early.
    pub patience: usize,
    /// Steps between two checkpoints within an epoch; there is one after each epoch besides. 0 for none.
    pub checkpoint_steps: usize,
    /// Batches prepared ahead, on another thread than the one that trains.
    pub prefetch: usize,
    /// A model file of the same network whose weights the training begins with; left out, they are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<PathBuf>,
    /// The learning rate's course.
    pub schedule: ScheduleConfig,
    /// The average of the weights that is evaluated and kept.
    pub ema: EmaConfig,
    /// The rule that changes the weights.
    pub optimizer: OptimizerConfig,
    /// How the images are varied from epoch to epoch.
    pub augmentation: AugmentationConfig,
    /// How the varied images are mixed with each other.
    pub mixing: MixingConfig,
    /// Other networks whose probabilities are training targets.
    pub distillation: DistillationConfig,
}

/// The epoch whose averaged weights a training run results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptEpoch {
    /// The one with the best validation accuracy, the first of several.
    Best,
    /// The last one: for a recipe that was chosen before, and validation images too few to choose among its epochs.
    Last,
}

/// Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to a last fraction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Epochs of the warm-up; a fraction is allowed.
    pub warmup_epochs: f64,
    /// The learning rate of the last step as a fraction of the highest.
    pub last_fraction: f64,
}

/// The exponential moving average of the weights and the running statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// The share of the average that a step keeps. 0 makes the average the weights themselves.
    pub decay: f64,
    /// In step `t` the average keeps at most `(1 + t) / (warmup + t)`, so that it forgets the first weights soon.
    pub warmup: f64,
}

impl Default for TrainConfig {
    /// The recipe of `configs/base.toml`.
    fn default() -> Self {
        Self {
            epochs: 13,
            steps: None,
            batch_size: 128,
            label_smoothing: 0.05,
            gradient_norm: 1.0,
            norm_momentum: 0.1,
            keep: KeptEpoch::Last,
            patience: 0,
            checkpoint_steps: 200,
            prefetch: 4,
            initial_weights: None,
            schedule: ScheduleConfig::default(),
            ema: EmaConfig::default(),
            optimizer: OptimizerConfig::default(),
            augmentation: AugmentationConfig { alternating_flip: true, ..AugmentationConfig::default() },
            mixing: MixingConfig::default(),
            distillation: DistillationConfig::default(),
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { warmup_epochs: 0.25, last_fraction: 0.0 }
    }
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { decay: 0.998, warmup: 10.0 }
    }
}

impl TrainConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("epochs", self.epochs, 1..=10_000)?;
        self.steps.map_or(Ok(()), |steps| require_within("steps", steps, 1..=100_000_000))?;
        require_within("batch_size", self.batch_size, 2..=65_536)?;
        require_within("label_smoothing", self.label_smoothing, 0.0..=0.9)?;
        require_within("gradient_norm", self.gradient_norm, 0.0..=1e6)?;
        require_within("norm_momentum", self.norm_momentum, 1e-4..=1.0)?;
        require_within("patience", self.patience, 0..=10_000)?;
        require_within("checkpoint_steps", self.checkpoint_steps, 0..=1_000_000)?;
        require_within("prefetch", self.prefetch, 0..=64)?;
        self.schedule.validate(self.epochs).map_err(|error| error.within("schedule"))?;
        self.ema.validate().map_err(|error| error.within("ema"))?;
        self.optimizer.validate().map_err(|error| error.within("optimizer"))?;
        self.augmentation.validate().map_err(|error| error.within("augmentation"))?;
        self.mixing.validate().map_err(|error| error.within("mixing"))?;
        self.distillation.validate().map_err(|error| error.within("distillation"))
    }
}

impl ScheduleConfig {
    fn validate(&self, epochs: usize) -> Result<(), InvalidSetting> {
        require_within("warmup_epochs", self.warmup_epochs, 0.0..=epochs as f64)?;
        require_within("last_fraction", self.last_fraction, 0.0..=1.0)
    }

    /// The learning rate of `step` as a fraction of the highest; step 0 is the first of `steps`.
    pub fn fraction(&self, step: usize, steps: usize, steps_per_epoch: usize) -> f64 {
        let warmup = self.warmup_epochs * steps_per_epoch as f64;
        let done = (step + 1) as f64;
        if done <= warmup {
            return done / warmup;
        }
        let rest = (steps as f64 - warmup).max(1.0);
        let progress = ((done - warmup) / rest).clamp(0.0, 1.0);
        let cosine = f64::midpoint(1.0, (std::f64::consts::PI * progress).cos());
        self.last_fraction + (1.0 - self.last_fraction) * cosine
    }
}

impl EmaConfig {
    fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("decay", self.decay, 0.0..=0.999_999)?;
        require_within("warmup", self.warmup, 1.0..=1e6)
    }

    /// The share of the average that the step after `steps` others keeps.
    pub fn decay_at(&self, steps: usize) -> f64 {
        let steps = steps as f64;
        self.decay.min((1.0 + steps) / (self.warmup + steps))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_defaults_are_the_recipe_of_the_base_config() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/base.toml");
        let base: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let recipe: TrainConfig = base["train"].clone().try_into().unwrap();
        assert_eq!(TrainConfig::default(), recipe);
        recipe.validate().unwrap();
    }

    #[test]
    fn the_rate_rises_to_one_and_falls_to_the_last_fraction() {
        let schedule = ScheduleConfig { warmup_epochs: 0.5, last_fraction: 0.01 };
        let rates: Vec<f64> = (0..100).map(|step| schedule.fraction(step, 100, 20)).collect();
        assert!((rates[0] - 0.1).abs() < 1e-12);
        assert!((rates[9] - 1.0).abs() < 1e-12);
        assert!((rates[54] - 0.505).abs() < 1e-12);
        assert!((rates[99] - 0.01).abs() < 1e-12);
        assert!(rates[9..].windows(2).all(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn without_warm_up_the_cosine_begins_at_once() {
        let schedule = ScheduleConfig { warmup_epochs: 0.0, last_fraction: 0.0 };
        assert!((schedule.fraction(0, 2, 2) - 0.5).abs() < 1e-12);
        assert!(schedule.fraction(1, 2, 2).abs() < 1e-12);
    }

    #[test]
    fn the_average_keeps_little_at_first() {
        let ema = EmaConfig { decay: 0.999, warmup: 10.0 };
        assert!((ema.decay_at(0) - 0.1).abs() < 1e-12);
        assert!((ema.decay_at(90) - 0.91).abs() < 1e-12);
        assert!((ema.decay_at(1_000_000) - 0.999).abs() < 1e-12);
    }
}
