use std::fmt;
use std::sync::Arc;

/// What a call tells whoever watches it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExplainStep {
    /// Part of a pass over images is through the model.
    Batch {
        /// What is counted, such as "evaluations".
        what: &'static str,
        /// How many are through.
        done: usize,
        /// How many there are in this pass. A method that samples until an error is small makes several passes.
        total: usize,
    },
    /// A method that samples looked at what it knows so far.
    Estimate {
        /// What is drawn, such as "coalitions".
        what: &'static str,
        /// How many are evaluated.
        done: usize,
        /// The most that will be, if the error stays too large.
        most: usize,
        /// The relative standard error of the map; `None` where it is not known yet, or the map is all noise.
        relative_standard_error: Option<f64>,
    },
}

/// Somebody who is told of every step of a call, or nobody. It changes no result.
///
/// The function is called from the thread that explains, between two batches: it should return at once.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(ExplainStep) + Send + Sync>>);

impl Watch {
    /// Calls this function at every step.
    pub fn new(told: impl Fn(ExplainStep) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(crate) fn tell(&self, step: ExplainStep) {
        if let Some(told) = &self.0 {
            told(step);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Watch(somebody)" } else { "Watch(nobody)" })
    }
}
