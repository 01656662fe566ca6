use thiserror::Error;
use tinylsa_data::DatasetError;
use tinylsa_model::{ImageShape, PixelError};

/// Images, labels and scores that cannot be measured.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// There are too few images for the measure.
    #[error(
        "there {} {found} image{}, expected at least {expected} for {measure}",
        if *found == 1 { "is" } else { "are" },
        if *found == 1 { "" } else { "s" }
    )]
    TooFewImages {
        /// Images there are.
        found: usize,
        /// Images that the measure needs.
        expected: usize,
        /// What is measured.
        measure: &'static str,
    },
    /// The images have another shape than those of the network.
    #[error("the images are {found}, the network expects {expected}")]
    ImageShape {
        /// The shape of the images.
        found: ImageShape,
        /// The shape that the network was made for.
        expected: ImageShape,
    },
    /// The fields of the dataset contradict each other.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The network does not take the pixels.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// There is no image of this number.
    #[error("there is no image {index}, the dataset has {images}")]
    Index {
        /// The number.
        index: u32,
        /// Images of the dataset.
        images: usize,
    },
    /// There is another number of scores than classes and images ask for.
    #[error("there are {values} scores for {images} images, expected {classes} for each")]
    Shape {
        /// Scores there are.
        values: usize,
        /// Labels there are.
        images: usize,
        /// Scores of an image.
        classes: usize,
    },
    /// An image is of a class that has no scores.
    #[error("image {index} has label {label}, expected less than the {classes} classes of the network")]
    Label {
        /// The image, counted from 0 over those that are measured.
        index: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A score is NaN or infinite.
    #[error("the {score} of class {class} of image {index} is {value}, expected a finite number")]
    NotFinite {
        /// Which score, such as "logit".
        score: &'static str,
        /// The image, counted from 0 over those that are measured.
        index: usize,
        /// The class.
        class: usize,
        /// The score.
        value: f32,
    },
}

/// The scores of every class for some images, checked: as many as classes and images ask for, all of them finite, and
/// every label that of a class.
pub(crate) fn require_scores(
    score: &'static str,
    classes: usize,
    values: &[f32],
    labels: &[u32],
) -> Result<(), MeasureError> {
    require_images(labels.len(), 1, "a measurement")?;
    if classes == 0 || values.len() != labels.len() * classes {
        return Err(MeasureError::Shape { values: values.len(), images: labels.len(), classes });
    }
    require_finite(score, classes, values, 0)?;
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(index) => Err(MeasureError::Label { index, label: labels[index], classes }),
        None => Ok(()),
    }
}

/// Refuses rows of scores that are not finite; the first row is that of image `first`.
pub(crate) fn require_finite(
    score: &'static str,
    classes: usize,
    values: &[f32],
    first: usize,
) -> Result<(), MeasureError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(MeasureError::NotFinite {
            score,
            index: first + position / classes,
            class: position % classes,
            value: values[position],
        }),
        None => Ok(()),
    }
}

pub(crate) fn require_images(found: usize, expected: usize, measure: &'static str) -> Result<(), MeasureError> {
    if found < expected { Err(MeasureError::TooFewImages { found, expected, measure }) } else { Ok(()) }
}
