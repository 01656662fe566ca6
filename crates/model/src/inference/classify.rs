//! From pixels to named classes.

use thiserror::Error;

use super::LoadedInferenceModel;
use crate::file::LogitError;
use crate::predictor::PixelError;

/// What a network says of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// Every class, the most probable first; of equally probable ones the first.
    pub ranked: Vec<RankedClass>,
}

/// A class and how probable it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedClass {
    /// Its number, the position of its logit.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// Its calibrated probability.
    pub probability: f32,
}

/// Images that cannot be classified.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The pixels are no images.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// The network's logits have no probabilities.
    #[error("the images have no probabilities")]
    Logits(#[from] LogitError),
}

impl Classification {
    /// The most probable class.
    ///
    /// # Panics
    /// Never: a network has at least one class.
    pub fn best(&self) -> &RankedClass {
        &self.ranked[0]
    }
}

impl LoadedInferenceModel {
    /// Names and calibrated probabilities of images that lie one after the other, channel by channel and row by row, with
    /// values from 0 to 1: one entry for each image.
    ///
    /// # Errors
    /// [`ClassifyError`] if there is no whole number of images, or if a pixel or a logit is not finite.
    pub fn classify(&self, pixels: &[f32]) -> Result<Vec<Classification>, ClassifyError> {
        let logits = self.model.logits(pixels)?;
        let probabilities = self.metadata.probabilities(&logits)?;
        let names = &self.metadata.class_names;
        Ok(probabilities.chunks_exact(names.len()).map(|row| classification(row, names)).collect())
    }
}

fn classification(probabilities: &[f32], names: &[String]) -> Classification {
    let classes = probabilities.iter().zip(names).enumerate();
    let mut ranked: Vec<RankedClass> =
        classes.map(|(class, (&probability, name))| RankedClass { class, name: name.clone(), probability }).collect();
    // The sort is stable, so that equal classes keep their order.
    ranked.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    Classification { ranked }
}
