//! How a command ends: 0 done, 1 failed, 2 the command line or the config is wrong, 75 a task of a cluster was stopped where
//! the same command resumes it.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tinylsa_experiment::{ExperimentError, chain};
use tinylsa_settings::config::ConfigError;
use tinylsa_settings::printable_lines;
use tracing::warn;

pub(crate) use tinylsa_settings::UsageError;

/// How a task of a cluster ends that is to be started again: `EX_TEMPFAIL` of sysexits.h, which queues know.
const RESUMABLE: u8 = 75;

/// A task of a cluster that was stopped where the same command resumes it.
#[derive(Debug)]
pub(crate) struct Resumable(pub(crate) String);

impl std::fmt::Display for Resumable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Resumable {}

/// Prints what went wrong as one chain, and says how the process ends.
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {}", printable_lines(&chain(error.as_ref())));
    if error.chain().any(<dyn std::error::Error>::is::<Resumable>) {
        return ExitCode::from(RESUMABLE);
    }
    let is_usage = error.chain().any(|cause| {
        let of_experiment = cause.downcast_ref().is_some_and(ExperimentError::is_usage);
        of_experiment || cause.is::<ConfigError>() || cause.is::<UsageError>()
    });
    if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// A flag that an interrupt sets, after saying what will happen; a second interrupt ends the process. To be called once.
///
/// # Errors
/// If interrupts cannot be listened for.
pub(crate) fn stop_on_interrupt(what_happens: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            // The lock of a directory is free then, so that its run reads as killed.
            std::process::exit(1);
        }
        warn!("interrupted: {what_happens}; once more to stop at once");
    })
    .context("failed to listen for interrupts")?;
    Ok(stop)
}

/// The same for a task of a cluster, which stops where it is resumed. Queues tell the batch script and what it started, so
/// that one interrupt may come twice: a second one changes nothing.
///
/// # Errors
/// If interrupts cannot be listened for.
pub(crate) fn stop_task_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if !asked.swap(true, Ordering::Relaxed) {
            warn!("interrupted: stopping where the same command resumes it");
        }
    })
    .context("failed to listen for interrupts")?;
    Ok(stop)
}

/// Prints a line of results on standard output. A reader that closed the pipe has read enough: what is left is dropped,
/// and the work goes on.
///
/// # Errors
/// If standard output cannot be written to for another reason, such as a full disk.
pub(crate) fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    unless_closed(writeln!(std::io::stdout(), "{text}")).context("failed to write to standard output")
}

fn unless_closed(written: std::io::Result<()>) -> std::io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        unless_closed(Err(ErrorKind::BrokenPipe.into())).unwrap();
        unless_closed(Err(ErrorKind::StorageFull.into())).unwrap_err();
    }

    #[test]
    fn usage_errors_end_with_two_and_others_with_one() {
        let usage: anyhow::Result<()> = Err(UsageError("no".to_owned())).context("parsing");
        assert_eq!(exit_code(usage), ExitCode::from(2));
        let of_experiment: anyhow::Result<()> = Err(ExperimentError::from(UsageError("no".to_owned())).into());
        assert_eq!(exit_code(of_experiment), ExitCode::from(2));
        assert_eq!(exit_code(Err(anyhow!("no"))), ExitCode::FAILURE);
        assert_eq!(exit_code(Err(anyhow!(Resumable("stopped".to_owned())))), ExitCode::from(75));
        assert_eq!(exit_code(Ok(())), ExitCode::SUCCESS);
    }
}
