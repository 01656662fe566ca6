//! The attention of the blocks of our own network.

use tinylsa_model::{AttentionKind, FeatureMap};

use crate::graph::{GraphBuilder, Value};
use crate::layers::Heads;

/// The smallest value of the feature map `relu`.
const RELU_SHIFT: f64 = 1e-3;
/// The exponents of the exponential feature maps lie within it.
const EXPONENTS: [f64; 2] = [-12.0, 12.0];

/// How a block mixes its tokens.
pub(crate) struct Mixing {
    pub(crate) heads: Heads,
    /// Columns of the queries and of the keys of a head.
    pub(crate) key_width: usize,
    /// Columns of the values of a head.
    pub(crate) value_width: usize,
    pub(crate) kind: AttentionKind,
    pub(crate) feature_map: FeatureMap,
}

/// What the attention of a block makes.
pub(crate) struct Attended {
    /// A · V, `[batch, tokens, heads · columns]`.
    pub(crate) context: Value,
    /// A, `[batch, heads, tokens, tokens]`, if it is asked for or needed for the context.
    pub(crate) attention: Option<Value>,
}

impl GraphBuilder<'_> {
    /// The attention of queries, keys and values, `[batch, tokens, heads · columns]` each. The node of the attention matrix is
    /// called `attention`.
    pub(crate) fn attend(
        &mut self,
        name: &str,
        attention: &str,
        mixing: &Mixing,
        [queries, keys, values]: [&Value; 3],
        shown: bool,
    ) -> Attended {
        let &Mixing { ref heads, key_width, value_width, kind, feature_map } = mixing;
        let part = |part: &str| format!("{name}.{part}");
        let queries = self.heads(&part("queries"), queries, heads, key_width, false);
        let keys = self.heads(&part("keys"), keys, heads, key_width, true);
        let values = self.heads(&part("values"), values, heads, value_width, false);
        let (context, attention) = match kind {
            AttentionKind::Softmax => {
                let scores = self.scores(name, &queries, &keys, key_width);
                let attention = self.softmax(attention, &scores);
                (self.matmul(&part("context"), &attention, &values), Some(attention))
            }
            AttentionKind::Linear => {
                let queries = self.feature_map(&part("queries"), &queries, feature_map);
                let keys = self.feature_map(&part("keys"), &keys, feature_map);
                let summary = self.matmul(&part("summary"), &keys, &values);
                let numerator = self.matmul(&part("numerator"), &queries, &summary);
                let all_keys = self.sum(&part("keys.sum"), &keys, 3, true);
                let normaliser = self.matmul(&part("normaliser"), &queries, &all_keys);
                let context = self.divide(&part("context"), &numerator, &normaliser);
                let shown = shown.then(|| {
                    let similarity = self.matmul(&part("similarity"), &queries, &keys);
                    let sums = self.sum(&part("similarity.sum"), &similarity, 3, true);
                    self.divide(attention, &similarity, &sums)
                });
                (context, shown)
            }
        };
        Attended { context: self.joined_heads(name, &context, heads, value_width), attention }
    }

    /// φ of each value.
    fn feature_map(&mut self, name: &str, x: &Value, map: FeatureMap) -> Value {
        let (result, part) = (format!("{name}.features"), |part: &str| format!("{name}.features.{part}"));
        match map {
            // the exponential alone where x is negative: elu(x) + 1 would round it twice
            FeatureMap::EluPlusOne => {
                let zero = self.scalar(&part("zero"), 0.0);
                let negative = self.minimum(&part("negative"), x, &zero);
                let exponential = self.exp(&part("exponential"), &negative);
                let positive = self.relu(&part("positive"), x);
                self.add(&result, &positive, &exponential)
            }
            FeatureMap::Relu => {
                let positive = self.relu(&part("positive"), x);
                self.add_number(&result, &positive, RELU_SHIFT)
            }
            FeatureMap::Softplus => self.softplus(&result, x),
            FeatureMap::Exp => self.bounded_exp(&result, x),
            FeatureMap::SharpExp => {
                let twice = self.multiply_by(&part("twice"), x, 2.0);
                self.bounded_exp(&result, &twice)
            }
        }
    }

    fn bounded_exp(&mut self, name: &str, x: &Value) -> Value {
        let bounded = self.clip(&format!("{name}.bounded"), x, EXPONENTS);
        self.exp(name, &bounded)
    }
}
