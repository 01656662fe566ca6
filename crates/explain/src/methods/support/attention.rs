//! For the methods that show attention.

use serde::Serialize;
use tinylsa_xai::{
    AttentionCheck, AttentionStatistics, ExplainError, HeadFusion, TokenGrid, TokenMatrix, fixed_query_positions,
};

use crate::error::Result;
use crate::explainable::ImageAttention;
use crate::maps::{AttentionLayer, AttentionMaps, AttentionMatrix, AttentionView, Maps};
use crate::method::{Diagnostics, Explained, MethodContext};

/// A larger difference between `A V` and what the layer computed is no rounding of f32.
const LARGEST_DEVIATION: f64 = 1e-5;
/// Attention above this relative entropy looks the same from every token.
const FLAT: f64 = 0.95;
/// A token that takes this many times an even share of the attention of all queries is a sink.
const SINK: f64 = 5.0;

/// What does not depend on the method: the check of every layer.
pub(crate) fn check_warnings(traced: &ImageAttention) -> Vec<String> {
    let off = |(layer, check): (usize, &AttentionCheck)| {
        (check.largest_deviation > LARGEST_DEVIATION).then(|| {
            format!("layer {layer} computed something else than A·V: they differ by {:.1e}", check.largest_deviation)
        })
    };
    traced.checks.iter().enumerate().filter_map(off).collect()
}

pub(crate) fn flat_warning(layer: usize, statistics: &AttentionStatistics) -> Option<String> {
    (statistics.relative_entropy > FLAT).then(|| {
        format!(
            "layer {layer} is almost uniform (entropy {:.1} % of the largest), and rows differ from their mean by \
             {:.1} %: look at the deviation, not at the matrix",
            100.0 * statistics.relative_entropy,
            100.0 * statistics.query_dependence
        )
    })
}

/// Names the token that takes far more of the attention of all queries than the others, as class tokens and corners over
/// empty ground do: attention that has nowhere to go, not a find (Darcet et al. 2024, "Vision transformers need
/// registers"; Xiao et al. 2024, "Efficient streaming language models with attention sinks").
fn sink_warning(place: &str, matrix: &TokenMatrix, grid: TokenGrid) -> Option<String> {
    let mean = matrix.mean_row();
    let (token, share) =
        mean.iter().copied().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let multiple = share * mean.len() as f64;
    (multiple >= SINK).then(|| {
        format!(
            "{place}: {} takes {:.0} % of the attention of all queries, {multiple:.0} times an even share: an attention \
             sink, which need not matter to the prediction",
            grid.place_of(token),
            100.0 * share
        )
    })
}

/// The statistics of a matrix without its mean row, which is written as a tensor.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MatrixStatistics {
    relative_entropy: f64,
    smallest_relative_entropy: f64,
    query_dependence: f64,
    largest_query_dependence: f64,
}

impl From<&AttentionStatistics> for MatrixStatistics {
    fn from(of: &AttentionStatistics) -> Self {
        Self {
            relative_entropy: of.relative_entropy,
            smallest_relative_entropy: of.smallest_relative_entropy,
            query_dependence: of.query_dependence,
            largest_query_dependence: of.largest_query_dependence,
        }
    }
}

/// How a map over the tokens is spread.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Concentration {
    largest: f64,
    mean: f64,
    smallest: f64,
}

impl Concentration {
    pub(crate) fn of(map: &[f64]) -> Self {
        Self {
            largest: map.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean: map.iter().sum::<f64>() / map.len() as f64,
            smallest: map.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }
}

/// The tokens whose maps are shown: the class token if there is one, the centre and the corners.
pub(crate) fn shown_queries(grid: TokenGrid) -> Result<Vec<usize>, ExplainError> {
    Ok(fixed_query_positions(grid)?.into_iter().map(|query| query.token).collect())
}

#[derive(Debug, Serialize)]
struct LayerDiagnostics {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<AttentionCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heads: Option<Vec<MatrixStatistics>>,
    fused: MatrixStatistics,
}

#[derive(Debug, Serialize)]
struct LayersDiagnostics {
    layers: Vec<LayerDiagnostics>,
}

impl Diagnostics for LayersDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let of_layer = |(index, layer): (usize, &LayerDiagnostics)| {
            format!(
                "layer {index}: entropy {:.3} of ln N, dependence on the query {:.3}",
                layer.fused.relative_entropy, layer.fused.query_dependence
            )
        };
        self.layers.iter().enumerate().map(of_layer).collect()
    }
}

/// The matrices of every layer, heads fused or one by one.
pub(crate) fn layer_maps(at: &MethodContext<'_>, fusion: HeadFusion, view: AttentionView) -> Result<Explained> {
    let traced = at.attention()?;
    let mut layers = Vec::with_capacity(traced.layers.len());
    for layer in &traced.layers {
        let heads = (0..layer.heads()).map(|head| Ok(AttentionMatrix::from(layer.head(head)?)));
        let heads = heads.collect::<Result<Vec<_>, ExplainError>>()?;
        layers.push(AttentionLayer { heads, fused: layer.fused(fusion).into() });
    }
    let mut warnings = check_warnings(traced);
    for (index, layer) in layers.iter().enumerate() {
        warnings.extend(flat_warning(index, &layer.fused.statistics));
        match view {
            AttentionView::Fused => {
                warnings.extend(sink_warning(&format!("layer {index}"), &layer.fused.matrix, traced.grid));
            }
            AttentionView::Heads => {
                let of_head = |(head, matrix): (usize, &AttentionMatrix)| {
                    sink_warning(&format!("layer {index}, head {head}"), &matrix.matrix, traced.grid)
                };
                warnings.extend(layer.heads.iter().enumerate().filter_map(of_head));
            }
        }
    }
    let of_layer = |(index, layer): (usize, &AttentionLayer)| LayerDiagnostics {
        check: traced.checks.get(index).copied(),
        heads: match view {
            AttentionView::Fused => None,
            AttentionView::Heads => Some(layer.heads.iter().map(|head| (&head.statistics).into()).collect()),
        },
        fused: (&layer.fused.statistics).into(),
    };
    let diagnostics = LayersDiagnostics { layers: layers.iter().enumerate().map(of_layer).collect() };
    Ok(Explained {
        maps: Maps::Attention(AttentionMaps { grid: traced.grid, view, layers }),
        diagnostics: Box::new(diagnostics),
        warnings,
        evidence: traced.evidence.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinylsa_xai::LayerAttention;

    #[test]
    fn a_token_that_takes_most_of_the_attention_is_named() {
        let grid = TokenGrid::new(3, 3);
        // every query gives the token in row 0, column 2 the same share, and shares the rest evenly
        let matrix = |share: f64| {
            let row = (0..9).map(move |token| if token == 2 { share } else { (1.0 - share) / 8.0 });
            let values = (0..9).flat_map(|_| row.clone()).collect();
            LayerAttention::new(values, 1, 9).unwrap().head(0).unwrap()
        };
        let warning = sink_warning("layer 1, head 0", &matrix(0.6), grid).unwrap();
        let expected =
            "layer 1, head 0: row 0, column 2 takes 60 % of the attention of all queries, 5 times an even share";
        assert!(warning.starts_with(expected), "{warning}");
        assert_eq!(sink_warning("layer 1", &matrix(0.5), grid), None);
        assert_eq!(sink_warning("layer 1", &matrix(1.0 / 9.0), grid), None);
    }
}
