//! Experiments: a config file becomes a run directory with weights, measurements, explanations and a page.
//!
//! An [`Experiment`] is a config that is valid, with its overrides. [`Experiment::run`] gets the images, trains the
//! network, measures it on the split that the config names, explains images, and writes all of it into one directory. It
//! prints nothing: what happens goes to a [`RunProgress`], what came out is a [`CompletedRun`], and a flag in
//! [`RunOptions`] stops it where it can be resumed.
//!
//! ```
//! use tinylsa_experiment::{Experiment, ExperimentError, RunOptions, Unwatched};
//!
//! // The config that continuous integration runs, made smaller still: 40 synthetic garments to train on.
//! let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/ci.toml"));
//! let smaller = ["data.synthetic.train=60", "data.synthetic.test=20", "data.validation=20", "train.batch_size=20"];
//! let overrides: Vec<String> =
//!     smaller.into_iter().chain(["train.epochs=1", "explain.enabled=false"]).map(str::to_owned).collect();
//! let experiment = Experiment::from_text("small.toml", text, &overrides)?;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let out = folder.path().join("run");
//! let options = RunOptions { out: Some(out.clone()), ..RunOptions::default() };
//! let run = experiment.run(&options, &mut Unwatched)?;
//! assert_eq!(run.evaluation.images, 20);
//! assert!(out.join("model.safetensors").is_file() && run.report().is_file());
//!
//! // A directory that holds a run is not written over; it is resumed, which does nothing to a finished run.
//! let refused = experiment.run(&options, &mut Unwatched).unwrap_err();
//! assert!(matches!(refused, ExperimentError::Usage(_)), "{refused}");
//! let resumed = experiment.run(&RunOptions { resume: true, ..options }, &mut Unwatched)?;
//! assert!(resumed.was_finished);
//! assert_eq!(resumed.manifest.digests, run.manifest.digests);
//! # Ok::<(), ExperimentError>(())
//! ```
//!
//! # The run directory is the result
//!
//! A run is known by the digest of everything that decides its bits: the resolved config, the checksums of its images and
//! teachers, the instruction set, the versions. A directory that was made with anything else is refused, never reused, and
//! the message names the key that differs. `manifest.json` is written last and holds the SHA-256 of every other file, so
//! that [`folder::problems`] can say of any directory whether it is what its run left. [`finished::FinishedRun`] reads one
//! back.
//!
//! The same config, seed and instruction set give the same bits, whatever the number of threads, interrupted or not;
//! [`reproduce::reproduce`] runs an experiment again and compares.
//!
//! # What is built on runs
//!
//! - [`evaluate`] measures a model file, the model of a run, or the weights that ship; [`evaluation`] is what comes out.
//!   [`model_images`] finds the images that a model was trained on.
//! - [`classify`] says what is on a photograph, [`compare`] counts what networks cost beside large ones.
//! - [`sweep`] runs variants of a config with several seeds, each in a process of its own, here or on a [`cluster`];
//!   [`race`] trains different networks for the same time, and [`sheet`] explains one image on all of them.
//! - [`card`] measures weights for their model card, [`export`] calibrates the model of a run, and [`export::hub`] makes a
//!   directory of a model for the Hub of Hugging Face.
//!
//! # Errors
//!
//! Every public function that can fail returns an [`ExperimentError`], which says whether the config is wrong, the request,
//! whether the caller stopped the work, or what failed. What is wrong with a config or a request is found before anything
//! is written. [`chain`] puts an error and its causes into one line.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod card;
mod children;
pub mod choice;
pub mod classify;
pub mod cluster;
pub mod compare;
pub mod dataset;
mod error;
pub mod evaluate;
pub mod evaluation;
mod experiment;
pub mod explain_settings;
mod explanations;
pub mod export;
pub mod finished;
pub mod folder;
pub mod image_file;
pub mod machine;
pub mod matching;
pub mod model_images;
pub mod models;
mod network;
mod page;
mod prepare;
mod progress;
pub mod race;
pub mod reproduce;
mod run;
mod run_figures;
pub mod schema;
pub mod shards;
pub mod sheet;
pub mod statistics;
pub mod sweep;
mod tensorboard;

pub use error::{ExperimentError, InContext, chain};
pub use prepare::Experiment;
pub use progress::{RunProgress, StartedRun, Unwatched};
pub use run::{CompletedRun, RunOptions};
pub use schema::ExperimentConfig;
pub use tinylsa_explain::{ExplainProgress, MethodId};
pub use tinylsa_settings::UsageError;
pub use tinylsa_settings::config::ConfigError;
pub use tinylsa_train::{EpochRecord, Progress};

// `configs` is a link to the directory at the root of the repository; a package holds the files. Git on Windows makes links
// with `core.symlinks = true`.

/// `configs/base.toml`, the config of the network whose weights ship, as it was when this crate was built.
pub const BASE_CONFIG: &str = include_str!("../configs/base.toml");

/// The configs of `configs/compare`, by the names of the networks, as they were when this crate was built.
pub const COMPARED_CONFIGS: [(&str, &str); 7] = [
    ("TinyCNN + LSA", include_str!("../configs/compare/tinycnn-lsa.toml")),
    ("ResNet-20", include_str!("../configs/compare/resnet20.toml")),
    ("MobileNetV3-Small", include_str!("../configs/compare/mobilenet.toml")),
    ("ViT-Tiny/4", include_str!("../configs/compare/vit.toml")),
    ("Swin, two stages", include_str!("../configs/compare/swin.toml")),
    ("VGG-19", include_str!("../configs/compare/vgg19.toml")),
    ("ResNet-50", include_str!("../configs/compare/resnet50.toml")),
];

/// The program in the README of the repository is tested here, where all crates are at hand.
#[cfg(doctest)]
#[doc = include_str!("../REPOSITORY.md")]
struct Repository;

/// The example of the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
