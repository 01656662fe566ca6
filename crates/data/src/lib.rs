//! Fashion-MNIST and synthetic garments: reading, downloading, augmenting and batching.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use augmentation::{AugmentationConfig, AugmentationKey, ErasingFill, augment};
pub use dataset::{CLASS_NAMES, CLASSES, Dataset, DatasetName, PICTURE_SIDE, Split, to_unit};
pub use idx::{IdxArray, IdxError, IdxFault, decode_idx, encode_idx, read_idx};
pub use loader::{Batch, BatchLoader, LoaderConfig, LoaderError};
pub use pictures::decode_pictures;
pub use source::{
    DownloadFailure, DownloadFault, DownloadPolicy, FASHION_MNIST_FILES, FashionMnist, FetchConfig, FileChecksum,
    FileState, PUBLISHER_URLS, SourceError, SourceFile, VerifiedFile, VerifyReport, fetch, load_fashion_mnist,
    obtain_fashion_mnist, verify,
};
pub use split::{SplitError, SplitIndices, stratified_split};
pub use synthetic::{SyntheticConfig, SyntheticGarments, synthetic_garments};

mod augmentation;
mod dataset;
mod idx;
mod loader;
mod pictures;
mod source;
mod split;
mod synthetic;
