use std::path::Path;

use crate::dataset::{CLASSES, Dataset, DatasetName, PICTURE_SIDE, Split};
use crate::idx::{IdxArray, IdxError, IdxFault, decode_idx};

/// The bytes before the first element of an IDX file with one dimension.
const LABELS_HEADER: u64 = 8;

/// Pictures and their labels from the bytes of two IDX files in the format of Fashion-MNIST, each packed with gzip or
/// not, with the paths that errors name.
pub fn decode_pictures(
    name: DatasetName,
    split: Split,
    (images_file, images): (&Path, &[u8]),
    (labels_file, labels): (&Path, &[u8]),
) -> Result<Dataset, IdxError> {
    let images = decode_idx(images_file, images, 3)?;
    let labels = decode_idx(labels_file, labels, 1)?.elements;
    let found = [images.dimensions[1], images.dimensions[2]];
    let expected = [PICTURE_SIDE; 2];
    if found != expected {
        return Err(IdxError::new(images_file, 8, IdxFault::PictureSize { found, expected }));
    }
    if let Some(position) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
        let fault = IdxFault::Label { found: labels[position], classes: CLASSES };
        return Err(IdxError::new(labels_file, LABELS_HEADER + position as u64, fault));
    }
    let IdxArray { dimensions, elements: images } = images;
    if labels.len() != dimensions[0] {
        let (pictures, pictures_file) = (dimensions[0], images_file.to_owned());
        let fault = IdxFault::Count { labels: labels.len(), pictures, pictures_file };
        return Err(IdxError::new(labels_file, 4, fault));
    }
    Ok(Dataset { name, split, height: PICTURE_SIDE, width: PICTURE_SIDE, images, labels, masks: None })
}
