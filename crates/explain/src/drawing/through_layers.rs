//! Rollout and flow: maps that go through all layers, pooled and for some queries.

use crate::error::{Context, Result};
use tinylsa_report::{AttentionScale, MapMatrix, MatrixRow, MatrixScale, Panel, RgbImage, SharedScale, ValueMap};
use tinylsa_xai::TokenGrid;

use super::shown::{grid, multiples, with_query};
use super::subject::Subject;
use super::words::{self, GRADIENT_ROLLOUT_UNIT, MULTIPLE_UNIT};
use crate::explanation::MethodExplanation;
use crate::maps::{FlowMap, RolloutMaps, saturation};

const PANEL_WIDTH: usize = 112;

/// The map of one query.
struct OfQuery {
    token: usize,
    map: ValueMap,
}

/// A pooled map beside those of queries.
struct Maps {
    grid: TokenGrid,
    pooled: ValueMap,
    queries: Vec<OfQuery>,
    /// Whether the maps are multiples of an even share, less 1.
    are_multiples: bool,
}

pub(super) fn draw_rollout(subject: &Subject<'_>, method: &MethodExplanation, maps: &RolloutMaps) -> Result<RgbImage> {
    let size = maps.grid;
    let shown = if maps.gradient_weighted { grid } else { multiples };
    let mut queries = Vec::new();
    for &token in &maps.queries {
        queries.push(OfQuery { token, map: shown(maps.matrix.row(token)?, size)? });
    }
    let pooled = shown(&maps.pooled, size)?;
    draw(subject, method, &Maps { grid: size, pooled, queries, are_multiples: !maps.gradient_weighted }, Vec::new())
}

pub(super) fn draw_flow(subject: &Subject<'_>, method: &MethodExplanation, map: &FlowMap) -> Result<RgbImage> {
    let size = map.grid;
    let mut queries = Vec::new();
    for &token in &map.queries {
        let place = map.flows.queries.iter().position(|&query| query == token);
        let place = place.with_context(|| format!("there is no flow from token {token}"))?;
        queries.push(OfQuery { token, map: multiples(&map.flows.normalised(place)?, size)? });
    }
    let maps = Maps { grid: size, pooled: multiples(&map.pooled, size)?, queries, are_multiples: true };
    let saturated = saturation(map.flows.saturated_fraction);
    draw(subject, method, &maps, vec![saturated, "the flow of a query is scaled to sum to 1".to_owned()])
}

fn draw(subject: &Subject<'_>, method: &MethodExplanation, maps: &Maps, mut notes: Vec<String>) -> Result<RgbImage> {
    let all = || maps.queries.iter().map(|query| &query.map).chain([&maps.pooled]);
    let grey = &subject.grey;
    let panel: Box<dyn Fn(&ValueMap) -> Panel> = if maps.are_multiples {
        let even = beside_own_tokens(all())?.with_unit(MULTIPLE_UNIT);
        Box::new(move |map| Panel::deviation("", grey, map, &even))
    } else {
        let weights = AttentionScale::from_zero(all())?.with_unit(GRADIENT_ROLLOUT_UNIT);
        Box::new(move |map| Panel::attention("", grey, map, &weights))
    };
    let deviations =
        maps.queries.iter().map(|query| query.map.deviation_from(&maps.pooled)).collect::<Result<Vec<_>, _>>()?;
    let mut columns = vec!["pooled".to_owned()];
    let mut first = vec![Some(panel(&maps.pooled))];
    for query in &maps.queries {
        columns.push(format!("query {}", maps.grid.place_of(query.token)));
        first.push(Some(with_query(panel(&query.map), query.token, maps.grid)));
    }
    let mut rows = vec![MatrixRow { heading: "map".to_owned(), panels: first }];
    if !deviations.is_empty() {
        let signed = beside_own_tokens(&deviations)?.with_unit("difference from the pooled map, in the same unit");
        let mut second = vec![None];
        second.extend(maps.queries.iter().zip(&deviations).map(|(query, deviation)| {
            Some(with_query(Panel::deviation("", &subject.grey, deviation, &signed), query.token, maps.grid))
        }));
        rows.push(MatrixRow { heading: "minus the pooled map".to_owned(), panels: second });
    }
    if !maps.queries.is_empty() {
        notes.push(
            "a query keeps most of its own token by the residual connection, beyond the end of the scale".to_owned(),
        );
    }
    let pooled = if subject.explanation.attention.reads_by_class {
        "pooled: the queries weighed as the class weighs the tokens of the last layer"
    } else {
        "pooled: the mean over all queries, which is what the classifying head takes"
    };
    notes.push(pooled.to_owned());
    notes.push(words::COUNTING.to_owned());
    notes.extend(words::about_tokens(&subject.explanation.attention));
    notes.extend(words::notes(method));
    Ok(MapMatrix {
        title: subject.title(method),
        subtitle: subject.subtitle(),
        image: Some(subject.panel()),
        panel_width: PANEL_WIDTH,
        columns,
        rows,
        scale: MatrixScale::AsGiven,
        notes,
    }
    .draw()?)
}

/// The scale that leaves out as many of the largest values as there are maps: the token of each query, which would pale
/// all others.
fn beside_own_tokens<'a>(maps: impl IntoIterator<Item = &'a ValueMap> + Clone) -> Result<SharedScale> {
    let tokens = maps.clone().into_iter().map(|map| map.values().len()).max().unwrap_or(1).max(2);
    // a little less, so that rounding does not let one of them in
    Ok(SharedScale::percentile(maps, 100.0 * (1.0 - 1.0 / tokens as f64) - 1e-9)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_query_leaves_the_others_their_colours() {
        let of_query = |own: usize| {
            let values: Vec<f32> = (0..9).map(|token| if token == own { 12.0 } else { 0.1 * token as f32 }).collect();
            ValueMap::new([3, 3], &values).unwrap()
        };
        let scale = beside_own_tokens(&[of_query(0), of_query(4)]).unwrap();
        assert!((scale.limit() - 0.8).abs() < 1e-6, "{}", scale.limit());
        // a single token is all that there is
        assert!((beside_own_tokens(&[ValueMap::new([1, 1], &[2.0]).unwrap()]).unwrap().limit() - 2.0).abs() < 1e-6);
    }
}
