//! The attention blocks on the token grid.

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{
    Activation, AttentionBlockOptions, AttentionBlockParameters, GateParameters, PerceptronParameters,
    linear_attention_block,
};

use crate::architecture::{BlockSpec, PerceptronSpec};
use crate::config::AttentionKind;
use crate::layers::{Depthwise, EPSILON, LayerNorm, Linear};
use crate::mixing::Mixing;
use crate::trace::LayerTrace;

/// `x + project((attend(norm(x)) + local(values)) ⊙ silu(gate(norm(x))))`, then `x + contract(gelu(expand(norm(x))))`.
/// The local convolution, the gate and the perceptron are there if the spec has them.
#[derive(Module, Debug)]
pub(crate) struct AttentionBlock {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    local: Option<Depthwise>,
    gate: Option<Linear>,
    projection: Linear,
    /// The perceptron: the three are there together or not at all.
    mlp_norm: Option<LayerNorm>,
    expand: Option<Linear>,
    contract: Option<Linear>,
    #[module(skip)]
    mixing: Mixing,
}

/// What the attention of a block is given and what it makes of it.
struct Attended {
    /// The normalised tokens, `[batch, tokens, width]`.
    normalised: Tensor<3>,
    /// Queries, keys and values side by side.
    projected: Tensor<3>,
    /// A · V, `[batch, tokens, width]`.
    context: Tensor<3>,
}

impl AttentionBlock {
    pub(crate) fn zeros(spec: &BlockSpec, device: &Device) -> Self {
        let perceptron = spec.perceptron.as_ref();
        Self {
            attention_norm: LayerNorm::ones(&spec.attention_norm, device),
            query_key_value: Linear::zeros(&spec.query_key_value, device),
            local: spec.local.as_ref().map(|local| Depthwise::zeros(local, device)),
            gate: spec.gate.as_ref().map(|gate| Linear::zeros(gate, device)),
            projection: Linear::zeros(&spec.projection, device),
            mlp_norm: perceptron.map(|PerceptronSpec { norm, .. }| LayerNorm::ones(norm, device)),
            expand: perceptron.map(|PerceptronSpec { expand, .. }| Linear::zeros(expand, device)),
            contract: perceptron.map(|PerceptronSpec { contract, .. }| Linear::zeros(contract, device)),
            mixing: Mixing::new(&spec.mixing),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        if let Some((parameters, options)) = self.fused() {
            return linear_attention_block(x, parameters, &options);
        }
        let attended = self.attend(x.clone());
        self.finish(x, attended)
    }

    /// What the fused block is called with, if it computes this one.
    fn fused(&self) -> Option<(AttentionBlockParameters, AttentionBlockOptions)> {
        let Mixing { heads, key_width, kind, feature_map, .. } = self.mixing;
        if kind == AttentionKind::Softmax {
            return None;
        }
        let (attention_gamma, attention_beta) = self.attention_norm.parameters();
        let (query_key_value_weight, query_key_value_bias) = self.query_key_value.parameters();
        let (projection_weight, projection_bias) = self.projection.parameters();
        let parameters = AttentionBlockParameters {
            attention_gamma,
            attention_beta,
            query_key_value_weight,
            query_key_value_bias,
            local: self.local.as_ref().map(Depthwise::parameters),
            gate: self.gate.as_ref().map(|gate| {
                let (weight, bias) = gate.parameters();
                GateParameters { weight, bias }
            }),
            projection_weight,
            projection_bias,
            perceptron: self.perceptron(),
        };
        let options = AttentionBlockOptions {
            heads,
            key_width: Some(key_width),
            feature_map: feature_map.into(),
            epsilon: EPSILON,
            grid: self.local.as_ref().map_or([0, 0], Depthwise::grid),
        };
        Some((parameters, options))
    }

    fn perceptron(&self) -> Option<PerceptronParameters> {
        let (norm, expand, contract) = (self.mlp_norm.as_ref()?, self.expand.as_ref()?, self.contract.as_ref()?);
        let (gamma, beta) = norm.parameters();
        let (expand_weight, expand_bias) = expand.parameters();
        let (contract_weight, contract_bias) = contract.parameters();
        Some(PerceptronParameters { gamma, beta, expand_weight, expand_bias, contract_weight, contract_bias })
    }

    /// The same output as [`AttentionBlock::forward`], with what the attention did.
    pub(crate) fn forward_traced(&self, x: Tensor<3>) -> (Tensor<3>, LayerTrace) {
        let attended = self.attend(x.clone());
        let trace = LayerTrace::new(&self.mixing, &attended.projected, attended.context.clone());
        (self.finish(x, attended), trace)
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
        let attended = self.attend(x.clone());
        let values = self.mixing.split(&attended.projected).values;
        let context = attended.context + probe;
        (self.finish(x, Attended { context, ..attended }), values)
    }

    fn attend(&self, x: Tensor<3>) -> Attended {
        let normalised = self.attention_norm.forward(x);
        let projected = self.query_key_value.forward(normalised.clone(), Activation::Identity);
        Attended { context: self.mixing.attend(projected.clone()), normalised, projected }
    }

    fn finish(&self, x: Tensor<3>, attended: Attended) -> Tensor<3> {
        let Attended { normalised, projected, context } = attended;
        let mut mixed = context;
        if let Some(local) = &self.local {
            mixed = mixed + local.forward(self.mixing.values(&projected));
        }
        if let Some(gate) = &self.gate {
            mixed = mixed * silu(gate.forward(normalised, Activation::Identity));
        }
        let x = x + self.projection.forward(mixed, Activation::Identity);
        match (&self.mlp_norm, &self.expand, &self.contract) {
            (Some(norm), Some(expand), Some(contract)) => {
                let hidden = expand.forward(norm.forward(x.clone()), Activation::Gelu);
                x + contract.forward(hidden, Activation::Identity)
            }
            _ => x,
        }
    }
}
