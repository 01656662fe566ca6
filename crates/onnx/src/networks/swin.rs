//! Swin Transformer.

use tinylsa_model::networks::{SwinConfig, SwinStageConfig};
use tinylsa_model::{ConfigOfImages, EPSILON, ImageShape};

use super::encoder::{Projections, finished, projections};
use super::windows::Windows;
use super::written::{AttentionOutput, Written, attention_name};
use crate::error::OnnxError;
use crate::graph::{GraphBuilder, Value};
use crate::layers::{Heads, LOGITS};

/// The numbers that pairs of tokens of a window have in the tables of what is added to their scores.
const PAIRS: &str = "position_bias.pairs";

pub(super) fn write(graph: &mut GraphBuilder<'_>, config: &SwinConfig, shown: bool) -> Result<Written, OnnxError> {
    let images = graph.normalised_images(config.image_keys());
    let patches = graph.convolution("patches", "patches", &images, [config.patch, 0])?;
    let ImageShape { height, width: columns, .. } = patches.shape;
    let patches = graph.tokens_of("patches", &patches);
    let mut x = graph.layer_norm("patch_norm", &patches, EPSILON)?;
    let side = config.window;
    let pairs = graph.integers(PAIRS, &[side * side, side * side], &pairs_of(side));
    let (mut grid, mut width) = ([height, columns], config.width);
    let mut attention = Vec::new();
    for (stage, &SwinStageConfig { blocks, heads }) in config.stages.iter().enumerate() {
        if stage > 0 {
            x = merged(graph, &format!("stages.{stage}.merging"), &x, grid, width)?;
            (grid, width) = (grid.map(|length| length / 2), 2 * width);
        }
        let is_shown = shown && stage + 1 == config.stages.len();
        for index in 0..blocks {
            let block = Block {
                name: format!("stages.{stage}.blocks.{index}"),
                windows: Windows::of_block(index, grid, side),
                width,
                heads,
            };
            let result = is_shown.then(|| attention_name(index));
            let written = block.write(graph, &x, &pairs, result.as_deref())?;
            x = written.tokens;
            let tokens = grid.iter().product();
            let output = |value| AttentionOutput { value, block: block.name, heads, tokens, prefix: 0 };
            attention.extend(written.attention.map(output));
        }
    }
    let normalised = graph.layer_norm("norm", &x, EPSILON)?;
    let mean = graph.mean("tokens.mean", &normalised, 1);
    let logits = graph.linear("head", LOGITS, &mean)?;
    Ok(Written { attention, grid, ..Written::logits_alone(logits) })
}

/// Four neighbouring tokens side by side, down before across, normalised, in half their width.
fn merged(
    graph: &mut GraphBuilder<'_>,
    name: &str,
    x: &Value,
    [rows, columns]: [usize; 2],
    width: usize,
) -> Result<Value, OnnxError> {
    let part = |part: &str| format!("{name}.{part}");
    let [down, across, width] = [rows / 2, columns / 2, width].map(|length| length as i64);
    let apart = graph.reshape(&part("apart"), x, &[0, down, 2, across, 2, width]);
    let beside = graph.transpose(&part("beside"), &apart, &[0, 1, 3, 4, 2, 5]);
    let four = graph.reshape(&part("four"), &beside, &[0, down * across, 4 * width]);
    let normalised = graph.layer_norm(&part("norm"), &four, EPSILON)?;
    let reduction = graph.tensor(&part("reduction"))?;
    Ok(graph.matmul(&part("reduced"), &normalised, &reduction))
}

/// Of each pair of tokens of a window the number of their distance, `[side², side²]`.
fn pairs_of(side: usize) -> Vec<i64> {
    let tokens = side * side;
    let distance = |from: usize, to: usize| from + side - 1 - to;
    let number = |pair: usize| {
        let (from, to) = (pair / tokens, pair % tokens);
        let (down, across) = (distance(from / side, to / side), distance(from % side, to % side));
        (down * (2 * side - 1) + across) as i64
    };
    (0..tokens * tokens).map(number).collect()
}

/// A block of a stage.
struct Block {
    name: String,
    windows: Windows,
    width: usize,
    heads: usize,
}

/// What a block gives.
struct BlockOutput {
    tokens: Value,
    attention: Option<Value>,
}

impl Block {
    /// Its attention over the whole grid gets a name if it is shown.
    fn write(
        &self,
        graph: &mut GraphBuilder<'_>,
        x: &Value,
        pairs: &Value,
        shown: Option<&str>,
    ) -> Result<BlockOutput, OnnxError> {
        let &Self { ref name, windows, width, heads } = self;
        let (parts, part) = (format!("{name}.parts"), |part: &str| format!("{name}.attention.{part}"));
        let (columns, inside) = (width / heads.max(1), Heads { count: heads, tokens: windows.tokens() });
        let normalised = graph.layer_norm(&format!("{parts}.attention_norm"), x, EPSILON)?;
        let cut = windows.cut(graph, name, &normalised, width);
        let Projections { queries, keys, values } = projections(graph, &parts, &cut, width, &inside)?;
        let scores = graph.scores(&part("of_window"), &queries, &keys, columns);
        let biases = self.biases(graph, pairs)?;
        let mut scores = graph.add(&part("biased"), &scores, &biases);
        if let Some(mask) = windows.mask() {
            scores = self.masked(graph, &scores, &mask);
        }
        let attention = graph.softmax(&part("weights"), &scores);
        let context = graph.matmul(&part("context"), &attention, &values);
        let context = graph.joined_heads(&part("context"), &context, &inside, columns);
        let context = windows.joined(graph, &part("context"), &context, width);
        let attention = shown.map(|result| windows.across_grid(graph, [&part("weights"), result], &attention, heads));
        Ok(BlockOutput { tokens: finished(graph, &parts, x, &context, EPSILON)?, attention })
    }

    /// What is added to the scores of two tokens of a window: `[heads, side², side²]`.
    fn biases(&self, graph: &mut GraphBuilder<'_>, pairs: &Value) -> Result<Value, OnnxError> {
        let name = format!("{}.position_bias", self.name);
        let table = graph.tensor(&name)?;
        let of_pairs = graph.gather(&format!("{name}.of_pairs"), &table, pairs, 0);
        Ok(graph.transpose(&format!("{name}.of_heads"), &of_pairs, &[2, 0, 1]))
    }

    /// The scores with a mask of each window.
    fn masked(&self, graph: &mut GraphBuilder<'_>, scores: &Value, mask: &[f32]) -> Value {
        let part = |part: &str| format!("{}.attention.{part}", self.name);
        let (count, inside) = (self.windows.count(), self.windows.tokens());
        let mask = graph.floats(&part("mask"), &[count, 1, inside, inside], mask);
        let [count, heads, inside] = [count, self.heads, inside].map(|length| length as i64);
        let by_image = graph.reshape(&part("by_image"), scores, &[-1, count, heads, inside, inside]);
        let masked = graph.add(&part("masked.by_image"), &by_image, &mask);
        graph.reshape(&part("masked"), &masked, &[-1, heads, inside, inside])
    }
}
