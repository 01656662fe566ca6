use rand::RngExt;
use tinylsa_random::{Draw, Purpose};

use crate::error::ExplainError;
use crate::image::Image;
use tinylsa_shape::ImageShape;

const CONTROL: Purpose = Purpose::new("random control map");

/// A map of independent values, uniform on −1 to 1: what any explanation must beat.
///
/// # Errors
/// If there is no memory for that many.
pub fn random_map(pixels: usize, seed: u64) -> Result<Vec<f32>, ExplainError> {
    let mut map = Vec::new();
    map.try_reserve_exact(pixels)
        .map_err(|_| ExplainError::TooLarge { what: "the random map", shape: vec![pixels] })?;
    let mut generator = Draw { seed, purpose: CONTROL, epoch: 0, index: 0 }.generator();
    map.extend((0..pixels).map(|_| 2.0 * generator.random::<f32>() - 1.0));
    Ok(map)
}

/// The edges of an image as a map `[height, width]`: the magnitude of the Sobel gradient, summed over the channels, the
/// border pixels repeated. It knows nothing of any model, and looks like an explanation all the same.
pub fn sobel_edge_map(image: &Image) -> Vec<f32> {
    let ImageShape { height, width, .. } = image.shape();
    let mut edges = vec![0.0; height * width];
    for plane in image.values().chunks_exact(height * width) {
        let at = |row: usize, column: usize| plane[row.min(height - 1) * width + column.min(width - 1)];
        for (pixel, edge) in edges.iter_mut().enumerate() {
            let (row, column) = (pixel / width, pixel % width);
            let (above, below) = (row.saturating_sub(1), row + 1);
            let (left, right) = (column.saturating_sub(1), column + 1);
            let horizontal = at(above, right) + 2.0 * at(row, right) + at(below, right)
                - (at(above, left) + 2.0 * at(row, left) + at(below, left));
            let vertical = at(below, left) + 2.0 * at(below, column) + at(below, right)
                - (at(above, left) + 2.0 * at(above, column) + at(above, right));
            *edge += horizontal.hypot(vertical);
        }
    }
    edges
}
