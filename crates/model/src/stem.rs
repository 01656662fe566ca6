//! The convolutional stem: from a picture to the token grid.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::StageConfig;
use crate::layers::{After, BatchStatistics, ConvNorm, Statistics};

/// An entry convolution, then residual blocks at one resolution.
#[derive(Module, Debug)]
pub(crate) struct Stage {
    entry: ConvNorm,
    residual: Vec<ResidualBlock>,
    pool: bool,
}

impl Stage {
    pub(crate) fn zeros(inputs: usize, config: &StageConfig, device: &Device) -> Self {
        Self {
            entry: ConvNorm::zeros(inputs, config.channels, config.stride, device),
            residual: (0..config.residual_blocks).map(|_| ResidualBlock::zeros(config.channels, device)).collect(),
            pool: config.pool,
        }
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, height', width', channels]`
    pub(crate) fn forward(&self, x: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let pool_behind = |position: usize| self.pool && position == self.residual.len();
        let entered = self.entry.forward(x, After { residual: None, pool: pool_behind(0) }, statistics);
        self.residual
            .iter()
            .enumerate()
            .fold(entered, |x, (index, block)| block.forward(x, pool_behind(index + 1), statistics))
    }

    /// Takes as many batch statistics as the stage has convolutions, in the order of the forward pass.
    pub(crate) fn update_running(self, seen: &mut impl Iterator<Item = BatchStatistics>, momentum: f64) -> Self {
        Self {
            entry: update_next(self.entry, seen, momentum),
            residual: self
                .residual
                .into_iter()
                .map(|block| ResidualBlock {
                    first: update_next(block.first, seen, momentum),
                    second: update_next(block.second, seen, momentum),
                })
                .collect(),
            pool: self.pool,
        }
    }
}

fn update_next(layer: ConvNorm, seen: &mut impl Iterator<Item = BatchStatistics>, momentum: f64) -> ConvNorm {
    match seen.next() {
        Some(batch) => layer.update_running(&batch, momentum),
        None => layer,
    }
}

/// `relu(norm(conv(relu(norm(conv(x))))) + x)` (He et al. 2016).
#[derive(Module, Debug)]
struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
}

impl ResidualBlock {
    fn zeros(channels: usize, device: &Device) -> Self {
        Self {
            first: ConvNorm::zeros(channels, channels, 1, device),
            second: ConvNorm::zeros(channels, channels, 1, device),
        }
    }

    fn forward(&self, x: Tensor<4>, pool: bool, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let hidden = self.first.forward(x.clone(), After::default(), statistics);
        self.second.forward(hidden, After { residual: Some(x), pool }, statistics)
    }
}
