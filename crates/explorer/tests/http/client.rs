//! A server for all tests, and a client that speaks plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tinylsa_data::{SyntheticConfig, synthetic_garments};
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerImages};

/// Images of the gallery.
pub(crate) const IMAGES: usize = 30;
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a server needs to know to be asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) images: Arc<LoadedDataset>,
}

/// What runs the server.
static RUNNING: Mutex<Option<Explorer>> = Mutex::new(None);

/// One server with synthetic garments, for all tests. It ends with the process.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let drawn = synthetic_garments(&SyntheticConfig { train: 40, test: IMAGES, seed: 3 }).unwrap();
    let images = Arc::new(LoadedDataset::in_memory(drawn.train, drawn.test));
    let model = load_model_or_pretrained(None).unwrap();
    let given = ExplorerImages::Given(Arc::clone(&images));
    let mut explorer = Explorer::start(ExplorerConfig { images: given, ..ExplorerConfig::new(model) }).unwrap();
    explorer.wait_for_images();
    let (address, token) = (explorer.address(), explorer.token().to_owned());
    *RUNNING.lock().unwrap() = Some(explorer);
    Server { address, token, images }
});

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The text of a refusal with this status.
    #[track_caller]
    pub(crate) fn refusal(&self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert!(self.headers.to_lowercase().contains("application/json"), "{}", self.headers);
        self.json()["error"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The lines of a stream.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

/// A connection on which a request was sent.
pub(crate) struct Sent(pub(crate) BufReader<TcpStream>);

impl Server {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends the bytes of a request.
    pub(crate) fn send_raw(&self, bytes: &[u8]) -> Sent {
        let mut stream = self.connect();
        // a server that has refused already reads no further
        let _ = stream.write_all(bytes);
        Sent(BufReader::new(stream))
    }

    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        use std::fmt::Write;
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !given("host") {
            write!(head, "host: {}\r\n", self.address).unwrap();
        }
        if !given("x-explorer-token") {
            write!(head, "x-explorer-token: {}\r\n", self.token).unwrap();
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        head
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Sent {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        if !body.is_empty() {
            all.push(("content-length", &length));
        }
        self.send_raw(&[self.head(method, path, &all).as_bytes(), body].concat())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], &[]).answer()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(path, &[], body)
    }

    pub(crate) fn post_as(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.start(path, headers, body).answer()
    }

    pub(crate) fn start(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Sent {
        let mut all = headers.to_vec();
        all.push(("content-type", "application/json"));
        self.send("POST", path, &all, &serde_json::to_vec(body).unwrap())
    }
}

impl Sent {
    /// The status and the headers.
    pub(crate) fn status(&mut self) -> (u16, String) {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the server closed: {head}");
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head)
    }

    pub(crate) fn answer(mut self) -> Answer {
        let (status, headers) = self.status();
        let mut body = Vec::new();
        if headers.to_lowercase().contains("transfer-encoding: chunked") {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        } else {
            // a server that refused early may reset the connection behind its answer
            let _ = self.0.read_to_end(&mut body);
        }
        Answer { status, headers, body }
    }

    /// The next piece of a body; nothing at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.0.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).ok().filter(|&size| size > 0)?;
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).unwrap();
        chunk.truncate(size);
        Some(chunk)
    }

    /// Reads lines of a stream until one has this type.
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        loop {
            let chunk = self.chunk().unwrap_or_else(|| panic!("the stream ended before {kind}"));
            let line: Value = serde_json::from_slice(&chunk).unwrap();
            if line["type"] == kind {
                return line;
            }
        }
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn bytes(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// A drawing: a light cross on black.
pub(crate) fn drawing() -> Vec<u8> {
    let is_inside = |pixel: usize| (10..18).contains(&(pixel % 28)) || (12..16).contains(&(pixel / 28));
    (0..784).map(|pixel| if is_inside(pixel) && (3..25).contains(&(pixel / 28)) { 200 } else { 0 }).collect()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
