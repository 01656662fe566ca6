//! Folders of image files.

use std::fs;
use std::path::Path;

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

use crate::source::{FolderConfig, SourceError, load_folder};

/// An image that no other number has.
fn colour(number: usize, [height, width]: [u32; 2]) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = |channel: usize| (number * 31 + channel * 50 + (x * 3 + y * 11) as usize) as u8;
        Rgb([value(0), value(1), value(2)])
    })
    .into()
}

fn save(image: &DynamicImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// `count` images of 4×6 pixels of each class, numbered from `first`.
fn fill(directory: &Path, classes: &[&str], count: usize, first: usize) {
    for (position, class) in classes.iter().enumerate() {
        for index in 0..count {
            let number = first + position * count + index;
            save(&colour(number, [4, 6]), &directory.join(class).join(format!("{index:03}.png")));
        }
    }
}

/// Two classes with three training images and one test image each.
fn divided() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fill(&directory.path().join("train"), &["cat", "dog"], 3, 0);
    fill(&directory.path().join("test"), &["cat", "dog"], 1, 100);
    directory
}

#[track_caller]
fn refused(directory: &Path, config: &FolderConfig, expected: &str) -> SourceError {
    let error = load_folder(directory, config).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    error
}

#[test]
fn classes_are_directories_in_the_order_of_their_names_in_any_script() {
    let directory = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        let first = if split == "train" { 0 } else { 50 };
        fill(&directory.path().join(split), &["собака", "猫", "Zebra", "ape"], 2, first);
    }
    let read = load_folder(directory.path(), &FolderConfig::default()).unwrap();
    assert_eq!(&*read.train.class_names, ["Zebra", "ape", "собака", "猫"]);
    // 000.png of each class, then 001.png of each
    assert_eq!(read.train.labels, [0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!((read.train.shape.dims(), read.test.len()), ([3, 4, 6], 8));
    read.train.check().unwrap();
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    // red, green and blue of the first image of the class that was written first
    let expected = colour(0, [4, 6]).to_rgb8();
    for (x, y, pixel) in expected.enumerate_pixels() {
        let at = |channel: usize| read.train.image(2)[channel * 24 + (y * 6 + x) as usize];
        assert_eq!([0, 1, 2].map(at), pixel.0);
    }
}

#[test]
fn grey_files_keep_every_level_and_fit_either_kind() {
    let directory = tempfile::tempdir().unwrap();
    let levels: Vec<u8> = (0..=255).collect();
    let image: DynamicImage = GrayImage::from_raw(16, 16, levels.clone()).unwrap().into();
    for file in ["train/a/0.png", "train/b/0.PNG", "test/a/1.png", "test/b/1.png"] {
        save(&image, &directory.path().join(file));
    }
    let grey = FolderConfig { channels: 1, ..FolderConfig::default() };
    let read = load_folder(directory.path(), &grey).unwrap();
    assert_eq!(read.train.image(0), levels);
    assert_eq!(load_folder(directory.path(), &FolderConfig::default()).unwrap().train.image(1), levels.repeat(3));
    assert_eq!(read.warnings, ["2 images of the test split are also in the training split"]);
}

#[test]
fn one_folder_is_divided_by_fraction_and_seed() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), &["a", "b", "c"], 10, 0);
    let config = FolderConfig { test_fraction: Some(0.2), ..FolderConfig::default() };
    let read = load_folder(directory.path(), &config).unwrap();
    assert_eq!((read.train.len(), read.test.len()), (24, 6));
    for class in 0..3 {
        assert_eq!(read.test.labels.iter().filter(|&&label| label == class).count(), 2);
    }
    let again = load_folder(directory.path(), &config).unwrap();
    assert_eq!((&again.train, &again.checksums), (&read.train, &read.checksums));
    let other = load_folder(directory.path(), &FolderConfig { test_seed: 1, ..config.clone() }).unwrap();
    assert_ne!(other.test, read.test);
    refused(directory.path(), &FolderConfig::default(), "folder.test_fraction is absent");
    let tiny = FolderConfig { test_fraction: Some(0.05), ..config };
    refused(directory.path(), &tiny, "no image of the class c");
    let fraction = FolderConfig { test_fraction: Some(0.5), ..FolderConfig::default() };
    refused(divided().path(), &fraction, "expected nothing: the folder is divided into train and test");
}

