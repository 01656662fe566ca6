//! What a directory may hold.

use std::fs;
use std::path::Path;

use flate2::Compression;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::source::inspect::recognise;
use crate::source::{FileFault, FileForm, KMNIST, MNIST, SourceError, VerifyReport, load_published, verify};

/// Where and how a file is put.
type Put = fn(&Published) -> (String, Vec<u8>);

const AS_PUBLISHED: Put = |published| (published.file.name.to_owned(), published.packed.clone());
const UNPACKED: Put = |published| (published.file.unpacked_name().to_owned(), published.content.clone());

fn directory_with(puts: [Option<Put>; 4]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (published, put) in published().iter().zip(puts) {
        if let Some(put) = put {
            let (name, bytes) = put(published);
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    directory
}

fn report(directory: &Path) -> VerifyReport {
    verify(&publication(), directory).unwrap()
}

/// Loading fails, verification finds fault, and the message holds `expected`.
#[track_caller]
fn refused(directory: &Path, expected: &str) -> SourceError {
    let error = load_published(&publication(), directory).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(verify(&publication(), directory).map_or(true, |report| !report.is_intact()));
    error
}

#[test]
fn every_form_and_layout_is_read_and_has_one_identity() {
    let puts: [Put; 9] = [
        AS_PUBLISHED,
        UNPACKED,
        // what a server or a browser unpacked on the way, without another name
        |published| (published.file.name.to_owned(), published.content.clone()),
        |published| (published.file.name.to_owned(), gzip(&published.content, Compression::none())),
        |published| (published.file.unpacked_name().replace("-idx", ".idx"), published.content.clone()),
        |published| (published.file.name.replace("-idx", ".idx"), published.packed.clone()),
        |published| (format!("raw/{}", published.file.name), published.packed.clone()),
        |published| (format!("FashionMNIST/raw/{}", published.file.name), published.packed.clone()),
        |published| (format!("FashionMNIST/raw/{}", published.file.unpacked_name()), published.content.clone()),
    ];
    let first = load_published(&publication(), directory_with([Some(AS_PUBLISHED); 4]).path()).unwrap();
    assert_eq!((first.train.len(), first.test.len(), first.test.label(1)), (3, 2, 1));
    let expected = published().map(|published| (published.file.name.to_owned(), published.file.sha256.to_owned()));
    let identity: Vec<_> = first.checksums.iter().map(|sum| (sum.file.clone(), sum.sha256.clone())).collect();
    assert_eq!(identity, expected);
    for put in puts {
        let directory = directory_with([Some(put); 4]);
        let read = load_published(&publication(), directory.path()).unwrap();
        assert_eq!((&read.train, &read.test), (&first.train, &first.test));
        assert_eq!(read.checksums, first.checksums);
        assert!(report(directory.path()).is_intact());
    }
    let mixed = directory_with([Some(UNPACKED), Some(AS_PUBLISHED), Some(puts[7]), Some(puts[4])]);
    assert_eq!(load_published(&publication(), mixed.path()).unwrap().train, first.train);
}

#[test]
fn verification_names_the_form_of_each_file() {
    let directory = directory_with([
        Some(AS_PUBLISHED),
        Some(UNPACKED),
        Some(|published| (published.file.name.to_owned(), gzip(&published.content, Compression::fast()))),
        None,
    ]);
    let report = report(directory.path());
    let form = |index: usize| *report.files[index].found[0].state.as_ref().unwrap();
    assert_eq!([form(0), form(1), form(2)], [FileForm::Published, FileForm::Unpacked, FileForm::Repacked]);
    assert!(report.files[3].found.is_empty() && !report.is_intact());
}

#[test]
fn missing_files_are_named_and_so_is_what_is_there() {
    let three = directory_with([Some(AS_PUBLISHED), None, Some(UNPACKED), Some(AS_PUBLISHED)]);
    let error = refused(three.path(), "holds 3 of the four files of Fashion-MNIST, but not train-labels-idx1-ubyte.gz");
    assert!(error.is_missing());
    let empty = directory_with([None; 4]);
    refused(empty.path(), "is empty");
    for name in ["d", "b", "a\u{1b}[31m", "c", "e"] {
        fs::write(empty.path().join(name), "").unwrap();
    }
    refused(empty.path(), r"holds no file of Fashion-MNIST, but a\u{1b}[31m, b, c, 2 more");
}

#[test]
fn what_is_no_directory_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refused(&parent.path().join("misspelt"), "there is no directory").is_missing());
    assert!(matches!(refused(&file, "is a file, expected a directory"), SourceError::NotADirectory { .. }));
    refused(&file.join("below"), "there is no directory");
    if cfg!(unix) {
        refused(Path::new("/dev/null"), "is a device, expected a directory");
    }
}

