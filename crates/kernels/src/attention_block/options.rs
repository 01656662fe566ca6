use crate::FeatureMap;

/// What a [`linear_attention_block`](crate::linear_attention_block()) does besides its parameters.
#[derive(Clone, Copy, Debug)]
pub struct AttentionBlockOptions {
    /// Number of heads; `features` is a multiple of it.
    pub heads: usize,
    /// The map φ of the attention.
    pub feature_map: FeatureMap,
    /// Added to the variances of the normalisations.
    pub epsilon: f64,
}
