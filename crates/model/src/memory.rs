//! What a network takes in memory, estimated before it is asked for.

use crate::architecture::{BlockSpec, LayerSpec, MixingSpec};
use crate::config::{AttentionKind, TinyCnnLsaConfig};

/// Numbers that a training step holds for each output of a convolution: what it reads, what the normalisation makes of it,
/// and the gradient on its way back, most of which are freed while others are made.
const PER_CONVOLUTION_OUTPUT: f64 = 2.5;
/// Numbers for each weight: itself, its gradient, two moments, the average, and copies on their way.
const PER_WEIGHT: f64 = 10.0;

impl TinyCnnLsaConfig {
    /// The memory in bytes that training with batches of this size takes, about: for networks of one to seven convolutions
    /// and none to two attention blocks it was within an eighth of what was measured. The images of the dataset are not
    /// included.
    pub fn training_memory(&self, batch_size: usize) -> u64 {
        let weights = self.cost().parameters() as f64;
        let numbers = PER_WEIGHT * weights + batch_size as f64 * self.activations();
        (size_of::<f32>() as f64 * numbers) as u64
    }

    /// Numbers that a training step holds for each image.
    fn activations(&self) -> f64 {
        let architecture = self.architecture();
        let of_layers: f64 = architecture.layers().iter().map(LayerSpec::activations).sum();
        let of_blocks: f64 = architecture.blocks.iter().map(BlockSpec::activations).sum();
        3.0 * self.input.values() as f64 + of_layers + of_blocks
    }
}

impl LayerSpec<'_> {
    /// Numbers that a training step holds for each image, those of attention blocks left out.
    fn activations(&self) -> f64 {
        match self {
            Self::Convolution(convolution) => PER_CONVOLUTION_OUTPUT * convolution.convolved().values() as f64,
            Self::Positions(_)
            | Self::Norm(_)
            | Self::Linear(_)
            | Self::Mixing(_)
            | Self::Depthwise(_)
            | Self::Queries(_) => 0.0,
        }
    }
}

impl BlockSpec {
    fn activations(&self) -> f64 {
        let MixingSpec { tokens, width, heads, kind, .. } = self.mixing;
        let hidden = self.perceptron.as_ref().map_or(0, |perceptron| perceptron.expand.outputs);
        let [tokens, width, hidden, heads] = [tokens, width, hidden, heads].map(|size| size as f64);
        // the convolution keeps its nine shifted maps, the gate its argument and its factor
        let local = if self.local.is_some() { 12.0 * tokens * width } else { 0.0 };
        let gate = if self.gate.is_some() { 4.0 * tokens * width } else { 0.0 };
        let mixing = match kind {
            // The fused block keeps its input, queries, keys, values, their mixture and the hidden units.
            AttentionKind::Linear => tokens * (5.0 * width + hidden),
            // Stock operations keep more, and four matrices of attention for each head.
            AttentionKind::Softmax => tokens * (8.0 * width + 2.0 * hidden) + 4.0 * heads * tokens * tokens,
        };
        mixing + local + gate
    }
}
