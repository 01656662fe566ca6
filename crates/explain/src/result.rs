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
pub struct PictureExplanation {
    /// The name of the picture's folder, such as `test-17` or the stem of a file.
    pub id: String,
    pub source: Source,
    /// Why the picture was chosen, such as "right with the highest confidence"; nothing if it was named.
    pub choice: Option<String>,
    /// `[1, height, width]`, 0 is black and 1 is white.
    pub picture: Picture,
    /// The true class, where it is known.
    pub label: Option<usize>,
    /// The class of the largest logit.
    pub predicted: usize,
    /// The class that is explained.
    pub target: usize,
    /// One for each class.
    pub logits: Vec<f32>,
    /// Their softmax.
    pub probabilities: Vec<f32>,
    /// The softmax of the logits divided by the temperature, where the model has one.
    pub calibrated: Option<Vec<f32>>,
    /// The temperature that the model file holds.
    pub temperature: Option<f64>,
    /// The names of the classes.
    pub class_names: Vec<String>,
    /// The pixels that decide the class, where they are known.
    pub truth_mask: Option<Vec<bool>>,
    /// The seed of the picture's own draws.
    pub seed: u64,
    /// In the order of [`Method::ALL`].
    pub methods: Vec<MethodExplanation>,
}

impl PictureExplanation {
    /// The probability of a class as it is shown: calibrated where the model has a temperature. NaN for no class.
    pub fn shown_probability(&self, class: usize) -> f32 {
        let shown = self.calibrated.as_ref().unwrap_or(&self.probabilities);
        shown.get(class).copied().unwrap_or(f32::NAN)
    }
}

/// Where a picture is from; captions say it in the words of its [`Display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The collection or the file, and what a reader must know about it.
    pub from: String,
    /// The place in the collection.
    pub number: Option<u32>,
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&pictures_in_words(&self.from, self.number.as_slice()))
    }
}

/// Pictures of one collection or file, with their places in it.
pub fn pictures_in_words(from: &str, numbers: &[u32]) -> String {
    match numbers {
        [] => from.to_owned(),
        [number] => format!("{from}, picture {number}"),
        _ => format!("{from}, pictures {}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// What one method says of one picture.
#[derive(Clone, Debug)]
pub struct MethodExplanation {
    pub method: Method,
    /// How long it took.
    pub seconds: f64,
    pub maps: MethodMaps,
    /// What tells how far to trust the maps; the same bits whenever the maps are.
    pub diagnostics: Value,
    /// The settings that the method ran with.
    pub settings: Value,
    /// What speaks against trusting the maps, in words.
    pub warnings: Vec<String>,
    /// What another library needs to check the maps, by the name of the tensor.
    pub evidence: Vec<(String, TensorValues)>,
}

/// The maps of a method.
#[derive(Clone, Debug)]
pub enum MethodMaps {
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
pub struct PixelMap {
    /// `[1, height, width]`
    pub attribution: Attribution,
    /// The standard error of each pixel, where the method has one.
    pub standard_error: Option<Vec<f32>>,
    /// What the map is constant on, for the segment methods.
    pub segments: Option<SegmentMap>,
    /// What the sum of the map should account for, where the method says.
    pub accounts_for: Option<ScoreDifference>,
}

/// The scores of the class at both ends of an explanation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreDifference {
    /// At the picture.
    pub score: f64,
    /// At what the picture is compared with: a baseline, the background, everything hidden.
    pub baseline_score: f64,
}

/// The values of segments, which the pixels of a segment share equally.
#[derive(Clone, Debug)]
pub struct SegmentMap {
    pub segmentation: Segmentation,
    /// One value for each segment.
    pub values: Vec<f64>,
    /// Their standard errors, where the method has them.
    pub standard_errors: Option<Vec<f64>>,
}

/// The attention of every layer, the first layer first.
#[derive(Clone, Debug)]
pub struct AttentionMaps {
    /// Height and width of the grid; token `i` lies in row `i / grid_size`, column `i % grid_size`.
    pub grid_size: usize,
    pub layers: Vec<AttentionLayer>,
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

/// Maps over the grid of tokens that go through all layers.
#[derive(Clone, Debug)]
pub struct RolloutMaps {
    pub grid_size: usize,
    /// Row `i` is the map of query `i`.
    pub matrix: TokenMatrix,
    /// The map of the pooled head, `[tokens]`.
    pub pooled: Vec<f64>,
    /// The queries that are shown, and the token of the largest attribution among them.
    pub queries: Vec<usize>,
    /// Whether the map is weighted by the gradient of the class.
    pub gradient_weighted: bool,
}

/// Attention flow.
#[derive(Clone, Debug)]
pub struct FlowMap {
    pub grid_size: usize,
    /// The flows from every token, and the share of them that depends on no query.
    pub flows: FlowMaps,
    /// The mean of the normalised maps of all queries, `[tokens]`.
    pub pooled: Vec<f64>,
    /// The queries that are shown.
    pub queries: Vec<usize>,
}

/// Where chosen tokens look.
#[derive(Clone, Debug)]
pub struct FixedQueryMaps {
    pub grid_size: usize,
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
    pub token: usize,
    /// Such as "centre" or "largest attribution".
    pub reason: String,
}

/// The values of a tensor with their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorValues {
    pub shape: Vec<usize>,
    pub elements: Elements,
}

/// The elements of a tensor, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// What the explanations of several pictures scored, method by method: `explanations/scores.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// How many pictures were explained and scored.
    pub pictures: usize,
    /// The methods and the controls `random` and `sobel`, by name; the third control is the method `input-gradient`.
    pub methods: Vec<String>,
    /// One entry for each score.
    pub scores: Vec<ScoreColumn>,
    /// The curves of deletion and insertion, the mean over the pictures.
    pub curves: Vec<MeanCurves>,
    /// What a reader of the table must know, a sentence each: budgets, scales, how token maps become pixels.
    pub notes: Vec<String>,
}

/// One score of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreColumn {
    pub kind: ScoreKind,
    pub direction: Direction,
    /// The baseline, the scale and the budget, where the score has them: "black, logits".
    pub variant: String,
    /// In the order of [`ScoreTable::methods`].
    pub entries: Vec<ScoreEntry>,
}

/// One score of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreEntry {
    pub method: String,
    /// The mean over the pictures with its bootstrap interval; nothing if the score is not defined for the method.
    pub mean: Option<BootstrapInterval>,
    /// The place among the methods, 1 is the best; equal ones share the mean of their places.
    pub rank: Option<f64>,
    /// For how many pictures the score was not defined.
    pub undefined: usize,
}

/// The class's score while pixels are deleted and inserted, the mean over the pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanCurves {
    pub method: String,
    /// Baseline and scale.
    pub variant: String,
    pub deletion: Vec<f64>,
    pub insertion: Vec<f64>,
}
