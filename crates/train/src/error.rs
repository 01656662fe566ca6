use std::path::PathBuf;

use thiserror::Error;
use tinylsa_data::{DatasetError, LoaderError};
use tinylsa_model::{GeneratorBusy, ImageShape, InitError, ModelFileError, StateError};
use tinylsa_settings::InvalidSetting;

use crate::checkpoint::CheckpointError;
use crate::measure::MeasureError;
use crate::task::Task;

/// A training run that cannot begin or continue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting is outside its range.
    #[error("the training's config is invalid")]
    Config(#[from] InvalidSetting),
    /// The images cannot be handed out.
    #[error("the batches cannot be prepared")]
    Loader(#[from] LoaderError),
    /// There are fewer training images than a batch needs.
    #[error("there are {images} training images, expected at least one batch of {batch_size}")]
    TooFewImages {
        /// Training images there are.
        images: usize,
        /// Images of a step.
        batch_size: usize,
    },
    /// There is nothing to choose an epoch by.
    #[error("there are no validation images, expected at least one")]
    NoValidationImages,
    /// The fields of the dataset contradict each other.
    #[error("the dataset is no dataset")]
    Dataset(#[from] DatasetError),
    /// The images have another shape than those of the network.
    #[error("the images are {found}, the network expects {expected}")]
    ImageShape {
        /// The shape of the images.
        found: ImageShape,
        /// The shape that the network was made for.
        expected: ImageShape,
    },
    /// The network cannot be made.
    #[error("the network cannot be made")]
    Init(#[from] InitError),
    /// The network's config has no form in JSON, by which a checkpoint knows it.
    #[error("the network's config cannot be written as JSON")]
    ConfigForm(#[source] serde_json::Error),
    /// burn's random numbers are in use by another training run.
    #[error("the network draws random numbers, which cannot be made reproducible here")]
    Random(#[from] GeneratorBusy),
    /// An image is of a class that the network does not have.
    #[error("training image {index} has label {label}, expected less than the network's {classes} classes")]
    Label {
        /// The image.
        index: u32,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// The initial weights cannot be read.
    #[error("failed to load the initial weights {}", path.display())]
    InitialWeights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelFileError,
    },
    /// The initial weights are of another network than the one that is trained.
    #[error("the initial weights {} are of a network of another config, expected that of [model]", path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
    },
    /// A teacher cannot be read.
    #[error("failed to load the teacher {}", path.display())]
    Teacher {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelFileError,
    },
    /// A teacher takes other images or has another number of classes than the student.
    #[error(
        "the teacher {} takes images of {} and knows {} classes, expected {} and {} as the student",
        path.display(), found.input, found.classes, expected.input, expected.classes
    )]
    OtherTask {
        /// The file.
        path: PathBuf,
        /// The teacher's images and classes.
        found: Task,
        /// The student's.
        expected: Task,
    },
    /// A teacher or a network to begin with knows other classes than the dataset, or the same ones in another order.
    #[error("{} calls class {class} {found:?}, expected {expected:?} as the dataset", path.display())]
    OtherClasses {
        /// The file.
        path: PathBuf,
        /// The first class that differs.
        class: usize,
        /// Its name in the file.
        found: String,
        /// Its name in the dataset.
        expected: String,
    },
    /// A teacher gives scores that are not finite.
    #[error("the teacher {} gives no probabilities", path.display())]
    TeacherScores {
        /// The file.
        path: PathBuf,
        /// Which score of which image of the batch.
        source: MeasureError,
    },
    /// The averaged weights cannot be measured on the validation images.
    #[error("the validation in epoch {epoch} failed")]
    Validation {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Why.
        source: MeasureError,
    },
    /// The batches are too large for the memory that is left.
    #[error(
        "`train.batch_size` of {batch_size} needs about {:.1} GiB of memory, but {:.1} GiB are available",
        *needed as f64 / f64::from(1 << 30), *available as f64 / f64::from(1 << 30)
    )]
    Memory {
        /// Images of a step.
        batch_size: usize,
        /// Bytes that the training takes, about.
        needed: u64,
        /// Bytes that the system can give.
        available: u64,
    },
    /// The loss, a gradient or a weight is not a finite number.
    #[error(
        "the {what} is {value} in step {step} (epoch {epoch}); {}",
        match checkpoint {
            Some(path) => format!("the last good checkpoint is {}", path.display()),
            None => "there is no checkpoint yet".to_owned(),
        }
    )]
    NotFinite {
        /// Which quantity.
        what: String,
        /// Its value.
        value: f64,
        /// The step, counted from 1 over the whole training.
        step: usize,
        /// The epoch, counted from 1.
        epoch: usize,
        /// The last checkpoint, if one was written.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint cannot be written or read, or its directory cannot be made.
    #[error("failed to {action} the checkpoint {}", path.display())]
    CheckpointFile {
        /// "write", "read" or "create the directory of".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint's contents are damaged or of something else.
    #[error("the checkpoint {} cannot be used: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The last checkpoint cannot be resumed from.
    #[error("{source}; {}", match rescue {
        Some(Rescue { best, epoch, last }) => format!(
            "{} of epoch {epoch} is whole: copy it to {} and resume to repeat the training from there",
            best.display(),
            last.display()
        ),
        None => "no whole checkpoint is left: start the run again in a new directory".to_owned(),
    })]
    NoLastCheckpoint {
        /// What is wrong with it.
        source: Box<TrainError>,
        /// From where the training can be repeated.
        rescue: Option<Rescue>,
    },
    /// A checkpoint's weights do not fit the network.
    #[error("the checkpoint {} does not fit the network", path.display())]
    CheckpointState {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StateError,
    },
}

/// A checkpoint that can take the place of a damaged last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// The best checkpoint.
    pub best: PathBuf,
    /// The epochs that it has finished.
    pub epoch: usize,
    /// The damaged one.
    pub last: PathBuf,
}
