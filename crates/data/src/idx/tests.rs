use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::dataset::{DatasetName, Split};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file with this header and these elements, whether they fit or not.
fn raw(magic: [u8; 4], dimensions: &[u32], elements: &[u8]) -> Vec<u8> {
    let dimensions = dimensions.iter().flat_map(|dimension| dimension.to_be_bytes());
    magic.into_iter().chain(dimensions).chain(elements.iter().copied()).collect()
}

const BYTES_1D: [u8; 4] = [0, 0, 8, 1];
/// The bound of every test but those of the bound.
const MOST: u64 = 1 << 20;

fn limits(rank: usize) -> IdxLimits {
    IdxLimits { rank, elements: MOST }
}

/// Decodes from a real file and compares the message, which must begin with the file's name.
fn check(bytes: &[u8], rank: usize, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("labels");
    std::fs::write(&file, bytes).unwrap();
    let message = read_idx(&file, limits(rank)).unwrap_err().to_string();
    assert_eq!(message, format!("{}: {expected}", file.display()));
}

/// The bytes of the IDX file with this content.
pub(crate) fn encode_idx(array: &IdxArray) -> Vec<u8> {
    let dimensions: Vec<u32> = array.dimensions.iter().map(|&dimension| dimension as u32).collect();
    raw([0, 0, 8, dimensions.len() as u8], &dimensions, &array.elements)
}

proptest! {
    #[test]
    fn what_is_written_is_read_packed_or_not(
        dimensions in prop::collection::vec(1_usize..6, 1..4), seed: u8,
    ) {
        let count = dimensions.iter().product::<usize>();
        let elements = (0..count).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect();
        let array = IdxArray { dimensions, elements };
        let bytes = encode_idx(&array);
        let rank = array.dimensions.len();
        prop_assert_eq!(&decode_idx(Path::new("a"), &bytes, limits(rank)).unwrap(), &array);
        prop_assert_eq!(&decode_idx(Path::new("a"), &gzip(&bytes), limits(rank)).unwrap(), &array);
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), is_idx: bool, is_packed: bool) {
        let bytes = if is_idx { [&[0, 0, 8, 3][..], &bytes].concat() } else { bytes };
        let bytes = if is_packed { gzip(&bytes) } else { bytes };
        let _ = decode_idx(Path::new("a"), &bytes, limits(3));
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused(share in 0.0..1.0_f64, is_packed: bool) {
        let bytes = encode_idx(&IdxArray { dimensions: vec![5, 4], elements: (0..20).collect() });
        let bytes = if is_packed { gzip(&bytes) } else { bytes };
        let cut = (share * bytes.len() as f64) as usize;
        prop_assert!(decode_idx(Path::new("a"), &bytes[..cut], limits(2)).is_err());
    }
}

#[test]
fn wrong_magic() {
    let expected = "at byte 0: the file begins with 0x50 0x4b, expected 0x00 0x00 (IDX) or 0x1f 0x8b (gzip)";
    check(b"PK\x03\x04 a zip file", 1, expected);
}

#[test]
fn wrong_element_type() {
    let bytes = raw([0, 0, 0x0d, 1], &[1], &[0; 4]);
    check(&bytes, 1, "at byte 2: the element type is 0x0d, expected 0x08 (unsigned byte)");
}

#[test]
fn wrong_rank() {
    let bytes = raw(BYTES_1D, &[2], &[1, 2]);
    check(&bytes, 3, "at byte 3: the number of dimensions is 1, expected 3");
}

#[test]
fn empty_dimensions() {
    let bytes = raw(BYTES_1D, &[0], &[]);
    check(&bytes, 1, "at byte 4: the dimensions are [0], expected a product of 1 to 1048576");
}

#[test]
fn absurd_dimensions_are_refused_before_anything_is_allocated() {
    let huge = [u32::MAX; 3];
    let bytes = raw([0, 0, 8, 3], &huge, &[1, 2, 3]);
    let expected = "the dimensions are [4294967295, 4294967295, 4294967295], expected a product of 1 to";
    check(&bytes, 3, &format!("at byte 4: {expected} 1048576"));
    let packed = gzip(&bytes);
    check(&packed, 3, &format!("at byte 4: {expected} {}", packed.len() * 1032 - 16));
    // A million bytes would be believed of a file large enough, but not of this one.
    let packed = gzip(&raw(BYTES_1D, &[1 << 20], &[0; 8]));
    let error = decode_idx(Path::new("a"), &packed, limits(1)).unwrap_err();
    assert!(matches!(error.fault, IdxFault::Dimensions { limit, .. } if limit < 100_000), "{error}");
}

#[test]
fn more_than_the_bound_is_refused_packed_or_not() {
    let bytes = raw(BYTES_1D, &[5], &[1; 5]);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let four = IdxLimits { rank: 1, elements: 4 };
        let error = decode_idx(Path::new("a"), &bytes, four).unwrap_err();
        assert!(matches!(error.fault, IdxFault::Dimensions { limit: 4, .. }), "{error}");
        assert!(decode_idx(Path::new("a"), &bytes, IdxLimits { elements: 5, ..four }).is_ok());
    }
}

