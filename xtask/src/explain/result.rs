//! What explaining a picture leaves: everything that is written, drawn and scored afterwards.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tinylsa_xai::{
    AttentionStatistics, Attribution, BootstrapInterval, Direction, FlowMaps, Picture, QueryMap, ScoreKind,
    Segmentation, TokenMatrix,
};

use super::Method;

/// One picture, explained by several methods.
#[derive(Clone, Debug)]
pub(crate) struct PictureExplanation {
    /// The name of the picture's folder, such as `test-17` or the stem of a file.
    pub(crate) id: String,
    pub(crate) source: Source,
    /// Why the picture was chosen, such as "right with the highest confidence"; nothing if it was named.
    pub(crate) choice: Option<String>,
    /// `[1, height, width]`, 0 is black and 1 is white.
    pub(crate) picture: Picture,
    /// The true class, where it is known.
    pub(crate) label: Option<usize>,
    /// The class of the largest logit.
    pub(crate) predicted: usize,
    /// The class that is explained.
    pub(crate) target: usize,
    /// One for each class.
    pub(crate) logits: Vec<f32>,
    /// Their softmax.
    pub(crate) probabilities: Vec<f32>,
    /// The softmax of the logits divided by the temperature, where the model has one.
    pub(crate) calibrated: Option<Vec<f32>>,
    /// The temperature that the model file holds.
    pub(crate) temperature: Option<f64>,
    /// The names of the classes.
    pub(crate) class_names: Vec<String>,
    /// The pixels that decide the class, where they are known.
    pub(crate) truth_mask: Option<Vec<bool>>,
    /// The seed of the picture's own draws.
    pub(crate) seed: u64,
    /// In the order of [`Method::ALL`].
    pub(crate) methods: Vec<MethodExplanation>,
}

impl PictureExplanation {
    /// The probability of a class as it is shown: calibrated where the model has a temperature. NaN for no class.
    pub(crate) fn shown_probability(&self, class: usize) -> f32 {
        let shown = self.calibrated.as_ref().unwrap_or(&self.probabilities);
        shown.get(class).copied().unwrap_or(f32::NAN)
    }
}

/// Where a picture is from; captions say it in the words of its [`Display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The collection or the file, and what a reader must know about it.
    pub(crate) from: String,
    /// The place in the collection.
    pub(crate) number: Option<u32>,
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&pictures_in_words(&self.from, self.number.as_slice()))
    }
}

