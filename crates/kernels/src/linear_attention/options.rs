use super::FeatureMap;

/// What a [`linear_attention`](crate::linear_attention()) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearAttentionOptions {
    /// Number of heads.
    pub heads: usize,
    /// Columns of the queries and of the keys of a head; left out, as many as the values of a head have.
    pub key_width: Option<usize>,
    /// The map φ.
    pub feature_map: FeatureMap,
}

/// Columns of a head.
#[derive(Clone, Copy)]
pub(crate) struct HeadWidths {
    /// Of the queries, and of the keys.
    pub keys: usize,
    /// Of the values.
    pub values: usize,
}

impl LinearAttentionOptions {
    /// Heads whose keys are as wide as their values.
    pub fn new(heads: usize, feature_map: FeatureMap) -> Self {
        Self { heads, key_width: None, feature_map }
    }

    /// Of a number of columns that fits.
    pub(crate) fn widths(self, columns: usize) -> HeadWidths {
        let of_head = columns / self.heads;
        match self.key_width {
            None => HeadWidths { keys: of_head / 3, values: of_head / 3 },
            Some(keys) => HeadWidths { keys, values: of_head - 2 * keys },
        }
    }
}
