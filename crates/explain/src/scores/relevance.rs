//! The one map over the pixels by which a method is scored.

use tinylsa_xai::{AttributionKind, ExplainError, Picture, TokenMatrix, completeness, random_map, sobel_edge_map};

use crate::Method;
use crate::result::{MethodMaps, ScoreDifference};

/// A number for each pixel.
#[derive(Clone, Debug)]
pub(super) struct Relevance {
    /// `[height, width]`
    pub(super) map: Vec<f32>,
    /// What the numbers mean, which decides how they answer to a perturbation.
    pub(super) kind: AttributionKind,
    /// What they should sum to, where the method says.
    accounts_for: Option<ScoreDifference>,
}

impl Relevance {
    /// The map of a method on a picture `[1, height, width]`; nothing for fixed queries, which are no map of a class.
    ///
    /// Attention is a map over tokens, and its numbers have no sign: every pixel takes an equal share of its token.
    /// Self-attention gives what a pooled head sees of the last layer, the mean row of its fused matrix; multi-head
    /// attention the mean of these rows over all layers and heads.
    pub(super) fn of(method: Method, maps: &MethodMaps, shape: [usize; 3]) -> Option<Self> {
        let (tokens, grid_size) = match maps {
            MethodMaps::Pixels(map) => {
                let kind = match method {
                    Method::InputGradient | Method::SmoothGrad => AttributionKind::Sensitivity,
                    _ => AttributionKind::Contribution,
                };
                let map_values = map.attribution.per_pixel();
                return Some(Self { map: map_values, kind, accounts_for: map.accounts_for });
            }
            MethodMaps::Attention(maps) if method == Method::SelfAttention => {
                (maps.layers.last()?.fused.matrix.mean_row(), maps.grid_size)
            }
            MethodMaps::Attention(maps) => {
                let heads = maps.layers.iter().flat_map(|layer| &layer.heads).map(|head| &head.matrix);
                (mean_of_rows(heads), maps.grid_size)
            }
            MethodMaps::Rollout(maps) => (maps.pooled.clone(), maps.grid_size),
            MethodMaps::Flow(map) => (map.pooled.clone(), map.grid_size),
            MethodMaps::FixedQueries(_) => return None,
        };
        let map = over_pixels(&tokens, grid_size, shape);
        Some(Self { map, kind: AttributionKind::Contribution, accounts_for: None })
    }

    /// The control that is noise.
    pub(super) fn random(picture: &Picture, seed: u64) -> Result<Self, ExplainError> {
        let [_, height, width] = picture.shape();
        let map = random_map(height * width, seed)?;
        Ok(Self { map, kind: AttributionKind::Contribution, accounts_for: None })
    }

    /// The control that knows the picture and no model.
    pub(super) fn sobel(picture: &Picture) -> Self {
        Self { map: sobel_edge_map(picture), kind: AttributionKind::Contribution, accounts_for: None }
    }

    /// The completeness error, where the method promises to be complete.
    pub(super) fn completeness(&self) -> Result<Option<f64>, ExplainError> {
        let Some(ends) = self.accounts_for else { return Ok(None) };
        let sum = self.map.iter().copied().map(f64::from).sum();
        completeness(sum, ends.score, ends.baseline_score)
    }

    /// Whether the method promises to be complete.
    pub(super) fn is_complete(&self) -> bool {
        self.accounts_for.is_some()
    }
}

fn mean_of_rows<'a>(matrices: impl Iterator<Item = &'a TokenMatrix>) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = matrices.map(TokenMatrix::mean_row).collect();
    let tokens = rows.first().map_or(0, Vec::len);
    (0..tokens).map(|token| rows.iter().map(|row| row[token]).sum::<f64>() / rows.len() as f64).collect()
}

/// Shares every token's number equally among the pixels of its cell.
fn over_pixels(tokens: &[f64], grid_size: usize, [_, height, width]: [usize; 3]) -> Vec<f32> {
    let cell = |pixel: usize| pixel / width * grid_size / height * grid_size + pixel % width * grid_size / width;
    let mut sizes = vec![0_usize; tokens.len()];
    (0..height * width).for_each(|pixel| sizes[cell(pixel)] += 1);
    (0..height * width).map(|pixel| (tokens[cell(pixel)] / sizes[cell(pixel)] as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_share_the_number_of_their_token() {
        let map = over_pixels(&[4.0, 0.0, 0.0, 8.0], 2, [1, 4, 4]);
        assert_eq!(map[..4], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(map[12..], [0.0, 0.0, 2.0, 2.0]);
    }
}
