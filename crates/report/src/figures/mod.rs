//! Charts of a run, as SVG documents.
//!
//! Every function takes a `subtitle` that is drawn into the figure below its title, so that a figure which is cut out
//! of its report still says which dataset it is about; an empty one draws nothing.

mod canvas;
mod confusion;
mod curves;
mod panels;
mod per_class;
mod reliability;
mod scores;

pub use confusion::confusion_matrix;
pub use curves::{EpochPoint, training_curves};
pub use panels::{BarPanel, BarScale, bar_panels};
pub use per_class::{ClassScores, per_class};
pub use reliability::{ReliabilityBin, reliability};
pub use scores::{IntervalBar, PerturbationCurve, interval_bars, perturbation_curves};
