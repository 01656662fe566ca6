use std::path::Path;

use crate::dataset::{CLASSES, Dataset, DatasetName, IMAGE_PIXELS, PICTURE_SIDE, Split};
use crate::idx::{IdxArray, IdxError, IdxFault, IdxLimits, decode_idx};

/// The bytes before the first element of an IDX file with one dimension.
const LABELS_HEADER: u64 = 8;

/// The bytes of an IDX file, packed with gzip or not, and the path that errors name.
#[derive(Clone, Copy, Debug)]
pub struct IdxFile<'a> {
    /// The path.
    pub path: &'a Path,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Images and their labels, at most `most_images` of them, from two IDX files in the format of Fashion-MNIST.
///
/// # Errors
/// [`IdxError`] if a file is damaged, holds images of another size or other labels than 0 to 9, or the two do not belong
/// together.
pub fn decode_images(
    name: DatasetName,
    split: Split,
    images_file: &IdxFile<'_>,
    labels_file: &IdxFile<'_>,
    most_images: usize,
) -> Result<Dataset, IdxError> {
    let images_limits = IdxLimits { rank: 3, elements: (most_images as u64).saturating_mul(IMAGE_PIXELS as u64) };
    let IdxArray { dimensions, elements: images } = decode_idx(images_file.path, images_file.bytes, images_limits)?;
    let labels_limits = IdxLimits { rank: 1, elements: most_images as u64 };
    let labels = decode_idx(labels_file.path, labels_file.bytes, labels_limits)?.elements;
    let found = [dimensions[1], dimensions[2]];
    let expected = [PICTURE_SIDE; 2];
    if found != expected {
        return Err(IdxError::new(images_file.path, 8, IdxFault::ImageSize { found, expected }));
    }
    if let Some(position) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
        let fault = IdxFault::Label { found: labels[position], classes: CLASSES };
        return Err(IdxError::new(labels_file.path, LABELS_HEADER + position as u64, fault));
    }
    if labels.len() != dimensions[0] {
        let (images, images_file) = (dimensions[0], images_file.path.to_owned());
        let fault = IdxFault::Count { labels: labels.len(), images, images_file };
        return Err(IdxError::new(labels_file.path, 4, fault));
    }
    Ok(Dataset { name, split, height: PICTURE_SIDE, width: PICTURE_SIDE, images, labels, masks: None })
}
