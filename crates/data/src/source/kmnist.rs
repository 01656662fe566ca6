//! Cursive Japanese characters.

use std::path::Path;

use super::{
    ImageCollection, ImageForm, ImageSource, KMNIST, Place, Publication, SourceError, SourceTables, SplitSizes,
    load_published,
};

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        KMNIST.id
    }

    fn title(&self) -> &'static str {
        KMNIST.title
    }

    fn place(&self) -> Place {
        Place::Default("datasets/kmnist")
    }

    fn publication(&self) -> Option<&'static Publication> {
        Some(&KMNIST)
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
        load_published(&KMNIST, directory)
    }
}
