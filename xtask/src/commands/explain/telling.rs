//! What is said of images that were explained, and of those that could not be.

use std::path::Path;

use anyhow::{Result, anyhow};
use tinylsa_explain::ImageExplanation;
use tinylsa_settings::counted;
use tinylsa_xai::ExplainError;
use tracing::{error, info};

use crate::outcome::say;

/// Whether a failure is that the call was stopped.
pub(super) fn is_cancelled(failure: &anyhow::Error) -> bool {
    failure.chain().any(|cause| matches!(cause.downcast_ref(), Some(ExplainError::Cancelled { .. })))
}

/// Tells each failure, and returns the error of all of them: the failure itself where a single image was asked for.
pub(super) fn told(mut failures: Vec<anyhow::Error>, asked: usize) -> anyhow::Error {
    if asked == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    for failure in &failures {
        error!("{failure:#}");
    }
    anyhow!("{} of {} could not be explained", failures.len(), counted(asked, "image"))
}

/// Says what was explained of an image, and where it is.
pub(super) fn tell(explanation: &ImageExplanation, folder: &Path) -> Result<()> {
    let named = |class: usize| {
        format!("{} {:.1} %", explanation.class_name(class), 100.0 * explanation.shown_probability(class))
    };
    let truth = explanation.label.map(|label| format!(", is {}", explanation.class_name(label)));
    let target = match explanation.target.against {
        None => named(explanation.target.class),
        Some(_) => explanation.target_name(),
    };
    let seconds: f64 = explanation.methods.iter().map(|method| method.seconds).sum();
    for method in &explanation.methods {
        for warning in &method.warnings {
            info!("{} by {}: {warning}", explanation.id, method.method);
        }
    }
    say(format!(
        "{}: predicted {}{}, explained {}: {} in {seconds:.2} s, {}",
        explanation.id,
        named(explanation.predicted),
        truth.unwrap_or_default(),
        target,
        counted(explanation.methods.len(), "method"),
        folder.display()
    ))
}
