//! Images of one's own, and the directory that their explanations go to: names, bad files, interrupts, options.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Writes a dark dress on light ground.
fn photograph(path: &Path) {
    let image = image::GrayImage::from_fn(120, 160, |x, y| {
        let is_garment = (30..90).contains(&x) && (20..140).contains(&y);
        image::Luma([if is_garment { 40 } else { 250 }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    std::fs::write(path, bytes.into_inner()).unwrap();
}

/// The names in a directory, in order.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The command over files, by the cheapest method.
fn explain_files(folder: &Path, files: &[&str], more: &[&str]) -> Output {
    let cheap = ["--config", CONFIG, "--method", "input-gradient"];
    xtask(folder, &[&["explain"], files, &cheap, more].concat()).output().unwrap()
}

#[test]
fn no_file_name_leads_out_of_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    std::fs::create_dir(&place).unwrap();
    for name in ["...png", "explanations.html.png", "dress.png", "Dress.png"] {
        photograph(&place.join(name));
    }
    let files = ["...png", "explanations.html.png", "dress.png", "Dress.png"];
    let output = explain_files(&place, &files, &["--out", "out"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(folder.path()), ["place"]);
    let expected =
        [".tinylsa", "Dress-2", "dress", "explanations.html", "image", "image-explanations.html", "images.json"];
    assert_eq!(names(&place.join("out")), expected);
    let inside = ["attributions.safetensors", "diagnostics.json", "index.html", "input-gradient.png", "methods.png"];
    assert_eq!(names(&place.join("out/image")), inside);
}

#[test]
fn one_bad_image_does_not_keep_the_others_from_being_explained() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["first.png", "last.png"] {
        photograph(&folder.path().join(name));
    }
    std::fs::write(folder.path().join("broken.png"), b"no image").unwrap();
    let output = explain_files(folder.path(), &["first.png", "broken.png", "last.png"], &["--out", "out"]);
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(said.contains("first: predicted") && said.contains("last: predicted"), "{said}");
    assert!(told.contains("broken.png") && told.contains("error: 1 of 3 images could not be explained"), "{told}");
    let page = std::fs::read_to_string(folder.path().join("out/explanations.html")).unwrap();
    assert!(page.contains("2 images, seed 0"));
    for image in ["first", "last"] {
        assert!(folder.path().join("out").join(image).join("diagnostics.json").is_file(), "{image}");
    }
    // with nothing to explain nothing is made
    let output = explain_files(folder.path(), &["broken.png", "missing.png"], &["--out", "nothing"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("broken.png") && told.contains("missing.png") && told.contains("2 of 2 images"), "{told}");
    assert_eq!((output.status.code(), folder.path().join("nothing").exists()), (Some(1), false));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_name_that_is_no_text_is_explained() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let names_of_files = [&b"a\xff.png"[..], b"a\xfe.png", b"\x1b[2J.png"].map(OsStr::from_bytes);
    for name in names_of_files {
        photograph(&folder.path().join(name));
    }
    let mut command = xtask(folder.path(), &["explain"]);
    command.args(names_of_files).args(["--config", CONFIG, "--method", "input-gradient"]);
    let output = command.args(["--out", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.contains(&0x1b), "{}", String::from_utf8_lossy(&output.stdout));
    for image in ["a-", "a--2", "-[2J"] {
        assert!(folder.path().join("out").join(image).join("diagnostics.json").is_file(), "{image}");
    }
}

#[test]
fn a_directory_of_other_files_is_refused_and_earlier_images_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dress.png", "shirt.png"] {
        photograph(&folder.path().join(name));
    }
    let output = explain_files(folder.path(), &["dress.png"], &["--out", "."]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("holds other files, such as dress.png"), "{told}");
    assert_eq!(names(folder.path()), ["dress.png", "shirt.png"]);

    let out = folder.path().join("out");
    assert!(explain_files(folder.path(), &["dress.png"], &["--out", "out"]).status.success());
    std::fs::write(out.join("notes.txt"), b"mine").unwrap();
    assert!(explain_files(folder.path(), &["shirt.png"], &["--out", "out"]).status.success());
    assert_eq!(names(&out), [".tinylsa", "explanations.html", "images.json", "notes.txt", "shirt"]);
    let page = std::fs::read_to_string(out.join("explanations.html")).unwrap();
    assert!(page.contains("shirt") && !page.contains("dress"));

    let claim = tinylsa_system::OutputDir::claim(&out, "explanations").unwrap();
    let output = explain_files(folder.path(), &["dress.png"], &["--out", "out"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("is in use by another process"), "{told}");
    assert!(out.join("shirt/diagnostics.json").is_file(), "nothing was changed");
    drop(claim);
}

#[test]
fn one_image_has_one_confidence() {
    let folder = tempfile::tempdir().unwrap();
    photograph(&folder.path().join("dress.png"));
    let output = explain_files(folder.path(), &["dress.png"], &["--out", "out"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let classified: Value =
        serde_json::from_str(&succeeds(folder.path(), &["classify", "dress.png", "--json"])).unwrap();
    let told = classified.pointer("/0/classes/0/probability").unwrap().as_f64().unwrap();
    let predicted = &json(&folder.path().join("out/dress/diagnostics.json"))["predicted"];
    let calibrated = predicted["probability_calibrated"].as_f64().unwrap();
    let raw = predicted["probability_raw"].as_f64().unwrap();
    assert!((calibrated - told).abs() < 1e-5, "{calibrated} by explain, {told} by classify");
    assert!((raw - calibrated).abs() > 1e-4, "the weights that ship have a temperature");
    assert!(said.contains(&format!("{:.1} %", 100.0 * told)), "{said}");
}

#[test]
fn options_without_effect_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    photograph(&folder.path().join("dress.png"));
    let check = |arguments: &[&str], expected: &str| {
        let output = explain_files(folder.path(), &["dress.png"], &[arguments, &["--out", "out"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    };
    check(&["--split", "train"], "--split has no effect here");
    check(&["--seed", "1"], "--seed has no effect here");
    check(&["--synthetic"], "--synthetic has no effect here");
    check(&["--data-dir", "."], "--data-dir has no effect here");
    check(&["--set", "train.epochs=3"], "--set train.epochs=3 has no effect here");
    check(&["--set", "explain.scores.enabled=false"], "--set explain.scores.enabled=false has no effect here");
    check(&["--set", "explain.methods=[\"lime\"]"], "--method names the methods");
    assert!(!folder.path().join("out").exists());
    // noise among the baselines is a draw
    let noise = ["--method", "integrated-gradients", "--set", "explain.baseline.kinds=[\"noise\"]", "--seed", "1"];
    let arguments = [&["explain", "dress.png", "--config", CONFIG, "--out", "out"], &noise[..]].concat();
    assert!(succeeds(folder.path(), &arguments).contains("dress: predicted"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_the_finished_images_complete() {
    let folder = tempfile::tempdir().unwrap();
    let indices = (0..400).map(|index| index.to_string()).collect::<Vec<_>>().join(",");
    let arguments = ["explain", "--synthetic", "--config", CONFIG, "--method", "input-gradient", "--index", &indices];
    let mut command = xtask(folder.path(), &arguments);
    let running = command.args(["--out", "out"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = folder.path().join("out");
    while !out.join("test-1/diagnostics.json").is_file() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let interrupt = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = running.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let done = names(&out).iter().filter(|name| name.starts_with("test-")).count();
    assert!((2..400).contains(&done), "{done}");
    assert!(told.contains(&format!("interrupted after {done} of 400 images")), "{told}");
    let page = std::fs::read_to_string(out.join("explanations.html")).unwrap();
    assert!(page.contains(&format!("{done} images, seed 0")));
    for name in names(&out).iter().filter(|name| name.starts_with("test-")) {
        assert!(out.join(name).join("diagnostics.json").is_file(), "{name}");
    }
}
