//! Labelled images in memory, of any shape and with any classes, for any framework.
//!
//! This crate knows files and images and nothing of tensors or models. What it hands out are plain slices: a [`Dataset`]
//! of bytes `[images, channels, height, width]`, and from a [`BatchLoader`] batches of numbers from 0 to 1.
//!
//! # Where images come from
//!
//! A source is an [`ImageSource`], and [`SOURCES`] lists all of them:
//!
//! - `fashion-mnist`, `mnist` and `kmnist` are collections with published checksums ([`load_published`]). Files are
//!   accepted for their content and not for their name: each must be the published one, or unpack to it.
//! - `idx` reads four IDX files of one's own ([`load_idx`]), `cifar-10` the binary version of CIFAR-10
//!   ([`load_cifar_10`]).
//! - `folder` reads PNG and JPEG files in directories of classes (`load_folder`, with the feature `images`), and
//!   `export_folder` writes any collection as such a folder.
//! - `synthetic-garments` draws the ten classes of Fashion-MNIST from nothing but a seed ([`synthetic_garments`]), together
//!   with what no photograph has: for every image the pixels that decide its class. That is a first run without a network,
//!   a fast test, and a known truth for explanations. A linear classifier does not get far with them, a small
//!   convolutional network does.
//!
//! Each has a function of its own. [`obtain`] does the same by a [`DataConfig`], the section `[data]` of a config file, and
//! decides which directory is read: the first that is named counts, whatever it holds, and is never filled or replaced.
//! Only a default directory that nobody named is filled by a download, with the feature `download`.
//!
//! Files are not trusted. No header and no gzip file makes a reader ask for more memory than the images can need, and every
//! fault is an error that names the file, what was found and what was expected. A download appears under its name whole or
//! not at all, and has one deadline for everything.
//!
//! # The same bits
//!
//! No random decision has a shared stream. The order of an epoch depends on the seed and the epoch, the variation of an
//! image on the seed, the epoch and the image, a synthetic garment on the seed, its split and its index. So batches are the
//! same whether they are prepared on the calling thread or ahead of it, and from any batch on when an interrupted epoch is
//! resumed.
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
//!
//! # Images of one's own
//!
//! Whatever is in memory becomes a [`Dataset`] by its fields, and [`Dataset::check`] says whether they belong together.
//! Augmentation, mixing and corruption take any shape and treat the channels of an image alike.
//!
//! ```
//! use tinylsa_data::{
//!     AugmentationConfig, AugmentationKey, Dataset, DatasetName, ImageShape, Split, augment, channel_statistics,
//! };
//!
//! let shape = ImageShape { channels: 3, height: 20, width: 30 };
//! let dataset = Dataset {
//!     name: DatasetName::new("memory/flags"),
//!     split: Split::Train,
//!     shape,
//!     class_names: ["red".to_owned(), "blue".to_owned()].into(),
//!     images: [[[200; 600], [0; 600], [0; 600]], [[0; 600], [0; 600], [200; 600]]].concat().concat(),
//!     labels: vec![0, 1],
//!     masks: None,
//! };
//! dataset.check()?;
//! let varied = augment(
//!     dataset.image(0),
//!     shape,
//!     &AugmentationConfig::default(),
//!     AugmentationKey { seed: 0, epoch: 0, index: 0 },
//! );
//! assert_eq!(varied.len(), shape.values());
//! assert_eq!(channel_statistics(&dataset, &[0, 1])?.mean[1], 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use augmentation::{AugmentationConfig, AugmentationKey, ErasingFill, augment};
pub use config::{DataConfig, Offline};
pub use corruption::{Corruption, CorruptionKey, Severity, corrupted};
pub use dataset::{Dataset, DatasetError, DatasetName, Split, to_unit};
#[cfg(feature = "images")]
pub use export::{ExportError, encode_png, export_folder};
pub use idx::{IdxArray, IdxError, IdxFault, IdxFile, IdxForm, IdxLimits, decode_idx, decode_images, read_idx};
pub use loader::{Batch, BatchLoader, LoaderConfig, LoaderError};
pub use mixing::{MixingConfig, MixingKind, Mixture};
#[cfg(feature = "images")]
pub use source::{CLASSES_FILE, ClassesFault, FolderConfig, FolderError, load_folder};
#[cfg(feature = "download")]
pub use source::{Certificates, DownloadFailure, DownloadFault, FetchConfig, fetch};
pub use source::{
    CifarError, CifarFault, DataDirectory, DownloadPolicy, FASHION_MNIST, FASHION_MNIST_CLASSES, FileChecksum,
    FileFault, FileForm, FoundFile, IdxConfig, ImageCollection, ImageForm, ImageSource, KMNIST, MNIST, NamedBy, Place,
    Publication, SOURCES, SourceError, SourceFile, SourceName, SourceTables, SplitSizes, Unavailable, VerifiedFile,
    VerifyReport, WrongFile, holds_files_of, load_cifar_10, load_idx, load_published, obtain, verify,
};
pub use split::{SplitError, SplitIndices, stratified_split};
pub use statistics::{ChannelStatistics, StatisticsError, channel_statistics};
pub use synthetic::{SyntheticConfig, SyntheticGarments, synthetic_garments};

pub use tinylsa_shape::ImageShape;

mod augmentation;
mod config;
mod corruption;
mod dataset;
#[cfg(feature = "images")]
mod export;
mod file_kind;
mod idx;
mod loader;
mod mixing;
#[cfg(feature = "images")]
pub mod photograph;
mod source;
mod split;
mod statistics;
mod synthetic;

/// The example of the README, so that it keeps compiling.
#[cfg(all(doctest, feature = "images"))]
#[doc = include_str!("../README.md")]
struct Readme;
