use serde::Serialize;

use crate::attention::linear::LinearAttention;
use crate::attention::matrix::{HeadFusion, LayerAttention, fuse};
use crate::attribution::Attribution;
use crate::error::{ExplainError, require_count, require_index, value_count};

/// Attention whose rows can be had one at a time.
pub trait AttentionRows {
    /// The number of heads.
    fn heads(&self) -> usize;

    /// The number of tokens.
    fn tokens(&self) -> usize;

    /// What the token `query` takes from every token in one head.
    ///
    /// # Errors
    /// If there is no such head or token.
    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError>;
}

impl AttentionRows for LayerAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        require_index("head", head, self.heads())?;
        require_index("token", query, self.tokens())?;
        let start = (head * self.tokens() + query) * self.tokens();
        Ok(self.values()[start..start + self.tokens()].to_vec())
    }
}

impl AttentionRows for LinearAttention {
    fn heads(&self) -> usize {
        self.heads()
    }

    fn tokens(&self) -> usize {
        self.tokens()
    }

    fn attention_row(&self, head: usize, query: usize) -> Result<Vec<f64>, ExplainError> {
        self.row(head, query)
    }
}

/// Where one token of one layer looks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryMap {
    /// The token that looks.
    pub query: usize,
    /// Its row in every head, each `[tokens]`.
    pub heads: Vec<Vec<f64>>,
    /// The heads fused, `[tokens]`.
    pub fused: Vec<f64>,
}

/// The attention of chosen tokens of one layer, per head and fused.
///
/// Of a [`LinearAttention`] each row costs `O(tokens · features)` and no matrix is formed.
///
/// # Errors
/// If there is no query, or no such token.
pub fn fixed_query_maps<A: AttentionRows + ?Sized>(
    layer: &A,
    queries: &[usize],
    fusion: HeadFusion,
) -> Result<Vec<QueryMap>, ExplainError> {
    if queries.is_empty() {
        return Err(ExplainError::Empty { what: "list of queries" });
    }
    queries.iter().map(|&query| query_map(layer, query, fusion)).collect()
}

fn query_map<A: AttentionRows + ?Sized>(layer: &A, query: usize, fusion: HeadFusion) -> Result<QueryMap, ExplainError> {
    let heads: Vec<Vec<f64>> =
        (0..layer.heads()).map(|head| layer.attention_row(head, query)).collect::<Result<_, _>>()?;
    let fused = (0..layer.tokens()).map(|token| fuse(fusion, heads.iter().map(|row| row[token]))).collect();
    Ok(QueryMap { query, heads, fused })
}

/// The tokens at the centre and the four corners of a grid `[rows, columns]`: centre, then top left, top right, bottom
/// left, bottom right, each named once.
///
/// # Errors
/// If the grid is empty or has more tokens than there are addresses.
pub fn fixed_query_positions(grid: [usize; 2]) -> Result<Vec<usize>, ExplainError> {
    let [rows, columns] = grid;
    if rows == 0 || columns == 0 {
        return Err(ExplainError::Empty { what: "token grid" });
    }
    value_count("token grid", &grid)?;
    let last_row = (rows - 1) * columns;
    let named = [rows / 2 * columns + columns / 2, 0, columns - 1, last_row, last_row + columns - 1];
    let mut positions = Vec::with_capacity(named.len());
    for position in named {
        if !positions.contains(&position) {
            positions.push(position);
        }
    }
    Ok(positions)
}

/// The token of a grid `[rows, columns]` whose pixels have the largest sum of attribution; the first of equal ones.
///
/// # Errors
/// If the grid is empty or finer than the picture, or the attribution does not fit its shape.
pub fn token_of_largest_attribution(attribution: &Attribution, grid: [usize; 2]) -> Result<usize, ExplainError> {
    let [rows, columns] = grid;
    let [channels, height, width] = attribution.shape;
    if rows == 0 || columns == 0 || channels == 0 {
        return Err(ExplainError::Empty { what: "token grid" });
    }
    let expected = value_count("the attribution", &[channels, height, width])?;
    require_count("the attribution", attribution.values.len(), expected)?;
    require_index("the last row of the token grid", rows - 1, height)?;
    require_index("the last column of the token grid", columns - 1, width)?;
    let mut sums = vec![0.0_f64; rows * columns];
    for (index, &value) in attribution.per_pixel().iter().enumerate() {
        let (row, column) = (index / width * rows / height, index % width * columns / width);
        sums[row * columns + column] += f64::from(value);
    }
    Ok((1..sums.len()).fold(0, |best, token| if sums[token] > sums[best] { token } else { best }))
}
