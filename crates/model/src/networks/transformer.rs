//! What the transformers are made of.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::Activation;

use super::torchvision::Torchvision;
use crate::cost::LayerCost;
use crate::layers::{LayerNorm, Linear};

/// Two linear layers with a GELU between them.
#[derive(Module, Debug)]
pub(super) struct Perceptron {
    expand: Linear,
    contract: Linear,
}

impl Perceptron {
    pub(super) fn zeros(width: usize, hidden: usize, device: &Device) -> Self {
        Self { expand: Linear::new(width, hidden, device), contract: Linear::new(hidden, width, device) }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.contract.forward(self.expand.forward(x, Activation::Gelu), Activation::Identity)
    }
}

/// The sizes of an encoder's block.
#[derive(Clone, Copy)]
pub(super) struct EncoderShape {
    pub(super) tokens: usize,
    pub(super) width: usize,
    pub(super) hidden: usize,
    /// Tokens that a token attends to.
    pub(super) seen: usize,
}

impl EncoderShape {
    /// What the layers of a block cost, with further parameters of its attention.
    pub(super) fn costs(&self, name: &str, further: usize) -> Vec<LayerCost> {
        let &Self { tokens, width, hidden, seen, .. } = self;
        let name = |part: &str| format!("{name}.{part}");
        let norm = |part: &str| LayerCost::new(&name(part), &[tokens, width], 2 * width, 0);
        vec![
            norm("attention_norm"),
            LayerCost::linear(&name("query_key_value"), tokens, width, 3 * width),
            LayerCost::new(&name("attention"), &[tokens, width], further, 2 * tokens * seen * width),
            LayerCost::linear(&name("projection"), tokens, width, width),
            norm("perceptron_norm"),
            LayerCost::linear(&name("perceptron.expand"), tokens, width, hidden),
            LayerCost::linear(&name("perceptron.contract"), tokens, hidden, width),
        ]
    }
}

/// What a block of an encoder is made of: `x + project(attend(norm(x)))`, then `x + perceptron(norm(x))`.
#[derive(Module, Debug)]
pub(super) struct EncoderParts {
    pub(super) attention_norm: LayerNorm,
    pub(super) query_key_value: Linear,
    pub(super) projection: Linear,
    pub(super) perceptron_norm: LayerNorm,
    pub(super) perceptron: Perceptron,
}

impl EncoderParts {
    pub(super) fn zeros(shape: EncoderShape, epsilon: f64, device: &Device) -> Self {
        let EncoderShape { width, hidden, .. } = shape;
        Self {
            attention_norm: LayerNorm::new(width, epsilon, device),
            query_key_value: Linear::new(width, 3 * width, device),
            projection: Linear::new(width, width, device),
            perceptron_norm: LayerNorm::new(width, epsilon, device),
            perceptron: Perceptron::zeros(width, hidden, device),
        }
    }

    /// `[batch, tokens, width]` to queries, keys and values, `[batch, heads, tokens, width / heads]` each.
    pub(super) fn projections(&self, x: Tensor<3>, heads: usize) -> [Tensor<4>; 3] {
        let [batch, tokens, width] = x.dims();
        let projected = self.query_key_value.forward(x, Activation::Identity);
        [0, 1, 2].map(|part| {
            let part = projected.clone().narrow(2, part * width, width);
            part.reshape([batch, tokens, heads, width / heads]).swap_dims(1, 2)
        })
    }
}

impl Torchvision {
    /// A perceptron whose linear layers have these numbers.
    pub(super) fn perceptron(&mut self, name: &str, key: &str, [expand, contract]: [usize; 2]) {
        self.linear(&format!("{name}.expand"), &format!("{key}.{expand}"));
        self.linear(&format!("{name}.contract"), &format!("{key}.{contract}"));
    }
}
