//! Fashion-MNIST and synthetic garments: reading, downloading, augmenting and batching.
//!
//! This crate knows files and pictures and nothing of tensors or models. What it hands out are plain slices: a
//! [`Dataset`] of bytes, and from a [`BatchLoader`] batches of numbers 0 to 1 that any framework can take over.
//!
//! # Two collections
//!
//! [`obtain_fashion_mnist`] gives the photographs of Zalando, from a directory or from the publisher. Files are accepted
//! for their content and not for their name: each must be the published one, or unpack to it, by SHA-256. No header and no
//! gzip file can make a reader ask for more memory than the known size, and every fault is an error that names the file,
//! what was found and what was expected. A download appears under its name whole or not at all, and has one deadline for
//! everything.
//!
//! [`synthetic_garments`] draws the same ten classes, from nothing but a seed, together with what no photograph
//! has: for every picture the pixels that decide its class. That is a first run without a network, a fast test, and a
//! known truth for explanations. A linear classifier does not get far with them, a small convolutional network does.
//!
//! # The same bits
//!
//! No random decision has a shared stream. The order of an epoch depends on the seed and the epoch, the variation of a
//! picture on the seed, the epoch and the picture, a synthetic garment on the seed, its half and its index. So
//! batches are the same whether they are prepared on the calling thread or ahead of it, and from any batch on when an
//! interrupted epoch is taken up again.
//!
//! ```
//! use std::sync::Arc;
//! use tinylsa_data::{
//!     AugmentationConfig, BatchLoader, LoaderConfig, MixingConfig, SyntheticConfig, stratified_split,
//!     synthetic_garments,
//! };
//!
//! let garments = synthetic_garments(&SyntheticConfig { train: 200, test: 50, seed: 7 })?;
//! let split = stratified_split(&garments.train.labels, 40, 7)?;
//! let loader = BatchLoader::new(
//!     Arc::new(garments.train),
//!     LoaderConfig {
//!         indices: split.train.into(),
//!         batch_size: 64,
//!         seed: 7,
//!         epoch: 0,
//!         shuffle: true,
//!         augmentation: Some(AugmentationConfig::default()),
//!         mixing: MixingConfig::none(),
//!         drop_last: false,
//!         first_batch: 0,
//!         prefetch: 2,
//!     },
//! )?;
//! assert_eq!(loader.batches(), 3);
//! let images: usize = loader.map(|batch| batch.len()).sum();
//! assert_eq!(images, 160);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use augmentation::{AugmentationConfig, AugmentationKey, ErasingFill, augment};
pub use corruption::{Corruption, CorruptionKey, Severity, corrupted};
pub use dataset::{Dataset, DatasetError, DatasetName, Split, to_unit};
pub use idx::{IdxArray, IdxError, IdxFault, IdxLimits, decode_idx, read_idx};
pub use images::{IdxFile, IdxForm, decode_images};
pub use loader::{Batch, BatchLoader, LoaderConfig, LoaderError};
pub use mixing::{MixingConfig, MixingKind, Mixture};
pub use source::{
    Certificates, DownloadFailure, DownloadFault, DownloadPolicy, FASHION_MNIST_CLASSES, FASHION_MNIST_FILES,
    FashionMnist, FetchConfig, FileChecksum, FileFault, FileForm, FoundFile, PUBLISHER_URLS, SourceError, SourceFile,
    VerifiedFile, VerifyReport, WrongFile, fetch, holds_fashion_mnist_files, load_fashion_mnist, obtain_fashion_mnist,
    verify,
};
pub use tinylsa_shape::ImageShape;

pub use split::{SplitError, SplitIndices, stratified_split};
pub use synthetic::{SyntheticConfig, SyntheticGarments, synthetic_garments};

mod augmentation;
mod corruption;
mod dataset;
mod idx;
mod images;
mod loader;
mod mixing;
#[cfg(feature = "photograph")]
pub mod photograph;
mod source;
mod split;
mod synthetic;
