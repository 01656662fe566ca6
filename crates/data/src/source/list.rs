//! The list of all sources.

#[cfg(feature = "images")]
use super::folder;
use super::{ImageSource, cifar_10, fashion_mnist, idx_files, kmnist, mnist, synthetic_garments};

/// Every source. A new one is a file with an [`ImageSource`], its `mod` line, and a line here.
pub const SOURCES: &[&dyn ImageSource] = &[
    &fashion_mnist::Source,
    &mnist::Source,
    &kmnist::Source,
    &idx_files::Source,
    &cifar_10::Source,
    #[cfg(feature = "images")]
    &folder::Source,
    &synthetic_garments::Source,
];
