//! Files in the form of the binary version of CIFAR-10.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::source::{SourceError, load_cifar_10};

const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

/// A record whose levels tell channel, row and column.
fn record(label: u8, number: usize) -> Vec<u8> {
    let levels =
        (0..3 * 1024).map(|position| ((position / 1024) * 80 + (position % 1024) / 32 + position % 32 + number) as u8);
    std::iter::once(label).chain(levels).collect()
}

fn put(directory: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(name), bytes).unwrap();
}

/// Two images in each of the five files, three of the test.
fn fill(directory: &Path) {
    for batch in 1..=5 {
        let records = [record(batch - 1, usize::from(batch)), record(batch + 4, 9)].concat();
        put(directory, &format!("data_batch_{batch}.bin"), &records);
    }
    put(directory, "test_batch.bin", &[record(9, 0), record(0, 1), record(3, 2)].concat());
    put(directory, "batches.meta.txt", NAMES.as_bytes());
}

fn filled() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    directory
}

#[track_caller]
fn refused(directory: &Path, expected: &str) -> SourceError {
    let error = load_cifar_10(directory).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

#[test]
fn images_are_read_channel_by_channel_from_either_place() {
    let directory = filled();
    let read = load_cifar_10(directory.path()).unwrap();
    assert_eq!(read.train.shape.dims(), [3, 32, 32]);
    assert_eq!(read.train.labels, [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]);
    assert_eq!(read.test.labels, [9, 0, 3]);
    assert_eq!(read.test.class_names[9], "truck");
    assert_eq!(read.train.name.title(), "CIFAR-10");
    // green of row 3 and column 5
    assert_eq!(read.test.image(1)[1024 + 3 * 32 + 5], 80 + 3 + 5 + 1);
    read.train.check().unwrap();
    assert_eq!(read.checksums.len(), 7);
    assert_eq!(
        read.warnings,
        [
            "the train split has 10 images, CIFAR-10 was published with 50000",
            "the test split has 3 images, CIFAR-10 was published with 10000"
        ]
    );
    let parent = tempfile::tempdir().unwrap();
    fill(&parent.path().join("cifar-10-batches-bin"));
    assert_eq!(load_cifar_10(parent.path()).unwrap().train, read.train);
}

#[test]
fn what_is_there_instead_is_named() {
    let directory = tempfile::tempdir().unwrap();
    assert!(refused(directory.path(), "is empty, expected the 7 files of CIFAR-10").is_missing());
    put(directory.path(), "cifar-10-binary.tar.gz", b"");
    refused(directory.path(), "holds cifar-10-binary.tar.gz: unpack it there");
    let python = tempfile::tempdir().unwrap();
    fs::create_dir(python.path().join("cifar-10-batches-py")).unwrap();
    refused(python.path(), "that is the Python version; get cifar-10-binary.tar.gz");
    let incomplete = filled();
    fs::remove_file(incomplete.path().join("data_batch_3.bin")).unwrap();
    refused(incomplete.path(), "holds 6 of the 7 files of CIFAR-10, but not data_batch_3.bin");
}

#[test]
fn damage_is_named_with_its_place() {
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let directory = filled();
        put(directory.path(), name, bytes);
        refused(directory.path(), expected);
    };
    let whole = [record(1, 0), record(2, 0)].concat();
    check(
        "data_batch_2.bin",
        &whole[..whole.len() - 1],
        "data_batch_2.bin has 6145 bytes, expected a multiple of 3073",
    );
    check("test_batch.bin", b"", "test_batch.bin has 0 bytes");
    check("test_batch.bin", &[record(1, 0), record(10, 0)].concat(), "has the label 10 at byte 3073, expected 0 to 9");
    check("batches.meta.txt", b"cat\ndog\n", "names the classes cat, dog, expected ten different names");
    check("batches.meta.txt", NAMES.replace("dog", "cat").as_bytes(), "expected ten different names");
    let directory = filled();
    fs::remove_file(directory.path().join("test_batch.bin")).unwrap();
    fs::create_dir(directory.path().join("test_batch.bin")).unwrap();
    refused(directory.path(), "test_batch.bin is a directory, expected a file");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_batch_panics_and_every_label_is_known(
        bytes in prop::collection::vec(any::<u8>(), 0..4), records in 0_usize..3, first: u8,
    ) {
        let directory = filled();
        let content = [&record(first, 0).repeat(records)[..], &bytes].concat();
        put(directory.path(), "data_batch_1.bin", &content);
        let is_whole = bytes.is_empty() && records > 0 && first < 10;
        let read = load_cifar_10(directory.path());
        prop_assert_eq!(read.is_ok(), is_whole);
        prop_assert!(read.is_err() || read.unwrap().train.check().is_ok());
    }
}
