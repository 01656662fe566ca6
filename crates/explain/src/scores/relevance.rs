//! The one map over the pixels by which a method is scored.

use tinylsa_xai::{
    AttributionKind, ExplainError, Image, ImageShape, TokenGrid, TokenMatrix, completeness, random_map, sobel_edge_map,
};

use crate::maps::{AttentionView, Maps, ScoreDifference};

/// A number for each pixel.
#[derive(Clone, Debug)]
pub(super) struct Relevance {
    /// `[height, width]`
    pub(super) map: Vec<f32>,
    /// `[channels, height, width]`, for the score that asks about every value: those of the method where it has them,
    /// else an equal share of the pixel's number in each channel.
    pub(super) values: Vec<f32>,
    /// What the numbers mean, which decides how they answer to a perturbation.
    pub(super) kind: AttributionKind,
    /// What they should sum to, where the method says.
    accounts_for: Option<ScoreDifference>,
}

impl Relevance {
    /// The map by which maps on an image `[channels, height, width]` are scored; nothing for fixed queries, which are no
    /// map of a class.
    ///
    /// Attention is a map over tokens, and its numbers have no sign: every pixel takes an equal share of its token.
    /// Self-attention gives what a pooled head sees of the last layer, the mean row of its fused matrix; multi-head
    /// attention the mean of these rows over all layers and heads.
    pub(super) fn of(maps: &Maps, shape: ImageShape) -> Option<Self> {
        let (tokens, grid) = match maps {
            Maps::Pixels(map) => {
                let (kind, accounts_for) = (map.quantity.kind(), map.accounts_for);
                let (map, values) = (map.attribution.per_pixel(), map.attribution.values.clone());
                return Some(Self { map, values, kind, accounts_for });
            }
            Maps::Attention(maps) => match maps.view {
                AttentionView::Fused => (on_grid(&maps.layers.last()?.fused.matrix.mean_row(), maps.grid), maps.grid),
                AttentionView::Heads => {
                    let heads = maps.layers.iter().flat_map(|layer| &layer.heads).map(|head| &head.matrix);
                    (on_grid(&mean_of_rows(heads), maps.grid), maps.grid)
                }
            },
            Maps::Rollout(maps) => (maps.pooled.clone(), maps.grid),
            Maps::Flow(map) => (map.pooled.clone(), map.grid),
            Maps::FixedQueries(_) => return None,
        };
        Some(Self::of_pixels(over_pixels(&tokens, grid, shape), shape))
    }

    /// A map over the pixels that knows nothing of channels.
    fn of_pixels(map: Vec<f32>, shape: ImageShape) -> Self {
        let share: Vec<f32> = map.iter().map(|value| value / shape.channels as f32).collect();
        Self { values: share.repeat(shape.channels), map, kind: AttributionKind::Contribution, accounts_for: None }
    }

    /// The control that is noise.
    pub(super) fn random(image: &Image, seed: u64) -> Result<Self, ExplainError> {
        Ok(Self::of_pixels(random_map(image.shape().pixels(), seed)?, image.shape()))
    }

    /// The control that knows the image and no model.
    pub(super) fn sobel(image: &Image) -> Self {
        Self::of_pixels(sobel_edge_map(image), image.shape())
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

/// The part of a map over all tokens that lies on the image.
fn on_grid(tokens: &[f64], grid: TokenGrid) -> Vec<f64> {
    tokens[grid.prefix.min(tokens.len())..].to_vec()
}

fn mean_of_rows<'a>(matrices: impl Iterator<Item = &'a TokenMatrix>) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = matrices.map(TokenMatrix::mean_row).collect();
    let tokens = rows.first().map_or(0, Vec::len);
    (0..tokens).map(|token| rows.iter().map(|row| row[token]).sum::<f64>() / rows.len() as f64).collect()
}

/// Shares every token's number equally among the pixels of its cell.
fn over_pixels(tokens: &[f64], grid: TokenGrid, shape: ImageShape) -> Vec<f32> {
    let (TokenGrid { rows, columns, .. }, ImageShape { height, width, .. }) = (grid, shape);
    let cell = |pixel: usize| pixel / width * rows / height * columns + pixel % width * columns / width;
    let mut sizes = vec![0_usize; tokens.len()];
    (0..height * width).for_each(|pixel| sizes[cell(pixel)] += 1);
    (0..height * width).map(|pixel| (tokens[cell(pixel)] / sizes[cell(pixel)] as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_share_the_number_of_their_token() {
        let map = over_pixels(&[4.0, 0.0, 0.0, 8.0], TokenGrid::new(2, 2), ImageShape::grey(4, 4));
        assert_eq!(map[..4], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(map[12..], [0.0, 0.0, 2.0, 2.0]);
        let wide = over_pixels(&[1.0, 2.0, 3.0], TokenGrid::new(1, 3), ImageShape::grey(2, 6));
        assert_eq!(wide[..6], [0.25, 0.25, 0.5, 0.5, 0.75, 0.75], "grids need not be square");
    }

    #[test]
    fn channels_share_what_a_map_says_of_a_pixel() {
        let shape = ImageShape { channels: 3, height: 1, width: 2 };
        let relevance = Relevance::of_pixels(vec![0.75, -1.5], shape);
        assert_eq!(relevance.values, [0.25, -0.5, 0.25, -0.5, 0.25, -0.5]);
        assert_eq!(Relevance::of_pixels(vec![0.1, 0.7], ImageShape::grey(1, 2)).values, [0.1, 0.7]);
    }
}
