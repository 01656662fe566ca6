//! Heat maps, charts and the report page, from plain slices.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod contact;
mod error;
mod figures;
mod maps;
mod page;
mod picture;
mod table;
mod text;

pub use contact::{ContactRow, ContactSheet};
pub use error::ReportError;
pub use figures::{
    ClassScores, EpochPoint, IntervalBar, PerturbationCurve, ReliabilityBin, confusion_matrix, interval_bars,
    per_class, perturbation_curves, reliability, training_curves,
};
pub use image::RgbImage;
pub use maps::{AttentionScale, Panel, SharedScale, Sheet, ValueMap};
pub use page::{Block, Figure, FigureContent, ReportPage, Section, SummaryEntry, Warning};
pub use picture::{GreyPicture, encode_png};
pub use table::{Align, Better, Cell, Column, Estimate, MethodScores, RankedTable, Row, Score, Table};
