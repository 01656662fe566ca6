//! Work that is handed to a lane: awaited for one answer, or streamed line by line while it goes on.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tinylsa_xai::{Cancellation, ExplainStep, Watch};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;

use crate::app::App;
use crate::clients::{Asker, Ticket};
use crate::lanes::{Desk, Lane};
use crate::refusal::Refusal;

/// Lines that wait for a slow client. Progress beyond is left out, the result never.
const LINES: usize = 64;
/// Room that is kept for the last lines.
const RESERVED: usize = 4;
/// The least time between two lines of progress.
const PAUSE: Duration = Duration::from_millis(90);

/// What a job is told of its ending.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) cancellation: Cancellation,
    superseded: Arc<AtomicBool>,
    until: Instant,
}

impl Ending {
    fn of(ticket: &Ticket) -> Self {
        Self { cancellation: ticket.cancellation(), superseded: ticket.superseded(), until: ticket.until() }
    }

    /// A watch that cancels the job when it has taken too long, and hands every step on.
    pub(crate) fn watch(&self, told: impl Fn(ExplainStep) + Send + Sync + 'static) -> Watch {
        let (cancellation, until) = (self.cancellation.clone(), self.until);
        Watch::new(move |step| {
            if Instant::now() >= until {
                cancellation.cancel();
            }
            told(step);
        })
    }

    /// Why the job ended, if it was cancelled.
    fn reason(&self, refusal: Refusal) -> Refusal {
        if !self.cancellation.is_cancelled() {
            return refusal;
        }
        if Instant::now() >= self.until {
            let text = "the job took longer than may be on this page; the command `explain` has no such bound";
            return Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text);
        }
        Refusal::superseded()
    }
}

/// Waits for the answer of a job. A client that goes away cancels it.
pub(crate) async fn answer<T: Send + 'static>(
    app: &App,
    lane: &Lane,
    asker: &Asker,
    work: impl FnOnce(&Desk, &Ending) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let ticket = app.clients.begin(asker)?;
    let ending = Ending::of(&ticket);
    let (sender, receiver) = oneshot::channel();
    let of_job = ending.clone();
    lane.submit(ticket.cancellation(), move |desk| {
        // nobody waits any more if this fails
        let _ = sender.send(work(desk, &of_job));
    })?;
    let lost = || Refusal::failed("the job ended without an answer; the program says more on its standard error");
    receiver.await.unwrap_or_else(|_| Err(lost())).map_err(|refusal| ending.reason(refusal))
}

/// A line of a stream that is not the result.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    Queued { ahead: usize },
    Started { lane: &'static str },
    Progress { what: &'a str, done: usize, total: Option<usize>, relative_standard_error: Option<f64>, seconds: f64 },
    Error { status: u16, error: &'a str },
    Cancelled { reason: &'static str },
}

/// Where the lines of a job go.
#[derive(Clone)]
pub(crate) struct Lines(mpsc::Sender<Bytes>);

impl Lines {
    /// Sends a line that may be left out if the client is slow.
    pub(crate) fn tell(&self, line: &impl Serialize) {
        if self.0.capacity() > RESERVED {
            self.send(line);
        }
    }

    fn send(&self, line: &impl Serialize) {
        let Ok(mut bytes) = serde_json::to_vec(line) else { return };
        bytes.push(b'\n');
        // a client that is gone has cancelled the job
        let _ = self.0.try_send(bytes.into());
    }
}

/// Streams the progress of a job, and its result in the last line, which is of the type "result".
pub(crate) fn stream<T: Serialize>(
    app: &App,
    lane: &Lane,
    name: &'static str,
    asker: &Asker,
    work: impl FnOnce(&Desk, &Ending, Watch, &Lines) -> Result<T, Refusal> + Send + 'static,
) -> Result<Response, Refusal> {
    let ticket = app.clients.begin(asker)?;
    let ending = Ending::of(&ticket);
    let (sender, receiver) = mpsc::channel(LINES);
    let lines = Lines(sender);
    let of_job = lines.clone();
    let ahead = lane.submit(ticket.cancellation(), move |desk| {
        of_job.send(&Line::Started { lane: name });
        let progress = Progress::new(of_job.clone());
        let watch = ending.watch(move |step| progress.step(step));
        match work(desk, &ending, watch, &of_job) {
            Ok(result) => of_job.send(&LastLine { kind: "result", result }),
            Err(refusal) if ending.cancellation.is_cancelled() => {
                if ending.superseded.load(Ordering::Relaxed) {
                    of_job.send(&Line::Cancelled { reason: "superseded" });
                } else {
                    let Refusal { status, error } = ending.reason(refusal);
                    of_job.send(&Line::Error { status: status.as_u16(), error: &error });
                }
            }
            Err(Refusal { status, error }) => of_job.send(&Line::Error { status: status.as_u16(), error: &error }),
        }
    })?;
    if ahead > 0 {
        lines.tell(&Line::Queued { ahead });
    }
    let superseded = ticket.superseded();
    let body = Body::from_stream(Streamed { receiver, superseded, is_over: false, _ticket: ticket });
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// The last line of a stream.
#[derive(Serialize)]
struct LastLine<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    result: T,
}

/// The lines of a job. Dropping it, as happens when the client goes away, cancels the job.
struct Streamed {
    receiver: mpsc::Receiver<Bytes>,
    superseded: Arc<AtomicBool>,
    is_over: bool,
    _ticket: Ticket,
}

impl Stream for Streamed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(line)) => {
                self.is_over = is_last(&line);
                Poll::Ready(Some(Ok(line)))
            }
            // a job that never began, or failed, ends without a last line
            Poll::Ready(None) => {
                self.is_over = true;
                let is_superseded = self.superseded.load(Ordering::Relaxed);
                let line = if is_superseded {
                    Line::Cancelled { reason: "superseded" }
                } else {
                    Line::Error { status: 500, error: "the job ended without an answer" }
                };
                let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
                bytes.push(b'\n');
                Poll::Ready(Some(Ok(bytes.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

fn is_last(line: &[u8]) -> bool {
    ["result", "error", "cancelled"].iter().any(|kind| line.starts_with(format!("{{\"type\":\"{kind}\"").as_bytes()))
}

/// Makes lines of the steps of a call.
struct Progress {
    lines: Lines,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was evaluated in the rounds before this one.
    before: usize,
    /// The most that will be, where it is known.
    most: Option<usize>,
    relative_standard_error: Option<f64>,
    told: Option<Instant>,
}

impl Progress {
    fn new(lines: Lines) -> Self {
        Self { lines, started: Instant::now(), state: Mutex::default() }
    }

    fn step(&self, step: ExplainStep) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (what, done, total) = match step {
            ExplainStep::Batch { what, done, total } => {
                if state.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
                    return;
                }
                let (done, total) = match state.most {
                    // one of the rounds of a method that samples
                    Some(most) if total < most && state.before + total <= most => (state.before + done, most),
                    Some(_) | None => (done, total),
                };
                (what, done, Some(total))
            }
            ExplainStep::Estimate { what, done, most, relative_standard_error } => {
                (state.most, state.before) = (Some(most), done);
                state.relative_standard_error = relative_standard_error;
                (what, done, Some(most))
            }
        };
        state.told = Some(now);
        self.tell(what, done, total, state.relative_standard_error);
    }

    fn tell(&self, what: &str, done: usize, total: Option<usize>, relative_standard_error: Option<f64>) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.lines.tell(&Line::Progress { what, done, total, relative_standard_error, seconds });
    }
}
