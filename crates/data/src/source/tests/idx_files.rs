//! IDX files of one's own.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use tempfile::TempDir;

use super::{encode_idx, gzip};
use crate::idx::IdxArray;
use crate::source::{IdxConfig, SourceError, load_idx};

fn images(count: usize, [height, width]: [usize; 2]) -> Vec<u8> {
    let elements = (0..count * height * width).map(|pixel| (pixel % 251) as u8).collect();
    encode_idx(&IdxArray { dimensions: vec![count, height, width], elements })
}

fn labels(labels: &[u8]) -> Vec<u8> {
    encode_idx(&IdxArray { dimensions: vec![labels.len()], elements: labels.to_vec() })
}

/// Six training and three test images of 5×7 pixels under the usual names.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "train-images-idx3-ubyte", &images(6, [5, 7]));
    put(directory.path(), "train-labels-idx1-ubyte", &labels(&[0, 1, 2, 0, 1, 200]));
    put(directory.path(), "t10k-images-idx3-ubyte", &images(3, [5, 7]));
    put(directory.path(), "t10k-labels-idx1-ubyte", &labels(&[0, 2, 1]));
    directory
}

fn put(directory: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(directory.join(name).parent().unwrap()).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
}

#[track_caller]
fn refused(directory: &Path, config: &IdxConfig, expected: &str) -> SourceError {
    let error = load_idx(directory, config).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

#[test]
fn any_size_and_labels_to_255_are_read() {
    let directory = directory();
    let read = load_idx(directory.path(), &IdxConfig::default()).unwrap();
    assert_eq!((read.train.shape.to_string(), read.test.shape), ("1×5×7".to_owned(), read.train.shape));
    assert_eq!((read.train.labels, read.test.labels), (vec![0, 1, 2, 0, 1, 200], vec![0, 2, 1]));
    assert_eq!(read.train.class_names.len(), 201);
    assert_eq!(read.train.class_names[200], "200");
    assert_eq!(read.train.name.title(), directory.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(read.checksums.len(), 4);
    assert!(read.warnings[0].starts_with("no training image is of class 3, 4, 5"), "{:?}", read.warnings);
}

#[test]
fn files_and_classes_have_the_names_that_are_given() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "a/x", &images(2, [4, 4]));
    put(directory.path(), "y.gz", &gzip(&labels(&[0, 1]), Compression::fast()));
    put(directory.path(), "z", &images(1, [4, 4]));
    put(directory.path(), "raw/t10k-labels.idx1-ubyte.gz", &gzip(&labels(&[1]), Compression::fast()));
    let path = |name: &str| Some(PathBuf::from(name));
    let config = IdxConfig {
        name: Some("猫と犬".to_owned()),
        class_names: Some(vec!["猫".to_owned(), "犬".to_owned()]),
        train_images: path("a/x"),
        train_labels: path("y.gz"),
        test_images: path("z"),
        test_labels: None,
    };
    let read = load_idx(directory.path(), &config).unwrap();
    assert_eq!(read.train.name.id(), "idx/猫と犬");
    assert_eq!((read.train.class_names[0].as_str(), read.test.label(0)), ("猫", 1));
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    let names: Vec<&str> = read.checksums.iter().map(|checksum| checksum.file.as_str()).collect();
    assert_eq!(names, ["x", "y.gz", "z", "t10k-labels.idx1-ubyte.gz"]);
    let absent = IdxConfig { test_images: path("nowhere"), ..config };
    refused(directory.path(), &absent, "holds 3 of the four files of the idx source, but not nowhere");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let default = IdxConfig::default();
    let three = IdxConfig { class_names: Some(["a", "b", "c"].map(str::to_owned).into()), ..default.clone() };
    refused(directory().path(), &three, "the label is 200, expected 0 to 2");
    let odd = directory();
    put(odd.path(), "t10k-images-idx3-ubyte", &images(3, [7, 5]));
    refused(odd.path(), &default, "the images are 7×5, expected 5×7");
    put(odd.path(), "t10k-images-idx3-ubyte", &images(4, [5, 7]));
    refused(odd.path(), &default, "the number of labels is 3, expected 4");
    put(odd.path(), "t10k-images-idx3-ubyte", b"\0\0\x0d\x03");
    refused(odd.path(), &default, "the element type is 0x0d");
    // a header that promises more than any memory holds
    put(
        odd.path(),
        "t10k-images-idx3-ubyte",
        &[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
    );
    refused(odd.path(), &default, "expected a product of 1 to");
    fs::remove_file(odd.path().join("t10k-images-idx3-ubyte")).unwrap();
    fs::create_dir(odd.path().join("t10k-images-idx3-ubyte")).unwrap();
    refused(odd.path(), &default, "it is a directory, expected a file");
    let empty = tempfile::tempdir().unwrap();
    assert!(refused(empty.path(), &default, "is empty, expected the four files of the idx source").is_missing());
}

#[test]
fn names_that_cannot_be_told_apart_are_refused_before_anything_is_read() {
    let check = |class_names: &[&str], expected: &str| {
        let class_names = Some(class_names.iter().map(|&name| name.to_owned()).collect());
        let config = IdxConfig { class_names, ..IdxConfig::default() };
        refused(Path::new("nowhere"), &config, expected);
    };
    check(&[], "idx.class_names is 0 names, expected 1 to 256 names");
    check(&["a", "b", "a"], "idx.class_names is \"a\", expected names that are all different");
    check(&["a", " "], "expected names that are all different and not empty");
    let config = IdxConfig { name: Some("../fashion-mnist".to_owned()), ..IdxConfig::default() };
    refused(Path::new("nowhere"), &config, "idx.name is \"../fashion-mnist\"");
}
