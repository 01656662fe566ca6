//! Operations of a forward pass whose weights no longer change: packed once, each with everything behind it in the
//! same pass, on the calling thread, over memory that the caller keeps.
//!
//! They know neither tensors nor threads. Whoever evaluates a network gives each core some images and takes them
//! through all layers, so that the activations never leave the core's cache. Activations are rows of channels: a pixel
//! or a token takes [`padded`] values, its channels and then zeros up to whole vectors, which every operation expects
//! of its input and keeps in its output.
//!
//! An image's results have the same bits whatever other images it is computed with.

mod attention;
mod convolution;
mod convolution_shape;
mod depthwise;
mod finish;
mod gate;
mod linear;
mod norm;
mod softmax;
mod winograd;

pub use crate::softmax_pool::pool_by_softmax;
pub use crate::token_mean::mean_rows;
pub use attention::LinearAttention;
pub use convolution::Convolution;
pub use convolution_shape::ConvolutionShape;
pub use depthwise::Depthwise;
pub use gate::multiply_by_silu;
pub use linear::Linear;
pub use norm::LayerNorm;
pub use softmax::SoftmaxAttention;

use crate::arch::{Buffer, LANES};
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// Values that a pixel or a token of so many channels takes: whole vectors, but a single channel is stored alone.
pub const fn padded(channels: usize) -> usize {
    if channels == 1 { 1 } else { channels.next_multiple_of(LANES) }
}

/// Memory for activations, aligned to cache lines. It comes from a pool and returns to it.
pub struct Activations(Buffer);

impl Activations {
    /// Memory full of zeros.
    pub fn zeroed(length: usize) -> Self {
        Self(Buffer::zeroed(length))
    }

    /// Makes room for at least `length` values. What was in the memory is lost if it has to grow.
    pub fn reserve(&mut self, length: usize) {
        if self.0.len() < length {
            self.0 = Buffer::zeroed(length);
        }
    }
}

impl Default for Activations {
    fn default() -> Self {
        Self::zeroed(0)
    }
}

impl fmt::Debug for Activations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Activations").field("length", &self.0.len()).finish()
    }
}

impl Deref for Activations {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Activations {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// Memory that the operations use while they run and that holds nothing between them. One serves any number of
/// operations, one after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    inputs: Activations,
    products: Activations,
    values: Activations,
}

/// A copy of per-channel values, with zeros up to a whole number of vectors.
fn padded_vector(values: &[f32]) -> Activations {
    let mut padded = Activations::zeroed(values.len().next_multiple_of(LANES));
    padded[..values.len()].copy_from_slice(values);
    padded
}
