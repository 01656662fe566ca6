use tinylsa_settings::InvalidSetting;

use crate::segmentation::SegmentationError;

/// Why an explanation could not be computed.
///
/// Every method of this crate checks what it is given before it calls the model, and what the model returns after each
/// batch, so that bad input ends in one of these and never in a panic or in a map that looks like a result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A setting of the method or of the execution is outside its range.
    #[error("invalid setting: {0}")]
    Setting(#[from] InvalidSetting),
    /// A list has not as many values as its shape or its partner needs.
    #[error("{what} holds {found} values, expected {expected}")]
    ValueCount {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Two things that must have the same shape have not.
    #[error("{what} has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// What has the wrong shape.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that was expected.
        expected: Vec<usize>,
    },
    /// Something that must hold at least one element is empty.
    #[error("{what} is empty")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// The product of a shape's sizes does not fit into an address.
    #[error("{what} has the shape {shape:?}, which is more values than there are addresses")]
    TooLarge {
        /// What has the shape.
        what: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// What was asked for needs more memory than [`Execution::memory_limit`](crate::Execution::memory_limit) allows.
    #[error("{what} would take {}, allowed are {}: lower {key}", in_units(*.bytes), in_units(*.limit))]
    Memory {
        /// What would be held.
        what: &'static str,
        /// The setting, or the part of the input, that makes it smaller.
        key: &'static str,
        /// How many bytes it would take.
        bytes: u64,
        /// How many bytes are allowed.
        limit: u64,
    },
    /// A quantity is not defined for this input, and any number would look like a result.
    #[error("{what} is not defined: {reason}")]
    Undefined {
        /// The quantity.
        what: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The score of a class is NaN or infinite.
    #[error("the score of class {class} is {value}, expected a finite number")]
    Score {
        /// The class.
        class: usize,
        /// Its score.
        value: f32,
    },
    /// Two evaluations of one image in different batches gave different scores.
    #[error(
        "the score of class {class} for the same image is {first} in one batch and {second} in another: the scorer is \
         random or depends on the other images of a batch; put the model into evaluation mode, without dropout and with \
         the running statistics of its normalisations"
    )]
    UnstableScorer {
        /// The first class whose scores differ by more than rounding.
        class: usize,
        /// Its first score.
        first: f32,
        /// Its second score.
        second: f32,
    },
    /// The scores of images that automatic differentiation tracks are other ones than those of plain images.
    #[error(
        "the score of class {class} is {plain} for plain images and {tracked} for the same images on an autodiff device: \
         the model behaves as in training as soon as its images are tracked; hand over `model.valid()`, which switches \
         burn's BatchNorm and Dropout to evaluation on every device. The check ran the model once in training behaviour: \
         a batch normalisation of it has moved its running statistics by one step, so load the model again"
    )]
    TrainingBehaviour {
        /// The first class whose scores differ by more than rounding.
        class: usize,
        /// Its score for plain images.
        plain: f32,
        /// Its score for tracked images.
        tracked: f32,
    },
    /// The two parts of a model give other scores than the whole.
    #[error(
        "the score of class {class} is {whole} by the scorer and {parts} by the head of the features: the two parts must \
         be the model, one after the other"
    )]
    SplitScores {
        /// The first class whose scores differ by more than rounding.
        class: usize,
        /// Its score by the whole model.
        whole: f32,
        /// Its score by the parts.
        parts: f32,
    },
    /// The kernel of LIME gives next to no weight to any coalition but the whole image.
    #[error(
        "the kernel_width {kernel_width} leaves a weight of {weight:.1e} to all {samples} coalitions together, expected at \
         least 1, that of the whole image alone: raise kernel_width"
    )]
    KernelWidth {
        /// The width.
        kernel_width: f64,
        /// The sum of the weights of all coalitions that hide something.
        weight: f64,
        /// How many coalitions were drawn.
        samples: usize,
    },
    /// A value is NaN or infinite.
    #[error("{what} holds {value} at position {position}, expected a finite number")]
    NotFinite {
        /// Where the value was found.
        what: &'static str,
        /// Its index in row-major order.
        position: usize,
        /// The value.
        value: f64,
    },
    /// A value is outside its range.
    #[error("{what} holds {value} at position {position}, expected {expected}")]
    Value {
        /// Where the value was found.
        what: &'static str,
        /// Its index in row-major order.
        position: usize,
        /// The value.
        value: f64,
        /// What was expected instead.
        expected: &'static str,
    },
    /// A row of attention is not a distribution over the tokens.
    #[error(
        "the attention of query {query} in head {head} sums to {sum}, expected 1 within {tolerance}: half precision \
         rounds by more than that, so compute the attention in f32, or divide every row by its sum"
    )]
    AttentionRow {
        /// The head.
        head: usize,
        /// The query's token.
        query: usize,
        /// What its row sums to.
        sum: f64,
        /// How far from 1 is accepted.
        tolerance: f64,
    },
    /// The denominator of linear attention is not positive, so that its attention does not exist.
    #[error("the denominator of query {query} in head {head} is {value}, expected a positive number")]
    AttentionDenominator {
        /// The head.
        head: usize,
        /// The query's token.
        query: usize,
        /// The denominator.
        value: f64,
    },
    /// An index, such as a class or a token position, is past the end.
    #[error("{what} {index} is out of range, expected less than {count}")]
    OutOfRange {
        /// What the index counts.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The scores do not depend on the images in a way that automatic differentiation can see.
    #[error(
        "the scores carry no gradient of the images: the scorer must use the images it is given and must not detach them"
    )]
    NoGradient,
    /// Labels, masks or counts that do not make a segmentation.
    #[error("segmentation: {0}")]
    Segmentation(SegmentationError),
    /// The sampled coalitions do not determine the coefficients of a linear surrogate.
    #[error("{rows} coalitions do not determine {unknowns} coefficients, expected more of them or a penalty above 0")]
    Underdetermined {
        /// How many coalitions were sampled.
        rows: usize,
        /// How many coefficients were asked for.
        unknowns: usize,
    },
    /// More players than the enumeration of all coalitions allows.
    #[error("{players} segments need {evaluations} evaluations to enumerate, expected at most {limit} segments")]
    TooManyPlayers {
        /// How many players there are.
        players: usize,
        /// How many evaluations they would cost for each replacement image; `u128::MAX` if even that is too small.
        evaluations: u128,
        /// The most players that are enumerated.
        limit: usize,
    },
    /// The device failed while it computed or returned a tensor.
    #[error("the device failed to return {what}: {reason}")]
    Device {
        /// What was being read.
        what: &'static str,
        /// The device's own words.
        reason: String,
    },
    /// The call was cancelled.
    #[error("cancelled after {done} of {total} {what}")]
    Cancelled {
        /// What was being counted.
        what: &'static str,
        /// How many were done.
        done: usize,
        /// How many there were to do.
        total: usize,
    },
}

