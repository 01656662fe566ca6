//! The attention of every layer, with heads fused or one by one.

use crate::error::Result;
use tinylsa_report::{AttentionScale, MapMatrix, MatrixRow, MatrixScale, Panel, RgbImage, SharedScale, ValueMap};
use tinylsa_xai::TokenGrid;

use super::shown::{grid, map, with_query};
use super::subject::Subject;
use super::words::{self, ATTENTION_UNIT, DEVIATION_UNIT};
use crate::explanation::MethodExplanation;
use crate::maps::{AttentionMaps, AttentionMatrix};

/// 21 pixels a token of a 7 × 7 grid, 3 an entry of its attention matrix.
const PANEL_WIDTH: usize = 147;

/// What is shown of one attention matrix.
struct Shown {
    /// What tokens take on average.
    mean: ValueMap,
    /// The query whose row is farthest from the mean.
    query: usize,
    /// The row of that query.
    row: ValueMap,
    /// The row minus the mean.
    deviation: ValueMap,
    /// The matrix, a row of it for each query.
    all: ValueMap,
    /// The matrix minus the mean of each of its columns.
    all_deviations: ValueMap,
    entropy: f64,
    query_dependence: f64,
}

impl Shown {
    fn of(matrix: &AttentionMatrix, size: TokenGrid) -> Result<Self> {
        let tokens = matrix.matrix.tokens();
        let query = farthest_query(matrix);
        Ok(Self {
            mean: grid(&matrix.matrix.mean_row(), size)?,
            query,
            row: grid(matrix.matrix.row(query)?, size)?,
            deviation: grid(matrix.deviation.row(query)?, size)?,
            all: map(matrix.matrix.values(), [tokens; 2])?,
            all_deviations: map(matrix.deviation.values(), [tokens; 2])?,
            entropy: matrix.statistics.relative_entropy,
            query_dependence: matrix.statistics.query_dependence,
        })
    }

    fn statistics(&self) -> String {
        format!("entropy {:.3} dependence {:.3}", self.entropy, self.query_dependence)
    }
}

/// The query whose row differs most from the mean row.
pub(super) fn farthest_query(matrix: &AttentionMatrix) -> usize {
    let distance = |row: &[f64]| row.iter().map(|value| value.abs()).sum::<f64>();
    let rows = matrix.deviation.rows().enumerate();
    // the first of equal ones
    rows.map(|(query, row)| (query, distance(row)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map_or(0, |(query, _)| query)
}

/// Heads fused: maps over the image and the whole matrices, a row for each layer.
pub(super) fn draw_layers(subject: &Subject<'_>, method: &MethodExplanation, maps: &AttentionMaps) -> Result<RgbImage> {
    let size = maps.grid;
    let shown = maps.layers.iter().map(|layer| Shown::of(&layer.fused, size)).collect::<Result<Vec<_>>>()?;
    let weights = AttentionScale::from_zero(shown.iter().flat_map(|layer| [&layer.mean, &layer.row, &layer.all]))?
        .with_unit(ATTENTION_UNIT);
    let signed = SharedScale::largest(shown.iter().flat_map(|layer| [&layer.deviation, &layer.all_deviations]))?
        .with_unit(DEVIATION_UNIT);
    let rows = shown.iter().enumerate().map(|(index, layer)| {
        let overlay = |grid| Panel::attention("", &subject.grey, grid, &weights);
        let deviation = Panel::deviation("", &subject.grey, &layer.deviation, &signed);
        MatrixRow {
            heading: format!("layer {index}, heads fused: {}", layer.statistics()),
            panels: vec![
                Some(overlay(&layer.mean)),
                Some(with_query(overlay(&layer.row), layer.query, size).note(size.place_of(layer.query))),
                Some(with_query(deviation, layer.query, size).note(size.place_of(layer.query))),
                Some(Panel::magnitude("", &layer.all, &weights)),
                Some(Panel::attribution("", &layer.all_deviations, &signed)),
            ],
        }
    });
    let columns = [
        "A, mean over all queries",
        "A of the query that differs most",
        "that query minus the mean",
        "A: a row for each query",
        "A minus its column mean",
    ];
    Ok(MapMatrix {
        title: subject.title(method),
        subtitle: subject.subtitle(),
        image: Some(subject.panel()),
        panel_width: PANEL_WIDTH,
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        scale: MatrixScale::AsGiven,
        notes: notes(subject, method),
    }
    .draw()?)
}

/// Every head of every layer.
pub(super) fn draw_heads(subject: &Subject<'_>, method: &MethodExplanation, maps: &AttentionMaps) -> Result<RgbImage> {
    let size = maps.grid;
    let mut layers = Vec::new();
    for layer in &maps.layers {
        let matrices = layer.heads.iter().chain([&layer.fused]);
        layers.push(matrices.map(|matrix| Shown::of(matrix, size)).collect::<Result<Vec<_>>>()?);
    }
    let all = || layers.iter().flatten();
    let weights = AttentionScale::from_zero(all().map(|head| &head.mean))?.with_unit(ATTENTION_UNIT);
    let signed = SharedScale::largest(all().map(|head| &head.deviation))?.with_unit(DEVIATION_UNIT);
    let mut rows = Vec::new();
    for (index, heads) in layers.iter().enumerate() {
        let mean = |head: &Shown| Panel::attention("", &subject.grey, &head.mean, &weights).note(head.statistics());
        let deviation = |head: &Shown| {
            let panel = Panel::deviation("", &subject.grey, &head.deviation, &signed);
            with_query(panel, head.query, size).note(size.place_of(head.query))
        };
        rows.push(MatrixRow {
            heading: format!("layer {index}: A, mean over all queries"),
            panels: heads.iter().map(|head| Some(mean(head))).collect(),
        });
        rows.push(MatrixRow {
            heading: format!("layer {index}: the query that differs most, minus the mean"),
            panels: heads.iter().map(|head| Some(deviation(head))).collect(),
        });
    }
    let heads = layers.iter().map(Vec::len).max().unwrap_or(1) - 1;
    let columns = (0..heads).map(|head| format!("head {head}")).chain(["heads fused".to_owned()]);
    Ok(MapMatrix {
        title: subject.title(method),
        subtitle: subject.subtitle(),
        image: Some(subject.panel()),
        panel_width: PANEL_WIDTH,
        columns: columns.collect(),
        rows,
        scale: MatrixScale::AsGiven,
        notes: notes(subject, method),
    }
    .draw()?)
}

fn notes(subject: &Subject<'_>, method: &MethodExplanation) -> Vec<String> {
    let mut notes = vec![
        "entropy: of the rows of A, over ln N; 1 is uniform".to_owned(),
        "dependence on the query: mean total variation distance of a row from the mean row; 0 if all are equal"
            .to_owned(),
        words::COUNTING.to_owned(),
    ];
    notes.extend(words::about_tokens(&subject.explanation.attention));
    notes.extend(words::notes(method));
    notes
}
