//! How a command ends: 0 done, 1 failed, 2 the command line or the config is wrong.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tinylsa_settings::config::ConfigError;
use tinylsa_settings::printable_lines;
use tracing::warn;

pub(crate) use tinylsa_settings::UsageError;

/// Prints what went wrong as one chain, and says how the process ends.
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {}", printable_lines(&chain(&error)));
    let is_usage = error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<UsageError>());
    if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Every cause, unless the one before it says the same already.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The flag of [`stop_on_interrupt`], once that was called.
static INTERRUPT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The flag that an interrupt sets. Where nothing listens for interrupts, an interrupt ends the process instead, and the
/// flag stays as it is.
pub(crate) fn interrupt_flag() -> Arc<AtomicBool> {
    INTERRUPT.get().cloned().unwrap_or_default()
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
    Ok(Arc::clone(INTERRUPT.get_or_init(|| stop)))
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
    fn a_chain_says_nothing_twice() {
        let error = anyhow!("the disk is full").context("writing a: the disk is full").context("saving");
        assert_eq!(chain(&error), "saving: writing a: the disk is full");
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        unless_closed(Err(ErrorKind::BrokenPipe.into())).unwrap();
        unless_closed(Err(ErrorKind::StorageFull.into())).unwrap_err();
    }

    #[test]
    fn usage_errors_end_with_two_and_others_with_one() {
        let usage: anyhow::Result<()> = Err(UsageError("no".to_owned())).context("parsing");
        assert_eq!(exit_code(usage), ExitCode::from(2));
        assert_eq!(exit_code(Err(anyhow!("no"))), ExitCode::FAILURE);
        assert_eq!(exit_code(Ok(())), ExitCode::SUCCESS);
    }
}