impl From<SegmentationError> for ExplainError {
    fn from(error: SegmentationError) -> Self {
        match error {
            SegmentationError::Cancelled { what, done, total } => Self::Cancelled { what, done, total },
            error => Self::Segmentation(error),
        }
    }
}

/// A number of bytes as people say it.
fn in_units(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 1e3 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// The number of values of a shape.
///
/// # Errors
/// [`ExplainError::TooLarge`] if it does not fit into a `usize`.
pub(crate) fn value_count(what: &'static str, shape: &[usize]) -> Result<usize, ExplainError> {
    shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| ExplainError::TooLarge { what, shape: shape.to_vec() })
}

/// Requires every value to be finite.
pub(crate) fn require_finite<T: Copy + Into<f64>>(what: &'static str, values: &[T]) -> Result<(), ExplainError> {
    match values.iter().map(|&value| value.into()).enumerate().find(|(_, value)| !value.is_finite()) {
        Some((position, value)) => Err(ExplainError::NotFinite { what, position, value }),
        None => Ok(()),
    }
}

/// Requires `found` things where `expected` are needed.
pub(crate) fn require_count(what: &'static str, found: usize, expected: usize) -> Result<(), ExplainError> {
    if found == expected { Ok(()) } else { Err(ExplainError::ValueCount { what, found, expected }) }
}

/// Requires `index` to be one of `count`.
pub(crate) fn require_index(what: &'static str, index: usize, count: usize) -> Result<(), ExplainError> {
    if index < count { Ok(()) } else { Err(ExplainError::OutOfRange { what, index, count }) }
}

/// Requires two shapes to be the same.
pub(crate) fn require_shape(what: &'static str, found: &[usize], expected: &[usize]) -> Result<(), ExplainError> {
    if found == expected {
        return Ok(());
    }
    Err(ExplainError::Shape { what, found: found.to_vec(), expected: expected.to_vec() })
}
