//! Servers of all kinds, on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{publication, published};
use crate::source::download::{fetch, fetch_absent, fetch_files};
use crate::source::{DownloadFault, FASHION_MNIST, FetchConfig, SourceError, SourceFile, load_published};

const CONTENT: &[u8] = b"as published";
const FILE: SourceFile = SourceFile {
    name: "train-labels-idx1-ubyte.gz",
    // what an answer may have at the most
    bytes: 1000,
    sha256: "e358f48ff7b4154f3d9e4354c6229db7a89bd0af0d8d92a99b69f4e94e139d10",
    content_bytes: 0,
    content_sha256: None,
};
const OTHER_FILE: SourceFile = SourceFile { name: "t10k-labels-idx1-ubyte.gz", ..FILE };

/// A server on this machine that answers every request with `answer`, given the number of the request from 0. It ends
/// with the test's process.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

fn serve(answer: impl Fn(usize, &mut TcpStream) + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            answer(counter.fetch_add(1, Ordering::SeqCst), &mut stream);
        }
    });
    Server { url, requests }
}

/// A client that went away is no fault of the server.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

fn send_file(stream: &mut TcpStream, content: &[u8]) {
    let header = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    send(stream, header.as_bytes());
    send(stream, content);
}

fn send_status(stream: &mut TcpStream, status: &str) {
    send(stream, format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
}

fn quick(base_urls: &[&str]) -> FetchConfig {
    FetchConfig {
        base_urls: base_urls.iter().map(|&url| url.to_owned()).collect(),
        attempts: 2,
        first_pause: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(300),
        window: Duration::from_millis(300),
        window_bytes: CONTENT.len() as u64,
        deadline: Duration::from_secs(3),
        ..FetchConfig::default()
    }
}

/// The one fault of a download that fails and leaves nothing, neither under the final name nor any other.
fn fault(directory: &Path, config: &FetchConfig) -> DownloadFault {
    let error = fetch_files(&[FILE], directory, config).unwrap_err();
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "nothing is left behind");
    let message = error.to_string();
    assert!(message.contains(&config.base_urls[0]) && !message.contains(".part"), "{message}");
    let SourceError::Download { file, mut failures } = error else { panic!("another error: {message}") };
    assert_eq!((file.as_str(), failures.len()), (FILE.name, 1));
    failures.remove(0).fault
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn assert_fetched(directory: &Path) {
    let names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [FILE.name], "the file alone is there");
    assert_eq!(fs::read(directory.join(FILE.name)).unwrap(), CONTENT);
}

#[test]
fn a_good_answer_becomes_the_file() {
    let server = serve(|_, stream| send_file(stream, CONTENT));
    let directory = directory();
    let nested = directory.path().join("a/b");
    fetch_files(&[FILE], &nested, &quick(&[&server.url])).unwrap();
    assert_fetched(&nested);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(nested.join(FILE.name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o400, 0o400, "readable");
    }
}

#[test]
fn redirects_are_followed() {
    let target = serve(|_, stream| send_file(stream, CONTENT));
    let location = format!("302 Found\r\nLocation: {}/elsewhere", target.url);
    let server = serve(move |_, stream| send_status(stream, &location));
    let directory = directory();
    fetch_files(&[FILE], directory.path(), &quick(&[&server.url])).unwrap();
    assert_fetched(directory.path());
}

#[test]
fn a_momentary_refusal_is_tried_again() {
    let server = serve(|request, stream| match request {
        0 => send_status(stream, "503 Service Unavailable"),
        _ => send_file(stream, CONTENT),
    });
    let directory = directory();
    fetch_files(&[FILE], directory.path(), &quick(&[&server.url])).unwrap();
    assert_fetched(directory.path());
}

#[test]
fn a_missing_file_is_asked_for_once_and_then_elsewhere() {
    let lacking = serve(|_, stream| send_status(stream, "404 Not Found"));
    let directory = directory();
    let fault = fault(directory.path(), &quick(&[&lacking.url]));
    assert!(matches!(fault, DownloadFault::Status { status: 404, retry_after: None }), "{fault}");
    assert_eq!(lacking.requests.load(Ordering::SeqCst), 1);

    let mirror = serve(|_, stream| send_file(stream, CONTENT));
    fetch_files(&[FILE], directory.path(), &quick(&[&lacking.url, &mirror.url])).unwrap();
    assert_fetched(directory.path());
}

