use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tinylsa_settings::printable_path;
use tinylsa_shape::ImageShape;

use super::limits::{MAX_FILE, MAX_PIXELS};
use super::prepared::Area;

/// A file that no image for a classifier can be made from.
#[derive(Debug, Error)]
#[error("the image {} {fault}", printable_path(path))]
pub struct PhotographError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: PhotographFault,
}

/// What is wrong with a photograph. The text goes on where "the image …" ends.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PhotographFault {
    /// There is no such file, or it cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// The path is a directory.
    #[error("is a directory, expected a PNG or JPEG file")]
    Directory,
    /// The file is larger than any photograph.
    #[error("is a file of more than {MAX_FILE} bytes")]
    FileTooLarge,
    /// The file holds nothing.
    #[error("is an empty file, expected PNG or JPEG")]
    Empty,
    /// The file is an image of another format.
    #[error("is a {format} file, which is not supported; convert it to PNG or JPEG")]
    Unsupported {
        /// The format, such as WebP.
        format: &'static str,
    },
    /// The file is something else.
    #[error("is not an image, expected PNG or JPEG")]
    NotAnImage,
    /// The file starts like an image but is not whole, or does not decode.
    #[error("is damaged: {reason}")]
    Damaged {
        /// Where and how.
        reason: String,
    },
    /// The image has more pixels than any photograph needs. Nothing was allocated for them.
    #[error("has {width}×{height} pixels, expected at most {MAX_PIXELS} in all")]
    TooManyPixels {
        /// Its width.
        width: u64,
        /// Its height.
        height: u64,
    },
    /// The pixels that were given are not those of the width and height that were given.
    #[error("has {found} bytes of pixels, expected {width}×{height}×{channels}")]
    PixelCount {
        /// Number of bytes.
        found: usize,
        /// The width.
        width: usize,
        /// The height.
        height: usize,
        /// Bytes of a pixel.
        channels: usize,
    },
    /// Nothing stands out from the ground.
    #[error("is blank, expected a garment that stands out from its ground")]
    NoGarment,
    /// A part of it does not lie within it.
    #[error(
        "has {width}×{height} pixels, of which a part of {}×{} from column {} and row {} was asked for",
        .part.width, .part.height, .part.left, .part.top
    )]
    NoPart {
        /// The part.
        part: Area,
        /// Width of the photograph.
        width: usize,
        /// Height of the photograph.
        height: usize,
    },
    /// No image can be made of this shape.
    #[error("is to be made an image of {target}, expected 1 or 3 channels and 1 to {MAX_PIXELS} pixels")]
    NoTarget {
        /// The shape of the target.
        target: ImageShape,
    },
}
