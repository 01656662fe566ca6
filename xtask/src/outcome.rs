//! How a command ends: 0 done, 1 failed, 2 the command line or the config is wrong.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use thiserror::Error;
use tracing::warn;

use crate::settings::ConfigError;

/// The command line asks for something that cannot be.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Prints what went wrong as one chain, and says how the process ends.
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {}", chain(&error));
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

/// A flag that an interrupt sets, after saying what will happen; a second interrupt ends the process. To be called once.
///
/// # Errors
/// If interrupts cannot be listened for.
pub(crate) fn stop_on_interrupt(what_happens: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(1);
        }
        warn!("interrupted: {what_happens}; once more to stop at once");
    })
    .context("failed to listen for interrupts")?;
    Ok(stop)
}

/// Prints a line of results on standard output.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
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
    fn usage_errors_end_with_two_and_others_with_one() {
        let usage: anyhow::Result<()> = Err(UsageError("no".to_owned())).context("parsing");
        assert_eq!(exit_code(usage), ExitCode::from(2));
        assert_eq!(exit_code(Err(anyhow!("no"))), ExitCode::FAILURE);
        assert_eq!(exit_code(Ok(())), ExitCode::SUCCESS);
    }
}
