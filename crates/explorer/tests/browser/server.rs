//! Servers for the tests.

use std::sync::{Arc, LazyLock, Mutex};

use tinylsa_data::{SyntheticConfig, synthetic_garments};
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerImages};

/// Images of the gallery.
pub(crate) const IMAGES: usize = 60;

/// The address of a page with drawn garments, with its token. The server ends with the process.
pub(crate) static LINK: LazyLock<String> = LazyLock::new(|| {
    let drawn = synthetic_garments(&SyntheticConfig { train: 40, test: IMAGES, seed: 3 }).unwrap();
    serve(ExplorerImages::Given(Arc::new(LoadedDataset::in_memory(drawn.train, drawn.test))))
});

/// The address of a page without images.
pub(crate) fn without_images() -> String {
    serve(ExplorerImages::Without)
}

/// The address of a page with the images of the model, if they are on this machine.
pub(crate) fn with_images_of_the_model() -> String {
    serve(ExplorerConfig::new(load_model_or_pretrained(None).unwrap()).images)
}

fn serve(images: ExplorerImages) -> String {
    static RUNNING: Mutex<Vec<Explorer>> = Mutex::new(Vec::new());
    let model = load_model_or_pretrained(None).unwrap();
    let mut explorer = Explorer::start(ExplorerConfig { images, ..ExplorerConfig::new(model) }).unwrap();
    explorer.wait_for_images();
    let link = explorer.link();
    RUNNING.lock().unwrap().push(explorer);
    link
}