#[test]
fn images_of_several_sizes_are_refused_or_resized() {
    let directory = divided();
    save(&colour(7, [5, 6]), &directory.path().join("test/dog/odd.png"));
    let error = refused(directory.path(), &FolderConfig::default(), "odd.png is 5×6, expected 4×6 as ").to_string();
    assert!(error.contains("000.png is; `data.folder.resize` scales all images"), "{error}");
    let config = FolderConfig { resize: Some([3, 5]), ..FolderConfig::default() };
    let read = load_folder(directory.path(), &config).unwrap();
    assert_eq!((read.train.shape.dims(), read.test.len()), ([3, 3, 5], 3));
}

#[test]
fn folders_without_images_or_with_other_classes_are_refused() {
    let default = FolderConfig::default();
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &default, "holds no directories, expected one for each class");
    fs::create_dir(empty.path().join("train")).unwrap();
    refused(empty.path(), &default, "holds no directory test, expected train and test, or neither");
    fs::create_dir(empty.path().join("test")).unwrap();
    refused(empty.path(), &default, "train holds no directories");

    let directory = divided();
    fs::create_dir(directory.path().join("train/mouse")).unwrap();
    refused(directory.path(), &default, "mouse holds no PNG or JPEG file, expected the images of a class");
    save(&colour(8, [4, 6]), &directory.path().join("train/mouse/0.png"));
    save(&colour(9, [4, 6]), &directory.path().join("test/rat/0.png"));
    refused(directory.path(), &default, "differ: mouse only in train; rat only in test");

    let clash = divided();
    for split in ["train", "test"] {
        save(&colour(10, [4, 6]), &clash.path().join(split).join("CAT/0.png"));
    }
    refused(clash.path(), &default, "the classes CAT and cat of ");
    refused(&clash.path().join("train/cat/000.png"), &default, "is a file, expected a directory");
    assert!(refused(&clash.path().join("nowhere"), &default, "there is no directory").is_missing());
}

#[test]
fn unreadable_files_are_named_and_counted_and_one_in_a_hundred_is_borne() {
    let directory = tempfile::tempdir().unwrap();
    fill(&directory.path().join("train"), &["a", "b"], 60, 0);
    fill(&directory.path().join("test"), &["a", "b"], 1, 500);
    let damaged = directory.path().join("train/a/broken.png");
    fs::write(&damaged, b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let read = load_folder(directory.path(), &FolderConfig::default()).unwrap();
    assert_eq!(read.train.len(), 120);
    assert_eq!(read.warnings, [format!("1 file could not be read and left out: {}", damaged.display())]);
    fs::write(directory.path().join("train/b/photo.webp"), b"RIFF\x24\0\0\0WEBPVP8 ").unwrap();
    let error = refused(directory.path(), &FolderConfig::default(), "2 of 122 files cannot be read, more than 1 %");
    assert!(error.to_string().contains("broken.png is damaged"), "{error}");
}

#[test]
fn what_is_no_image_is_left_out_with_a_warning_and_hidden_files_without() {
    let directory = divided();
    fs::write(directory.path().join("train/cat/notes.txt"), "").unwrap();
    fs::create_dir(directory.path().join("test/dog/more")).unwrap();
    fs::write(directory.path().join("train/.DS_Store"), "").unwrap();
    fs::create_dir(directory.path().join("validation")).unwrap();
    let read = load_folder(directory.path(), &FolderConfig::default()).unwrap();
    assert_eq!(read.train.len(), 6);
    assert_eq!(read.warnings.len(), 3, "{:?}", read.warnings);
    assert!(read.warnings[0].starts_with("1 entry that is no image file is left out in "), "{:?}", read.warnings);
    assert!(read.warnings[2].starts_with("beside train and test, validation is not read"), "{:?}", read.warnings);
}

#[test]
fn the_checksum_is_of_the_images_and_their_classes_and_not_of_the_files() {
    let [first, renamed, other] = [divided(), divided(), divided()];
    let cat = |directory: &TempDir| directory.path().join("train/cat");
    fs::rename(cat(&renamed).join("001.png"), cat(&renamed).join("001.PNG")).unwrap();
    let checksums = |directory: &TempDir| load_folder(directory.path(), &FolderConfig::default()).unwrap().checksums;
    assert_eq!(checksums(&first), checksums(&renamed));
    save(&colour(999, [4, 6]), &cat(&other).join("001.png"));
    assert_ne!(checksums(&first)[0], checksums(&other)[0]);
    assert_eq!(checksums(&first)[1], checksums(&other)[1]);
}

#[test]
fn settings_outside_their_range_are_named() {
    let default = FolderConfig::default();
    let check = |config: &FolderConfig, expected: &str| drop(refused(Path::new("nowhere"), config, expected));
    check(&FolderConfig { channels: 2, ..default.clone() }, "folder.channels is 2, expected 1 or 3");
    check(&FolderConfig { resize: Some([0, 5]), ..default.clone() }, "folder.resize is 0, expected 1 to 4096");
    check(
        &FolderConfig { test_fraction: Some(1.0), ..default.clone() },
        "folder.test_fraction is 1, expected more than 0",
    );
    check(&FolderConfig { test_fraction: Some(f64::NAN), ..default.clone() }, "folder.test_fraction is NaN");
    check(&FolderConfig { name: Some("a/b".to_owned()), ..default }, "folder.name is \"a/b\"");
}

#[cfg(unix)]
#[test]
fn a_class_whose_name_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let directory = divided();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    if fs::create_dir(directory.path().join("train").join(name)).is_ok() {
        refused(directory.path(), &FolderConfig::default(), "has a name that is no text");
    }
}

