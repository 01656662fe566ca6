use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tinylsa_settings::{printable, printable_path};
use tinylsa_shape::ImageShape;

use crate::dataset::Split;
use crate::photograph::PhotographError;
use crate::split::SplitError;

/// A folder that does not hold images in classes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A directory cannot be listed.
    #[error("the directory {} cannot be listed: {error}", printable_path(directory))]
    Unreadable {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A directory holds no classes.
    #[error("{} holds no directories, expected one for each class", printable_path(directory))]
    NoClasses {
        /// The directory.
        directory: PathBuf,
    },
    /// A class has no image.
    #[error("{} holds no PNG or JPEG file, expected the images of a class", printable_path(directory))]
    EmptyClass {
        /// The directory of the class.
        directory: PathBuf,
    },
    /// The name of a class is no text.
    #[error("the directory {} has a name that is no text, expected the name of a class", printable_path(directory))]
    ClassName {
        /// The directory.
        directory: PathBuf,
    },
    /// The list of the classes is wrong.
    #[error("{} {fault}", printable_path(path))]
    Classes {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        fault: ClassesFault,
    },
    /// Two classes have the same name but for the case of letters.
    #[error(
        "the classes {} and {} of {} differ in the case of letters only",
        printable(first),
        printable(second),
        printable_path(directory)
    )]
    ClashingNames {
        /// The directory of the classes.
        directory: PathBuf,
        /// One of the names.
        first: String,
        /// The other one.
        second: String,
    },
    /// Of `train` and `test` one is missing.
    #[error("{} holds no directory {missing}, expected train and test, or neither", printable_path(directory))]
    HalfDivided {
        /// The directory.
        directory: PathBuf,
        /// Which one is missing.
        missing: &'static str,
    },
    /// Training and test split have other classes.
    #[error(
        "the classes of train and test in {} differ: {}",
        printable_path(directory),
        differences(only_train, only_test)
    )]
    OtherClasses {
        /// The directory.
        directory: PathBuf,
        /// Classes of the training split alone.
        only_train: Vec<String>,
        /// Classes of the test split alone.
        only_test: Vec<String>,
    },
    /// An image has another size than the first one.
    #[error(
        "the image {} is {}×{}, expected {}×{} as {} is; `data.folder.resize` scales all images to one size",
        printable_path(path), found.height, found.width, expected.height, expected.width, printable_path(first)
    )]
    Size {
        /// The first image of another size.
        path: PathBuf,
        /// Its shape.
        found: ImageShape,
        /// The shape of the first image.
        expected: ImageShape,
        /// The first image.
        first: PathBuf,
    },
    /// Too many files cannot be read.
    #[error("{unreadable} of {files} files cannot be read, more than 1 %; the first of them: {first}: {fault}", fault = first.fault)]
    TooManyUnreadable {
        /// The number of files that cannot be read.
        unreadable: usize,
        /// The number of all files.
        files: usize,
        /// The first of them.
        first: PhotographError,
    },
    /// The images do not fit into memory.
    #[error("{images} images of {shape} need {needed} bytes of memory, {available} are available")]
    Memory {
        /// The number of images.
        images: usize,
        /// Their shape.
        shape: ImageShape,
        /// Bytes of all of them.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The images cannot be divided.
    #[error("the images of {} cannot be divided: {error}", printable_path(directory))]
    Division {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: SplitError,
    },
    /// A division leaves a split without images of a class.
    #[error(
        "no image of the class {} of {} is in the {split} split with a `data.folder.test_fraction` of {fraction}",
        printable(class),
        printable_path(directory)
    )]
    ClassLost {
        /// The directory.
        directory: PathBuf,
        /// The class.
        class: String,
        /// The split.
        split: Split,
        /// The share of the images that is set aside for the test.
        fraction: f64,
    },
}

/// What is wrong with a list of classes. The text goes on after the path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClassesFault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is no text.
    #[error("is no text in UTF-8")]
    NoText,
    /// A line names nothing.
    #[error("names no class in line {line}")]
    Unnamed {
        /// The line, from 1.
        line: usize,
    },
    /// Two lines name one directory.
    #[error("names the directory {} twice, again in line {line}", printable(directory))]
    Repeated {
        /// The directory.
        directory: String,
        /// The second line.
        line: usize,
    },
    /// A directory is not there.
    #[error("names the directory {} in line {line}, which is not there", printable(directory))]
    NoDirectory {
        /// The directory.
        directory: String,
        /// The line.
        line: usize,
    },
    /// A directory has no line.
    #[error("does not name the directory {}", printable(directory))]
    Left {
        /// The directory.
        directory: String,
    },
}

fn differences(only_train: &[String], only_test: &[String]) -> String {
    let only = |classes: &[String], split: &str| {
        (!classes.is_empty()).then(|| format!("{} only in {split}", printable(&classes.join(", "))))
    };
    [only(only_train, "train"), only(only_test, "test")].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