#[test]
fn an_answer_cut_off_in_the_middle_leaves_nothing() {
    let server = serve(|_, stream| {
        send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf");
    });
    let fault = fault(directory().path(), &quick(&[&server.url]));
    assert!(matches!(fault, DownloadFault::Interrupted { received: 4, .. }), "{fault}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 2, "tried again");
}

/// Begins a good answer and then sends a byte of it every tenth of a second.
fn drip(stream: &mut TcpStream) {
    send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..50 {
        send(stream, b"x");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_falls_silent_or_drips_is_given_up() {
    let silent = |stream: &mut TcpStream| {
        send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        thread::sleep(Duration::from_secs(3));
    };
    for behave in [silent, drip] {
        let server = serve(move |_, stream| behave(stream));
        let start = Instant::now();
        let config = FetchConfig { attempts: 1, ..quick(&[&server.url]) };
        let fault = fault(directory().path(), &config);
        // the client may notice the silence first
        let is_noticed =
            matches!(fault, DownloadFault::TooSlow { bytes: 1..=11, .. } | DownloadFault::Interrupted { .. });
        assert!(is_noticed, "{fault}");
        assert!(start.elapsed() < Duration::from_secs(2), "given up after {:?}", start.elapsed());
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let server = serve(|_, _| thread::sleep(Duration::from_secs(3)));
    let start = Instant::now();
    let config = FetchConfig { attempts: 1, ..quick(&[&server.url]) };
    let fault = fault(directory().path(), &config);
    assert!(matches!(fault, DownloadFault::Request(_)), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(2), "given up after {:?}", start.elapsed());
}

#[test]
fn a_dripping_server_does_not_hold_the_next_address_back() {
    let dripping = serve(|_, stream| drip(stream));
    let good = serve(|_, stream| send_file(stream, CONTENT));
    let directory = directory();
    let start = Instant::now();
    // many attempts with long pauses: not one of them comes before the other address
    let config = FetchConfig { attempts: 5, first_pause: Duration::from_secs(2), ..quick(&[&dripping.url, &good.url]) };
    fetch_files(&[FILE], directory.path(), &config).unwrap();
    assert_fetched(directory.path());
    assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
    assert_eq!(dripping.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn the_address_that_gave_a_file_is_asked_first_for_the_next() {
    let lacking = serve(|_, stream| send_status(stream, "404 Not Found"));
    let good = serve(|_, stream| send_file(stream, CONTENT));
    let directory = directory();
    fetch_files(&[FILE, OTHER_FILE], directory.path(), &quick(&[&lacking.url, &good.url])).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    assert_eq!([&lacking, &good].map(|server| server.requests.load(Ordering::SeqCst)), [1, 2]);
}

#[test]
fn there_is_one_deadline_for_all_files_addresses_attempts_and_pauses() {
    let busy = || serve(|_, stream| send_status(stream, "503 Service Unavailable"));
    let dripping = || serve(|_, stream| drip(stream));
    let start = Instant::now();
    for servers in [[busy(), busy()], [dripping(), dripping()], [busy(), dripping()]] {
        let urls = [servers[0].url.as_str(), servers[1].url.as_str()];
        let config = FetchConfig {
            attempts: u32::MAX,
            first_pause: Duration::from_millis(100),
            window: Duration::from_mins(1),
            deadline: Duration::from_millis(400),
            ..quick(&urls)
        };
        let directory = directory();
        let error = fetch_files(&[FILE, OTHER_FILE], directory.path(), &config).unwrap_err();
        assert!(matches!(&error, SourceError::Download { failures, .. } if failures.len() == 2), "{error}");
        assert!(error.is_failed_download());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
    }
    assert!(start.elapsed() < Duration::from_secs(3), "after {:?}", start.elapsed());
}

#[test]
fn a_server_is_not_asked_before_it_wants_to_be() {
    let server = serve(|request, stream| match request {
        0 => send_status(stream, "503 Service Unavailable\r\nRetry-After: 1"),
        _ => send_file(stream, CONTENT),
    });
    let directory = directory();
    let start = Instant::now();
    fetch_files(&[FILE], directory.path(), &quick(&[&server.url])).unwrap();
    assert_fetched(directory.path());
    assert!(start.elapsed() >= Duration::from_secs(1), "after {:?}", start.elapsed());
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_longer_than_the_deadline_is() {
    for pause in ["3600", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let answer = format!("429 Too Many Requests\r\nRetry-After: {pause}");
        let server = serve(move |_, stream| send_status(stream, &answer));
        let start = Instant::now();
        let fault = fault(directory().path(), &quick(&[&server.url]));
        assert!(matches!(fault, DownloadFault::Status { status: 429, retry_after: Some(_) }), "{fault}");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1);
        assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
    }
}

#[test]
fn a_stop_is_heard_in_the_middle_of_everything() {
    let silent = serve(|_, _| thread::sleep(Duration::from_secs(5)));
    let dripping = serve(|_, stream| drip(stream));
    let busy = serve(|_, stream| send_status(stream, "503 Service Unavailable\r\nRetry-After: 30"));
    for server in [silent, dripping, busy] {
        let config = FetchConfig {
            response_timeout: Duration::from_mins(1),
            window: Duration::from_mins(1),
            deadline: Duration::from_mins(1),
            ..quick(&[&server.url])
        };
        let stop = Arc::clone(&config.stop);
        let user = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            stop.store(true, Ordering::Relaxed);
        });
        let directory = directory();
        let start = Instant::now();
        let error = fetch_files(&[FILE], directory.path(), &config).unwrap_err();
        assert!(matches!(error, SourceError::Stopped { .. }) && !error.is_failed_download(), "{error}");
        assert!(start.elapsed() < Duration::from_secs(1), "after {:?}", start.elapsed());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
        user.join().unwrap();
    }
}

#[test]
fn what_a_killed_download_left_is_removed_by_the_next() {
    let directory = directory();
    fs::write(directory.path().join(".tinylsa-abc123.part"), "half").unwrap();
    let server = serve(|_, stream| send_file(stream, CONTENT));
    fetch_files(&[FILE], directory.path(), &quick(&[&server.url])).unwrap();
    assert_fetched(directory.path());
}

#[test]
fn only_missing_content_is_fetched_and_no_file_is_replaced() {
    let server = serve(|_, stream| {
        let [_, labels, ..] = published();
        send_file(stream, &labels.packed);
    });
    let directory = directory();
    let path = |name: &str| directory.path().join(name);
    for published in published() {
        fs::write(path(published.file.unpacked_name()), published.content).unwrap();
    }
    // nothing is missing, in whichever form
    fetch(&publication(), directory.path(), &quick(&[&server.url])).unwrap();
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    // another file under the unpacked name does not stand in the way of the packed one
    fs::write(path("train-labels-idx1-ubyte"), "other").unwrap();
    fetch(&publication(), directory.path(), &quick(&[&server.url])).unwrap();
    assert_eq!(fs::read(path("train-labels-idx1-ubyte")).unwrap(), b"other");
    assert!(path("train-labels-idx1-ubyte.gz").is_file());
    // but under the name of the download it does
    fs::write(path("train-labels-idx1-ubyte.gz"), "other").unwrap();
    let error = fetch(&publication(), directory.path(), &quick(&[&server.url])).unwrap_err();
    assert!(error.to_string().contains("move it away or delete it"), "{error}");
    assert_eq!(fs::read(path("train-labels-idx1-ubyte.gz")).unwrap(), b"other");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn altered_files_are_an_error_and_nothing_is_downloaded() {
    let server = serve(|_, stream| send_status(stream, "404 Not Found"));
    let directory = directory();
    for file in FASHION_MNIST.files {
        fs::write(directory.path().join(file.name), "altered").unwrap();
    }
    fetch_absent(&FASHION_MNIST, directory.path(), &quick(&[&server.url])).unwrap();
    let error = load_published(&FASHION_MNIST, directory.path()).unwrap_err();
    assert!(
        matches!(&error, SourceError::Wrong(wrong) if wrong.path.ends_with(FASHION_MNIST.files[0].name)),
        "{error}"
    );
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = fetch_files(&[FILE], &file.join("below"), &quick(&["http://127.0.0.1:9"])).unwrap_err();
    assert!(matches!(error, SourceError::MakeDirectory { .. }), "{error}");
    let error = fetch_files(&[FILE], &file, &quick(&["http://127.0.0.1:9"])).unwrap_err();
    assert!(matches!(error, SourceError::NotADirectory { .. }), "{error}");
}

#[test]
fn other_content_than_the_published_is_refused() {
    let server = serve(|_, stream| send_file(stream, b"<html>log in to this network</html>"));
    let fault = fault(directory().path(), &quick(&[&server.url]));
    assert!(matches!(fault, DownloadFault::Checksum { expected, .. } if expected == FILE.sha256), "{fault}");
}

#[test]
fn an_answer_above_the_cap_is_refused_announced_or_not() {
    let announced = serve(|_, stream| send_file(stream, &[0; 1001]));
    let fault_announced = fault(directory().path(), &quick(&[&announced.url]));
    assert!(matches!(fault_announced, DownloadFault::TooLarge { limit: 1000 }), "{fault_announced}");

    let endless = serve(|_, stream| {
        send(stream, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        send(stream, &vec![0; 100_000]);
    });
    let fault_endless = fault(directory().path(), &quick(&[&endless.url]));
    assert!(matches!(fault_endless, DownloadFault::TooLarge { limit: 1000 }), "{fault_endless}");
}

#[test]
fn nobody_there_is_noticed_at_once() {
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let start = Instant::now();
    let config = FetchConfig { first_pause: Duration::from_mins(1), ..quick(&[&url]) };
    let fault = fault(directory().path(), &config);
    assert!(matches!(fault, DownloadFault::Request(_)), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn an_encrypted_address_needs_an_encrypted_answer() {
    let server = serve(|_, stream| send_file(stream, CONTENT));
    let url = server.url.replace("http:", "https:");
    let fault = fault(directory().path(), &quick(&[&url]));
    assert!(matches!(fault, DownloadFault::Request(_)), "{fault}");
}
