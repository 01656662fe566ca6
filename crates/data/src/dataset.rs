use std::fmt;

use serde::{Deserialize, Serialize};

/// The names of the ten classes, in the order of their labels 0 to 9.
pub const CLASS_NAMES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// The number of classes.
pub const CLASSES: usize = CLASS_NAMES.len();

/// The height and the width of every picture in pixels.
pub const PICTURE_SIDE: usize = 28;

/// The number of pixels of every image.
pub(crate) const IMAGE_PIXELS: usize = PICTURE_SIDE * PICTURE_SIDE;

/// Which collection of pictures a [`Dataset`] belongs to. A result on one is never a result on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// The photographs of Zalando (Xiao, Rasul and Vollgraf 2017).
    FashionMnist,
    /// The pictures that this crate draws itself.
    SyntheticGarments,
}

impl DatasetName {
    /// The name for people, such as `Fashion-MNIST`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::FashionMnist => "Fashion-MNIST",
            Self::SyntheticGarments => "synthetic garments",
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title())
    }
}

/// Which half of the collection, as its publisher divided it. A validation set is a choice of indices into the
/// training half, see [`stratified_split`](crate::stratified_split).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The pictures to learn from.
    Train,
    /// The pictures that are looked at once, at the end.
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

/// Grey pictures of one size with their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The collection.
    pub name: DatasetName,
    /// The half of the collection.
    pub split: Split,
    /// Height of a picture in pixels.
    pub height: usize,
    /// Width of a picture in pixels.
    pub width: usize,
    /// Brightness 0 to 255, row by row, picture after picture: `len * height * width` bytes.
    pub images: Vec<u8>,
    /// Class of every picture, an index into [`CLASS_NAMES`].
    pub labels: Vec<u8>,
    /// 1 where a pixel decides the class of its picture and 0 elsewhere, in the shape of `images`. Known for the
    /// synthetic garments only.
    pub masks: Option<Vec<u8>>,
}

impl Dataset {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of pixels of one picture.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// The `height * width` pixels of one picture, row by row.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * self.pixels()..][..self.pixels()]
    }

    /// The class of one picture.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// The pixels that decide the class of one picture (1) and the others (0), where they are known.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn mask(&self, index: usize) -> Option<&[u8]> {
        self.masks.as_ref().map(|masks| &masks[index * self.pixels()..][..self.pixels()])
    }
}

/// Brightness 0 to 255 as numbers 0 to 1, the scale that every model of this project reads.
pub fn to_unit(pixels: &[u8]) -> Vec<f32> {
    pixels.iter().map(|&pixel| unit(pixel)).collect()
}

/// One pixel of [`to_unit`].
pub(crate) fn unit(pixel: u8) -> f32 {
    f32::from(pixel) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_scale_reaches_both_ends() {
        assert_eq!(to_unit(&[0, 51, 255]), [0.0, 0.2, 1.0]);
    }

    #[test]
    fn pictures_and_masks_are_cut_at_their_borders() {
        let dataset = Dataset {
            name: DatasetName::SyntheticGarments,
            split: Split::Train,
            height: 1,
            width: 2,
            images: vec![1, 2, 3, 4],
            labels: vec![7, 9],
            masks: Some(vec![0, 1, 1, 0]),
        };
        assert_eq!((dataset.len(), dataset.pixels()), (2, 2));
        assert_eq!(dataset.image(1), [3, 4]);
        assert_eq!(dataset.label(1), 9);
        assert_eq!(dataset.mask(1), Some(&[1, 0][..]));
    }
}
