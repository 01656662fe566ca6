use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tinylsa_shape::ImageShape;
use tinylsa_system::sha256_hex;

/// The most classes whose labels fit into one byte each.
const CLASSES_OF_A_BYTE: usize = 256;

/// Which collection of images a [`Dataset`] belongs to, such as `fashion-mnist`. A result on one collection is never a
/// result on another.
///
/// It is written as one word. The collections that this crate knows have a [title](Self::title) beside it; of any other,
/// such as `folder/animals`, the title is the last part of the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatasetName(Cow<'static, str>);

impl DatasetName {
    /// Photographs of garments (Xiao, Rasul and Vollgraf 2017).
    pub const FASHION_MNIST: Self = Self::published("fashion-mnist");
    /// The images that this crate draws itself.
    pub const SYNTHETIC_GARMENTS: Self = Self::published("synthetic-garments");

    /// A collection whose name is known when this crate is compiled.
    pub(crate) const fn published(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The collection with this name. Names of one's own begin with the name of their source, such as `folder/animals`,
    /// so that no folder can pass for a published collection.
    pub fn new(id: impl Into<String>) -> Self {
        Self(Cow::Owned(id.into()))
    }

    /// The name in files, such as `fashion-mnist`.
    pub fn id(&self) -> &str {
        &self.0
    }
}

/// Which part of the collection, as its publisher divided it. A validation split is a choice of indices into the
/// training split, see [`stratified_split`](crate::stratified_split).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The images to train on.
    Train,
    /// The images that are read once, at the end.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// Images of one shape with their classes.
#[derive(Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The collection.
    pub name: DatasetName,
    /// The part of the collection.
    pub split: Split,
    /// The shape of every image.
    pub shape: ImageShape,
    /// The names of the classes, in the order of their labels.
    pub class_names: Arc<[String]>,
    /// Levels 0 to 255, image after image: `[len, channels, height, width]`.
    pub images: Vec<u8>,
    /// Class of every image, an index into `class_names`: `[len]`.
    pub labels: Vec<u32>,
    /// 1 where a pixel decides the class of its image and 0 elsewhere: `[len, height, width]`. Known for the synthetic
    /// garments only.
    pub masks: Option<Vec<u8>>,
}

/// Fields of a [`Dataset`] that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The values of the images are not those of the labels' images.
    #[error("the dataset holds {found} values, expected {expected} for {labels} images of {shape}")]
    Values {
        /// Number of values.
        found: usize,
        /// Number of values that the labels and the shape call for.
        expected: usize,
        /// Number of labels.
        labels: usize,
        /// The shape of an image.
        shape: ImageShape,
    },
    /// The values of the masks are not those of the labels' images.
    #[error("the masks hold {found} values, expected {expected} for {labels} images of {shape}")]
    Masks {
        /// Number of values.
        found: usize,
        /// Number of values that the labels and the shape call for.
        expected: usize,
        /// Number of labels.
        labels: usize,
        /// The shape of an image.
        shape: ImageShape,
    },
    /// A label names no class.
    #[error("the label of image {index} is {label}, expected less than {classes}, the number of classes")]
    Label {
        /// The image.
        index: usize,
        /// Its label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
}

/// How many images of which kind; their pixels would be hundreds of megabytes of text.
impl fmt::Debug for Dataset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Dataset")
            .field("name", &self.name)
            .field("split", &self.split)
            .field("shape", &self.shape)
            .field("classes", &self.class_names.len())
            .field("images", &self.labels.len())
            .field("masks", &self.masks.is_some())
            .finish_non_exhaustive()
    }
}