/// Pictures of one collection or file, with their places in it.
pub(crate) fn pictures_in_words(from: &str, numbers: &[u32]) -> String {
    match numbers {
        [] => from.to_owned(),
        [number] => format!("{from}, picture {number}"),
        _ => format!("{from}, pictures {}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// What one method says of one picture.
#[derive(Clone, Debug)]
pub(crate) struct MethodExplanation {
    pub(crate) method: Method,
    /// How long it took.
    pub(crate) seconds: f64,
    pub(crate) maps: MethodMaps,
    /// What tells how far to trust the maps; the same bits whenever the maps are.
    pub(crate) diagnostics: Value,
    /// The settings that the method ran with.
    pub(crate) settings: Value,
    /// What speaks against trusting the maps, in words.
    pub(crate) warnings: Vec<String>,
    /// What another library needs to check the maps, by the name of the tensor.
    pub(crate) evidence: Vec<(String, TensorValues)>,
}

/// The maps of a method.
#[derive(Clone, Debug)]
pub(crate) enum MethodMaps {
    /// The gradient and the segment methods: one signed number for each pixel.
    Pixels(PixelMap),
    /// Self-attention and multi-head attention.
    Attention(AttentionMaps),
    /// Attention rollout and its gradient-weighted relative.
    Rollout(RolloutMaps),
    /// Attention flow.
    Flow(FlowMap),
    /// Fixed-query maps.
    FixedQueries(FixedQueryMaps),
}

/// A signed number for each pixel.
#[derive(Clone, Debug)]
pub(crate) struct PixelMap {
    /// `[1, height, width]`
    pub(crate) attribution: Attribution,
    /// The standard error of each pixel, where the method has one.
    pub(crate) standard_error: Option<Vec<f32>>,
    /// What the map is constant on, for the segment methods.
    pub(crate) segments: Option<SegmentMap>,
    /// What the sum of the map should account for, where the method says.
    pub(crate) accounts_for: Option<ScoreDifference>,
}

/// The scores of the class at both ends of an explanation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScoreDifference {
    /// At the picture.
    pub(crate) score: f64,
    /// At what the picture is compared with: a baseline, the background, everything hidden.
    pub(crate) baseline_score: f64,
}

/// The values of segments, which the pixels of a segment share equally.
#[derive(Clone, Debug)]
pub(crate) struct SegmentMap {
    pub(crate) segmentation: Segmentation,
    /// One value for each segment.
    pub(crate) values: Vec<f64>,
    /// Their standard errors, where the method has them.
    pub(crate) standard_errors: Option<Vec<f64>>,
}

/// The attention of every layer, the first layer first.
#[derive(Clone, Debug)]
pub(crate) struct AttentionMaps {
    /// Height and width of the grid; token `i` lies in row `i / grid_size`, column `i % grid_size`.
    pub(crate) grid_size: usize,
    pub(crate) layers: Vec<AttentionLayer>,
}

/// The attention of one layer.
#[derive(Clone, Debug)]
pub(crate) struct AttentionLayer {
    /// One matrix for each head.
    pub(crate) heads: Vec<AttentionMatrix>,
    /// The heads fused.
    pub(crate) fused: AttentionMatrix,
}

/// An attention matrix `[tokens, tokens]` and what it looks like beyond its mean row.
#[derive(Clone, Debug)]
pub(crate) struct AttentionMatrix {
    /// Row `i` is what token `i` takes from every token.
    pub(crate) matrix: TokenMatrix,
    /// The matrix minus its mean row: the part that depends on the query.
    pub(crate) deviation: TokenMatrix,
    /// Entropy and query dependence, and the mean row itself.
    pub(crate) statistics: AttentionStatistics,
}

/// Maps over the grid of tokens that go through all layers.
#[derive(Clone, Debug)]
pub(crate) struct RolloutMaps {
    pub(crate) grid_size: usize,
    /// Row `i` is the map of query `i`.
    pub(crate) matrix: TokenMatrix,
    /// The map of the pooled head, `[tokens]`.
    pub(crate) pooled: Vec<f64>,
    /// The queries that are shown, and the token of the largest attribution among them.
    pub(crate) queries: Vec<usize>,
    /// Whether the map is weighted by the gradient of the class.
    pub(crate) gradient_weighted: bool,
}

/// Attention flow.
#[derive(Clone, Debug)]
pub(crate) struct FlowMap {
    pub(crate) grid_size: usize,
    /// The flows from every token, and the share of them that depends on no query.
    pub(crate) flows: FlowMaps,
    /// The mean of the normalised maps of all queries, `[tokens]`.
    pub(crate) pooled: Vec<f64>,
    /// The queries that are shown.
    pub(crate) queries: Vec<usize>,
}

/// Where chosen tokens look.
#[derive(Clone, Debug)]
pub(crate) struct FixedQueryMaps {
    pub(crate) grid_size: usize,
    /// The tokens that look, each with the reason why it was chosen, such as "centre".
    pub(crate) queries: Vec<MarkedToken>,
    /// For each layer, the first layer first, a map for each query: its row in every head, and the heads fused.
    pub(crate) layers: Vec<Vec<QueryMap>>,
    /// For each layer the mean row of the fused attention, from which the maps of the queries differ.
    pub(crate) mean_rows: Vec<Vec<f64>>,
}

/// A token and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkedToken {
    pub(crate) token: usize,
    /// Such as "centre" or "largest attribution".
    pub(crate) reason: String,
}

/// The values of a tensor with their shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorValues {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Elements,
}

/// The elements of a tensor, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elements {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// What the explanations of several pictures scored, method by method: `explanations/scores.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoreTable {
    /// How many pictures were explained and scored.
    pub(crate) pictures: usize,
    /// The methods and the controls `random` and `sobel`, by name; the third control is the method `input-gradient`.
    pub(crate) methods: Vec<String>,
    /// One entry for each score.
    pub(crate) scores: Vec<ScoreColumn>,
    /// The curves of deletion and insertion, the mean over the pictures.
    pub(crate) curves: Vec<MeanCurves>,
    /// What a reader of the table must know, a sentence each: budgets, scales, how token maps become pixels.
    pub(crate) notes: Vec<String>,
}

/// One score of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoreColumn {
    pub(crate) kind: ScoreKind,
    pub(crate) direction: Direction,
    /// The baseline, the scale and the budget, where the score has them: "black, logits".
    pub(crate) variant: String,
    /// In the order of [`ScoreTable::methods`].
    pub(crate) entries: Vec<ScoreEntry>,
}

/// One score of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScoreEntry {
    pub(crate) method: String,
    /// The mean over the pictures with its bootstrap interval; nothing if the score is not defined for the method.
    pub(crate) mean: Option<BootstrapInterval>,
    /// The place among the methods, 1 is the best; equal ones share the mean of their places.
    pub(crate) rank: Option<f64>,
    /// For how many pictures the score was not defined.
    pub(crate) undefined: usize,
}

/// The class's score while pixels are deleted and inserted, the mean over the pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MeanCurves {
    pub(crate) method: String,
    /// Baseline and scale.
    pub(crate) variant: String,
    pub(crate) deletion: Vec<f64>,
    pub(crate) insertion: Vec<f64>,
}
