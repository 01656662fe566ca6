//! Where images come from: one trait, a file for each source, and one list of them all.

pub use candidates::holds_files_of;
pub use cifar_10::{CifarError, CifarFault, load_cifar_10};
pub use collection::{FileChecksum, ImageCollection, ImageForm, SplitSizes};
pub use contract::{ImageSource, Place};
#[cfg(feature = "download")]
pub use download::{Certificates, DownloadFailure, DownloadFault, FetchConfig, fetch};
pub use error::SourceError;
pub use fault::{FileFault, WrongFile};
#[cfg(feature = "images")]
pub use folder::{CLASSES_FILE, ClassesFault, FolderError, load_folder};
pub use idx_files::load_idx;
pub use inspect::FileForm;
pub use list::SOURCES;
pub use name::SourceName;
pub use obtain::{DataDirectory, DownloadPolicy, NamedBy, Unavailable, obtain};
pub use publication::{Publication, SourceFile};
pub use publications::{FASHION_MNIST, FASHION_MNIST_CLASSES, KMNIST, MNIST};
pub use published::load_published;
#[cfg(feature = "images")]
pub use settings::FolderConfig;
pub use settings::{IdxConfig, SourceTables};
pub use verify::{FoundFile, VerifiedFile, VerifyReport, verify};

mod candidates;
mod cifar_10;
mod collection;
mod contract;
#[cfg(feature = "download")]
mod download;
mod error;
mod fault;
#[cfg(feature = "images")]
mod folder;
mod idx_files;
mod inspect;
mod list;
mod name;
mod obtain;
mod own_name;
mod publication;
mod publications;
mod published;
mod settings;
mod synthetic_garments;
#[cfg(test)]
mod tests;
mod verify;
