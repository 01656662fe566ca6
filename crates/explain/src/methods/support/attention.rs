//! For the methods that show attention.

use serde::Serialize;
use tinylsa_xai::{AttentionCheck, AttentionStatistics, ExplainError, HeadFusion, TokenGrid, fixed_query_positions};

use crate::error::Result;
use crate::explainable::ImageAttention;
use crate::maps::{AttentionLayer, AttentionMaps, AttentionMatrix, AttentionView, Maps};
use crate::method::{Diagnostics, Explained, MethodContext};

/// A larger difference between `A V` and what the layer computed is no rounding of f32.
const LARGEST_DEVIATION: f64 = 1e-5;
/// Attention above this relative entropy looks the same from every token.
const FLAT: f64 = 0.95;

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
