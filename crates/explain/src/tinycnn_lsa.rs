//! `TinyCNN` + LSA as a model that can be explained.

use burn::tensor::{Device, Tensor};
use tinylsa_model::{
    AttentionKind, HeadKind, InferenceModel, LayerTrace, ModuleLayer, Readout, TinyCnnLsa, TinyCnnLsaConfig, Trace,
    state_of, values_of, with_owned_state,
};
use tinylsa_xai::{ExplainError, ExplainedScore, LayerAttention, LinearAttention, TokenGrid, check_attention};

use crate::cascade::cascade;
use crate::error::Result;
use crate::explainable::{
    AttentionFacts, AttentionSource, EvidenceSource, Explainable, FeatureMaps, ImageAttention, RandomisedModel,
    TokenEvidence,
};
use crate::maps::NamedTensor;

/// `TinyCNN` + LSA in the two forms that methods ask.
#[derive(Debug)]
pub struct ExplainedTinyCnnLsa {
    /// Gives gradients and attention.
    pub network: TinyCnnLsa,
    /// Gives logits alone, the same but for rounding, and sooner.
    pub folded: InferenceModel,
}

impl From<TinyCnnLsa> for ExplainedTinyCnnLsa {
    fn from(network: TinyCnnLsa) -> Self {
        Self { folded: network.for_inference(), network }
    }
}

impl Explainable for ExplainedTinyCnnLsa {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.folded.forward(images)
    }

    fn differentiable_scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.network.forward(images)
    }

    fn attention(&self) -> Option<&dyn AttentionSource> {
        (self.network.config().attention.blocks > 0).then_some(&self.network)
    }

    fn feature_maps(&self) -> Option<&dyn FeatureMaps> {
        Some(&self.network)
    }

    fn token_evidence(&self) -> Option<&dyn EvidenceSource> {
        Some(&self.network)
    }

    fn randomised(&self, seed: u64, device: &Device) -> Result<Vec<RandomisedModel>> {
        let model = &self.network;
        let fresh = state_of(&model.config().init(device)?.with_initial_weights(seed));
        cascade(state_of(model), &fresh, &layers(model), |state| {
            Ok(Box::new(Self::from(with_owned_state(model.clone(), state)?)))
        })
    }
}

/// The layers from the logits down; the tensors between two blocks count to one of them.
fn layers(model: &TinyCnnLsa) -> Vec<ModuleLayer> {
    let tensors: Vec<String> = state_of(model).into_keys().collect();
    let layer = |name: String, prefixes: &[&str]| {
        let belongs = |tensor: &&String| prefixes.iter().any(|prefix| tensor.starts_with(prefix));
        ModuleLayer { name, tensors: tensors.iter().filter(belongs).cloned().collect() }
    };
    let numbered = |kind: &str, count: usize| -> Vec<ModuleLayer> {
        let names = (0..count).rev().map(|place| format!("{kind}.{place}"));
        names.map(|name| layer(name.clone(), &[&format!("{name}.")])).collect()
    };
    let config = model.config();
    let mut layers = vec![layer("head".to_owned(), &["head.", "class_attention.", "norm."])];
    layers.extend(numbered("closing", config.closing_blocks));
    layers.extend((0..config.attention.blocks).rev().map(|block| {
        let name = format!("blocks.{block}");
        let prefix = format!("{name}.");
        if block == 0 { layer(name, &[&prefix, "positions"]) } else { layer(name, &[&prefix]) }
    }));
    layers.extend(numbered("stages", config.stages.len()));
    layers
}

impl FeatureMaps for TinyCnnLsa {
    fn features(&self, images: Tensor<4>) -> Tensor<4> {
        self.feature_map(images)
    }

    fn scores_from(&self, maps: Tensor<4>) -> Tensor<2> {
        self.forward_from_features(maps)
    }
}

impl AttentionSource for TinyCnnLsa {
    fn facts(&self) -> AttentionFacts {
        let TinyCnnLsaConfig { attention, closing_blocks, head, .. } = self.config();
        let parts = [
            (attention.local, "a convolution of the values"),
            (attention.gate, "a gate"),
            (attention.mlp_width > 0, "a perceptron on each token"),
            (*closing_blocks > 0, "convolutions behind the last layer"),
        ];
        AttentionFacts {
            beside: parts.into_iter().filter(|(is_there, _)| *is_there).map(|(_, part)| part.to_owned()).collect(),
            reads_by_class: head.kind == HeadKind::ClassAttention,
        }
    }

