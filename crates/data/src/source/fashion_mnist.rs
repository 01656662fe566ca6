//! Photographs of garments.

use std::path::Path;

use super::{
    FASHION_MNIST, ImageCollection, ImageForm, ImageSource, Place, Publication, SourceError, SourceTables, SplitSizes,
    load_published,
};

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        FASHION_MNIST.id
    }

    fn title(&self) -> &'static str {
        FASHION_MNIST.title
    }

    fn place(&self) -> Place {
        Place::Default("datasets/fashion-mnist")
    }

    fn directory_variable(&self) -> Option<&'static str> {
        Some("FASHION_MNIST_DIR")
    }

    fn publication(&self) -> Option<&'static Publication> {
        Some(&FASHION_MNIST)
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
        load_published(&FASHION_MNIST, directory)
    }
}
