//! Everything that an exact resumption needs, in one safetensors file that carries its own checksum.

mod counters;
mod environment;
mod error;
mod layout;

use std::path::Path;

use serde::{Deserialize, Serialize};
use tinylsa_model::{HostTensor, State, state_from_safetensors, state_to_safetensors};
use tinylsa_system::{Sealed, UNSEALED, check_seal, seal, write_atomically};

pub use counters::EpochRecord;
pub(crate) use counters::{Counters, Running, Schedule};
pub use environment::BURN_VERSION;
pub(crate) use environment::Environment;
pub use error::CheckpointError;
pub(crate) use layout::Layout;
use layout::{AVERAGE, FIRST, SECOND, WEIGHTS, check_values, full_name};

use crate::error::TrainError;
use crate::optimizer::{Moments, OptimizerState};

/// The checkpoint that a run is resumed from.
pub const LAST_CHECKPOINT: &str = "last.safetensors";
/// The checkpoint of the epoch with the best validation accuracy.
pub const BEST_CHECKPOINT: &str = "best.safetensors";

/// The one metadata key: a map with several would not always be written in the same order.
const METADATA_KEY: &str = "tinylsa.training";

/// The text in the metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// SHA-256 of the whole file with [`UNSEALED`] in this place.
    sha256: String,
    counters: Counters,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) weights: State,
    pub(crate) average: State,
    pub(crate) optimizer: OptimizerState,
    pub(crate) counters: Counters,
}

/// A checkpoint that was read, and the checksum that it carries.
#[derive(Debug)]
pub(crate) struct SealedCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) sha256: String,
}

/// What a checkpoint of a plan is.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointForm {
    /// SHA-256 of what the experiment is.
    pub(crate) experiment: String,
    pub(crate) environment: Environment,
    /// Whether burn's own matrix products, which follow the processor, take part in the result.
    pub(crate) burn_products: bool,
    pub(crate) layout: Layout,
    pub(crate) schedule: Schedule,
}

impl Checkpoint {
    /// Writes the checkpoint and returns the checksum that it carries. Nothing is written if a value is not finite.
    pub(crate) fn write(&self, path: &Path) -> Result<String, TrainError> {
        let refused = |source| TrainError::Checkpoint { path: path.to_owned(), source };
        let state = self.state();
        state.iter().try_for_each(|(name, tensor)| check_values(name, tensor)).map_err(refused)?;
        let sealed = sealed(&state, &self.counters).map_err(refused)?;
        write_atomically(path, &sealed.bytes).map_err(|source| TrainError::CheckpointFile {
            action: "write",
            path: path.to_owned(),
            source,
        })?;
        Ok(sealed.sha256)
    }

    fn state(&self) -> State {
        let mut state = State::new();
        let mut push = |part: &str, name: &str, tensor: HostTensor| state.insert(full_name(part, name), tensor);
        for (name, tensor) in &self.weights {
            push(WEIGHTS, name, tensor.clone());
        }
        for (name, tensor) in &self.average {
            push(AVERAGE, name, tensor.clone());
        }
        for (name, moments) in &self.optimizer {
            for (part, values) in [(FIRST, &moments.first), (SECOND, &moments.second)] {
                push(part, name, HostTensor { shape: vec![values.len()], values: values.clone() });
            }
        }
        state
    }

    /// The tensors are those of the layout.
    fn from_parts(state: State, counters: Counters) -> Self {
        let (mut weights, mut average) = (State::new(), State::new());
        let mut optimizer = OptimizerState::new();
        for (full_name, tensor) in state {
            let (part, name) = full_name.split_once('/').unwrap_or(("", &full_name));
            match part {
                WEIGHTS => drop(weights.insert(name.to_owned(), tensor)),
                AVERAGE => drop(average.insert(name.to_owned(), tensor)),
                FIRST => moments(&mut optimizer, name).first = tensor.values,
                SECOND => moments(&mut optimizer, name).second = tensor.values,
                // The layout has no other part.
                _ => {}
            }
        }
        Self { weights, average, optimizer, counters }
    }
}

impl CheckpointForm {
    /// Reads a checkpoint and refuses one that is damaged or of another plan.
    pub(crate) fn read(&self, path: &Path) -> Result<SealedCheckpoint, TrainError> {
        let bytes = std::fs::read(path).map_err(|source| TrainError::CheckpointFile {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        self.decode(&bytes).map_err(|source| TrainError::Checkpoint { path: path.to_owned(), source })
    }

    fn decode(&self, bytes: &[u8]) -> Result<SealedCheckpoint, CheckpointError> {
        let (state, text) =
            state_from_safetensors(bytes, METADATA_KEY).map_err(|error| CheckpointError::Format(chain(&error)))?;
        let Description { sha256, counters } =
            serde_json::from_str(&text).map_err(|error| CheckpointError::Format(error.to_string()))?;
        check_seal(bytes, &sha256)?;
        CheckpointError::check_environment(&counters.environment, &self.environment, self.burn_products)?;
        if counters.experiment != self.experiment {
            return Err(CheckpointError::OtherExperiment);
        }
        counters.check(&self.schedule)?;
        self.layout.check(&state)?;
        Ok(SealedCheckpoint { checkpoint: Checkpoint::from_parts(state, counters), sha256 })
    }
}

/// The bytes of a checkpoint with their own checksum in the metadata.
fn sealed(state: &State, counters: &Counters) -> Result<Sealed, CheckpointError> {
    let description = Description { sha256: UNSEALED.to_owned(), counters: counters.clone() };
    let text = serde_json::to_string(&description).map_err(|error| CheckpointError::Format(error.to_string()))?;
    let bytes =
        state_to_safetensors(state, METADATA_KEY, text).map_err(|error| CheckpointError::Format(error.to_string()))?;
    seal(bytes).ok_or_else(|| CheckpointError::Format("it has no metadata".to_owned()))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn moments<'a>(optimizer: &'a mut OptimizerState, name: &str) -> &'a mut Moments {
    optimizer.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests;
