use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use tinylsa_settings::{InvalidSetting, require_within};
use tracing::field::Empty;
use tracing::info_span;

use crate::error::ExplainError;
use crate::watch::{ExplainStep, Watch};

/// How a call runs: where, in how large batches, with which randomness, and until when.
///
/// Nothing in here but the seed changes a result: gradients and scores are added up in f64 in the order of the samples,
/// so that the same seed gives the same bits at any batch size and number of threads, as long as the scorer computes the
/// same bits for an image in any batch of two or more. burn's CPU backend does.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The plain (not autodiff) device on which the images are made; the model's weights lie there.
    pub device: Device,
    /// The most images that are handed to the scorer at once, 1 or more. It bounds the memory of every method,
    /// whatever the number of samples or steps. A single image is accompanied by a copy of itself, since a matrix
    /// product of one row has other bits than that of several: at a batch size of 1 the scorer sees two.
    pub batch_size: usize,
    /// Names every random draw of the call together with what it is drawn for.
    pub seed: u64,
    /// Ends the call within about a second: it is looked at before every batch, and in every long loop between batches.
    pub cancellation: Cancellation,
    /// The most memory in bytes that a call may take for what grows with its settings: coalitions, matrices of a
    /// regression, noise images, the images of a batch. What needs more is refused before it is asked for. What the
    /// scorer itself takes is not counted.
    pub memory_limit: u64,
    /// Is told of the progress of the call.
    pub watch: Watch,
}

/// Four gibibytes.
const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;

impl Default for Execution {
    /// The default device, batches of 64, seed 0, never cancelled, at most 4 GiB, watched by nobody.
    fn default() -> Self {
        Self {
            device: Device::default(),
            batch_size: 64,
            seed: 0,
            cancellation: Cancellation::default(),
            memory_limit: DEFAULT_MEMORY_LIMIT,
            watch: Watch::default(),
        }
    }
}

impl Execution {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("batch_size", self.batch_size, 1..)
    }

    /// Requires `values` values of eight bytes to be allowed; `key` is what makes them fewer. More than fit into a `u64`
    /// are never allowed.
    ///
    /// # Errors
    /// [`ExplainError::Memory`] if they are not.
    pub(crate) fn require_memory(
        &self,
        what: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = usize>,
    ) -> Result<(), ExplainError> {
        let product = values.into_iter().fold(8_u64, |product, factor| product.saturating_mul(factor as u64));
        if product <= self.memory_limit {
            return Ok(());
        }
        Err(ExplainError::Memory { what, key, bytes: product, limit: self.memory_limit })
    }

    /// Runs `work` on the numbers below `total`, batch by batch in ascending order.
    ///
    /// Progress is the field `done` of the span `what`, which also holds `total`.
    ///
    /// # Errors
    /// [`ExplainError::Cancelled`] as soon as the token says so, or the first error of `work`.
    pub(crate) fn in_batches(
        &self,
        what: &'static str,
        total: usize,
        mut work: impl FnMut(Range<usize>) -> Result<(), ExplainError>,
    ) -> Result<(), ExplainError> {
        self.validate()?;
        let span = info_span!("explain", what, total, done = Empty).entered();
        for start in (0..total).step_by(self.batch_size) {
            self.cancellation.check(what, start, total)?;
            let end = total.min(start.saturating_add(self.batch_size));
            work(start..end)?;
            span.record("done", end);
            self.watch.tell(ExplainStep::Batch { what, done: end, total });
        }
        Ok(())
    }
}

/// A token whose clones share one flag: cancelling any of them ends every call that holds one.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Asks the calls that hold this token to stop at the next batch.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The error of a call that is cancelled when `done` of `total` are through.
    pub(crate) fn check(&self, what: &'static str, done: usize, total: usize) -> Result<(), ExplainError> {
        if self.is_cancelled() { Err(ExplainError::Cancelled { what, done, total }) } else { Ok(()) }
    }
}

impl From<Arc<AtomicBool>> for Cancellation {
    /// A token over a flag that belongs to somebody else, such as the handler of an interrupt signal.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}
