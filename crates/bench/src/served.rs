//! A server of the page to explore, as a process of its own, and a client that asks it over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Calls before the first that is counted, which makes memory ready.
const WARM_UP: usize = 1;

/// A server, which ends when this is dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
    token: String,
    /// Channels, height and width of its images.
    pub(crate) shape: [usize; 3],
    /// Images of its gallery.
    pub(crate) images: usize,
}

impl Served {
    pub(crate) fn start(program: &Path, model: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["explore", "--port", "0"]).stdin(Stdio::null()).stderr(Stdio::null());
        match model {
            Some(model) => command.arg("--model").arg(model),
            // the weights that ship know the classes of drawn garments
            None => command.arg("--synthetic"),
        };
        let mut child = command.stdout(Stdio::piped()).spawn().context("the server cannot be started")?;
        let output = child.stdout.take().context("the server has no output")?;
        let mut served = Self { child, address: String::new(), token: String::new(), shape: [1, 1, 1], images: 0 };
        let mut link = String::new();
        BufReader::new(output).read_line(&mut link).context("the server printed no link")?;
        let parts = link.trim().strip_prefix("http://").and_then(|link| link.split_once("/?token="));
        let (address, token) = parts.with_context(|| format!("the server printed {link:?}, expected its link"))?;
        (served.address, served.token) = (address.to_owned(), token.to_owned());
        let session = served.client()?.get("/api/session")?;
        let size = |key: &str| session["input"][key].as_u64().map(|size| size as usize);
        served.shape = match (size("channels"), size("height"), size("width")) {
            (Some(channels), Some(height), Some(width)) => [channels, height, width],
            _ => bail!("the server does not say which images it takes: {}", session["input"]),
        };
        Ok(served)
    }

    /// Waits until everything behind the page is done: the images are read and predicted, and the pace is measured.
    pub(crate) fn wait_until_measured(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut client = self.client()?;
        loop {
            let session = client.get("/api/session")?;
            let methods = session["methods"].as_array().into_iter().flatten();
            let costs: Vec<&Value> = methods.map(|method| &method["cost"]).filter(|cost| cost.is_object()).collect();
            if !costs.is_empty() && costs.iter().all(|cost| cost["milliseconds_each"].is_f64()) {
                self.images = session["dataset"]["images"].as_u64().unwrap_or(0) as usize;
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("the server was not done with its images within {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn client(&self) -> Result<Client> {
        let stream = TcpStream::connect(&self.address).context("the server does not answer")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (address, token) = (self.address.clone(), self.token.clone());
        Ok(Client { stream: BufReader::new(stream), address, token })
    }

    /// Asks one question after the other over one connection, for so long; the first is not counted.
    pub(crate) fn ask_for(&self, block: Duration, ask: impl Fn(&mut Client, usize) -> Result<f64>) -> Result<Vec<f64>> {
        let mut client = self.client()?;
        let mut seconds = Vec::new();
        let (mut started, mut call) = (Instant::now(), 0);
        while seconds.is_empty() || started.elapsed() < block {
            let took = ask(&mut client, call)?;
            call += 1;
            if call > WARM_UP {
                seconds.push(took);
            } else {
                started = Instant::now();
            }
        }
        Ok(seconds)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept, as a browser keeps it.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    token: String,
}

/// How the body of an answer ends.
pub(crate) enum Ending {
    Length(usize),
    Chunks,
}

impl Client {
    /// Seconds of an answer.
    pub(crate) fn time(&mut self, path: &str, body: &Value) -> Result<f64> {
        let started = Instant::now();
        self.send(path, body)?;
        let answer = self.read_body()?;
        let seconds = started.elapsed().as_secs_f64();
        let last = answer.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
        if last.starts_with(b"{\"type\":\"error\"") || last.starts_with(b"{\"type\":\"cancelled\"") {
            bail!("the server answered {}", String::from_utf8_lossy(last));
        }
        Ok(seconds)
    }

    /// Seconds until the first look at a method's map, and the map itself behind it.
    pub(crate) fn time_of_first_look(&mut self, body: &Value) -> Result<(f64, Vec<u8>)> {
        let started = Instant::now();
        self.send("/api/explain", body)?;
        self.read_head()?;
        let (mut seconds, mut last) = (None, Vec::new());
        while let Some(chunk) = self.read_chunk()? {
            if chunk.starts_with(b"{\"type\":\"preview\"") {
                seconds = Some(started.elapsed().as_secs_f64());
            }
            last = chunk;
        }
        Ok((seconds.context("the server sent no first look")?, last))
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Value> {
        self.request(&format!("GET {path} HTTP/1.1"), "")?;
        let body = self.read_body()?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(crate) fn send(&mut self, path: &str, body: &Value) -> Result<()> {
        self.request(&format!("POST {path} HTTP/1.1\r\ncontent-type: application/json"), &body.to_string())
    }

    fn request(&mut self, first: &str, body: &str) -> Result<()> {
        let (address, token, length) = (&self.address, &self.token, body.len());
        let request = format!(
            "{first}\r\nhost: {address}\r\nx-explorer-token: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    pub(crate) fn read_head(&mut self) -> Result<Ending> {
        let mut ending = Ending::Length(0);
        let mut status = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("the server closed the connection");
            }
            let line = line.trim_end().to_lowercase();
            if status.is_empty() {
                status.clone_from(&line);
            }
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("content-length", length)) => ending = Ending::Length(length.parse()?),
                Some(("transfer-encoding", "chunked")) => ending = Ending::Chunks,
                Some(_) | None => {}
            }
        }
        if !status.contains(" 200") {
            bail!("the server answered {status}");
        }
        Ok(ending)
    }

    /// The next piece of a body; nothing at its end.
    pub(crate) fn read_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let mut size = String::new();
        self.stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).context("the server sent no size of a chunk")?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    fn read_body(&mut self) -> Result<Vec<u8>> {
        match self.read_head()? {
            Ending::Length(length) => {
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body)?;
                Ok(body)
            }
            Ending::Chunks => {
                let mut body = Vec::new();
                while let Some(chunk) = self.read_chunk()? {
                    body.extend(chunk);
                }
                Ok(body)
            }
        }
    }
}
