//! The convolutional stem: from an image to the token grid.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::architecture::{ResidualSpec, StageSpec};
use crate::layers::{ConvNorm, Statistics, train_residual_block};

/// An entry convolution, then residual blocks at one resolution.
#[derive(Module, Debug)]
pub(crate) struct Stage {
    entry: ConvNorm,
    residual: Vec<ResidualBlock>,
}

impl Stage {
    pub(crate) fn zeros(spec: &StageSpec, device: &Device) -> Self {
        Self {
            entry: ConvNorm::zeros(&spec.entry, device),
            residual: spec.residual.iter().map(|block| ResidualBlock::zeros(block, device)).collect(),
        }
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, height', width', channels]`
    pub(crate) fn forward(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let entered = self.entry.forward(x, None, statistics);
        self.residual.iter().fold(entered, |x, block| block.forward(x, statistics))
    }
}

/// `relu(norm(conv(relu(norm(conv(x))))) + x)` (He et al. 2016).
#[derive(Module, Debug)]
pub(crate) struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
}

impl ResidualBlock {
    pub(crate) fn zeros(spec: &ResidualSpec, device: &Device) -> Self {
        Self { first: ConvNorm::zeros(&spec.first, device), second: ConvNorm::zeros(&spec.second, device) }
    }

    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`, the output halved if pooled
    pub(crate) fn forward(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        match statistics {
            Statistics::Running => {
                let hidden = self.first.forward(x.clone(), None, statistics);
                self.second.forward(hidden, Some(x), statistics)
            }
            Statistics::Batch(seen) => {
                let parts = [self.first.parameters(), self.second.parameters()];
                train_residual_block(x, parts, &self.second.options(), seen)
            }
        }
    }
}
