use tinylsa_shape::ImageShape;

use crate::architecture::{DepthwiseSpec, LayerSpec, LinearSpec, MixingSpec, NormSpec, PositionsSpec, QueriesSpec};
use crate::config::{AttentionKind, TinyCnnLsaConfig};

/// What a network costs, layer by layer, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// One entry a layer with weights, and one for the mixing of each attention block.
    pub layers: Vec<LayerCost>,
}

/// What one layer costs for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// The layer's path, such as `stages.0.entry`.
    pub name: String,
    /// Shape of its output without the batch, channels last.
    pub output: Vec<usize>,
    /// Weights that training changes; running statistics are not among them.
    pub parameters: usize,
    /// Multiply-accumulate operations of convolutions and matrix products. Normalisation, activation, pooling and
    /// additions are not counted, as is the custom of the field.
    pub macs: usize,
}

impl Cost {
    /// Parameters of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-accumulate operations of all layers for one image.
    pub fn macs(&self) -> usize {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

impl TinyCnnLsaConfig {
    /// Counts the parameters and the multiply-accumulate operations of the network that the config describes.
    pub fn cost(&self) -> Cost {
        Cost { layers: self.architecture().layers().iter().map(LayerSpec::cost).collect() }
    }
}

impl LayerSpec<'_> {
    fn cost(&self) -> LayerCost {
        match *self {
            Self::Convolution(convolution) => {
                let ImageShape { channels: outputs, height, width } = convolution.convolved();
                let weights = 9 * convolution.input.channels * outputs;
                let output = [height, width, outputs];
                LayerCost::new(&convolution.name, &output, weights + 2 * outputs, height * width * weights)
            }
            Self::Positions(PositionsSpec { name, tokens, width }) => {
                LayerCost::new(name, &[*tokens, *width], tokens * width, 0)
            }
            Self::Norm(NormSpec { name, rows, width }) => LayerCost::new(name, &[*rows, *width], 2 * width, 0),
            Self::Linear(LinearSpec { name, rows, inputs, outputs, scaled }) => {
                let cost = LayerCost::linear(name, *rows, *inputs, *outputs);
                let scales = if *scaled { *outputs } else { 0 };
                LayerCost { parameters: cost.parameters + scales, ..cost }
            }
            Self::Mixing(mixing) => {
                LayerCost::new(&mixing.name, &[mixing.tokens, mixing.width], 0, mixing.multiplications())
            }
            Self::Depthwise(DepthwiseSpec { name, rows, columns, width }) => {
                LayerCost::new(name, &[*rows, *columns, *width], 10 * width, 9 * rows * columns * width)
            }
            // q · k, then the product of the attention with what each token says for the class
            Self::Queries(QueriesSpec { name, tokens, classes, key_width }) => {
                LayerCost::new(name, &[*classes, *tokens], classes * key_width, tokens * classes * (key_width + 1))
            }
        }
    }
}

impl MixingSpec {
    /// Multiply-accumulate operations.
    fn multiplications(&self) -> usize {
        let Self { tokens, width, heads, key_width, .. } = *self;
        match self.kind {
            // Σ φ(k) vᵀ, then its product with φ(q), and φ(q)·z.
            AttentionKind::Linear => 2 * tokens * width * key_width + tokens * heads * key_width,
            // Q Kᵀ, then its product with V.
            AttentionKind::Softmax => tokens * tokens * (heads * key_width + width),
        }
    }
}

impl LayerCost {
    pub(crate) fn new(name: &str, output: &[usize], parameters: usize, macs: usize) -> Self {
        Self { name: name.to_owned(), output: output.to_vec(), parameters, macs }
    }

    pub(crate) fn linear(name: &str, rows: usize, inputs: usize, outputs: usize) -> Self {
        Self::new(name, &[rows, outputs], inputs * outputs + outputs, rows * inputs * outputs)
    }
}
