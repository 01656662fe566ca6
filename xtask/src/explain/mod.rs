//! Explains pictures, scores the explanations, and writes both down.
//!
//! An [`Explainer`] explains one picture by one method; [`explain_pictures`] asks it about several. What comes out, a
//! [`PictureExplanation`](result::PictureExplanation), is plain data from which the files, the pictures and the scores
//! are made.

mod attention;
mod choice;
mod circumstances;
mod config;
mod directory;
pub(crate) mod experiment;
mod explainer;
mod files;
mod gradients;
mod method;
pub(crate) mod names;
pub(crate) mod page;
pub(crate) mod pictures;
pub(crate) mod result;
mod run;
mod scores;
mod segments;

pub(crate) use choice::{background, chosen, noise_background, subject};
pub(crate) use circumstances::Circumstances;
pub(crate) use config::{BackgroundConfig, ExplainConfig};
pub(crate) use directory::ImageDirectory;
pub(crate) use explainer::{ExplainedNetwork, Explainer, execution};
pub(crate) use files::{Origin, write_picture};
pub(crate) use method::{Family, Method};
pub(crate) use run::{Request, Subject, explain_pictures};
