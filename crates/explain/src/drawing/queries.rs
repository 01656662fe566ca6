//! Where chosen tokens look, in every layer, head by head and with heads fused.

use crate::error::Result;
use tinylsa_report::{AttentionScale, MapMatrix, MatrixRow, MatrixScale, Panel, RgbImage, SharedScale, ValueMap};
use tinylsa_xai::TokenGrid;

use super::shown::{grid, with_query};
use super::subject::Subject;
use super::words::{self, ATTENTION_UNIT, DEVIATION_UNIT};
use crate::explanation::MethodExplanation;
use crate::maps::{FixedQueryMaps, MarkedToken};

const PANEL_WIDTH: usize = 112;

/// The maps of all queries in one layer.
struct Layer {
    fused: Vec<ValueMap>,
    deviations: Vec<ValueMap>,
    /// For each head a map of each query.
    heads: Vec<Vec<ValueMap>>,
}

/// A column for each query; for each layer a row with heads fused, one without the mean, and one for each head.
pub(super) fn draw(subject: &Subject<'_>, method: &MethodExplanation, maps: &FixedQueryMaps) -> Result<RgbImage> {
    let size = maps.grid;
    let layers = layers(maps)?;
    let weights = AttentionScale::from_zero(
        layers.iter().flat_map(|layer| layer.fused.iter().chain(layer.heads.iter().flatten())),
    )?
    .with_unit(ATTENTION_UNIT);
    let signed = SharedScale::largest(layers.iter().flat_map(|layer| &layer.deviations))?.with_unit(DEVIATION_UNIT);
    let row = |heading: String, maps_of_queries: &[ValueMap]| MatrixRow {
        heading,
        panels: maps_of_queries
            .iter()
            .zip(&maps.queries)
            .map(|(map, query)| Some(with_query(Panel::attention("", &subject.grey, map, &weights), query.token, size)))
            .collect(),
    };
    let mut rows = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        rows.push(row(format!("layer {index}, heads fused"), &layer.fused));
        rows.push(MatrixRow {
            heading: format!("layer {index}, heads fused, minus the mean over all queries"),
            panels: layer
                .deviations
                .iter()
                .zip(&maps.queries)
                .map(|(map, query)| {
                    Some(with_query(Panel::deviation("", &subject.grey, map, &signed), query.token, size))
                })
                .collect(),
        });
        for (head, head_maps) in layer.heads.iter().enumerate() {
            rows.push(row(format!("layer {index}, head {head}"), head_maps));
        }
    }
    let mut notes = vec![words::COUNTING.to_owned()];
    notes.extend(words::about_tokens(&subject.explanation.attention));
    notes.extend(words::notes(method));
    Ok(MapMatrix {
        title: subject.title(method),
        subtitle: subject.subtitle(),
        image: Some(subject.panel()),
        panel_width: PANEL_WIDTH,
        columns: maps.queries.iter().map(|query| heading(query, size)).collect(),
        rows,
        scale: MatrixScale::AsGiven,
        notes,
    }
    .draw()?)
}

fn layers(maps: &FixedQueryMaps) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for (queries, mean_row) in maps.layers.iter().zip(&maps.mean_rows) {
        let mean = grid(mean_row, maps.grid)?;
        let fused = queries.iter().map(|q| grid(&q.fused, maps.grid)).collect::<Result<Vec<_>>>()?;
        let deviations = fused.iter().map(|map| map.deviation_from(&mean)).collect::<Result<Vec<_>, _>>()?;
        let heads = queries.iter().map(|query| query.heads.len()).min().unwrap_or(0);
        let of_head = |head: usize| queries.iter().map(move |query| grid(&query.heads[head], maps.grid));
        let heads = (0..heads).map(|head| of_head(head).collect()).collect::<Result<Vec<Vec<ValueMap>>>>()?;
        layers.push(Layer { fused, deviations, heads });
    }
    Ok(layers)
}

/// Such as "centre: row 3, column 3"; a class token has no place to be named.
fn heading(query: &MarkedToken, grid: TokenGrid) -> String {
    let place = grid.place_of(query.token);
    if query.reason == place { place } else { format!("{}: {place}", query.reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_named_once() {
        let grid = TokenGrid::new(3, 2).with_prefix(1);
        let query = |token, reason: &str| heading(&MarkedToken { token, reason: reason.to_owned() }, grid);
        assert_eq!(query(0, "class token"), "class token");
        assert_eq!(query(0, "class token, chosen"), "class token, chosen: class token");
        assert_eq!(query(4, "centre"), "centre: row 1, column 1");
    }
}
