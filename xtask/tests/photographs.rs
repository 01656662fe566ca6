//! Images of one's own as a user gives them: good ones and bad ones, with any name.

use std::path::Path;
use std::process::Output;

use image::{GrayImage, Luma};
use serde_json::Value;

mod program;
use program::xtask;

fn classify(dir: &Path, arguments: &[&str]) -> Output {
    xtask(dir, &["classify"]).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

/// Trousers on a grey page.
fn trousers() -> GrayImage {
    GrayImage::from_fn(160, 200, |x, y| {
        let is_leg = (50..75).contains(&x) || (85..110).contains(&x);
        let is_waist = (50..110).contains(&x) && y < 70;
        Luma([if (20..180).contains(&y) && (is_leg || is_waist) { 50 } else { 200 }])
    })
}

/// A directory with two good images and a bad one between them by name.
fn images() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    trousers().save(dir.path().join("a.png")).unwrap();
    let whole = std::fs::read(dir.path().join("a.png")).unwrap();
    std::fs::write(dir.path().join("b.png"), &whole[..whole.len() / 2]).unwrap();
    trousers().save(dir.path().join("c.jpg")).unwrap();
    dir
}

#[test]
fn good_images_are_classified_and_the_bad_one_is_named() {
    let dir = images();
    let output = classify(dir.path(), &["a.png", "b.png", "c.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("a.png: Trouser ") && lines[1].starts_with("c.jpg: Trouser "), "{said}");
    assert!(lines[0].ends_with("garment found with confidence 1.00"), "{said}");
    let errors = text(&output.stderr);
    assert!(errors.contains("the image b.png is damaged: it ends after"), "{errors}");
    assert!(errors.contains("1 of 3 images could not be classified"), "{errors}");

    let output = classify(dir.path(), &["a.png", "b.png", "c.jpg", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document = document(&output);
    assert_eq!(document.as_array().unwrap().len(), 3);
    assert_eq!(document[0]["classes"][0]["name"], "Trouser");
    assert_eq!(document[0]["inverted"], true);
    assert_eq!(document[0]["found"]["doubts"], serde_json::json!([]));
    assert_eq!(document[1]["image"], "b.png");
    assert!(document[1]["error"].as_str().unwrap().contains("is damaged"), "{document}");
    assert_eq!(document[1]["classes"], Value::Null);
    assert_eq!(document[2]["image"], "c.jpg");

    let good = classify(dir.path(), &["a.png", "c.jpg", "--json"]);
    assert_eq!(good.status.code(), Some(0));
}

#[test]
fn a_missing_image_a_directory_and_another_format_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    std::fs::write(dir.path().join("new.webp"), b"RIFF\x24\0\0\0WEBPVP8 ").unwrap();
    for (name, expected) in [
        ("absent.png", "the image absent.png cannot be read: No such file"),
        ("folder", "the image folder is a directory, expected a PNG or JPEG file"),
        ("new.webp", "the image new.webp is a WebP file, which is not supported; convert it to PNG or JPEG"),
    ] {
        let output = classify(dir.path(), &[name]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_shown_escaped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"caf\xe9.png");
    trousers().save_with_format(dir.path().join(name), image::ImageFormat::Png).unwrap();
    let output = xtask(dir.path(), &["classify"]).arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with(r#""caf\xE9.png": Trouser"#), "{}", text(&output.stdout));
    let output = xtask(dir.path(), &["classify"]).arg(name).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let document = document(&output);
    assert_eq!(document[0]["image"], "caf\u{fffd}.png");
    assert_eq!(document[0]["image_escaped"], r#""caf\xE9.png""#);
}

#[test]
fn what_the_network_saw_is_saved_and_nothing_of_others_is_touched() {
    let dir = images();
    let names = || {
        let entries = std::fs::read_dir(dir.path().join("seen")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".tinylsa")
            .collect();
        names.sort();
        names
    };
    let output = classify(dir.path(), &["a.png", "b.png", "c.jpg", "--save-prepared", "seen", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(), ["0001-a.png", "0003-c.png"]);
    let saved = document(&output)[2]["prepared"].as_str().unwrap().to_owned();
    let image = image::open(dir.path().join(saved)).unwrap().to_luma8();
    assert_eq!(image.dimensions(), (28, 28));
    assert!(image.get_pixel(0, 14)[0] == 0 && image.get_pixel(10, 14)[0] > 150, "a garment on black");

    // those of an earlier call are removed, a file of the user is not
    std::fs::write(dir.path().join("seen/holiday.png"), b"mine").unwrap();
    let output = classify(dir.path(), &["c.jpg", "--save-prepared", "seen"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(names(), ["0001-c.png", "holiday.png"]);

    let output = classify(dir.path(), &["a.png", "--save-prepared", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("holds other files, such as a.png"), "{}", text(&output.stderr));
}

#[test]
fn a_garment_that_was_hardly_found_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut faint = trousers();
    for level in faint.iter_mut() {
        *level = if *level < 100 { 187 } else { 200 };
    }
    faint.save(dir.path().join("faint.png")).unwrap();
    let output = classify(dir.path(), &["faint.png"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("(doubtful)"), "{}", text(&output.stdout));
    let warning = text(&output.stderr);
    assert!(
        warning.contains("may have been missed in faint.png") && warning.contains("hardly stands out"),
        "{warning}"
    );
}

#[test]
fn options_of_the_benchmark_that_have_no_effect_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["photographs", "--images", "0"].as_slice(), "--images is 0, expected at least 1"),
        (&["photographs", "--threads", "2"], "--threads has no effect on `bench photographs`"),
        (&["photographs", "--peers"], "--peers has no effect on `bench photographs`"),
        (&["train", "--strengths", "held-out"], "--strengths has no effect on `bench train`"),
        (&["--seed", "3"], "--seed has no effect on `bench train`"),
    ] {
        let output = xtask(dir.path(), &["bench"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}
