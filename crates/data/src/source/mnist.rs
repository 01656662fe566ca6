//! Handwritten digits.

use std::path::Path;

use super::{
    ImageCollection, ImageForm, ImageSource, MNIST, Place, Publication, SourceError, SourceTables, SplitSizes,
    load_published,
};

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        MNIST.id
    }

    fn title(&self) -> &'static str {
        MNIST.title
    }

    fn place(&self) -> Place {
        Place::Default("datasets/mnist")
    }

    fn publication(&self) -> Option<&'static Publication> {
        Some(&MNIST)
    }

    fn form(&self, _tables: SourceTables<'_>) -> Option<ImageForm> {
        Some(Publication::FORM)
    }

    fn is_on_black(&self) -> bool {
        true
    }

    fn sizes(&self, _tables: SourceTables<'_>) -> Option<SplitSizes> {
        Some(Publication::SIZES)
    }

    fn load(&self, directory: &Path, _tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        load_published(&MNIST, directory)
    }
}
