use serde::Serialize;
use tinylsa_explain::{
    AttentionMaps, AttentionView, FixedQueryMaps, FlowMap, Maps, MarkedToken, PixelMap, Quantity, RolloutMaps,
};
use tinylsa_xai::{TokenGrid, TokenMatrix};

/// Where the tokens lie on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct GridAnswer {
    rows: usize,
    columns: usize,
    /// Tokens before those of the image, such as a class token.
    prefix: usize,
}

impl From<TokenGrid> for GridAnswer {
    fn from(grid: TokenGrid) -> Self {
        Self { rows: grid.rows, columns: grid.columns, prefix: grid.prefix }
    }
}

/// The maps of a method.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum MapsAnswer {
    Pixels(PixelsAnswer),
    Attention(AttentionAnswer),
    Rollout(RolloutAnswer),
    Flow(FlowAnswer),
    FixedQueries(FixedQueriesAnswer),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct PixelsAnswer {
    quantity: &'static str,
    unit: &'static str,
    heading: &'static str,
    has_sign: bool,
    values: Vec<f32>,
    standard_error: Option<Vec<f32>>,
    segments: Option<SegmentsAnswer>,
    accounts_for: Option<DifferenceAnswer>,
}

#[derive(Clone, Debug, Serialize)]
struct SegmentsAnswer {
    labels: Vec<usize>,
    values: Vec<f32>,
    standard_errors: Option<Vec<f32>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct DifferenceAnswer {
    score: f64,
    baseline_score: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttentionAnswer {
    view: &'static str,
    grid: GridAnswer,
    layers: Vec<LayerAnswer>,
}

#[derive(Clone, Debug, Serialize)]
struct LayerAnswer {
    heads: Vec<Vec<f32>>,
    fused: Vec<f32>,
    deviation: Vec<f32>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RolloutAnswer {
    grid: GridAnswer,
    matrix: Vec<f32>,
    pooled: Vec<f32>,
    queries: Vec<usize>,
    gradient_weighted: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowAnswer {
    grid: GridAnswer,
    queries: Vec<usize>,
    flows: Vec<Vec<f32>>,
    pooled: Vec<f32>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FixedQueriesAnswer {
    grid: GridAnswer,
    queries: Vec<MarkedToken>,
    layers: Vec<Vec<QueryAnswer>>,
    mean_rows: Vec<Vec<f32>>,
}

#[derive(Clone, Debug, Serialize)]
struct QueryAnswer {
    heads: Vec<Vec<f32>>,
    fused: Vec<f32>,
}

/// Numbers as a page needs them.
pub(crate) fn floats(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn matrix(matrix: &TokenMatrix) -> Vec<f32> {
    floats(matrix.values())
}

impl From<&Maps> for MapsAnswer {
    fn from(maps: &Maps) -> Self {
        match maps {
            Maps::Pixels(map) => Self::Pixels(map.into()),
            Maps::Attention(maps) => Self::Attention(maps.into()),
            Maps::Rollout(maps) => Self::Rollout(maps.into()),
            Maps::Flow(map) => Self::Flow(map.into()),
            Maps::FixedQueries(maps) => Self::FixedQueries(maps.into()),
        }
    }
}

impl From<&PixelMap> for PixelsAnswer {
    fn from(map: &PixelMap) -> Self {
        let segments = map.segments.as_ref().map(|segments| SegmentsAnswer {
            labels: segments.segmentation.labels().to_vec(),
            values: floats(&segments.values),
            standard_errors: segments.standard_errors.as_deref().map(floats),
        });
        let difference = |ends: tinylsa_explain::ScoreDifference| DifferenceAnswer {
            score: ends.score,
            baseline_score: ends.baseline_score,
        };
        Self {
            quantity: name(map.quantity),
            unit: map.quantity.unit(),
            heading: map.quantity.heading(),
            has_sign: map.quantity.has_sign(),
            values: map.attribution.values.clone(),
            standard_error: map.standard_error.clone(),
            segments,
            accounts_for: map.accounts_for.map(difference),
        }
    }
}

fn name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Contribution => "contribution",
        Quantity::SegmentContribution => "segment-contribution",
        Quantity::Sensitivity => "sensitivity",
        Quantity::SquaredSensitivity => "squared-sensitivity",
        Quantity::Fall => "fall",
        Quantity::Gain => "gain",
        Quantity::Activation => "activation",
    }
}

impl From<&AttentionMaps> for AttentionAnswer {
    fn from(maps: &AttentionMaps) -> Self {
        let layer = |layer: &tinylsa_explain::AttentionLayer| LayerAnswer {
            heads: layer.heads.iter().map(|head| matrix(&head.matrix)).collect(),
            fused: matrix(&layer.fused.matrix),
            deviation: matrix(&layer.fused.deviation),
        };
        let view = match maps.view {
            AttentionView::Fused => "fused",
            AttentionView::Heads => "heads",
        };
        Self { view, grid: maps.grid.into(), layers: maps.layers.iter().map(layer).collect() }
    }
}

impl From<&RolloutMaps> for RolloutAnswer {
    fn from(maps: &RolloutMaps) -> Self {
        Self {
            grid: maps.grid.into(),
            matrix: matrix(&maps.matrix),
            pooled: floats(&maps.pooled),
            queries: maps.queries.clone(),
            gradient_weighted: maps.gradient_weighted,
        }
    }
}

impl From<&FlowMap> for FlowAnswer {
    fn from(map: &FlowMap) -> Self {
        let flows = &map.flows;
        Self {
            grid: map.grid.into(),
            // of the queries that are shown, those that the flows were computed of
            queries: flows.queries.clone(),
            flows: flows.flows.chunks_exact(flows.tokens.max(1)).map(floats).collect(),
            pooled: floats(&map.pooled),
        }
    }
}

impl From<&FixedQueryMaps> for FixedQueriesAnswer {
    fn from(maps: &FixedQueryMaps) -> Self {
        let query = |query: &tinylsa_xai::QueryMap| QueryAnswer {
            heads: query.heads.iter().map(|row| floats(row)).collect(),
            fused: floats(&query.fused),
        };
        Self {
            grid: maps.grid.into(),
            queries: maps.queries.clone(),
            layers: maps.layers.iter().map(|layer| layer.iter().map(query).collect()).collect(),
            mean_rows: maps.mean_rows.iter().map(|row| floats(row)).collect(),
        }
    }
}
