use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::model_images::ImageRequest;
use tinylsa_experiment::models::LoadedNetwork;

/// What is explored, and where.
#[derive(Debug)]
pub struct ExplorerConfig {
    /// The network.
    pub model: LoadedNetwork,
    /// The file that the network was read from; none for the weights that ship.
    pub file: Option<PathBuf>,
    /// The images of the gallery.
    pub images: ExplorerImages,
    /// The port of the loopback address; 0 takes any that is free.
    pub port: u16,
}

impl ExplorerConfig {
    /// Explores a network with the images that it was trained on, if they are on this machine, at any free port.
    pub fn new(model: LoadedNetwork) -> Self {
        Self { model, file: None, images: ExplorerImages::Find(ImageRequest::default()), port: 0 }
    }
}

/// The images of the gallery.
pub enum ExplorerImages {
    /// Those that are on this machine, or none: nothing is downloaded. They are read after the page is there.
    Find(ImageRequest),
    /// These.
    Given(Arc<LoadedDataset>),
    /// None: everything else works without.
    Without,
}

impl fmt::Debug for ExplorerImages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Find(request) => formatter.debug_tuple("Find").field(request).finish(),
            Self::Given(images) => write!(formatter, "Given({})", images.name()),
            Self::Without => formatter.write_str("Without"),
        }
    }
}
