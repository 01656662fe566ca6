//! The page to explore: how long a visitor waits. The server is a process of its own, asked over HTTP as a browser asks it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use tinylsa_experiment::statistics::{percentile, sorted};
use tracing::info;

use crate::plan::Plan;
use crate::served::{Client, Served};

/// Visitors at once.
const CLIENTS: usize = 20;
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
