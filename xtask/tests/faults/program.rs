//! The program under test, as a user runs it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::isolation;

/// How long a command may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Nothing if it had to be killed for not ending.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Whether it ended by a panic, an abort or a fault of memory.
    pub(crate) fn panicked(&self) -> bool {
        let by_own_signal = self.status.is_some_and(|status| {
            use std::os::unix::process::ExitStatusExt;
            matches!(status.signal(), Some(SIGILL | SIGABRT | SIGBUS | SIGFPE | SIGSEGV))
        });
        by_own_signal
            || self.status.and_then(|status| status.code()) == Some(101)
            || self.stderr.contains("panicked at")
    }

    /// The end of what it said.
    pub(crate) fn last_words(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }
}

const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;

/// The program in the directory `dir`, cut off from the network.
pub(crate) fn xtask(dir: &Path, arguments: &[String]) -> Command {
    quiet(isolation::xtask(dir, arguments))
}

/// The program under a tracer, such as `strace` with its options.
pub(crate) fn wrapped(dir: &Path, tracer: &[String], arguments: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_tinylsa").to_owned();
    let words: Vec<&String> = tracer.iter().chain([&program]).chain(arguments).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    quiet(isolation::isolate(command, dir))
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    wait(start(&mut command))
}

/// A command that was started, and what it has said.
pub(crate) struct Started {
    pub(crate) child: Child,
    stderr: JoinHandle<String>,
}

pub(crate) fn start(command: &mut Command) -> Started {
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stderr.take().expect("standard error is a pipe");
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Started { child, stderr }
}

pub(crate) fn wait(mut started: Started) -> Ended {
    let since = Instant::now();
    let status = loop {
        match started.child.try_wait().expect("the program can be waited for") {
            Some(status) => break Some(status),
            None if since.elapsed() > PATIENCE => break None,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    if status.is_none() {
        kill(&mut started.child);
    }
    Ended { status, stderr: started.stderr.join().unwrap_or_default() }
}

/// Kills as `kill -9` does.
pub(crate) fn kill(child: &mut Child) {
    // It may have ended by itself in the meantime.
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal by its name, such as "TERM".
pub(crate) fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).stderr(Stdio::null()).status();
}

/// Whether a program is installed.
pub(crate) fn is_installed(name: &str) -> bool {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet(Command::new(name).arg("--version")).is_ok_and(|status| status.success())
}
