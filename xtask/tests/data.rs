//! Where images come from, as a user meets it: places named in every way, files of every kind, downloads.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

mod program;
use program::{PROXIES, xtask};

const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/base.toml");
const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The program behind a proxy of the test.
fn behind(proxy: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = offline(folder, arguments);
    for variable in PROXIES {
        command.env(variable, proxy);
    }
    command
}

fn offline(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = xtask(folder, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command that fails says.
#[track_caller]
fn refused(command: &mut Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(code), "{}{said}", String::from_utf8_lossy(&stdout));
    said
}

fn put(directory: &Path, names: &[&str]) {
    std::fs::create_dir_all(directory).unwrap();
    for name in names {
        std::fs::write(directory.join(name), b"\0\0\x08\x01\0\0\0\x01\x07").unwrap();
    }
}

#[test]
fn a_misspelt_place_is_an_error_however_it_was_named_and_nothing_is_made_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let experiment = ["experiment", BASE, "--out", "run"];
    let argument = &mut offline(path, &[&experiment[..], &["--data-dir", "misspelt"]].concat());
    let variable = &mut offline(path, &experiment);
    variable.env("FASHION_MNIST_DIR", "misspelt");
    let config = &mut offline(path, &[&experiment[..], &["--set", "data.dir=misspelt"]].concat());
    let named = [(argument, "--data-dir"), (variable, "FASHION_MNIST_DIR"), (config, "data.dir")];
    for (command, by) in named {
        let said = refused(command, 1);
        assert!(said.contains(&format!("{by}: there is no directory misspelt")), "{said}");
        assert!(said.contains("the command `data fetch --data-dir misspelt`"), "{said}");
    }
    for command in [["data", "verify"], ["data", "show"]] {
        let said = refused(&mut offline(path, &[&command[..], &["--data-dir", "misspelt"]].concat()), 1);
        assert!(said.contains("there is no directory misspelt"), "{said}");
    }
    let evaluate = &mut offline(path, &["evaluate", "--data-dir", "misspelt"]);
    assert!(refused(evaluate, 1).contains("there is no directory misspelt"));
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0, "neither the place nor a run");
}

#[test]
fn a_named_place_counts_before_a_better_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    put(&path.join("variable"), &NAMES);
    let mut command = offline(path, &["data", "verify", "--data-dir", "argument"]);
    command.env("FASHION_MNIST_DIR", "variable");
    assert!(refused(&mut command, 1).contains("there is no directory argument"));
}

#[test]
fn an_incomplete_default_directory_is_not_replaced_either() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("datasets/fashion-mnist"), &NAMES[..3]);
    let said = refused(&mut offline(folder.path(), &["experiment", BASE, "--out", "run"]), 1);
    assert!(said.contains("failed to download t10k-labels-idx1-ubyte.gz"), "{said}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn other_files_under_the_right_names_are_refused_by_name_and_hash() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &NAMES);
    let said = refused(&mut offline(folder.path(), &["experiment", BASE, "--out", "run", "--data-dir", "."]), 1);
    assert!(
        said.contains("train-images-idx3-ubyte has other content than was published: 9 bytes with SHA-256"),
        "{said}"
    );
    let verify = offline(folder.path(), &["data", "verify", "--data-dir", "."]).output().unwrap();
    let listed = String::from_utf8(verify.stdout).unwrap();
    assert_eq!(verify.status.code(), Some(1));
    for name in NAMES {
        assert!(listed.contains(&format!("{name} has other content than was published")), "{listed}");
    }
}

#[test]
fn an_option_without_effect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let show = &mut offline(folder.path(), &["data", "show", "--synthetic", "--data-dir", "."]);
    assert!(refused(show, 2).contains("cannot be used with"));
    let drawn = ["experiment", BASE, "--set", "data.source=synthetic-garments", "--data-dir", ".", "--out", "run"];
    let said = refused(&mut offline(folder.path(), &drawn), 2);
    assert!(said.contains("--data-dir has no effect on synthetic garments"), "{said}");
}

#[test]
fn too_many_images_for_validation_are_refused_at_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(BASE).unwrap();
    let config = config.replace("source = \"fashion-mnist\"", "source = \"synthetic-garments\"");
    std::fs::write(folder.path().join("config.toml"), config.replace("validation = 1000", "validation = 12000"))
        .unwrap();
    let said = refused(&mut offline(folder.path(), &["experiment", "config.toml", "--out", "run"]), 2);
    assert!(said.contains("config.toml:") && said.contains("| validation = 12000"), "{said}");
    let absurd = ["experiment", "config.toml", "--set", "data.synthetic.train=9000000000000000000"];
    let said = refused(&mut offline(folder.path(), &absurd), 2);
    assert!(said.contains("`data.synthetic.train` is 9000000000000000000, expected 10 to 16777216"), "{said}");
}

#[test]
fn a_download_into_a_file_or_without_certificates_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let said = refused(&mut offline(folder.path(), &["data", "fetch", "--data-dir", "file"]), 1);
    assert!(said.contains("file is a file, expected a directory"), "{said}");
    let mut command = offline(folder.path(), &["data", "fetch", "--data-dir", "new"]);
    let said = refused(command.env("SSL_CERT_FILE", "missing.pem"), 1);
    assert!(said.contains("no usable root certificates") && said.contains("missing.pem"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_download_within_a_second_and_leaves_nothing() {
    // A proxy that takes the request and never answers.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let child = behind(&address, folder.path(), &["data", "fetch", "--data-dir", "new"]).spawn().unwrap();
    let (mut connection, _) = proxy.accept().unwrap();
    assert!(connection.read(&mut [0; 64]).unwrap() > 0);
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the download of train-images-idx3-ubyte.gz was interrupted"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}