#[test]
fn other_content_under_the_right_name_is_refused_whatever_its_structure() {
    // the structure is right, an image is another
    let other: Put = |published| {
        let mut content = published.content.clone();
        *content.last_mut().unwrap() ^= 1;
        (published.file.unpacked_name().to_owned(), content)
    };
    let error =
        refused(directory_with([Some(other), Some(UNPACKED), Some(UNPACKED), Some(UNPACKED)]).path(), "SHA-256");
    assert!(!error.is_missing() && !error.is_failed_download());
    let packed: Put = |published| {
        let mut content = published.content.clone();
        content[20] ^= 0x80;
        (published.file.name.to_owned(), gzip(&content, Compression::default()))
    };
    refused(directory_with([Some(UNPACKED), Some(UNPACKED), Some(packed), Some(UNPACKED)]).path(), "other content");
    // the test labels under the name of the training labels, and the other way round
    let directory = directory_with([Some(AS_PUBLISHED); 4]);
    let [train, test] =
        ["train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"].map(|name| directory.path().join(name));
    let (train_bytes, test_bytes) = (fs::read(&train).unwrap(), fs::read(&test).unwrap());
    fs::write(&train, test_bytes).unwrap();
    fs::write(&test, train_bytes).unwrap();
    refused(directory.path(), "train-labels-idx1-ubyte.gz has other content than was published: 10 bytes");
}

#[test]
fn damage_is_named_by_its_kind() {
    let check = |put: Put, expected: &str| {
        let directory = directory_with([Some(put), Some(AS_PUBLISHED), Some(AS_PUBLISHED), Some(AS_PUBLISHED)]);
        refused(directory.path(), expected);
    };
    let name = |published: &Published| published.file.name.to_owned();
    assert_eq!(name(&published()[0]), "train-images-idx3-ubyte.gz");
    check(|p| (p.file.name.to_owned(), p.packed[..p.packed.len() / 2].to_vec()), "is a damaged gzip file");
    check(|p| (p.file.name.to_owned(), [&p.packed[..], b"more"].concat()), "is a damaged gzip file");
    check(|p| (p.file.name.to_owned(), Vec::new()), "0 bytes");
    check(|p| (p.file.unpacked_name().to_owned(), p.content[..100].to_vec()), "100 bytes");
    // five megabytes that unpack from five kilobytes
    let bomb: Put = |p| (p.file.name.to_owned(), gzip(&vec![0; 5 << 20], Compression::best()));
    check(bomb, "unpacks to more than 2368 bytes");
    check(|p| (p.file.unpacked_name().to_owned(), vec![0; 100_000]), "is larger than");
}

#[test]
fn what_is_no_file_is_refused_without_being_opened() {
    let directory = directory_with([None, Some(AS_PUBLISHED), Some(AS_PUBLISHED), Some(AS_PUBLISHED)]);
    let path = directory.path().join("train-images-idx3-ubyte.gz");
    fs::create_dir(&path).unwrap();
    refused(directory.path(), "train-images-idx3-ubyte.gz is a directory, expected a file");
    fs::remove_dir(&path).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        refused(directory.path(), "is a device, expected a file");
        fs::remove_file(&path).unwrap();
        // opening it would wait for ever
        if std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
            refused(directory.path(), "is a pipe, expected a file");
            fs::remove_file(&path).unwrap();
        }
        // no permission is met the same way, but not by the superuser
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = refused(directory.path(), "train-images-idx3-ubyte.gz cannot be read");
        assert!(matches!(error, SourceError::Wrong(wrong) if matches!(wrong.fault, FileFault::Unreadable(_))));
        assert_eq!(report(directory.path()).files[0].found.len(), 1);
    }
}

#[test]
fn of_several_candidates_the_genuine_one_is_read_and_the_other_reported() {
    let directory = directory_with([Some(UNPACKED); 4]);
    let genuine = load_published(&publication(), directory.path()).unwrap();
    fs::write(directory.path().join("train-images-idx3-ubyte.gz"), "damaged").unwrap();
    let read = load_published(&publication(), directory.path()).unwrap();
    assert_eq!(read.train, genuine.train);
    assert_eq!(read.warnings.len(), 1);
    assert!(read.warnings[0].contains("has the published content and is read instead"), "{:?}", read.warnings);
    let report = report(directory.path());
    assert!(report.is_intact());
    let states: Vec<bool> = report.files[0].found.iter().map(|found| found.state.is_ok()).collect();
    assert_eq!(states, [false, true]);
}

