//! Explains pictures, scores the explanations, and writes both down.
//!
//! An [`Explainer`] explains one picture by one method; [`explain_pictures`] asks it about several. What comes out, a
//! [`PictureExplanation`](result::PictureExplanation), is plain data from which the files, the pictures and the scores
//! are made.

#![allow(missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

mod attention;
mod background;
mod circumstances;
mod config;
mod directory;
mod explainer;
mod files;
mod gradients;
mod method;
pub mod names;
pub mod page;
pub mod pictures;
pub mod result;
mod run;
pub mod scores;
mod segments;

pub use background::noise_background;
pub use circumstances::Circumstances;
pub use config::{BackgroundConfig, ExplainConfig, PictureChoice};
pub use directory::ImageDirectory;
pub use explainer::{Background, ExplainedNetwork, Explainer, execution};
pub use files::{Origin, write_picture};
pub use method::{Family, Method};
pub use result::{PictureExplanation, ScoreColumn, ScoreEntry, ScoreTable, Source};
pub use run::{ExplainProgress, Request, Subject, Unwatched, explain_pictures};
