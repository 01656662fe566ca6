//! Images that are drawn.

use std::path::Path;

use tinylsa_settings::InvalidSetting;

use super::{ImageCollection, ImageForm, ImageSource, Place, Publication, SourceError, SourceTables, SplitSizes};
use crate::synthetic::synthetic_garments;

pub(super) struct Source;

impl ImageSource for Source {
    fn name(&self) -> &'static str {
        "synthetic-garments"
    }

    fn title(&self) -> &'static str {
        "synthetic garments"
    }

    fn place(&self) -> Place {
        Place::Nowhere
    }

    fn form(&self, _tables: SourceTables<'_>) -> Option<ImageForm> {
        Some(Publication::FORM)
    }

    fn is_on_black(&self) -> bool {
        true
    }

    fn sizes(&self, tables: SourceTables<'_>) -> Option<SplitSizes> {
        Some(SplitSizes { train: tables.synthetic.train, test: tables.synthetic.test })
    }

    fn validate(&self, tables: SourceTables<'_>) -> Result<(), InvalidSetting> {
        tables.synthetic.validate().map_err(|error| error.within("synthetic"))
    }

    fn load(&self, _directory: &Path, tables: SourceTables<'_>) -> Result<ImageCollection, SourceError> {
        let garments = synthetic_garments(tables.synthetic).map_err(|error| error.within("synthetic"))?;
        Ok(ImageCollection { train: garments.train, test: garments.test, checksums: Vec::new(), warnings: Vec::new() })
    }
}
