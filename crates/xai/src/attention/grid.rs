use serde::{Deserialize, Serialize};

use crate::attribution::Attribution;
use crate::error::{ExplainError, require_count, require_index, value_count};
use crate::scorer::first_largest;

/// Where the tokens of a model lie on the image: class tokens and other prefix tokens first, then a grid, row by row.
///
/// ```
/// use tinylsa_xai::TokenGrid;
///
/// // a ViT with a class token on images of 30 × 20 pixels in patches of 5 × 5
/// let grid = TokenGrid::new(6, 4).with_prefix(1);
/// assert_eq!(grid.tokens()?, 25);
/// assert_eq!(grid.token(0, 0)?, 1);
/// assert_eq!(grid.restrict(&[0.5; 25])?.len(), 24);
/// # Ok::<(), tinylsa_xai::ExplainError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenGrid {
    /// Tokens in front of the grid that belong to no place, such as a class token. The first of them is what a
    /// classifying head reads; 0 where the head reads the mean of the grid.
    #[serde(default)]
    pub prefix: usize,
    /// Rows of tokens.
    pub rows: usize,
    /// Tokens of a row.
    pub columns: usize,
}

/// A token whose attention is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FixedQuery {
    /// The number of the token, prefix tokens counted.
    pub token: usize,
    /// Where it lies: "class token", "centre", "top left", "top right", "bottom left" or "bottom right".
    pub place: &'static str,
}

impl TokenGrid {
    /// A grid without prefix tokens.
    pub const fn new(rows: usize, columns: usize) -> Self {
        Self { prefix: 0, rows, columns }
    }

    /// The grid behind this many prefix tokens.
    #[must_use]
    pub const fn with_prefix(self, prefix: usize) -> Self {
        Self { prefix, ..self }
    }

    /// The number of tokens, prefix tokens included.
    ///
    /// # Errors
    /// If the grid is empty or has more tokens than there are addresses.
    pub fn tokens(self) -> Result<usize, ExplainError> {
        if self.rows == 0 || self.columns == 0 {
            return Err(ExplainError::Empty { what: "token grid" });
        }
        let too_large = || ExplainError::TooLarge { what: "token grid", shape: vec![self.rows, self.columns] };
        value_count("token grid", &[self.rows, self.columns])?.checked_add(self.prefix).ok_or_else(too_large)
    }

    /// The number of the token in a row and column of the grid.
    ///
    /// # Errors
    /// If there is no such row or column.
    pub fn token(self, row: usize, column: usize) -> Result<usize, ExplainError> {
        self.tokens()?;
        require_index("row of the token grid", row, self.rows)?;
        require_index("column of the token grid", column, self.columns)?;
        Ok(self.prefix + row * self.columns + column)
    }

    /// Where a token lies, in words: "row 3, column 3", counted from 0, "class token", or "prefix token 2" for one in front
    /// of the grid that is not the first.
    pub fn place_of(self, token: usize) -> String {
        match token.checked_sub(self.prefix) {
            Some(place) => {
                let columns = self.columns.max(1);
                format!("row {}, column {}", place / columns, place % columns)
            }
            None if token == 0 => "class token".to_owned(),
            None => format!("prefix token {token}"),
        }
    }

    /// The part `[rows, columns]` of a map over all tokens that lies on the image.
    ///
    /// # Errors
    /// If the map does not hold one value for each token.
    pub fn restrict(self, map: &[f64]) -> Result<&[f64], ExplainError> {
        require_count("a map over the tokens", map.len(), self.tokens()?)?;
        Ok(&map[self.prefix..])
    }
}

/// The tokens whose attention is shown by default: the class token if there is one, then those at the centre and the four
/// corners of the grid, each named once.
///
/// # Errors
/// If the grid is empty or has more tokens than there are addresses.
pub fn fixed_query_positions(grid: TokenGrid) -> Result<Vec<FixedQuery>, ExplainError> {
    grid.tokens()?;
    let TokenGrid { prefix, rows, columns } = grid;
    let last_row = (rows - 1) * columns;
    let on_grid = [
        (rows / 2 * columns + columns / 2, "centre"),
        (0, "top left"),
        (columns - 1, "top right"),
        (last_row, "bottom left"),
        (last_row + columns - 1, "bottom right"),
    ];
    let class_token = (prefix > 0).then_some(FixedQuery { token: 0, place: "class token" });
    let mut positions: Vec<FixedQuery> = class_token.into_iter().collect();
    for (place_in_grid, place) in on_grid {
        let token = prefix + place_in_grid;
        if positions.iter().all(|known| known.token != token) {
            positions.push(FixedQuery { token, place });
        }
    }
    Ok(positions)
}

/// The token of a grid whose pixels have the largest sum of attribution, prefix tokens counted; the first of equal ones.
///
/// # Errors
/// If the grid is empty or finer than the image, or the attribution does not fit its shape.
pub fn token_of_largest_attribution(attribution: &Attribution, grid: TokenGrid) -> Result<usize, ExplainError> {
    grid.tokens()?;
    let TokenGrid { prefix, rows, columns } = grid;
    let [channels, height, width] = attribution.shape.dims();
    if channels == 0 {
        return Err(ExplainError::Empty { what: "attribution" });
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
    Ok(prefix + first_largest(&sums))
}
