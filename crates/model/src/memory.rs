//! What a network takes in memory, estimated before it is asked for.

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
        let image = (self.image_size * self.image_size) as f64;
        3.0 * image + PER_CONVOLUTION_OUTPUT * self.convolution_outputs() + self.block_activations()
    }

    fn convolution_outputs(&self) -> f64 {
        let mut resolution = self.image_size;
        let mut outputs = 0;
        for stage in &self.stages {
            let convolved = resolution.div_ceil(stage.stride);
            outputs += convolved * convolved * stage.channels * (1 + 2 * stage.residual_blocks);
            resolution = stage.output_size(resolution);
        }
        outputs as f64
    }

    fn block_activations(&self) -> f64 {
        let attention = &self.attention;
        let [tokens, width, hidden, heads] =
            [self.tokens(), self.width(), attention.mlp_width, attention.heads].map(|size| size as f64);
        let of_a_block = match attention.kind {
            // The fused block keeps its input, queries, keys, values, their mixture and the hidden units.
            AttentionKind::Linear => tokens * (5.0 * width + hidden),
            // Stock operations keep more, and four matrices of attention for each head.
            AttentionKind::Softmax => tokens * (8.0 * width + 2.0 * hidden) + 4.0 * heads * tokens * tokens,
        };
        attention.blocks as f64 * of_a_block
    }
}
