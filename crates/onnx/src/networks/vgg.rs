//! VGG.

use tinylsa_model::networks::VggConfig;
use tinylsa_model::{ConfigOfImages, EPSILON, ImageShape};

use super::written::Written;
use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value, Window};
use crate::layers::{LOGITS, Map};

const POOLING: Window = Window { side: 2, stride: 2, padding: 0 };

pub(super) fn write(graph: &mut GraphBuilder<'_>, config: &VggConfig) -> Result<Written, OnnxError> {
    let mut map = graph.normalised_images(config.image_keys());
    for (stage, channels) in config.stages.iter().enumerate() {
        for index in 0..channels.len() {
            let name = format!("stages.{stage}.{index}");
            let convolution = format!("{name}.convolution");
            map = graph.same_convolution(&convolution, &convolution, &map, 1)?;
            if config.batch_norm {
                let norm = format!("{name}.norm");
                map = graph.batch_norm(&norm, &norm, &map, EPSILON)?;
            }
            map = graph.rectified(&name, &map);
        }
        // a map of a single row or column stays as it is
        if map.shape.height.min(map.shape.width) >= 2 {
            map = graph.pooled(&format!("stages.{stage}"), &map, POOLING);
        }
    }
    let averaged = averaged(graph, &map, config.grid);
    let values = (map.shape.channels * config.grid * config.grid) as i64;
    let mut x = graph.reshape("features", &averaged, &[0, values]);
    for index in 0..config.hidden.len() {
        let name = format!("hidden.{index}");
        x = graph.linear(&name, &name, &x)?;
        x = graph.relu(&format!("{name}.relu"), &x);
    }
    Ok(Written::logits_alone(graph.linear("head", LOGITS, &x)?))
}

/// The map averaged to a grid of this side, by a product for its rows and one for its columns.
fn averaged(graph: &mut GraphBuilder<'_>, map: &Map, side: usize) -> Value {
    let ImageShape { height, width, .. } = map.shape;
    if [height, width] == [side; 2] {
        return map.value.clone();
    }
    let rows = graph.floats("average.of_rows", &[side, height], &shares(height, side));
    let columns = shares(width, side);
    let transposed = (0..width).flat_map(|column| (0..side).map(move |place| place * width + column));
    let columns: Vec<f32> = transposed.map(|index| columns[index]).collect();
    let columns = graph.floats("average.of_columns", &[width, side], &columns);
    let averaged = graph.matmul("average.rows", &rows, &map.value);
    graph.matmul("average", &averaged, &columns)
}

/// The share that each of `length` values has in each of `count` means, `[count, length]`, as PyTorch's adaptive pooling
/// divides them.
fn shares(length: usize, count: usize) -> Vec<f32> {
    let row = |place: usize| {
        let (start, end) = (place * length / count, ((place + 1) * length).div_ceil(count));
        (0..length).map(move |index| if (start..end).contains(&index) { 1.0 / (end - start) as f32 } else { 0.0 })
    };
    (0..count).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_share_the_values_between_them() {
        assert_eq!(shares(4, 2), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
        assert_eq!(shares(3, 2), [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]);
        assert_eq!(shares(1, 2), [1.0, 1.0]);
    }
}
