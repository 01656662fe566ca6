use thiserror::Error;
use tinylsa_system::SealError;

use super::environment::Environment;

/// What is wrong with the contents of a checkpoint.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are no checkpoint of this version.
    #[error("it is damaged: {0}")]
    Format(String),
    /// The bytes are not those that were written.
    #[error("it is damaged: {0}")]
    Seal(#[from] SealError),
    /// A checkpoint was made by another experiment.
    #[error(
        "it was made with another config, seed or dataset; choose a new run directory, or restore the config that \
         made it"
    )]
    OtherExperiment,
    /// A checkpoint was made by other versions of the software.
    #[error(
        "it was written by {found}, this is {used}, whose results may differ; resume it with the versions that wrote it"
    )]
    OtherVersion {
        /// The versions that wrote it.
        found: String,
        /// The versions of this program.
        used: String,
    },
    /// A checkpoint was made with another instruction set.
    #[error(
        "it was written with the instruction set {found}, this process uses {used}, and a mixture of both gives the \
         result of neither; set the environment variable TINYLSA_SIMD={found} to resume, on a machine that has {found}"
    )]
    OtherInstructionSet {
        /// The instruction set that wrote it.
        found: String,
        /// The instruction set of this process.
        used: String,
    },
    /// A checkpoint was made on a processor for which burn computes matrix products in another way.
    #[error(
        "it was written on a processor with {found}, this one has {used}, and burn's matrix products, which this \
         plan uses, differ between them whatever TINYLSA_SIMD says; resume it on a processor with {found}"
    )]
    OtherProcessor {
        /// The widest instruction set of the machine that wrote it.
        found: String,
        /// The widest instruction set of this machine.
        used: String,
    },
    /// A tensor is missing.
    #[error("the tensor {name} is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor belongs to nothing that the plan trains.
    #[error("the tensor {name} belongs to no part of the training")]
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape.
    #[error("the tensor {name} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the plan needs.
        expected: Vec<usize>,
    },
    /// A value is no possible one.
    #[error("the tensor {name} holds {value} at position {position}, expected {expected}")]
    Value {
        /// The tensor.
        name: String,
        /// The position in row-major order.
        position: usize,
        /// The value.
        value: f32,
        /// What it should be.
        expected: &'static str,
    },
    /// A counter contradicts the plan or the other counters.
    #[error("{counter} is {found}, expected {expected}")]
    Counter {
        /// Which counter.
        counter: String,
        /// Its value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The best checkpoint is not the one that the last checkpoint belongs with.
    #[error(
        "it is not the checkpoint that belongs with last.safetensors, the one of epoch {epoch} with SHA-256 {recorded}: \
         {found}"
    )]
    OtherBest {
        /// The epoch of the best validation accuracy.
        epoch: usize,
        /// The checksum that the last checkpoint names.
        recorded: String,
        /// What was found.
        found: String,
    },
}

impl CheckpointError {
    /// Whether the file is not what a training run wrote, as opposed to whole and of something else.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Format(_)
            | Self::Seal(_)
            | Self::Missing { .. }
            | Self::Unexpected { .. }
            | Self::Shape { .. }
            | Self::Value { .. }
            | Self::Counter { .. } => true,
            Self::OtherExperiment
            | Self::OtherVersion { .. }
            | Self::OtherInstructionSet { .. }
            | Self::OtherProcessor { .. }
            | Self::OtherBest { .. } => false,
        }
    }

    /// Refuses another version, instruction set or processor than the one that is used.
    pub(super) fn check_environment(found: &Environment, used: &Environment, burn_products: bool) -> Result<(), Self> {
        if (&found.tinylsa, &found.burn) != (&used.tinylsa, &used.burn) {
            return Err(Self::OtherVersion { found: found.versions(), used: used.versions() });
        }
        if found.instruction_set != used.instruction_set {
            let (found, used) = (found.instruction_set.clone(), used.instruction_set.clone());
            return Err(Self::OtherInstructionSet { found, used });
        }
        if burn_products && found.processor != used.processor {
            let (found, used) = (found.processor.clone(), used.processor.clone());
            return Err(Self::OtherProcessor { found, used });
        }
        Ok(())
    }
}
