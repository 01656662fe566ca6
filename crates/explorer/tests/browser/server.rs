//! A server with drawn garments, for all tests.

use std::sync::{Arc, LazyLock, Mutex};

use tinylsa_data::{SyntheticConfig, synthetic_garments};
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerImages};

/// Images of the gallery.
pub(crate) const IMAGES: usize = 60;

/// The address of the page with its token. The server ends with the process.
pub(crate) static LINK: LazyLock<String> = LazyLock::new(|| {
    static RUNNING: Mutex<Option<Explorer>> = Mutex::new(None);
    let drawn = synthetic_garments(&SyntheticConfig { train: 40, test: IMAGES, seed: 3 }).unwrap();
    let images = Arc::new(LoadedDataset::in_memory(drawn.train, drawn.test));
    let model = load_model_or_pretrained(None).unwrap();
    let config = ExplorerConfig { images: ExplorerImages::Given(images), ..ExplorerConfig::new(model) };
    let mut explorer = Explorer::start(config).unwrap();
    explorer.wait_for_images();
    let link = explorer.link();
    *RUNNING.lock().unwrap() = Some(explorer);
    link.clone()
});
