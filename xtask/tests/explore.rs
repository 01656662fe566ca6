//! The page to explore, as it is started and ended from the command line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod program;
use program::xtask;

/// A server that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program and waits for its link.
fn serve(dir: &Path, arguments: &[&str]) -> (Served, String) {
    let mut command = xtask(dir, &["explore", "--port", "0"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut link = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
    (Served(child), link.trim().to_owned())
}

/// Asks a question with the token of the link.
fn ask(link: &str, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
    let (address, token) = link.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nx-explorer-token: {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}

fn session(link: &str) -> Value {
    let (status, body) = ask(link, "GET", "/api/session", "");
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

/// The session once the images are read.
fn with_images(link: &str) -> Value {
    let started = Instant::now();
    loop {
        let session = session(link);
        if session["dataset"]["state"] != "loading" {
            return session;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "{session}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn the_page_is_served_until_it_is_interrupted_and_gives_the_bits_of_explain() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let dir = tempfile::tempdir().unwrap();
    let (mut served, link) = serve(dir.path(), &["--synthetic"]);
    let session = with_images(&link);
    assert_eq!(session["dataset"]["name"], "synthetic garments");
    assert_eq!(ask(&link, "GET", "/", "").0, 200);

    let body = r#"{"image": {"index": 3}, "methods": ["input-gradient", "class-evidence"]}"#;
    let (status, kept) = ask(&link, "POST", "/api/download/attributions.safetensors", body);
    assert_eq!(status, 200);
    let (_, command) = ask(&link, "POST", "/api/command", body);
    let command: Value = serde_json::from_slice(&command).unwrap();
    let expected = "cargo xtask explain --index 3 --source synthetic-garments --method input-gradient,class-evidence \
                    --out explanations";
    assert_eq!(command["command"], expected);
    let words: Vec<&str> = expected.split(' ').skip(2).collect();
    let output = xtask(dir.path(), &words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = std::fs::read(dir.path().join("explanations/test-3/attributions.safetensors")).unwrap();
    assert!(kept == written, "the file of the page is that of the command");

    kill(Pid::from_raw(served.0.id() as i32), Signal::SIGINT).unwrap();
    assert!(served.0.wait().unwrap().success());
}

#[test]
fn without_images_the_page_is_there_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_served, link) = serve(dir.path(), &[]);
    let session = with_images(&link);
    assert_eq!(session["dataset"]["state"], "none");
    let reason = session["dataset"]["reason"].as_str().unwrap();
    assert!(reason.contains("the images of fashion-mnist are not on this machine; --data-dir says"), "{reason}");
    assert_eq!(ask(&link, "GET", "/api/gallery", "").0, 404);
    let pixels = "A".repeat(784_usize.div_ceil(3) * 4 - 2) + "==";
    let body = format!("{{\"image\": {{\"pixels\": \"{pixels}\"}}}}");
    assert_eq!(ask(&link, "POST", "/api/predict", &body).0, 200);
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing is written");
}

#[test]
fn what_cannot_be_served_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = xtask(dir.path(), &["explore"]).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = run(&["--port", &port]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("the port {port} is in use by another program; --port names another")), "{said}");
    let (code, said) = run(&["--port", "70000"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(&["--port", "0", "--model", "missing.safetensors"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("failed to load the model missing.safetensors"), "{said}");
    let (code, said) = run(&["--port", "0", "--data-dir", "."]);
    assert!(code.is_some_and(|code| code > 0), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
}
