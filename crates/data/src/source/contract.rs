//! What a source is.

use std::path::Path;

use tinylsa_settings::InvalidSetting;

use super::{ImageCollection, ImageForm, Publication, SourceError, SourceTables, SplitSizes};

/// A place that images come from.
pub trait ImageSource: Sync {
    /// The name in configs, such as `fashion-mnist`.
    fn name(&self) -> &'static str;

    /// The name for people, such as `Fashion-MNIST`.
    fn title(&self) -> &'static str;

    /// Where its files are.
    fn place(&self) -> Place;

    /// The environment variable that names the directory of its files.
    fn directory_variable(&self) -> Option<&'static str> {
        None
    }

    /// The files that can be downloaded, and by which others are verified.
    fn publication(&self) -> Option<&Publication> {
        None
    }

    /// Shape and classes of the images, if they are known before the images are read.
    fn form(&self, _tables: SourceTables<'_>) -> Option<ImageForm> {
        None
    }

    /// Whether the images show one thing each, light on black, so that a photograph has to be brought into that form
    /// before a model of these images sees it.
    fn is_on_black(&self) -> bool {
        false
    }

    /// How many images there are, if that is known before they are read.
    fn sizes(&self, _tables: SourceTables<'_>) -> Option<SplitSizes> {
        None
    }

    /// Checks its own settings, before anything is read.
    ///
    /// # Errors
    /// The first setting outside its range, by its key inside `[data]`.
    fn validate(&self, _tables: SourceTables<'_>) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Reads the images from a directory, or draws them. Nothing is downloaded.
    ///
    /// # Errors
    /// [`SourceError`] says what is there instead.
    fn load(&self, directory: &Path, tables: SourceTables<'_>) -> Result<ImageCollection, SourceError>;
}

/// Where the files of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: its images are drawn.
    Nowhere,
    /// In this directory, relative to the working directory, if nobody names another one.
    Default(&'static str),
    /// In a directory that has to be named.
    Named,
}
