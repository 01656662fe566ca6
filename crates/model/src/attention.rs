//! The attention blocks on the token grid.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, AttentionBlockOptions, AttentionBlockParameters, linear_attention_block};

use crate::architecture::{BlockSpec, MixingSpec};
use crate::config::AttentionKind;
use crate::layers::{EPSILON, LayerNorm, Linear};
use crate::mixing::Mixing;
use crate::trace::LayerTrace;

/// `x + project(attend(norm(x)))`, then `x + contract(gelu(expand(norm(x))))`.
#[derive(Module, Debug)]
pub(crate) struct AttentionBlock {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    projection: Linear,
    mlp_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    #[module(skip)]
    mixing: Mixing,
}

impl AttentionBlock {
    pub(crate) fn zeros(spec: &BlockSpec, device: &Device) -> Self {
        let MixingSpec { heads, kind, feature_map, .. } = spec.mixing;
        Self {
            attention_norm: LayerNorm::ones(&spec.attention_norm, device),
            query_key_value: Linear::zeros(&spec.query_key_value, device),
            projection: Linear::zeros(&spec.projection, device),
            mlp_norm: LayerNorm::ones(&spec.mlp_norm, device),
            expand: Linear::zeros(&spec.expand, device),
            contract: Linear::zeros(&spec.contract, device),
            mixing: Mixing { heads, kind, feature_map },
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self.mixing.kind {
            AttentionKind::Linear => {
                let Mixing { heads, feature_map, .. } = self.mixing;
                let options = AttentionBlockOptions { heads, feature_map: feature_map.into(), epsilon: EPSILON };
                linear_attention_block(x, self.parameters(), &options)
            }
            AttentionKind::Softmax => {
                let context = self.mixing.attend(self.project(x.clone()));
                self.finish(x, context)
            }
        }
    }

    fn parameters(&self) -> AttentionBlockParameters {
        let (attention_gamma, attention_beta) = self.attention_norm.parameters();
        let (query_key_value_weight, query_key_value_bias) = self.query_key_value.parameters();
        let (projection_weight, projection_bias) = self.projection.parameters();
        let (perceptron_gamma, perceptron_beta) = self.mlp_norm.parameters();
        let (expand_weight, expand_bias) = self.expand.parameters();
        let (contract_weight, contract_bias) = self.contract.parameters();
        AttentionBlockParameters {
            attention_gamma,
            attention_beta,
            query_key_value_weight,
            query_key_value_bias,
            projection_weight,
            projection_bias,
            perceptron_gamma,
            perceptron_beta,
            expand_weight,
            expand_bias,
            contract_weight,
            contract_bias,
        }
    }

    /// The same output as [`AttentionBlock::forward`], with what the attention did.
    pub(crate) fn forward_traced(&self, x: Tensor<3>) -> (Tensor<3>, LayerTrace) {
        let projected = self.project(x.clone());
        let context = self.mixing.attend(projected.clone());
        let trace = LayerTrace::new(&self.mixing, &projected, context.clone());
        (self.finish(x, context), trace)
    }

    pub(crate) fn mixing(&self) -> &Mixing {
        &self.mixing
    }

    /// The same output as [`AttentionBlock::forward`] for a `probe` of zeros, which is added to the context so that its
    /// gradient is the gradient of the context; and the values V.
    ///
    /// # Shapes
    /// - x and probe: `[batch, tokens, width]`
    pub(crate) fn forward_probed(&self, x: Tensor<3>, probe: Tensor<3>) -> (Tensor<3>, Tensor<4>) {
        let projected = self.project(x.clone());
        let values = self.mixing.split(&projected).values;
        let context = self.mixing.attend(projected) + probe;
        (self.finish(x, context), values)
    }

    fn project(&self, x: Tensor<3>) -> Tensor<3> {
        self.query_key_value.forward(self.attention_norm.forward(x), Activation::Identity)
    }

    fn finish(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let x = x + self.projection.forward(context, Activation::Identity);
        let hidden = self.expand.forward(self.mlp_norm.forward(x.clone()), Activation::Gelu);
        x + self.contract.forward(hidden, Activation::Identity)
    }
}
