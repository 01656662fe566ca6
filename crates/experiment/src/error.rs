//! Why an experiment, or a part of one, could not be done.

use std::error::Error;
use std::fmt;

use thiserror::Error;
use tinylsa_settings::UsageError;
use tinylsa_settings::config::ConfigError;

/// Why an experiment, a measurement or a sweep ended without a result. [`Error::source`] leads to the causes, which
/// [`chain`] puts into one line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// A config is wrong. Nothing was written.
    #[error(transparent)]
    Config(InContext<ConfigError>),
    /// Something is asked for that is not possible, such as a run directory that holds another run. Nothing was written.
    #[error(transparent)]
    Usage(InContext<UsageError>),
    /// The caller stopped it. What was done so far is kept where the message says.
    #[error(transparent)]
    Interrupted(Box<dyn Error + Send + Sync>),
    /// Anything else: damaged files, a full disk, a loss that is not finite.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// An error and what it is about. The message begins with the context.
#[derive(Debug)]
pub struct InContext<E> {
    /// What was tried, the outermost first; often empty.
    pub context: Vec<String>,
    /// What is wrong.
    pub error: E,
}

impl<E: fmt::Display> fmt::Display for InContext<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.context.iter().try_for_each(|context| write!(formatter, "{context}: "))?;
        self.error.fmt(formatter)
    }
}

impl<E: Error> Error for InContext<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Marks an error as the end that the caller asked for.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Interruption(pub(crate) String);

impl ExperimentError {
    /// Whether the caller can put it right by another config or another request, so that nothing has failed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config(_) | Self::Usage(_) => true,
            Self::Interrupted(_) | Self::Failed(_) => false,
        }
    }
}

impl From<anyhow::Error> for ExperimentError {
    fn from(error: anyhow::Error) -> Self {
        let error = match within::<Self>(error) {
            Ok(InContext { context, error }) => return error.behind(context),
            Err(other) => other,
        };
        let error = match within::<ConfigError>(error) {
            Ok(error) => return Self::Config(error),
            Err(other) => other,
        };
        let error = match within::<UsageError>(error) {
            Ok(error) => return Self::Usage(error),
            Err(other) => other,
        };
        if error.downcast_ref::<Interruption>().is_some() {
            return Self::Interrupted(error.into());
        }
        Self::Failed(error.into())
    }
}

impl ExperimentError {
    /// The same error about something more.
    fn behind(self, context: Vec<String>) -> Self {
        match self {
            Self::Config(inner) => Self::Config(inner.behind(context)),
            Self::Usage(inner) => Self::Usage(inner.behind(context)),
            Self::Interrupted(error) => Self::Interrupted(boxed_behind(error, context)),
            Self::Failed(error) => Self::Failed(boxed_behind(error, context)),
        }
    }
}

impl<E> InContext<E> {
    fn behind(self, context: Vec<String>) -> Self {
        Self { context: [context, self.context].concat(), error: self.error }
    }
}

fn boxed_behind(error: Box<dyn Error + Send + Sync>, context: Vec<String>) -> Box<dyn Error + Send + Sync> {
    context.into_iter().rev().fold(anyhow::Error::from_boxed(error), anyhow::Error::context).into()
}

/// The error of this type that another one is the context of, or the other one.
fn within<E: Error + Send + Sync + 'static>(error: anyhow::Error) -> Result<InContext<E>, anyhow::Error> {
    let Some(depth) = error.chain().position(<dyn Error>::is::<E>) else { return Err(error) };
    let context = error.chain().take(depth).map(ToString::to_string).collect();
    error.downcast().map(|error| InContext { context, error })
}

impl From<ConfigError> for ExperimentError {
    fn from(error: ConfigError) -> Self {
        Self::Config(InContext { context: Vec::new(), error })
    }
}

impl From<UsageError> for ExperimentError {
    fn from(error: UsageError) -> Self {
        Self::Usage(InContext { context: Vec::new(), error })
    }
}

/// An error with all its causes in one line, without those that the one before says already.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};
    use tinylsa_settings::config::{ConfigSource, load};

    use super::*;

    #[test]
    fn a_chain_says_nothing_twice() {
        let error = anyhow!("the disk is full").context("writing a: the disk is full").context("saving");
        assert_eq!(chain(error.as_ref()), "saving: writing a: the disk is full");
    }

    #[test]
    fn every_kind_keeps_its_context_and_its_causes() {
        let of = |error: anyhow::Error| ExperimentError::from(error.context("the variant a is invalid"));
        let config = load::<toml::Table>(&ConfigSource::new("a.toml", "x ="), &[], |_| Ok(())).unwrap_err();
        let expected = format!("the variant a is invalid: {config}");
        let error = of(config.into());
        assert!(matches!(&error, ExperimentError::Config(fault) if fault.context.len() == 1), "{error:?}");
        assert_eq!((error.to_string(), error.is_usage()), (expected, true));

        let error = of(UsageError("there is no run".to_owned()).into());
        assert!(matches!(&error, ExperimentError::Usage(fault) if fault.error.0 == "there is no run"), "{error:?}");
        assert_eq!(error.to_string(), "the variant a is invalid: there is no run");

        let error = of(Err::<(), _>(anyhow!("cancelled")).context(Interruption("stopped".to_owned())).unwrap_err());
        assert!(matches!(&error, ExperimentError::Interrupted(_)), "{error:?}");
        assert_eq!(chain(&error), "the variant a is invalid: stopped: cancelled");

        let error = of(std::io::Error::other("the disk is full").into());
        assert!(matches!(&error, ExperimentError::Failed(_)) && !error.is_usage(), "{error:?}");
        assert!(error.source().unwrap().is::<std::io::Error>(), "{error:?}");
        assert_eq!(chain(&error), "the variant a is invalid: the disk is full");

        // an error that went through a public function keeps its kind
        let nested = |error: ExperimentError| of(anyhow::Error::from(error).context("the run b"));
        let error = nested(UsageError("there is no run".to_owned()).into());
        assert!(matches!(&error, ExperimentError::Usage(fault) if fault.context.len() == 2), "{error:?}");
        assert_eq!(error.to_string(), "the variant a is invalid: the run b: there is no run");
        let error = nested(anyhow!("full").context(Interruption("stopped".to_owned())).into());
        assert!(matches!(&error, ExperimentError::Interrupted(_)), "{error:?}");
        assert_eq!(chain(&error), "the variant a is invalid: the run b: stopped: full");
    }
}
