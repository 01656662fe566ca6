//! Images that are drawn.

use std::path::Path;

use tinylsa_settings::InvalidSetting;

use super::{DataConfig, ImageCollection, ImageForm, ImageSource, Place, Publication, SourceError, SplitSizes};
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

    fn form(&self, _config: &DataConfig) -> Option<ImageForm> {
        Some(Publication::FORM)
    }

    fn is_on_black(&self) -> bool {
        true
    }

    fn sizes(&self, config: &DataConfig) -> Option<SplitSizes> {
        Some(SplitSizes { train: config.synthetic.train, test: config.synthetic.test })
    }

    fn validate(&self, config: &DataConfig) -> Result<(), InvalidSetting> {
        config.synthetic.validate().map_err(|error| error.within("synthetic"))
    }

    fn load(&self, _directory: &Path, config: &DataConfig) -> Result<ImageCollection, SourceError> {
        let garments = synthetic_garments(&config.synthetic).map_err(|error| error.within("synthetic"))?;
        Ok(ImageCollection { train: garments.train, test: garments.test, checksums: Vec::new(), warnings: Vec::new() })
    }
}