impl Dataset {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The values of one image, `[channels, height, width]`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * self.shape.values()..][..self.shape.values()]
    }

    /// The class of one image.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    /// The pixels that decide the class of one image (1) and the others (0), `[height, width]`, where they are known.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn mask(&self, index: usize) -> Option<&[u8]> {
        let pixels = self.shape.pixels();
        self.masks.as_ref().map(|masks| &masks[index * pixels..][..pixels])
    }

    /// Checks that the fields belong together.
    ///
    /// # Errors
    /// [`DatasetError`] names what does not.
    pub fn check(&self) -> Result<(), DatasetError> {
        let (shape, labels) = (self.shape, self.len());
        let (found, expected) = (self.images.len(), labels.saturating_mul(shape.values()));
        if found != expected {
            return Err(DatasetError::Values { found, expected, labels, shape });
        }
        let expected = labels.saturating_mul(shape.pixels());
        if let Some(found) = self.masks.as_ref().map(Vec::len).filter(|&found| found != expected) {
            return Err(DatasetError::Masks { found, expected, labels, shape });
        }
        let classes = self.classes();
        match self.labels.iter().position(|&label| label as usize >= classes) {
            Some(index) => Err(DatasetError::Label { index, label: self.labels[index], classes }),
            None => Ok(()),
        }
    }

    /// The labels as bytes, by which a checksum knows them: one byte each, or four of them, the lowest first, if there
    /// are more than 256 classes.
    pub fn label_bytes(&self) -> Vec<u8> {
        if self.classes() <= CLASSES_OF_A_BYTE {
            self.labels.iter().map(|&label| label as u8).collect()
        } else {
            self.labels.iter().flat_map(|label| label.to_le_bytes()).collect()
        }
    }

    /// SHA-256 over those of the images and of the [labels](Self::label_bytes): two datasets with the same images in the
    /// same order have the same one, whichever files they come from.
    pub fn digest(&self) -> String {
        let parts = format!("{} {}", sha256_hex(&self.images), sha256_hex(&self.label_bytes()));
        sha256_hex(parts.as_bytes())
    }
}

/// Class names of the program's own.
pub(crate) fn shared_names<const N: usize>(names: &[&str; N]) -> Arc<[String]> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Levels 0 to 255 as numbers 0 to 1, the scale that every model of this project reads.
pub fn to_unit(levels: &[u8]) -> Vec<f32> {
    levels.iter().map(|&level| unit(level)).collect()
}

/// One value of [`to_unit`].
pub(crate) fn unit(level: u8) -> f32 {
    f32::from(level) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        Dataset {
            name: DatasetName::new("folder/letters"),
            split: Split::Train,
            shape: ImageShape { channels: 3, height: 1, width: 2 },
            class_names: shared_names(&["a", "b"]),
            images: (0..12).collect(),
            labels: vec![1, 0],
            masks: Some(vec![0, 1, 1, 0]),
        }
    }

    #[test]
    fn unit_scale_reaches_both_ends() {
        assert_eq!(to_unit(&[0, 51, 255]), [0.0, 0.2, 1.0]);
    }

    #[test]
    fn images_and_masks_are_cut_at_their_borders() {
        let dataset = dataset();
        dataset.check().unwrap();
        assert_eq!((dataset.len(), dataset.classes(), dataset.label(0)), (2, 2, 1));
        assert_eq!(dataset.image(1), [6, 7, 8, 9, 10, 11]);
        assert_eq!(dataset.mask(1), Some(&[1, 0][..]));
    }

    #[test]
    fn fields_that_contradict_each_other_are_named() {
        let check = |change: &dyn Fn(&mut Dataset), expected: &str| {
            let mut dataset = dataset();
            change(&mut dataset);
            assert_eq!(dataset.check().unwrap_err().to_string(), expected);
        };
        check(&|dataset| dataset.images.truncate(11), "the dataset holds 11 values, expected 12 for 2 images of 3×1×2");
        check(&|dataset| dataset.masks = Some(vec![0]), "the masks hold 1 values, expected 4 for 2 images of 3×1×2");
        check(
            &|dataset| dataset.labels[1] = 2,
            "the label of image 1 is 2, expected less than 2, the number of classes",
        );
        check(
            &|dataset| dataset.shape = ImageShape::grey(usize::MAX, 2),
            &format!("the dataset holds 12 values, expected {} for 2 images of 1×{}×2", usize::MAX, usize::MAX),
        );
    }

    #[test]
    fn a_digest_tells_images_and_labels_apart() {
        let first = dataset().digest();
        assert_eq!(first, dataset().digest());
        assert_ne!(first, Dataset { labels: vec![0, 1], ..dataset() }.digest());
        let mut other = dataset();
        other.images[11] = 0;
        assert_ne!(first, other.digest());
        let many: Arc<[String]> = (0..257).map(|class| class.to_string()).collect();
        let many = Dataset { class_names: many, labels: vec![256, 1], ..dataset() };
        assert_eq!(many.label_bytes(), [0, 1, 0, 0, 1, 0, 0, 0]);
        assert_ne!(many.digest(), Dataset { labels: vec![0, 1], ..many.clone() }.digest());
    }
}
