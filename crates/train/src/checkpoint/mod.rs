//! Everything that an exact continuation needs, in one safetensors file.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tinylsa_model::{HostTensor, ModelFileError, State, state_from_safetensors, state_to_safetensors};

use crate::error::TrainError;
use crate::optimizer::{Moments, OptimizerState};
use tinylsa_system::write_atomically;

/// The checkpoint from which `--resume` goes on.
pub const LAST_CHECKPOINT: &str = "last.safetensors";
/// The checkpoint of the epoch with the best validation accuracy.
pub const BEST_CHECKPOINT: &str = "best.safetensors";

const METADATA_KEY: &str = "tinylsa.training";

/// A line of `metrics.jsonl`: what one epoch measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps made up to its end.
    pub step: usize,
    /// Mean loss over the training pictures as they were seen, augmented and with smoothed labels.
    pub train_loss: f64,
    /// Share of those pictures that were classified correctly as they were seen.
    pub train_accuracy: f64,
    /// Mean negative log-likelihood of the validation pictures, by the averaged weights.
    pub validation_loss: f64,
    /// Share of validation pictures that the averaged weights classify correctly.
    pub validation_accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Training pictures a second, validation and checkpoints left out.
    pub images_per_second: f64,
    /// Seconds of the epoch, validation included.
    pub seconds: f64,
    /// The largest amount of memory that the process held so far, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counters {
    /// SHA-256 of what the experiment is.
    pub(crate) experiment: String,
    /// Epochs that are finished.
    pub(crate) epoch: usize,
    /// Batches of the current epoch that are finished.
    pub(crate) batch: usize,
    /// Steps made.
    pub(crate) step: usize,
    /// Of the current epoch.
    pub(crate) running: Running,
    /// One entry a finished epoch.
    pub(crate) history: Vec<EpochRecord>,
}

/// Sums over the finished batches of the current epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Running {
    pub(crate) pictures: usize,
    pub(crate) right: usize,
    pub(crate) loss: f64,
    pub(crate) seconds: f64,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) weights: State,
    pub(crate) average: State,
    pub(crate) optimizer: OptimizerState,
    pub(crate) counters: Counters,
}

impl Checkpoint {
    pub(crate) fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut state = State::new();
        let mut push = |part: &str, name: &str, tensor: HostTensor| state.insert(format!("{part}/{name}"), tensor);
        for (name, tensor) in &self.weights {
            push("weights", name, tensor.clone());
        }
        for (name, tensor) in &self.average {
            push("average", name, tensor.clone());
        }
        for (name, moments) in &self.optimizer {
            for (part, values) in [("first", &moments.first), ("second", &moments.second)] {
                push(part, name, HostTensor { shape: vec![values.len()], values: values.clone() });
            }
        }
        let counters = serde_json::to_string(&self.counters)
            .map_err(|source| TrainError::CheckpointCounters { path: path.to_owned(), source })?;
        let bytes = state_to_safetensors(&state, METADATA_KEY, counters).map_err(|source| {
            TrainError::CheckpointFormat { path: path.to_owned(), source: ModelFileError::from(source) }
        })?;
        write_atomically(path, &bytes).map_err(|source| TrainError::CheckpointFile {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Reads a checkpoint of the experiment with this digest.
    pub(crate) fn read(path: &Path, experiment: &str) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(|source| TrainError::CheckpointFile {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let (state, text) = state_from_safetensors(&bytes, METADATA_KEY)
            .map_err(|source| TrainError::CheckpointFormat { path: path.to_owned(), source })?;
        let counters: Counters = serde_json::from_str(&text)
            .map_err(|source| TrainError::CheckpointCounters { path: path.to_owned(), source })?;
        if counters.experiment != experiment {
            return Err(TrainError::OtherExperiment { path: path.to_owned() });
        }
        Ok(Self::from_parts(state, counters))
    }

    fn from_parts(state: State, counters: Counters) -> Self {
        let (mut weights, mut average) = (State::new(), State::new());
        let mut optimizer = OptimizerState::new();
        for (full_name, tensor) in state {
            let (part, name) = full_name.split_once('/').unwrap_or(("", &full_name));
            match part {
                "weights" => drop(weights.insert(name.to_owned(), tensor)),
                "average" => drop(average.insert(name.to_owned(), tensor)),
                "first" => moments(&mut optimizer, name).first = tensor.values,
                "second" => moments(&mut optimizer, name).second = tensor.values,
                // A part that this version does not know leaves the weights short of nothing.
                _ => {}
            }
        }
        Self { weights, average, optimizer, counters }
    }
}

fn moments<'a>(optimizer: &'a mut OptimizerState, name: &str) -> &'a mut Moments {
    optimizer.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let tensor = |values: &[f32]| HostTensor { shape: vec![values.len()], values: values.to_vec() };
        Checkpoint {
            weights: State::from([("a.b".to_owned(), tensor(&[1.0, 2.0]))]),
            average: State::from([("a.b".to_owned(), tensor(&[3.0, 4.0]))]),
            optimizer: OptimizerState::from([("a.b".to_owned(), Moments { first: vec![5.0, 6.0], second: vec![] })]),
            counters: Counters {
                experiment: "digest".to_owned(),
                epoch: 1,
                batch: 2,
                step: 3,
                running: Running { pictures: 4, right: 3, loss: 0.1 + 0.2, seconds: 1.5 },
                history: vec![],
            },
        }
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAST_CHECKPOINT);
        sample().write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path, "digest").unwrap(), sample());
    }

    #[test]
    fn another_experiment_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAST_CHECKPOINT);
        sample().write(&path).unwrap();
        assert!(matches!(Checkpoint::read(&path, "other"), Err(TrainError::OtherExperiment { .. })));
    }

    #[test]
    fn a_cut_off_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAST_CHECKPOINT);
        sample().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(Checkpoint::read(&path, "digest"), Err(TrainError::CheckpointFormat { .. })));
        std::fs::remove_file(&path).unwrap();
        let error = Checkpoint::read(&path, "digest").unwrap_err();
        assert!(matches!(error, TrainError::CheckpointFile { action: "read", .. }));
    }
}
