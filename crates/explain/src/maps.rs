//! The maps of a method, by their kind.
//!
//! Drawing, scoring and writing go by the kind of a map and by what its numbers mean, never by the method it is from.

use serde::{Deserialize, Serialize};
use tinylsa_xai::{
    AttentionStatistics, Attribution, AttributionKind, FlowMaps, QueryMap, Segmentation, TokenGrid, TokenMatrix,
};

/// The maps of a method.
#[derive(Clone, Debug)]
pub enum Maps {
    /// One number for each pixel.
    Pixels(PixelMap),
    /// The attention of every layer.
    Attention(AttentionMaps),
    /// Attention multiplied through the layers.
    Rollout(RolloutMaps),
    /// Attention as the capacity of a network.
    Flow(FlowMap),
    /// The rows of chosen tokens.
    FixedQueries(FixedQueryMaps),
}

/// A number for each pixel.
#[derive(Clone, Debug)]
pub struct PixelMap {
    /// One number for each value of the image.
    pub attribution: Attribution,
    /// What the numbers count.
    pub quantity: Quantity,
    /// The standard error of each number, where the method has one.
    pub standard_error: Option<Vec<f32>>,
    /// What the map is constant on, for the methods that show and hide segments.
    pub segments: Option<SegmentMap>,
    /// What the sum of the map should account for, where the method promises that.
    pub accounts_for: Option<ScoreDifference>,
}

/// What the numbers of a map count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// What a pixel contributes to the score.
    Contribution,
    /// What a segment contributes to the score.
    SegmentContribution,
    /// How much the score changes with a pixel.
    Sensitivity,
    /// The square of that.
    SquaredSensitivity,
    /// By how much the score falls when a pixel is hidden together with its surroundings.
    Fall,
    /// By how much the mean score is higher while a pixel is shown, compared with the mean over all pixels.
    Gain,
    /// Feature maps weighted by the gradient of the score, at the place of a pixel.
    Activation,
}

impl Quantity {
    /// The unit, for logits as scores.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Contribution => "logits per pixel",
            Self::SegmentContribution => "logits per segment",
            Self::Sensitivity => "logits per unit of brightness",
            Self::SquaredSensitivity => "squared logits per unit of brightness",
            Self::Fall => "logits lost while hidden",
            Self::Gain => "logits gained while shown",
            Self::Activation => "gradient-weighted activation",
        }
    }

    /// What stands above a map.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Contribution => "contribution of each pixel",
            Self::SegmentContribution => "contribution of each segment",
            Self::Sensitivity | Self::SquaredSensitivity => "sensitivity to each pixel",
            Self::Fall => "fall of the logit while hidden",
            Self::Gain => "gain of the logit while shown",
            Self::Activation => "activation of the class",
        }
    }

    /// Whether the numbers speak for and against the class.
    pub fn has_sign(self) -> bool {
        match self {
            Self::Contribution
            | Self::SegmentContribution
            | Self::Sensitivity
            | Self::Fall
            | Self::Gain
            | Self::Activation => true,
            Self::SquaredSensitivity => false,
        }
    }

    /// How the numbers answer to a change of the image, for the scores of a map.
    pub fn kind(self) -> AttributionKind {
        match self {
            Self::Contribution | Self::SegmentContribution | Self::Fall | Self::Gain | Self::Activation => {
                AttributionKind::Contribution
            }
            Self::Sensitivity | Self::SquaredSensitivity => AttributionKind::Sensitivity,
        }
    }
}

/// The scores of the class at both ends of an explanation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreDifference {
    /// At the image.
    pub score: f64,
    /// At what the image is compared with: a baseline, the background, everything hidden.
    pub baseline_score: f64,
}

/// The values of segments, which the pixels of a segment share equally.
#[derive(Clone, Debug)]
pub struct SegmentMap {
    /// The segments.
    pub segmentation: Segmentation,
    /// One value for each segment.
    pub values: Vec<f64>,
    /// Their standard errors, where the method has them.
    pub standard_errors: Option<Vec<f64>>,
}

/// The attention of every layer, the first layer first.
#[derive(Clone, Debug)]
pub struct AttentionMaps {
    /// Where the tokens lie.
    pub grid: TokenGrid,
    /// What is shown of it.
    pub view: AttentionView,
    /// The layers.
    pub layers: Vec<AttentionLayer>,
}