#[test]
fn a_jpeg_is_read_too() {
    let directory = divided();
    let even: DynamicImage = GrayImage::from_pixel(6, 4, Luma([90])).into();
    save(&even, &directory.path().join("train/cat/even.jpg"));
    let read = load_folder(directory.path(), &FolderConfig::default()).unwrap();
    assert!(read.train.image(6).iter().all(|level| level.abs_diff(90) <= 2), "{:?}", read.train.image(6));
}

#[test]
fn a_list_gives_the_order_and_the_names_of_the_classes() {
    let directory = divided();
    let list = directory.path().join("classes.txt");
    fs::write(&list, "dog\tDog / puppy\ncat\n").unwrap();
    let read = load_folder(directory.path(), &FolderConfig::default()).unwrap();
    assert_eq!(&*read.train.class_names, ["Dog / puppy", "cat"]);
    assert_eq!((&read.train.labels[..2], &read.test.labels[..]), (&[0, 1][..], &[0, 1][..]));
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);

    let undivided = tempfile::tempdir().unwrap();
    fill(undivided.path(), &["a", "b"], 4, 0);
    fs::write(undivided.path().join("classes.txt"), "b\na\n").unwrap();
    let config = FolderConfig { test_fraction: Some(0.5), ..FolderConfig::default() };
    let read = load_folder(undivided.path(), &config).unwrap();
    assert_eq!((&*read.train.class_names, read.warnings.len()), (&["b".to_owned(), "a".to_owned()][..], 0));

    let check = |text: &[u8], expected: &str| {
        fs::write(&list, text).unwrap();
        refused(directory.path(), &FolderConfig::default(), expected);
    };
    check(b"cat\n", "classes.txt does not name the directory dog");
    check(b"cat\ndog\nmouse\n", "names the directory mouse in line 3, which is not there");
    check(b"cat\ndog\ncat\n", "names the directory cat twice, again in line 3");
    check(b"cat\n\ndog\n", "names no class in line 2");
    check(b"cat\tPet\ndog\tpet\n", "the classes Pet and pet of ");
    check(b"caf\xe9\n", "classes.txt is no text in UTF-8");
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    refused(directory.path(), &FolderConfig::default(), "classes.txt cannot be read");
}
