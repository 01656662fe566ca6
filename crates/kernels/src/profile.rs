//! Where the time goes: an opt-in count of what every fused operation costs.
//!
//! Between [`start`] and [`stop`] every fused operation adds its wall-clock time, its floating-point operations and its
//! bytes to the counters of its [`Phase`]. What a program spends outside of them is the difference to the wall-clock time
//! of the whole. While nothing is counted, an operation pays one read of a flag.
//!
//! The counters belong to the process: two threads that run operations at once both add to them.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tinylsa_kernels::{conv3x3, profile};
//!
//! let device = Device::flex();
//! profile::start();
//! conv3x3(Tensor::ones([2, 8, 8, 4], &device), Tensor::ones([16, 4, 3, 3], &device), 1);
//! let profile = profile::stop();
//! let forward = profile.phase(profile::Phase::ConvolutionForward).unwrap();
//! assert_eq!(forward.calls, 1);
//! assert_eq!(forward.flops, 2 * 9 * 2 * 8 * 8 * 4 * 16);
//! assert!(forward.seconds > 0.0);
//! ```

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A convolution's output.
    ConvolutionForward,
    /// A convolution's gradient of its input.
    ConvolutionInputGradient,
    /// A convolution's gradient of its weights.
    ConvolutionWeightGradient,
    /// A depthwise convolution's output.
    DepthwiseForward,
    /// Its gradients.
    DepthwiseBackward,
    /// Batch normalisation with residual, activation and pooling.
    NormalisationForward,
    /// Its gradients.
    NormalisationBackward,
    /// Linear maps with bias and activation.
    LinearForward,
    /// The gradient of their input, including the derivative of the activation.
    LinearInputGradient,
    /// The gradients of their weights and biases.
    LinearWeightGradient,
    /// Linear attention.
    AttentionForward,
    /// Its gradient.
    AttentionBackward,
    /// Transformer blocks with linear attention.
    AttentionBlockForward,
    /// Their gradients.
    AttentionBlockBackward,
    /// Layer normalisation.
    LayerNormForward,
    /// Its gradients.
    LayerNormBackward,
    /// Positions added to tokens, and their gradient.
    Positions,
    /// Mean over tokens and its gradient.
    TokenMean,
    /// Pooling by a softmax and its gradient.
    SoftmaxPool,
    /// The loss and its gradient.
    Loss,
    /// Updates of parameters and their averages.
    Update,
}

impl Phase {
    /// All of them, forward before backward.
    pub const ALL: [Self; 21] = [
        Self::ConvolutionForward,
        Self::ConvolutionInputGradient,
        Self::ConvolutionWeightGradient,
        Self::DepthwiseForward,
        Self::DepthwiseBackward,
        Self::NormalisationForward,
        Self::NormalisationBackward,
        Self::LinearForward,
        Self::LinearInputGradient,
        Self::LinearWeightGradient,
        Self::AttentionForward,
        Self::AttentionBackward,
        Self::AttentionBlockForward,
        Self::AttentionBlockBackward,
        Self::LayerNormForward,
        Self::LayerNormBackward,
        Self::Positions,
        Self::TokenMean,
        Self::SoftmaxPool,
        Self::Loss,
        Self::Update,
    ];

    /// A short name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConvolutionForward => "convolution forward",
            Self::ConvolutionInputGradient => "convolution input gradient",
            Self::ConvolutionWeightGradient => "convolution weight gradient",
            Self::DepthwiseForward => "depthwise convolution forward",
            Self::DepthwiseBackward => "depthwise convolution backward",
            Self::NormalisationForward => "normalisation and activation forward",
            Self::NormalisationBackward => "normalisation and activation backward",
            Self::LinearForward => "linear forward",
            Self::LinearInputGradient => "linear input gradient",
            Self::LinearWeightGradient => "linear weight gradient",
            Self::AttentionForward => "attention forward",
            Self::AttentionBackward => "attention backward",
            Self::AttentionBlockForward => "attention block forward",
            Self::AttentionBlockBackward => "attention block backward",
            Self::LayerNormForward => "layer normalisation forward",
            Self::LayerNormBackward => "layer normalisation backward",
            Self::Positions => "positions",
            Self::TokenMean => "token mean",
            Self::SoftmaxPool => "pooling by softmax",
            Self::Loss => "loss",
            Self::Update => "parameter update",
        }
    }
}

/// What the operations of a phase cost together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperationProfile {
    /// The kind of work.
    pub phase: Phase,
    /// Number of operations.
    pub calls: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// Floating-point operations of the direct algorithm, so that a convolution by Winograd's algorithm counts what it
    /// saves as done. Products and sums of products only: what is done element by element counts as none.
    pub flops: u64,
    /// Bytes of the operands, each read or written once, whatever the operation really moves.
    pub bytes: u64,
}

/// What was counted between [`start`] and [`stop`].
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The phases that had any operation, in the order of [`Phase::ALL`].
    pub operations: Vec<OperationProfile>,
}

impl Profile {
    /// What was counted for a phase.
    pub fn phase(&self, phase: Phase) -> Option<OperationProfile> {
        self.operations.iter().copied().find(|operation| operation.phase == phase)
    }

    /// Wall-clock time of all operations.
    pub fn seconds(&self) -> f64 {
        self.operations.iter().map(|operation| operation.seconds).sum()
    }

    /// Floating-point operations of all operations.
    pub fn flops(&self) -> u64 {
        self.operations.iter().map(|operation| operation.flops).sum()
    }
}

/// What one operation costs besides its time.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub flops: usize,
    /// Number of `f32` that are read or written.
    pub elements: usize,
}

impl Cost {
    /// Of work without products.
    pub(crate) fn elements(elements: usize) -> Self {
        Self { flops: 0, elements }
    }
}

struct Counter {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
    flops: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    const fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            flops: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn fields(&self) -> [&AtomicU64; 4] {
        [&self.calls, &self.nanoseconds, &self.flops, &self.bytes]
    }

    fn add(&self, nanoseconds: u64, cost: Cost) {
        let bytes = (cost.elements * size_of::<f32>()) as u64;
        for (field, value) in self.fields().into_iter().zip([1, nanoseconds, cost.flops as u64, bytes]) {
            field.fetch_add(value, Ordering::Relaxed);
        }
    }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNTERS: [Counter; Phase::ALL.len()] = [const { Counter::new() }; Phase::ALL.len()];

/// Sets all counters to zero and begins to count.
pub fn start() {
    for field in COUNTERS.iter().flat_map(Counter::fields) {
        field.store(0, Ordering::Relaxed);
    }
    COUNTING.store(true, Ordering::Release);
}

/// Ends the count and returns it. Without a [`start`] before it, or a second time, it returns what was counted last.
pub fn stop() -> Profile {
    COUNTING.store(false, Ordering::Release);
    let read = |phase: Phase| {
        let [calls, nanoseconds, flops, bytes] =
            COUNTERS[phase as usize].fields().map(|field| field.load(Ordering::Relaxed));
        OperationProfile { phase, calls, seconds: nanoseconds as f64 * 1e-9, flops, bytes }
    };
    Profile { operations: Phase::ALL.into_iter().map(read).filter(|operation| operation.calls > 0).collect() }
}

/// Does a piece of work and counts it.
pub(crate) fn measured<T>(phase: Phase, cost: Cost, work: impl FnOnce() -> T) -> T {
    if !COUNTING.load(Ordering::Relaxed) {
        return work();
    }
    let started = Instant::now();
    let result = work();
    COUNTERS[phase as usize].add(started.elapsed().as_nanos() as u64, cost);
    result
}