#[test]
fn files_of_another_collection_and_of_none_are_told_apart() {
    let directory = directory_with([Some(AS_PUBLISHED); 4]);
    // The files are of the form of MNIST, but not those of MNIST.
    let error = load_published(&MNIST, directory.path()).unwrap_err().to_string();
    assert!(error.contains("other content than was published") && error.contains("expected 47040016 bytes"), "{error}");
    // No checksum says what the files of KMNIST unpack to.
    let unpacked = directory_with([Some(UNPACKED); 4]);
    for directory in [&directory, &unpacked] {
        let error = load_published(&KMNIST, directory.path()).unwrap_err().to_string();
        assert!(error.contains("no checksum of its content is published"), "{error}");
        assert!(error.contains(KMNIST.files[0].sha256), "{error}");
    }
    // Ours are taken for MNIST's, whose names they have.
    let mine = publication();
    let renamed = Publication { id: "mnist", title: "MNIST", ..mine };
    assert_eq!(load_published(&renamed, directory.path()).unwrap().train.name.title(), "MNIST");
}

#[test]
fn each_collection_has_its_own_place_below_a_directory() {
    let put: Put = |published| (format!("MNIST/raw/{}", published.file.unpacked_name()), published.content.clone());
    let directory = directory_with([Some(put); 4]);
    assert!(load_published(&publication(), directory.path()).unwrap_err().is_missing());
    let mnist = Publication { torchvision: MNIST.torchvision, ..publication() };
    assert_eq!(load_published(&mnist, directory.path()).unwrap().train.len(), 3);
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Damage {
    FlipBit(prop::sample::Index, u8),
    CutOff(prop::sample::Index),
    Append(Vec<u8>),
    /// Other bytes from a place on: lies of a header, among others.
    Overwrite(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
}

impl Damage {
    fn applied(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::FlipBit(place, bit) => {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << (bit % 8);
            }
            Self::CutOff(place) => bytes.truncate(place.index(bytes.len())),
            Self::Append(more) => bytes.extend(more),
            Self::Overwrite(place, with) => {
                // half of them in the first bytes, where headers are
                let place = place.index(2 * bytes.len());
                let start = if place < bytes.len() { place } else { place % 16.min(bytes.len()) };
                for (byte, with) in bytes[start..].iter_mut().zip(with) {
                    *byte = *with;
                }
            }
            Self::Remove(place) => drop(bytes.remove(place.index(bytes.len()))),
        }
        bytes
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(place, bit)| Damage::FlipBit(place, bit)),
        any::<prop::sample::Index>().prop_map(Damage::CutOff),
        bytes().prop_map(Damage::Append),
        (any::<prop::sample::Index>(), bytes()).prop_map(|(place, with)| Damage::Overwrite(place, with)),
        any::<prop::sample::Index>().prop_map(Damage::Remove),
    ]
}

// `PROPTEST_CASES` raises the number of cases.
proptest! {
    #[test]
    fn damage_is_refused_or_leaves_the_content_whole(which in 0_usize..4, form in 0_usize..3, damage in damage()) {
        let published = &published()[which];
        let bytes = match form {
            0 => damage.applied(&published.packed),
            1 => damage.applied(&published.content),
            // a sound gzip file of damaged content
            _ => gzip(&damage.applied(&published.content), Compression::fast()),
        };
        if let Ok(genuine) = recognise(&publication(), &published.file, Path::new("a"), bytes) {
            prop_assert_eq!(&genuine.content, &published.content);
        }
    }

    #[test]
    fn damage_of_an_image_file_never_panics_where_no_checksum_is_known(form in 0_usize..3, damage in damage()) {
        let published = &published()[0];
        let bytes = match form {
            0 => damage.applied(&published.packed),
            1 => damage.applied(&published.content),
            _ => gzip(&damage.applied(&published.content), Compression::fast()),
        };
        let limits = crate::idx::IdxLimits { rank: 3, elements: 10_000 };
        if let Ok(array) = crate::idx::decode_idx(Path::new("a"), &bytes, limits) {
            prop_assert_eq!(array.elements.len(), array.dimensions.iter().product::<usize>());
            prop_assert!(array.elements.len() <= 10_000);
        }
    }
}
