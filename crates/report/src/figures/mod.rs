//! Charts of a run, as SVG documents, and those that a run always has as pixels, too.
//!
//! Every function takes a `subtitle` that is drawn into the figure below its title, so that a figure which is cut out
//! of its report still says which dataset it is about; an empty one draws nothing.

mod canvas;
mod confusion;
mod curves;
mod panels;
mod paper;
mod per_class;
mod pixels;
mod reliability;
mod scores;

pub use confusion::{confusion_matrix, confusion_matrix_pixels};
pub use curves::{EpochPoint, training_curves, training_curves_pixels};
pub use panels::{BarPanel, BarScale, bar_panels};
pub use per_class::{ClassScores, per_class, per_class_pixels};
pub use reliability::{ReliabilityBin, reliability, reliability_pixels};
pub use scores::{IntervalBar, PerturbationCurve, interval_bars, perturbation_curves};
