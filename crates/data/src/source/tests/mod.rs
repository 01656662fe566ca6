//! Small files that stand for the published ones.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tinylsa_system::sha256_hex;

use super::{FASHION_MNIST, Publication, SourceFile};
use crate::idx::IdxArray;
use crate::idx::tests::encode_idx;

mod cifar_10;
mod disk;
#[cfg(feature = "download")]
mod download;
#[cfg(feature = "images")]
mod folder;
mod idx_files;

/// A file that is taken for published.
struct Published {
    file: SourceFile,
    packed: Vec<u8>,
    content: Vec<u8>,
}

/// Three training images and two test images with their labels.
fn published() -> [Published; 4] {
    let images = |count: usize| IdxArray {
        dimensions: vec![count, 28, 28],
        elements: (0..count * 784).map(|pixel| (pixel * pixel % 251) as u8).collect(),
    };
    let labels =
        |count: usize| IdxArray { dimensions: vec![count], elements: (0..count).map(|index| index as u8).collect() };
    [
        publish("train-images-idx3-ubyte.gz", &images(3)),
        publish("train-labels-idx1-ubyte.gz", &labels(3)),
        publish("t10k-images-idx3-ubyte.gz", &images(2)),
        publish("t10k-labels-idx1-ubyte.gz", &labels(2)),
    ]
}

/// The same as a collection.
fn publication() -> Publication {
    Publication { files: published().map(|published| published.file), ..FASHION_MNIST }
}

fn publish(name: &'static str, array: &IdxArray) -> Published {
    let content = encode_idx(array);
    let packed = gzip(&content, Compression::best());
    let file = SourceFile {
        name,
        bytes: packed.len() as u64,
        sha256: sha256_hex(&packed).leak(),
        content_bytes: content.len() as u64,
        content_sha256: Some(sha256_hex(&content).leak()),
    };
    Published { file, packed, content }
}

fn gzip(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), compression);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
