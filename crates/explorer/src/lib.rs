//! A local web page on which the explanations of an image classifier answer while one draws.
//!
//! [`Explorer::start`] listens at the loopback address and answers the page that it carries with it, and the questions of the
//! page: what the model says of a drawing, where it looks, which part of the image speaks for which class, what each of the
//! methods of `tinylsa-explain` makes of it, and what happens if a part were not there. `docs/explorer.md` lists the questions.
//!
//! ```
//! use tinylsa_experiment::models::load_model_or_pretrained;
//! use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerImages};
//!
//! let model = load_model_or_pretrained(None)?;
//! let explorer = Explorer::start(ExplorerConfig { images: ExplorerImages::Without, ..ExplorerConfig::new(model) })?;
//! assert!(explorer.link().starts_with("http://127.0.0.1:"));
//! // it answers until it is dropped, or until the flag of `serve_until` is set
//! drop(explorer);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The same bits as the command
//!
//! An image of the gallery, or a drawing under the name of its file, is explained by the
//! [`Explainer`](tinylsa_explain::Explainer) of the command `explain`, with the same settings, the same seed and the same
//! background. The `attributions.safetensors` that the page downloads is the file that the command writes.
//!
//! # Lanes
//!
//! Threads that read requests and write answers compute nothing. Each kind of work has a thread and a pool of threads of its
//! own, with its own copy of the model: predictions, what is shown at every pause of a stroke, methods of gradients and
//! attention, and methods that perturb. A prediction never waits for a method. Work ends at its next batch once its client has
//! gone away or has drawn on.
//!
//! # Who is answered
//!
//! Only requests that name the loopback address, that come from no other page, and that carry the token of the link. Every
//! request is bounded in size, count and time; what is refused is told as `{"error": "…"}` with a status of its own. No file is
//! read or written: images and model are handed over by the caller.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answer;
mod app;
mod assets;
mod body;
mod clients;
mod config;
mod edit;
mod error;
mod explaining;
mod files;
mod foretell;
mod gallery;
mod guard;
mod job;
mod knobs;
mod lanes;
mod limits;
mod listener;
mod memory;
mod refusal;
mod routes;
mod scoring;
mod server;
mod settings;
mod subject;
mod work;

pub use config::{ExplorerConfig, ExplorerImages};
pub use error::ExplorerError;
pub use server::Explorer;

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
