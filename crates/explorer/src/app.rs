//! What every answer is made from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_experiment::models::NetworkMetadata;
use tinylsa_explain::Circumstances;
use tinylsa_model::ModelConfig;
use tokio::sync::Semaphore;

use crate::clients::Clients;
use crate::gallery::{Gallery, Images};
use crate::knobs::Knobs;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::memory::Memory;

/// What a piece of work costs on this machine, in milliseconds, measured once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The scores of one image among others.
    pub(crate) evaluation: f64,
    /// The gradient of one image among others.
    pub(crate) gradient: f64,
}

/// The server: the model, the images, who asks, and what computes.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) metadata: NetworkMetadata,
    /// SHA-256 of the model file.
    pub(crate) sha256: String,
    /// The number of weights.
    pub(crate) parameters: usize,
    /// The model file; none for the weights that ship.
    pub(crate) file: Option<PathBuf>,
    /// The words of the command that name the images, if they were named.
    pub(crate) source_options: Vec<String>,
    /// The settings of `configs/base.toml`, fitted to the model.
    pub(crate) settings: ExplainSettings,
    pub(crate) knobs: Knobs,
    pub(crate) limits: Limits,
    pub(crate) lanes: Lanes,
    pub(crate) clients: Arc<Clients>,
    pub(crate) memory: Memory,
    pub(crate) gallery: Gallery,
    pub(crate) pace: OnceLock<Pace>,
    /// Photographs that are received at a time.
    pub(crate) photos_received: Semaphore,
    /// Photographs that are prepared at a time.
    pub(crate) photos_prepared: Arc<Semaphore>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl App {
    /// What is explained, as far as it is known by now.
    pub(crate) fn circumstances(&self) -> Circumstances {
        let (training, test) = match self.gallery.images() {
            Images::Ready(images) => (Some(images.train.len()), images.test.len()),
            Images::Loading | Images::Without(_) => (None, 0),
        };
        Circumstances::of_network(&self.metadata.config, training, test)
    }

    /// The number of classes.
    pub(crate) fn classes(&self) -> usize {
        self.metadata.config.classes()
    }
}
