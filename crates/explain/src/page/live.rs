//! An explained image as a page shows it alive.

use tinylsa_report::{Block, LiveContents, LiveLayer, LiveMap, LiveMatrix, live_budget};
use tinylsa_xai::{TokenGrid, TokenMatrix};

use crate::error::{Context, Result};
use crate::explanation::{ImageExplanation, MethodExplanation};
use crate::maps::{AttentionMaps, Maps, PixelMap};

/// The live view of an image, or nothing if no map of it can be shown alive.
///
/// # Errors
/// If the image has not the form of images of a page.
pub(super) fn live_view(explanation: &ImageExplanation, label: String) -> Result<Option<Block>> {
    let [channels, height, width] = explanation.image.shape().dims();
    let level = |value: &f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    let mut contents = LiveContents {
        label,
        shape: [channels, height, width],
        pixels: explanation.image.values().iter().map(level).collect(),
        ..LiveContents::default()
    };
    for method in &explanation.methods {
        add(&mut contents, method);
    }
    if contents.maps.is_empty() && contents.layers.is_empty() && contents.through.is_empty() {
        return Ok(None);
    }
    let failed = || format!("failed to put {} on a page", explanation.id);
    Ok(Some(Block::Live(contents.pack(live_budget()).with_context(failed)?)))
}

fn add(contents: &mut LiveContents, method: &MethodExplanation) {
    match &method.maps {
        Maps::Pixels(map) => contents.maps.push(pixel_map(method, map)),
        Maps::Attention(maps) => add_layers(contents, maps),
        // the view is of a hovered token, whatever the class
        Maps::Rollout(maps) if maps.gradient_weighted => {}
        Maps::Rollout(maps) => {
            let matrix = on_grid(&maps.matrix, maps.grid);
            add_matrix(contents, method, maps.grid, matrix);
        }
        Maps::Flow(map) => {
            let is_whole = map.flows.queries.iter().copied().eq(0..map.flows.tokens);
            if is_whole {
                let matrix = within_grid(&map.flows.flows, map.flows.tokens, map.grid);
                add_matrix(contents, method, map.grid, matrix);
            }
        }
        // rows of matrices that are shown whole
        Maps::FixedQueries(_) => {}
    }
}

/// The attention of the view that has more heads.
fn add_layers(contents: &mut LiveContents, maps: &AttentionMaps) {
    let heads = |count: usize| count > 1;
    let has_heads = contents.layers.iter().any(|layer| heads(layer.heads.len()));
    if !contents.layers.is_empty() && has_heads {
        return;
    }
    contents.grid = [maps.grid.rows, maps.grid.columns];
    let of_layer = |layer: &crate::maps::AttentionLayer| {
        let heads: Vec<Vec<f64>> = layer.heads.iter().map(|head| on_grid(&head.matrix, maps.grid)).collect();
        let fused = on_grid(&layer.fused.matrix, maps.grid);
        let count = heads.len() as f64;
        let is_mean = !heads.is_empty()
            && fused.iter().enumerate().all(|(entry, value)| {
                let mean = heads.iter().map(|head| head[entry]).sum::<f64>() / count;
                (mean - value).abs() < 1e-6
            });
        LiveLayer { heads, fused: if is_mean { Vec::new() } else { fused } }
    };
    contents.layers = maps.layers.iter().map(of_layer).collect();
}

fn add_matrix(contents: &mut LiveContents, method: &MethodExplanation, grid: TokenGrid, matrix: Vec<f64>) {
    let grid = [grid.rows, grid.columns];
    let is_first = contents.layers.is_empty() && contents.through.is_empty();
    if is_first {
        contents.grid = grid;
    }
    if contents.grid == grid {
        let (name, title) = (method.method.name().to_owned(), method.method.title().to_owned());
        contents.through.push(LiveMatrix { name, title, matrix });
    }
}

/// The rows and columns of the tokens that lie on the image.
fn on_grid(matrix: &TokenMatrix, grid: TokenGrid) -> Vec<f64> {
    within_grid(matrix.values(), matrix.tokens(), grid)
}

fn within_grid(values: &[f64], tokens: usize, grid: TokenGrid) -> Vec<f64> {
    values.chunks(tokens.max(1)).skip(grid.prefix).flat_map(|row| row[grid.prefix..].iter().copied()).collect()
}

fn pixel_map(method: &MethodExplanation, map: &PixelMap) -> LiveMap {
    let facts = method.method.facts();
    let [_, height, width] = map.attribution.shape.dims();
    let values = &map.attribution.values;
    let size = height * width;
    LiveMap {
        name: facts.name.to_owned(),
        title: facts.title.to_owned(),
        shows: facts.meaning.shows.to_owned(),
        does_not_show: facts.meaning.does_not_show.to_owned(),
        unit: map.quantity.unit().to_owned(),
        signed: map.quantity.has_sign(),
        values: (0..size).map(|pixel| values.iter().skip(pixel).step_by(size).sum()).collect(),
    }
}
