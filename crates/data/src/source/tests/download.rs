use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fetch::fetch_files;
use super::*;
use crate::idx::IdxArray;
use crate::idx::tests::encode_idx;

const CONTENT: &[u8] = b"as published";
const FILE: SourceFile = SourceFile {
    name: "train-labels-idx1-ubyte.gz",
    sha256: "e358f48ff7b4154f3d9e4354c6229db7a89bd0af0d8d92a99b69f4e94e139d10",
    count: 0,
};

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
        silence_timeout: Duration::from_millis(200),
        total_timeout: Duration::from_secs(2),
        size_cap: 1000,
    }
}

/// The one fault of a download that fails and leaves nothing, neither under the final name nor any other.
fn fault(directory: &Path, config: &FetchConfig) -> DownloadFault {
    let error = fetch_files(&[FILE], directory, config).unwrap_err();
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "nothing is left behind");
    let message = error.to_string();
    assert!(message.contains(&config.base_urls[0]) && message.contains("--data-dir"), "{message}");
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
    assert!(matches!(&fault, DownloadFault::Request(error) if matches!(**error, ureq::Error::StatusCode(404))));
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

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let server = serve(|_, stream| {
        send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        thread::sleep(Duration::from_secs(3));
    });
    let start = Instant::now();
    let config = FetchConfig { attempts: 1, ..quick(&[&server.url]) };
    let fault = fault(directory().path(), &config);
    assert!(matches!(fault, DownloadFault::Interrupted { received: 4, .. }), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(2), "given up after {:?}", start.elapsed());
}

#[test]
fn a_server_that_drips_is_given_up_when_the_time_is_over() {
    let server = serve(|_, stream| {
        send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        for _ in 0..60 {
            send(stream, b"x");
            thread::sleep(Duration::from_millis(50));
        }
    });
    let start = Instant::now();
    let config = FetchConfig { attempts: 1, total_timeout: Duration::from_millis(500), ..quick(&[&server.url]) };
    let fault = fault(directory().path(), &config);
    assert!(matches!(fault, DownloadFault::Interrupted { .. }), "{fault}");
    assert!(start.elapsed() < Duration::from_secs(2), "given up after {:?}", start.elapsed());
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
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
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

#[test]
fn missing_files_are_named_with_the_remedy() {
    let directory = directory();
    fs::write(directory.path().join(FASHION_MNIST_FILES[0].name), "").unwrap();
    let message = load_fashion_mnist(directory.path()).unwrap_err().to_string();
    assert!(!message.contains(FASHION_MNIST_FILES[0].name), "{message}");
    for file in &FASHION_MNIST_FILES[1..] {
        assert!(message.contains(file.name), "{message}");
    }
    assert!(message.contains("FASHION_MNIST_DIR"), "{message}");
    assert!(matches!(
        obtain_fashion_mnist(directory.path(), &DownloadPolicy::Never),
        Err(SourceError::Missing { files, .. }) if files.len() == 3
    ));
}

#[test]
fn an_altered_file_is_an_error_and_is_not_replaced_on_the_way() {
    let server = serve(|_, stream| send_status(stream, "404 Not Found"));
    let directory = directory();
    for file in FASHION_MNIST_FILES {
        fs::write(directory.path().join(file.name), "altered").unwrap();
    }
    let error = obtain_fashion_mnist(directory.path(), &DownloadPolicy::IfMissing(quick(&[&server.url]))).unwrap_err();
    let SourceError::Checksum { file, found, expected } = &error else { panic!("another error: {error}") };
    assert!(file.ends_with(FASHION_MNIST_FILES[0].name));
    assert_eq!((found, *expected), (&sha256_hex(b"altered"), FASHION_MNIST_FILES[0].sha256));
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    // to fetch is to ask for the replacement
    assert!(matches!(fetch(directory.path(), &quick(&[&server.url])), Err(SourceError::Download { .. })));
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn verification_tells_the_states_apart() {
    let directory = directory();
    fs::write(directory.path().join(FASHION_MNIST_FILES[2].unpacked_name()), "unpacked").unwrap();
    // the second of the four files has the name of `FILE`
    fs::write(directory.path().join(FILE.name), CONTENT).unwrap();
    let report = verify(directory.path());
    assert!(!report.is_intact());
    assert!(matches!(&report.files[0].state, FileState::Missing));
    assert!(matches!(&report.files[1].state, FileState::Altered { found } if *found == FILE.sha256));
    assert!(matches!(&report.files[2].state, FileState::Unpacked { found } if *found == sha256_hex(b"unpacked")));
    assert!(matches!(verify::state(FILE, directory.path()), FileState::Intact));
}

#[test]
fn unpacked_files_are_read_and_counted() {
    let directory = directory();
    let pictures =
        |count: usize| encode_idx(&IdxArray { dimensions: vec![count, 28, 28], elements: vec![0; count * 28 * 28] });
    let labels = |count: usize| encode_idx(&IdxArray { dimensions: vec![count], elements: vec![9; count] });
    let write = |file: &SourceFile, bytes: Vec<u8>| {
        fs::write(directory.path().join(file.unpacked_name()), bytes).unwrap();
    };
    let [train_images, train_labels, test_images, test_labels] = &FASHION_MNIST_FILES;
    write(train_images, pictures(60_000));
    write(train_labels, labels(60_000));
    write(test_images, pictures(10_000));
    write(test_labels, labels(10_000));
    let read = load_fashion_mnist(directory.path()).unwrap();
    assert_eq!((read.train.len(), read.test.len(), read.test.label(7)), (60_000, 10_000, 9));
    let names: Vec<&str> = read.checksums.iter().map(|checksum| checksum.file.as_str()).collect();
    assert_eq!(names, FASHION_MNIST_FILES.map(|file| file.unpacked_name()));
    assert_eq!(read.checksums[3].sha256, sha256_hex(&labels(10_000)));

    write(test_images, pictures(9_999));
    write(test_labels, labels(9_999));
    let error = load_fashion_mnist(directory.path()).unwrap_err();
    assert!(matches!(error, SourceError::Count { found: 9_999, expected: 10_000, .. }), "{error}");
}
