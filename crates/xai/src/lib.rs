//! Explanations of burn models and scores of explanations.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attention;
mod attribution;
mod error;
mod execution;
mod gradient;
mod gradients;
mod lime;
mod masker;
mod picture;
mod scorer;
mod scores;
mod segmentation;
mod shapley;
mod surrogate;

pub use attribution::{Attribution, Target};
pub use error::ExplainError;
pub use execution::{Cancellation, Execution};
pub use picture::Picture;
pub use scorer::{Scorer, Scores};
pub use segmentation::{GridConfig, Segmentation, SegmentationConfig, SegmentationError, SegmentationKind, SlicConfig};