#[test]
fn a_file_above_the_bound_is_not_read_and_neither_is_a_directory_or_a_device() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("huge");
    std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    let message = read_idx(&file, limits(1)).unwrap_err().to_string();
    assert!(message.contains("larger than"), "{message}");
    let fault = |path: &Path| read_idx(path, limits(1)).unwrap_err().fault.to_string();
    assert_eq!(fault(directory.path()), "it is a directory, expected a file");
    if cfg!(unix) {
        assert_eq!(fault(Path::new("/dev/zero")), "it is a device, expected a file");
    }
}

#[test]
fn truncated_header() {
    check(&[0, 0, 8], 1, "at byte 3: the content ends after 3 bytes, expected 8");
    check(&[0, 0, 8, 1, 0, 0], 1, "at byte 6: the content ends after 6 bytes, expected 8");
    check(&[], 3, "at byte 0: the content ends after 0 bytes, expected 16");
}

#[test]
fn truncated_elements() {
    let bytes = raw(BYTES_1D, &[5], &[1, 2, 3]);
    check(&bytes, 1, "at byte 11: the content ends after 11 bytes, expected 13");
    check(&gzip(&bytes), 1, "at byte 11: the content ends after 11 bytes, expected 13");
}

#[test]
fn trailing_bytes() {
    let bytes = raw(BYTES_1D, &[2], &[1, 2, 3, 4, 5]);
    check(&bytes, 1, "at byte 10: 3 bytes after the last element, expected none");
}

#[test]
fn unpacking_stops_at_the_declared_size() {
    let bytes = raw(BYTES_1D, &[2], &vec![0; 100_000_000]);
    let expected = "the gzip file goes on unpacking after 10 bytes, expected it to end where its IDX header says";
    check(&gzip(&bytes), 1, &format!("at byte 10: {expected}"));
}

#[test]
fn damaged_gzip() {
    let is_gzip_fault = |bytes: &[u8]| {
        let error = decode_idx(Path::new("a"), bytes, limits(1)).unwrap_err();
        matches!(error.fault, IdxFault::Gzip(_))
    };
    let whole = gzip(&raw(BYTES_1D, &[200], &(0..200).collect::<Vec<u8>>()));
    assert!(is_gzip_fault(&whole[..whole.len() - 6]), "cut off");
    let mut altered = whole.clone();
    let check_value = altered.len() - 8;
    altered[check_value] ^= 1;
    assert!(is_gzip_fault(&altered), "another check value");
    assert!(is_gzip_fault(&[&whole[..], b"something else"].concat()), "followed by something else");
}

#[test]
fn a_file_that_is_not_there() {
    let error = read_idx(Path::new("no/such/file"), limits(1)).unwrap_err();
    assert!(matches!(error.fault, IdxFault::Unreadable(_)));
    assert!(error.to_string().starts_with("no/such/file: at byte 0: the file cannot be read: "), "{error}");
}

/// Decodes `count` images of this size with these labels and returns the message.
fn images_error([count, height, width]: [usize; 3], labels: &[u8]) -> String {
    let images = IdxArray { dimensions: vec![count, height, width], elements: vec![0; count * height * width] };
    let labels = IdxArray { dimensions: vec![labels.len()], elements: labels.to_vec() };
    let [images, labels] = [encode_idx(&images), encode_idx(&labels)];
    let file = |name, bytes| IdxFile { path: Path::new(name), bytes };
    let [images, labels] = [file("images", &images), file("labels", &labels)];
    let form = IdxForm {
        name: DatasetName::FASHION_MNIST,
        split: Split::Test,
        class_names: (0..10).map(|class| class.to_string()).collect(),
        size: Some([28, 28]),
        most_pixels: 10 * 784,
    };
    decode_images(&form, &images, &labels).unwrap_err().to_string()
}

#[test]
fn label_out_of_range() {
    let message = images_error([3, 28, 28], &[9, 0, 10]);
    assert_eq!(message, "labels: at byte 10: the label is 10, expected 0 to 9");
}

#[test]
fn counts_differ() {
    let message = images_error([3, 28, 28], &[1, 2]);
    assert_eq!(message, "labels: at byte 4: the number of labels is 2, expected 3, one for every image of images");
}

#[test]
fn wrong_image_size() {
    let message = images_error([1, 32, 28], &[1]);
    assert_eq!(message, "images: at byte 8: the images are 32×28, expected 28×28");
}

#[test]
fn more_images_than_the_bound_are_refused() {
    let message = images_error([11, 28, 28], &[1; 11]);
    assert_eq!(message, "images: at byte 4: the dimensions are [11, 28, 28], expected a product of 1 to 7840");
}
