//! The page to explore: how long a visitor waits. The server is a process of its own, asked over HTTP as a browser asks it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use tinylsa_experiment::statistics::{percentile, sorted};
use tracing::info;

use crate::plan::Plan;

/// Visitors at once.
const CLIENTS: usize = 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Calls before the first that is counted, which makes memory ready.
const WARM_UP: usize = 1;
/// Starts of the program a round.
const STARTS: usize = 3;

/// How long a visitor of the page waits.
#[derive(Debug, Serialize)]
pub struct ExploreReport {
    /// The cores that the server may use.
    pub cores: usize,
    /// What is asked, each over all rounds.
    pub questions: Vec<QuestionReport>,
    /// The longest prediction beside the heaviest method, less the median of one alone, in milliseconds.
    pub longest_delay: f64,
}

/// How long one kind of question takes.
#[derive(Clone, Debug, Serialize)]
pub struct QuestionReport {
    /// What is asked.
    pub name: &'static str,
    /// How often.
    pub calls: usize,
    /// Half of the answers take at most so many milliseconds.
    pub median: f64,
    /// 95 % of the answers.
    pub p95: f64,
    /// The longest.
    pub worst: f64,
    /// What the median may be.
    pub allowed_median: Option<f64>,
    /// What the longest may be.
    pub allowed_worst: Option<f64>,
}

impl QuestionReport {
    /// Whether it keeps to what is allowed.
    pub fn holds(&self) -> bool {
        self.allowed_median.is_none_or(|most| self.median <= most)
            && self.allowed_worst.is_none_or(|most| self.worst <= most)
    }
}

/// A question, and what its answer may take in milliseconds.
struct Question {
    name: &'static str,
    kind: Kind,
    median: Option<f64>,
    worst: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// From the start of the process to the page and what it asks first.
    FirstPaint,
    Predict,
    Look,
    /// Until the map of a few steps is there.
    FirstLook,
    /// Until the map has converged.
    IntegratedGradients,
    /// A prediction while as many others ask for theirs.
    PredictOfMany,
    /// A prediction while the heaviest method runs.
    PredictBeside,
}

const QUESTIONS: [Question; 7] = [
    Question { name: "start to first paint", kind: Kind::FirstPaint, median: Some(500.0), worst: None },
    Question { name: "stroke to prediction", kind: Kind::Predict, median: Some(30.0), worst: Some(100.0) },
    Question { name: "attention, evidence and gradient", kind: Kind::Look, median: Some(100.0), worst: None },
    Question { name: "integrated gradients, first look", kind: Kind::FirstLook, median: Some(200.0), worst: None },
    Question {
        name: "integrated gradients, converged",
        kind: Kind::IntegratedGradients,
        median: Some(200.0),
        worst: None,
    },
    Question { name: "prediction, 20 clients at once", kind: Kind::PredictOfMany, median: None, worst: None },
    Question { name: "prediction beside the heaviest method", kind: Kind::PredictBeside, median: None, worst: None },
];

pub(super) fn run(plan: &Plan) -> Result<ExploreReport> {
    let mut seconds: Vec<Vec<f64>> = QUESTIONS.iter().map(|_| Vec::new()).collect();
    let mut served = Served::start(&plan.program, plan.model.as_deref())?;
    served.wait_until_measured()?;
    for round in 0..plan.rounds {
        info!("round {} of {}", round + 1, plan.rounds);
        for (question, seconds) in QUESTIONS.iter().zip(&mut seconds) {
            seconds.extend(measure(plan, &served, question.kind, round)?);
        }
    }
    let report = |(question, seconds): (&Question, Vec<f64>)| {
        let calls = sorted(seconds.into_iter().map(|seconds| 1e3 * seconds));
        QuestionReport {
            name: question.name,
            calls: calls.len(),
            median: percentile(&calls, 0.5),
            p95: percentile(&calls, 0.95),
            worst: calls.last().copied().unwrap_or(f64::NAN),
            allowed_median: question.median,
            allowed_worst: question.worst,
        }
    };
    let questions: Vec<QuestionReport> = QUESTIONS.iter().zip(seconds).map(report).collect();
    let of = |kind: Kind| {
        let place = QUESTIONS.iter().position(|question| question.kind == kind).unwrap_or_default();
        questions[place].clone()
    };
    let longest_delay = of(Kind::PredictBeside).worst - of(Kind::Predict).median;
    Ok(ExploreReport { cores: crate::plan::cores(), questions, longest_delay })
}