/// What is shown of the attention of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionView {
    /// The heads fused.
    Fused,
    /// Every head.
    Heads,
}

/// The attention of one layer.
#[derive(Clone, Debug)]
pub struct AttentionLayer {
    /// One matrix for each head.
    pub heads: Vec<AttentionMatrix>,
    /// The heads fused.
    pub fused: AttentionMatrix,
}

/// An attention matrix `[tokens, tokens]` and what it looks like beyond its mean row.
#[derive(Clone, Debug)]
pub struct AttentionMatrix {
    /// Row `i` is what token `i` takes from every token.
    pub matrix: TokenMatrix,
    /// The matrix minus its mean row: the part that depends on the query.
    pub deviation: TokenMatrix,
    /// Entropy and query dependence, and the mean row itself.
    pub statistics: AttentionStatistics,
}

impl From<TokenMatrix> for AttentionMatrix {
    fn from(matrix: TokenMatrix) -> Self {
        Self { deviation: matrix.minus_mean_row(), statistics: AttentionStatistics::of(&matrix), matrix }
    }
}

/// Maps over the grid of tokens that go through all layers.
#[derive(Clone, Debug)]
pub struct RolloutMaps {
    /// Where the tokens lie.
    pub grid: TokenGrid,
    /// Row `i` is the map of query `i`.
    pub matrix: TokenMatrix,
    /// What the classifying head takes from each token of the grid, `[rows, columns]`.
    pub pooled: Vec<f64>,
    /// The queries that are shown.
    pub queries: Vec<usize>,
    /// Whether the map is weighted by the gradient of the class.
    pub gradient_weighted: bool,
}

/// Attention flow.
#[derive(Clone, Debug)]
pub struct FlowMap {
    /// Where the tokens lie.
    pub grid: TokenGrid,
    /// The flows from every token, and the share of them that depends on no query.
    pub flows: FlowMaps,
    /// What the classifying head takes from each token of the grid, `[rows, columns]`.
    pub pooled: Vec<f64>,
    /// The queries that are shown.
    pub queries: Vec<usize>,
}

/// The share of flows that depend on no query, in words.
pub(crate) fn saturation(fraction: f64) -> String {
    format!("saturated: {:.1} % of the flows are at their bound and do not depend on the query", 100.0 * fraction)
}

/// Where chosen tokens look.
#[derive(Clone, Debug)]
pub struct FixedQueryMaps {
    /// Where the tokens lie.
    pub grid: TokenGrid,
    /// The tokens that look, each with the reason why it was chosen, such as "centre".
    pub queries: Vec<MarkedToken>,
    /// For each layer, the first layer first, a map for each query: its row in every head, and the heads fused.
    pub layers: Vec<Vec<QueryMap>>,
    /// For each layer the mean row of the fused attention, from which the maps of the queries differ.
    pub mean_rows: Vec<Vec<f64>>,
}

/// A token and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedToken {
    /// The number of the token.
    pub token: usize,
    /// Such as "centre" or "largest attribution".
    pub reason: String,
}

/// A tensor and the name under which files hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Such as `layer-0/queries`; the name of the method is put in front of it.
    pub name: String,
    /// The dimensions.
    pub shape: Vec<usize>,
    /// The elements, in row-major order.
    pub elements: Elements,
}

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// 32-bit numbers.
    F32(Vec<f32>),
    /// 64-bit numbers.
    F64(Vec<f64>),
    /// Whole numbers.
    I64(Vec<i64>),
    /// Bytes.
    U8(Vec<u8>),
}

impl NamedTensor {
    /// A tensor of 32-bit numbers.
    pub fn f32(name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { name: name.into(), shape, elements: Elements::F32(values) }
    }

    /// A tensor of 64-bit numbers.
    pub fn f64(name: impl Into<String>, shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { name: name.into(), shape, elements: Elements::F64(values) }
    }

    /// A tensor of whole numbers.
    pub fn i64(name: impl Into<String>, shape: Vec<usize>, values: Vec<i64>) -> Self {
        Self { name: name.into(), shape, elements: Elements::I64(values) }
    }

    /// A tensor of bytes.
    pub fn u8(name: impl Into<String>, shape: Vec<usize>, values: Vec<u8>) -> Self {
        Self { name: name.into(), shape, elements: Elements::U8(values) }
    }

    /// A vector of 64-bit numbers.
    pub fn vector(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self::f64(name, vec![values.len()], values)
    }
}
