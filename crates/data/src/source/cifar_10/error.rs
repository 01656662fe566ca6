use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tinylsa_settings::{printable, printable_path};

use super::record::RECORD;

/// A file that is none of the binary version of CIFAR-10.
#[derive(Debug, Error)]
#[error("{} {fault}", printable_path(path))]
pub struct CifarError {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong. The text goes on after the path.
    pub fault: CifarFault,
}

/// What is wrong with a file of CIFAR-10.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CifarFault {
    /// The files are there in another form.
    #[error("holds {found}: {remedy}")]
    OtherForm {
        /// What was found.
        found: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a directory, a pipe or a device.
    #[error("is {found}, expected a file")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// It does not consist of whole records.
    #[error("has {found} bytes, expected a multiple of {RECORD}: a label and 3×32×32 levels for each image")]
    Length {
        /// Its size.
        found: usize,
    },
    /// A label names no class.
    #[error("has the label {label} at byte {offset}, expected 0 to 9")]
    Label {
        /// The label.
        label: u8,
        /// Where it stands.
        offset: usize,
    },
    /// The names are not ten different ones.
    #[error("names the classes {}, expected ten different names, one a line", printable(&found.join(", ")))]
    Names {
        /// The names.
        found: Vec<String>,
    },
}
