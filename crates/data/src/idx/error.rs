use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tinylsa_settings::{counted, printable_path};

/// A file that is not the IDX file it should be. The message is complete: there is no further source to print.
#[derive(Debug, Error)]
#[error("{}: at byte {offset}: {fault}", printable_path(file))]
pub struct IdxError {
    /// The file.
    pub file: PathBuf,
    /// Where the fault was noticed, counted in the unpacked bytes.
    pub offset: u64,
    /// What is wrong.
    pub fault: IdxFault,
}

impl IdxError {
    pub(crate) fn new(file: &Path, offset: u64, fault: IdxFault) -> Self {
        Self { file: file.to_owned(), offset, fault }
    }
}

/// What is wrong with an IDX file: what was found, and what was expected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdxFault {
    /// The file cannot be opened or read.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a directory, a pipe or a device.
    #[error("it is {found}, expected a file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// The first two bytes are not zero, and not those of a gzip file either.
    #[error("the file begins with {:#04x} {:#04x}, expected 0x00 0x00 (IDX) or 0x1f 0x8b (gzip)", found[0], found[1])]
    Magic {
        /// The first two bytes.
        found: [u8; 2],
    },
    /// The elements are not unsigned bytes.
    #[error("the element type is {found:#04x}, expected 0x08 (unsigned byte)")]
    ElementType {
        /// The type byte of the header.
        found: u8,
    },
    /// The number of dimensions is another than the content needs.
    #[error("the number of dimensions is {found}, expected {expected}")]
    Rank {
        /// The number of dimensions in the header.
        found: usize,
        /// The number of dimensions of such content.
        expected: usize,
    },
    /// The dimensions hold nothing, or more than such a file can hold.
    #[error("the dimensions are {found:?}, expected a product of 1 to {limit}")]
    Dimensions {
        /// The dimensions in the header.
        found: Vec<u32>,
        /// The most elements that such a file can hold.
        limit: u64,
    },
    /// The images have another size than every image of the collection.
    #[error("the images are {}×{}, expected {}×{}", found[0], found[1], expected[0], expected[1])]
    ImageSize {
        /// Height and width in the header.
        found: [usize; 2],
        /// Height and width of the collection.
        expected: [usize; 2],
    },
    /// The file ends early.
    #[error("the content ends after {found} bytes, expected {expected}")]
    Truncated {
        /// The bytes there are.
        found: u64,
        /// The bytes that the header announces, the header included.
        expected: u64,
    },
    /// The file goes on after the last element.
    #[error("{} after the last element, expected none", counted(*found as usize, "byte"))]
    Trailing {
        /// The surplus bytes.
        found: u64,
    },
    /// The gzip file unpacks to more than the IDX header announces; unpacking stopped there.
    #[error("the gzip file goes on unpacking after {declared} bytes, expected it to end where its IDX header says")]
    Overlong {
        /// The bytes that the header announces, the header included.
        declared: u64,
    },
    /// The gzip file is cut off, altered, or followed by something else.
    #[error("the gzip file is damaged: {0}; expected a whole gzip file with a matching check value")]
    Gzip(io::Error),
    /// A label names no class.
    #[error("the label is {found}, expected 0 to {}", classes - 1)]
    Label {
        /// The label.
        found: u8,
        /// The number of classes.
        classes: usize,
    },
    /// There is not one label for every image.
    #[error(
        "the number of labels is {labels}, expected {images}, one for every image of {}",
        printable_path(images_file)
    )]
    Count {
        /// The number of labels in this file.
        labels: usize,
        /// The number of images in the other file.
        images: usize,
        /// The other file.
        images_file: PathBuf,
    },
}