fn measure(plan: &Plan, served: &Served, kind: Kind, round: usize) -> Result<Vec<f64>> {
    let block = Duration::from_secs_f64(plan.block_seconds);
    match kind {
        Kind::FirstPaint => (0..STARTS).map(|_| first_paint(&plan.program, plan.model.as_deref())).collect(),
        Kind::Predict => served.ask_for(block, |client, call| client.time("/api/predict", &body(served, round, call))),
        Kind::Look => served.ask_for(block, |client, call| client.time("/api/look", &body(served, round, call))),
        Kind::FirstLook => served.ask_for(block, |client, call| {
            let (look, rest) = client.time_of_first_look(&by_gradients(served, 2 * round, call))?;
            // the method goes on behind its first look
            drop(rest);
            Ok(look)
        }),
        Kind::IntegratedGradients => served
            .ask_for(block, |client, call| client.time("/api/explain", &by_gradients(served, 2 * round + 1, call))),
        Kind::PredictOfMany => {
            let ask = |client: &mut Client, call: usize| client.time("/api/predict", &body(served, round, call));
            let all = thread::scope(|scope| {
                let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| served.ask_for(block, ask))).collect();
                let ended = clients.into_iter().map(thread::ScopedJoinHandle::join);
                ended.map(|found| found.unwrap_or_else(|_| bail!("a client failed"))).collect::<Result<Vec<_>>>()
            })?;
            Ok(all.concat())
        }
        Kind::PredictBeside => beside_the_heaviest(served, block, round),
    }
}

/// Predictions while RISE runs with as many masks as its slider allows, again and again.
fn beside_the_heaviest(served: &Served, block: Duration, round: usize) -> Result<Vec<f64>> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let heavy = scope.spawn(|| -> Result<()> {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                let mut asked = body(served, 1000 + round, number);
                asked["method"] = json!("rise");
                asked["settings"] = json!({"rise.masks": 32_000});
                let mut client = served.client()?;
                client.send("/api/explain", &asked)?;
                client.read_head()?;
                while client.read_chunk()?.is_some() {
                    if is_over.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        // the method is under way
        thread::sleep(Duration::from_millis(300));
        let found = served.ask_for(block, |client, call| client.time("/api/predict", &body(served, round, call)));
        is_over.store(true, Ordering::Relaxed);
        heavy.join().unwrap_or_else(|_| bail!("the client of the heaviest method failed"))?;
        found
    })
}

/// Seconds from the start of the process until the page, its scripts and its first question are answered.
fn first_paint(program: &Path, model: Option<&Path>) -> Result<f64> {
    let started = Instant::now();
    let served = Served::start(program, model)?;
    let mut client = served.client()?;
    client.get("/")?;
    client.get("/api/session")?;
    Ok(started.elapsed().as_secs_f64())
}

fn by_gradients(served: &Served, round: usize, call: usize) -> Value {
    let mut asked = body(served, round, call);
    asked["method"] = json!("integrated-gradients");
    asked
}

/// An image of its own for each call, so that no answer is remembered: of the gallery, or else drawn.
fn body(served: &Served, round: usize, call: usize) -> Value {
    if served.images > 0 {
        return json!({"image": {"index": (499 * round + call) % served.images}});
    }
    let [channels, height, width] = served.shape;
    let is_inside = |pixel: usize| (width / 4..3 * width / 4).contains(&(pixel % width)) && pixel / width > height / 4;
    let plane: Vec<u8> = (0..height * width).map(|pixel| if is_inside(pixel) { 190 } else { 0 }).collect();
    let mut pixels = plane.repeat(channels);
    let number = 7919 * round + call;
    let places = pixels.len();
    for digit in 0..4 {
        pixels[(number / 251_usize.pow(digit) + 97 * digit as usize) % places] =
            (number / 251_usize.pow(digit) % 251) as u8;
    }
    json!({"image": {"pixels": STANDARD.encode(pixels), "name": format!("bench-{round}-{call}")}})
}

/// A server, which ends when this is dropped.
struct Served {
    child: Child,
    address: String,
    token: String,
    /// Channels, height and width of its images.
    shape: [usize; 3],
    /// Images of its gallery.
    images: usize,
}

impl Served {
    fn start(program: &Path, model: Option<&Path>) -> Result<Self> {
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
    fn wait_until_measured(&mut self) -> Result<()> {
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

    fn client(&self) -> Result<Client> {
        let stream = TcpStream::connect(&self.address).context("the server does not answer")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (address, token) = (self.address.clone(), self.token.clone());
        Ok(Client { stream: BufReader::new(stream), address, token })
    }

    /// Asks one question after the other over one connection, for so long; the first is not counted.
    fn ask_for(&self, block: Duration, ask: impl Fn(&mut Client, usize) -> Result<f64>) -> Result<Vec<f64>> {
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
struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    token: String,
}

/// How the body of an answer ends.
enum Ending {
    Length(usize),
    Chunks,
}

impl Client {
    /// Seconds of an answer.
    fn time(&mut self, path: &str, body: &Value) -> Result<f64> {
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
    fn time_of_first_look(&mut self, body: &Value) -> Result<(f64, Vec<u8>)> {
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

    fn get(&mut self, path: &str) -> Result<Value> {
        self.request(&format!("GET {path} HTTP/1.1"), "")?;
        let body = self.read_body()?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    fn send(&mut self, path: &str, body: &Value) -> Result<()> {
        self.request(&format!("POST {path} HTTP/1.1\r\ncontent-type: application/json"), &body.to_string())
    }

    fn request(&mut self, first: &str, body: &str) -> Result<()> {
        let (address, token, length) = (&self.address, &self.token, body.len());
        let request = format!(
            "{first}\r\nhost: {address}\r\nx-explorer-token: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    fn read_head(&mut self) -> Result<Ending> {
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
    fn read_chunk(&mut self) -> Result<Option<Vec<u8>>> {
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
