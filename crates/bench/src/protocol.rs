//! How the harness and the processes that it measures talk to each other.
//!
//! A process says that it is ready in a line of JSON on its standard output ([`Ready`]). From then on it sleeps, until
//! a line `go BATCH_SIZE` on its standard input asks for a block of timings, which it answers with another line
//! ([`Block`]). When its standard input ends, so does the process. Our own program speaks this way and so do the
//! scripts in `benchmarks/peers`, so that one waits while the other works, and both are warm.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long a process may take to answer: a peer compiles its network for every batch size before it is ready.
const PATIENCE: Duration = Duration::from_mins(10);
/// How much of what a process said on standard error goes into an error.
const LAST_WORDS: usize = 2000;

/// What a process says before its first block.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ready {
    /// What it is, such as `torch 2.15.0`.
    #[serde(rename = "ready")]
    pub(crate) version: String,
    /// How far its results are from ours, as a fraction of the largest of them, where it compared them.
    #[serde(default)]
    pub(crate) difference: Option<f64>,
    /// Bytes of memory that it held before the first piece of work.
    #[serde(default)]
    pub(crate) memory: Option<u64>,
    /// The batch size that it is quickest with, where it looked for it.
    #[serde(default)]
    pub(crate) batch_size: Option<usize>,
}

/// One block of timings.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Block {
    /// Wall-clock seconds of each piece of work: a training step, a call, an explanation.
    pub(crate) seconds: Vec<f64>,
    /// The most memory that the process ever held, in bytes.
    #[serde(default)]
    pub(crate) peak_memory: Option<u64>,
    /// What the threads of the process can do, in floating-point operations a second, measured right behind the block.
    #[serde(default)]
    pub(crate) peak_flops: Option<f64>,
    /// Where the time of the block went.
    #[serde(default)]
    pub(crate) phases: Vec<PhaseSeconds>,
    /// Seconds of the passes through the network that each piece of work needs, alone.
    #[serde(default)]
    pub(crate) passes: Vec<f64>,
}

/// What one kind of operation cost in a whole block.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PhaseSeconds {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// Floating-point operations of the direct algorithm; 0 for what is done element by element.
    pub(crate) flops: u64,
}

/// A process that does not keep to the protocol.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ContestantError {
    #[error("{name} cannot be started")]
    Start { name: String, source: std::io::Error },
    #[error("{name} ended with {status} when it was asked {asked}{said}")]
    Ended { name: String, status: String, asked: String, said: String },
    #[error("{name} answered {line:?} when it was asked {asked}, expected one JSON object: {source}")]
    Rubbish { name: String, line: String, asked: String, source: serde_json::Error },
    #[error("{name} gave no timing when it was asked {asked}")]
    NoTiming { name: String, asked: String },
    #[error("{name} did not answer within {} s when it was asked {asked}", PATIENCE.as_secs())]
    Silent { name: String, asked: String },
}

/// A process that is measured. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Contestant {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    said: std::fs::File,
}

impl Contestant {
    /// Starts a process, which goes on to make itself ready.
    ///
    /// # Errors
    /// If there is no such program.
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self, ContestantError> {
        let failed = |source| ContestantError::Start { name: name.to_owned(), source };
        let said = tempfile::tempfile().map_err(failed)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said.try_clone().map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        let (sender, lines) = channel();
        let output = child.stdout.take();
        // the thread ends with the process, or when nobody listens
        thread::spawn(move || {
            for line in output.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { name: name.to_owned(), input: child.stdin.take(), child, lines, said })
    }

    /// What the process is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the process is ready.
    ///
    /// # Errors
    /// If it ends, keeps silent or says something else.
    pub(crate) fn ready(&mut self) -> Result<Ready, ContestantError> {
        self.answer("whether it is ready")
    }

    /// Lets the process work on batches of this size, for one block.
    ///
    /// # Errors
    /// If it ends, keeps silent or says something else.
    pub(crate) fn block(&mut self, batch_size: usize) -> Result<Block, ContestantError> {
        let asked = format!("for a block of batch size {batch_size}");
        if let Some(input) = &mut self.input {
            // a process that is gone is noticed by the answer that does not come
            let _ = writeln!(input, "go {batch_size}").and_then(|()| input.flush());
        }
        let block: Block = self.answer(&asked)?;
        let is_timing = |seconds: &f64| seconds.is_finite() && *seconds > 0.0;
        if block.seconds.is_empty() || !block.seconds.iter().all(is_timing) {
            return Err(ContestantError::NoTiming { name: self.name.clone(), asked });
        }
        Ok(block)
    }

    fn answer<T: DeserializeOwned>(&mut self, asked: &str) -> Result<T, ContestantError> {
        let (name, asked) = (self.name.clone(), asked.to_owned());
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(answer) => Ok(answer),
                Err(source) => Err(ContestantError::Rubbish { name, line, asked, source }),
            },
            Err(RecvTimeoutError::Timeout) => Err(ContestantError::Silent { name, asked }),
            Err(RecvTimeoutError::Disconnected) => {
                self.input = None;
                let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(ContestantError::Ended { name, status, asked, said: self.last_words() })
            }
        }
    }

    /// The end of what the process said on standard error.
    fn last_words(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.said.seek(SeekFrom::Start(0)).and_then(|_| self.said.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LAST_WORDS)..]).trim().to_owned();
        if read.is_err() || text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // the end of its input asks the process to end; one that is in the middle of something is not waited for
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
