//! Experiments in processes of their own. An interrupt is handed on to them, and whoever started them waits until they have
//! written their checkpoints.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// How soon an interrupt is handed on, and the end of a process noticed.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs processes until they are to stop.
pub(crate) struct Children {
    stop: Arc<AtomicBool>,
    /// One at a time is started, so that none is started after an interrupt.
    starting: Mutex<()>,
}

/// An experiment that a process of its own runs.
pub(crate) struct ChildExperiment<'a> {
    /// A program that takes the arguments of `cargo xtask`.
    pub(crate) program: &'a Path,
    pub(crate) config: &'a Path,
    pub(crate) run_dir: &'a Path,
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) is_resumed: bool,
    /// Changes of the config, as `--set` takes them.
    pub(crate) settings: &'a [String],
}

impl ChildExperiment<'_> {
    /// Its process, which is yet to be started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg("experiment").arg(self.config).arg("--strict").arg("--out").arg(self.run_dir);
        if let Some(data_dir) = self.data_dir {
            command.arg("--data-dir").arg(data_dir);
        }
        if self.is_resumed {
            command.arg("--resume");
        }
        for setting in self.settings {
            command.arg("--set").arg(setting);
        }
        command
    }
}

impl Children {
    pub(crate) fn until(stop: Arc<AtomicBool>) -> Self {
        Self { stop, starting: Mutex::new(()) }
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs a process to its end and says whether it succeeded. After an interrupt nothing is started.
    ///
    /// # Errors
    /// If it cannot be started or waited for.
    pub(crate) fn run(&self, mut command: Command) -> Result<bool> {
        // standard output belongs to the table of whoever started it
        command.stdout(Stdio::null());
        let mut child = {
            let _alone: MutexGuard<'_, ()> = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_interrupted() {
                return Ok(false);
            }
            separate(&mut command);
            command.spawn().context("failed to start an experiment")?
        };
        let mut is_told = false;
        loop {
            if let Some(status) = child.try_wait().context("failed to wait for an experiment")? {
                return Ok(status.success());
            }
            if self.is_interrupted() && !is_told {
                interrupt(&mut child);
                is_told = true;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The terminal's interrupt comes to this process alone, which hands it on: a process that gets it twice stops at once.
#[cfg(unix)]
fn separate(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn separate(_command: &mut Command) {}

/// A process that has no handler yet ends at once, which loses nothing: nothing is trained then.
#[cfg(unix)]
fn interrupt(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    // It may have ended by itself, or by the terminal's own signal.
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
}

/// A console hands its interrupt to every process of a group by itself.
#[cfg(not(unix))]
fn interrupt(_child: &mut Child) {}
