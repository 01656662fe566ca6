use std::path::Path;
use std::sync::Arc;

use tinylsa_shape::ImageShape;

use super::{IdxArray, IdxError, IdxFault, IdxLimits, decode_idx};
use crate::dataset::{Dataset, DatasetName, Split};

/// The bytes before the first element of an IDX file with one dimension.
const LABELS_HEADER: u64 = 8;
/// Where the height stands in an IDX file with three dimensions.
const HEIGHT_OFFSET: u64 = 8;

/// The bytes of an IDX file, packed with gzip or not, and the path that errors name.
#[derive(Clone, Copy, Debug)]
pub struct IdxFile<'a> {
    /// The path.
    pub path: &'a Path,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What is known of images before their files are read.
#[derive(Clone, Debug)]
pub struct IdxForm {
    /// The collection.
    pub name: DatasetName,
    /// The part of the collection.
    pub split: Split,
    /// The names of the classes; a label that names none of them is refused.
    pub class_names: Arc<[String]>,
    /// Height and width of every image; `None` takes them from the file.
    pub size: Option<[usize; 2]>,
    /// The most pixels of all images together. Files that announce more are refused before memory is asked for.
    pub most_pixels: u64,
}

/// Grey images and their labels from two IDX files, as MNIST and Fashion-MNIST have them: three dimensions `[images,
/// height, width]` and one dimension `[images]`, of unsigned bytes.
///
/// # Errors
/// [`IdxError`] if a file is damaged, holds images of another size or labels without a class, or the two do not belong
/// together.
pub fn decode_images(
    form: &IdxForm,
    images_file: &IdxFile<'_>,
    labels_file: &IdxFile<'_>,
) -> Result<Dataset, IdxError> {
    let images_limits = IdxLimits { rank: 3, elements: form.most_pixels };
    let IdxArray { dimensions, elements: images } = decode_idx(images_file.path, images_file.bytes, images_limits)?;
    // No image is smaller than a pixel.
    let labels_limits = IdxLimits { rank: 1, elements: form.most_pixels };
    let labels = decode_idx(labels_file.path, labels_file.bytes, labels_limits)?.elements;
    let found = [dimensions[1], dimensions[2]];
    if let Some(expected) = form.size.filter(|&expected| expected != found) {
        return Err(IdxError::new(images_file.path, HEIGHT_OFFSET, IdxFault::ImageSize { found, expected }));
    }
    let classes = form.class_names.len();
    if let Some(position) = labels.iter().position(|&label| usize::from(label) >= classes) {
        let fault = IdxFault::Label { found: labels[position], classes };
        return Err(IdxError::new(labels_file.path, LABELS_HEADER + position as u64, fault));
    }
    if labels.len() != dimensions[0] {
        let (images, images_file) = (dimensions[0], images_file.path.to_owned());
        let fault = IdxFault::Count { labels: labels.len(), images, images_file };
        return Err(IdxError::new(labels_file.path, 4, fault));
    }
    let [height, width] = found;
    Ok(Dataset {
        name: form.name.clone(),
        split: form.split,
        shape: ImageShape::grey(height, width),
        class_names: Arc::clone(&form.class_names),
        images,
        labels: labels.into_iter().map(u32::from).collect(),
        masks: None,
    })
}