    fn trace(&self, images: Tensor<4>) -> Result<ImageAttention, ExplainError> {
        let Trace { layers: traces, readout, rows, columns, .. } = self.forward_traced(images);
        let readout = match self.config().head.kind {
            HeadKind::Mean => Vec::new(),
            HeadKind::ClassAttention => rows_of_first(&readout.attention),
        };
        let (mut layers, mut checks, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
        for (index, trace) in traces.iter().enumerate() {
            let LayerTrace { queries, keys, values, attention, context } = trace;
            let [queries, keys, values, context] = [queries, keys, values, context].map(first);
            let layer = match self.config().attention.kind {
                AttentionKind::Linear => LinearAttention::from_features(queries.clone(), keys.clone())?.matrices()?,
                AttentionKind::Softmax => LayerAttention::from_tensor(first(attention))?,
            };
            checks.push(check_attention(&layer, values.clone(), context.clone())?);
            layers.push(layer);
            let named = [("queries", queries), ("keys", keys), ("values", values), ("context", context)];
            evidence.extend(named.map(|(name, tensor)| {
                NamedTensor::f32(format!("layer-{index}/{name}"), tensor.dims().to_vec(), values_of(&tensor))
            }));
        }
        Ok(ImageAttention { grid: TokenGrid::new(rows, columns), layers, checks, readout, evidence })
    }

    fn gradients(&self, images: Tensor<4>, explained: ExplainedScore) -> Result<Option<Vec<Tensor<3>>>, ExplainError> {
        let of_class = |class: usize| -> Vec<Tensor<3>> {
            let classes = vec![class; images.dims()[0]];
            self.attention_gradients(images.clone(), &classes).iter().map(first).collect()
        };
        let gradients = of_class(explained.class);
        Ok(Some(match explained.against {
            None => gradients,
            Some(other) => gradients.into_iter().zip(of_class(other)).map(|(one, other)| one - other).collect(),
        }))
    }
}

impl EvidenceSource for TinyCnnLsa {
    fn evidence(&self, images: Tensor<4>) -> Result<TokenEvidence, ExplainError> {
        let Trace { logits, readout, rows, columns, .. } = self.forward_traced(images);
        let Readout { attention, evidence, bias } = readout;
        let classes = bias.dims()[0];
        let on_host = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        Ok(TokenEvidence {
            grid: TokenGrid::new(rows, columns),
            evidence: rows_of_first(&evidence),
            attention: rows_of_first(&attention),
            biases: on_host(values_of(&bias)),
            scores: on_host(values_of(&logits)).into_iter().take(classes).collect(),
        })
    }
}

/// The rows of the first of a batch of matrices.
fn rows_of_first(batch: &Tensor<3>) -> Vec<Vec<f64>> {
    let [_, rows, columns] = batch.dims();
    let values = values_of(batch);
    let of_first = values.chunks_exact(columns).take(rows);
    of_first.map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

/// The first of a batch.
fn first(batch: &Tensor<4>) -> Tensor<3> {
    batch.clone().narrow(0, 0, 1).squeeze_dim(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tensor_belongs_to_one_layer() {
        let mut config = TinyCnnLsaConfig::default();
        config.attention.blocks = 2;
        let model = config.init(&Device::flex()).unwrap();
        let layers = layers(&model);
        for tensor in state_of(&model).keys() {
            assert_eq!(layers.iter().filter(|layer| layer.tensors.contains(tensor)).count(), 1, "{tensor}");
        }
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["head", "closing.0", "blocks.1", "blocks.0", "stages.2", "stages.1", "stages.0"]);
    }

    #[test]
    fn what_lies_beside_the_attention_is_named() {
        let mut config = TinyCnnLsaConfig { closing_blocks: 1, ..TinyCnnLsaConfig::default() };
        config.attention.local = true;
        config.attention.mlp_width = 0;
        config.head.kind = HeadKind::ClassAttention;
        let facts = config.init(&Device::flex()).unwrap().facts();
        let beside = ["a convolution of the values", "convolutions behind the last layer"].map(str::to_owned).to_vec();
        assert_eq!(facts, AttentionFacts { beside, reads_by_class: true });
    }
}
