//! The list of all sources.

#[cfg(feature = "images")]
use super::folder;
use super::{FASHION_MNIST, ImageSource, KMNIST, MNIST, cifar_10, idx_files, synthetic_garments};

/// Every source. A new one is a file with an [`ImageSource`], its `mod` line, and a line here. Four published files like
/// those of MNIST are one as they are: a [`Publication`](super::Publication) says all that differs.
pub const SOURCES: &[&dyn ImageSource] = &[
    &FASHION_MNIST,
    &MNIST,
    &KMNIST,
    &idx_files::Source,
    &cifar_10::Source,
    #[cfg(feature = "images")]
    &folder::Source,
    &synthetic_garments::Source,
];
