//! The images of the test split, and what the network says of them: read and asked behind the page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use axum::http::StatusCode;
use rayon::ThreadPoolBuilder;
use serde::Serialize;
use tinylsa_data::to_unit;
use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::dataset::{LoadedDataset, require_size};
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_experiment::models::NetworkMetadata;
use tinylsa_model::{ModelConfig, Predictor};
use tracing::warn;

use crate::config::ExplorerImages;
use crate::refusal::Refusal;

/// Images of a forward pass behind the page, few enough that a prediction of the page never waits for long.
const BATCH: usize = 32;

/// Where the images stand.
#[derive(Clone, Debug)]
pub(crate) enum Images {
    /// They are being read.
    Loading,
    /// They are here.
    Ready(Arc<LoadedDataset>),
    /// There are none, for this reason.
    Without(String),
}

/// What the network says of the images so far, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Predicted {
    /// The predicted class of each.
    pub(crate) predicted: Vec<u32>,
    /// Its calibrated probability.
    pub(crate) confidence: Vec<f32>,
}

/// The images and what the network says of them.
#[derive(Debug)]
pub(crate) struct Gallery {
    images: RwLock<Images>,
    predicted: RwLock<Predicted>,
    /// The refusal of images that were named and are not there, once.
    refused: RwLock<Option<ExperimentError>>,
}

impl Gallery {
    pub(crate) fn new(images: &ExplorerImages) -> Self {
        let images = match images {
            ExplorerImages::Find(_) => Images::Loading,
            ExplorerImages::Given(images) => Images::Ready(Arc::clone(images)),
            ExplorerImages::Without => Images::Without("none were asked for".to_owned()),
        };
        Self { images: RwLock::new(images), predicted: RwLock::default(), refused: RwLock::default() }
    }

    pub(crate) fn images(&self) -> Images {
        self.images.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The images, if there are any.
    ///
    /// # Errors
    /// If they are still being read, or there are none.
    pub(crate) fn ready(&self) -> Result<Arc<LoadedDataset>, Refusal> {
        match self.images() {
            Images::Ready(images) => Ok(images),
            Images::Loading => {
                Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the images are still being read; ask again"))
            }
            Images::Without(reason) => {
                Err(Refusal::new(StatusCode::NOT_FOUND, format!("there are no images: {reason}")))
            }
        }
    }

    /// Hands over what the network says so far.
    pub(crate) fn with_predicted<T>(&self, read: impl FnOnce(&Predicted) -> T) -> T {
        read(&self.predicted.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why images that somebody named are not there. It is told once.
    pub(crate) fn take_refusal(&self) -> Option<ExperimentError> {
        self.refused.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, images: Images) {
        *self.images.write().unwrap_or_else(PoisonError::into_inner) = images;
    }

    /// Reads the images that are looked for, and checks that they are those of the model.
    pub(crate) fn find(&self, model: ImagesOf<'_>, request: &ImageRequest) {
        let found = model.at_hand(request).and_then(|images| {
            images.map_or(Ok(None), |images| require_fitting(&images, model.metadata).map(|()| Some(images)))
        });
        let is_named = request != &ImageRequest::default();
        match found {
            Ok(Some(images)) => self.set(Images::Ready(Arc::new(images))),
            Ok(None) => {
                let name = request.source.or_else(|| model.source()).map_or("its training", |source| source.name());
                self.set(Images::Without(format!(
                    "the images of {name} are not on this machine; --data-dir says where they are, `cargo xtask data \
                     fetch` gets them, and --source synthetic-garments draws others"
                )));
            }
            Err(error) => {
                let text = tinylsa_experiment::chain(&error);
                warn!("the page has no images: {text}");
                self.set(Images::Without(text));
                if is_named {
                    *self.refused.write().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        }
    }

    /// Asks the network about every image, a few at a time, until `stop` is set.
    pub(crate) fn predict_all(&self, network: &dyn Predictor, metadata: &NetworkMetadata, stop: &AtomicBool) {
        let Images::Ready(images) = self.images() else { return };
        let pixels = images.test.shape.values();
        for batch in images.test.images.chunks(BATCH * pixels) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let logits = network.logits(&to_unit(batch)).map_err(|error| error.to_string());
            let found = logits.and_then(|logits| metadata.probabilities(&logits).map_err(|error| error.to_string()));
            let probabilities = match found {
                Ok(probabilities) => probabilities,
                Err(error) => {
                    warn!("the images of the gallery have no predictions: {error}");
                    return;
                }
            };
            let mut all = self.predicted.write().unwrap_or_else(PoisonError::into_inner);
            for row in probabilities.chunks_exact(network.classes()) {
                let best = (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
                all.predicted.push(best as u32);
                all.confidence.push(row[best]);
            }
            drop(all);
            thread::yield_now();
        }
    }
}

/// Reads the images and asks the network about them, on a thread of its own with a pool of its own.
pub(crate) fn fill(
    gallery: &Gallery,
    images: &ExplorerImages,
    model: ImagesOf<'_>,
    network: &dyn Predictor,
    stop: &AtomicBool,
) {
    // The pool ends with this thread; without one the work goes to the common pool, which nothing else of the page uses.
    let _pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    if let ExplorerImages::Find(request) = images {
        gallery.find(model, request);
    }
    gallery.predict_all(network, model.metadata, stop);
}

/// Requires the images to have the shape and the classes of the model.
pub(crate) fn require_fitting(images: &LoadedDataset, metadata: &NetworkMetadata) -> Result<(), ExperimentError> {
    for split in [&images.train, &images.test] {
        require_size(split, metadata.config.input())?;
        require_classes(metadata, split)?;
    }
    Ok(())
}
