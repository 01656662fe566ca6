use crate::FeatureMap;

/// What a [`linear_attention_block`](crate::linear_attention_block()) does besides its parameters.
#[derive(Clone, Copy, Debug)]
pub struct AttentionBlockOptions {
    /// Number of heads; `features` is a multiple of it.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head; left out, as many as the values of a head have.
    pub key_width: Option<usize>,
    /// The map φ of the attention.
    pub feature_map: FeatureMap,
    /// Added to the variances of the normalisations.
    pub epsilon: f64,
    /// Rows and columns of the tokens, which a local convolution needs.
    pub grid: [usize; 2],
}

impl AttentionBlockOptions {
    /// Columns of the queries, and of the keys, of all heads.
    pub(crate) fn keys(&self, features: usize) -> usize {
        self.key_width.map_or(features, |width| self.heads * width)
    }
}

/// Which parts of a block are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockParts {
    pub local: bool,
    pub gate: bool,
    pub perceptron: bool,
}
