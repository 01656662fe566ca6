//! Swin Transformer (Liu et al. 2021, "Swin Transformer: hierarchical vision transformer using shifted windows").

mod config;

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use tinylsa_kernels::{Activation, linear, mean_tokens};

use config::StageShape;
pub use config::{SwinConfig, SwinStageConfig};

use super::convolution::Convolution;
use super::implement_model_config;
use super::transformer::EncoderParts;
use super::windows::Windows;
use crate::classifier::{Classifier, TrainingOutput};
use crate::layers::{LayerNorm, Linear};
use crate::mixing::join_heads;

/// What the normalisations add to a variance.
const EPSILON: f64 = 1e-5;

implement_model_config!(SwinConfig, Swin, "swin");

/// Transformer blocks whose attention stays within windows of a grid that gets coarser from stage to stage, then the mean
/// of the tokens and a linear layer.
#[derive(Module, Debug)]
pub struct Swin {
    patches: Convolution,
    patch_norm: LayerNorm,
    stages: Vec<Stage>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    config: SwinConfig,
}

/// Perhaps a merging of four tokens into one, then blocks.
#[derive(Module, Debug)]
struct Stage {
    merging: Option<Merging>,
    blocks: Vec<Block>,
}

/// Four neighbouring tokens side by side, normalised, in half their width.
#[derive(Module, Debug)]
struct Merging {
    norm: LayerNorm,
    /// `[4 · width, 2 · width]`
    reduction: Param<Tensor<2>>,
}

/// A block, and what it adds to the scores by the distance of two tokens.
#[derive(Module, Debug)]
struct Block {
    parts: EncoderParts,
    /// `[distances², heads]`
    position_bias: Param<Tensor<2>>,
}

impl Merging {
    /// `[batch, rows · columns, width]` to `[batch, rows · columns / 4, 2 · width]`.
    fn forward(&self, tokens: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<3> {
        let [batch, _, width] = tokens.dims();
        // the order of the four is that of the reference implementation: down before across
        let four = tokens.reshape([batch, rows / 2, 2, columns / 2, 2, width]).permute([0, 1, 3, 4, 2, 5]).reshape([
            batch,
            rows * columns / 4,
            4 * width,
        ]);
        linear(self.norm.forward(four), self.reduction.val(), None, Activation::Identity)
    }
}

impl Block {
    /// What is added to the scores of two tokens of a window, `[1, heads, side², side²]`.
    fn biases(&self, side: usize) -> Tensor<4> {
        let table = self.position_bias.val();
        let [_, heads] = table.dims();
        let tokens = side * side;
        let distance = |from: usize, to: usize| from + side - 1 - to;
        let index = |pair: usize| {
            let (from, to) = (pair / tokens, pair % tokens);
            let (down, across) = (distance(from / side, to / side), distance(from % side, to % side));
            (down * (2 * side - 1) + across) as i64
        };
        let indices: Vec<i64> = (0..tokens * tokens).map(index).collect();
        let indices = Tensor::from_data(TensorData::new(indices, [tokens * tokens]), &table.device());
        table.select(0, indices).transpose().reshape([1, heads, tokens, tokens])
    }

    /// # Shapes
    /// - x and output: `[batch, rows · columns, width]`
    fn forward(
        &self,
        x: Tensor<3>,
        windows: &Windows,
        heads: usize,
        left_out: f64,
        attend: Option<Attend<'_>>,
    ) -> Tensor<3> {
        let Self { parts, .. } = self;
        let [queries, keys, values] = parts.projections(windows.cut(parts.attention_norm.forward(x.clone())), heads);
        let [cut, _, tokens, width] = queries.dims();
        let mut scores = queries.matmul(keys.transpose()) / (width as f64).sqrt() + self.biases(windows.side);
        if let Some(mask) = windows.mask(&x.device()) {
            let [of_image, ..] = mask.dims();
            let by_image = scores.reshape([cut / of_image, of_image, heads, tokens * tokens]);
            let mask = mask.reshape([1, of_image, 1, tokens * tokens]);
            scores = (by_image + mask).reshape([cut, heads, tokens, tokens]);
        }
        let attention = softmax(scores, 3);
        let attention = match attend {
            Some(attend) => windows.within(attend(windows.across_grid(attention))),
            None => attention,
        };
        let context = windows.joined(join_heads(attention.matmul(values)));
        let x = x + kept(parts.projection.forward(context, Activation::Identity), left_out);
        x.clone() + kept(parts.perceptron.forward(parts.perceptron_norm.forward(x)), left_out)
    }
}

/// What takes the place of the attention of a block, `[batch, heads, tokens, tokens]` over its whole grid.
type Attend<'a> = &'a mut dyn FnMut(Tensor<4>) -> Tensor<4>;

/// A branch, left out for some of the images.
fn kept(branch: Tensor<3>, left_out: f64) -> Tensor<3> {
    if left_out == 0.0 {
        return branch;
    }
    let [batch, ..] = branch.dims();
    let kept = Tensor::<3>::random([batch, 1, 1], Distribution::Bernoulli(1.0 - left_out), &branch.device());
    branch * kept / (1.0 - left_out)
}

/// The same for one block more.
fn reborrowed<'a>(attend: &'a mut Option<Attend<'_>>) -> Option<Attend<'a>> {
    match attend {
        Some(attend) => Some(&mut **attend),
        None => None,
    }
}

impl Swin {
    fn zeros(config: &SwinConfig, device: &Device) -> Self {
        let biases = config.distances().pow(2);
        let stage = |(index, shape): (usize, &StageShape)| {
            let &StageShape { width, blocks, heads, .. } = shape;
            let block = |_| Block {
                parts: EncoderParts::zeros(config.encoder(shape), EPSILON, device),
                position_bias: Param::from_tensor(Tensor::zeros([biases, heads], device)),
            };
            Stage {
                merging: (index > 0).then(|| Merging {
                    norm: LayerNorm::new(2 * width, EPSILON, device),
                    reduction: Param::from_tensor(Tensor::zeros([2 * width, width], device)),
                }),
                blocks: (0..blocks).map(block).collect(),
            }
        };
        Self {
            patches: Convolution::new(&config.patches(), true, device),
            patch_norm: LayerNorm::new(config.width, EPSILON, device),
            stages: config.stage_shapes().iter().enumerate().map(stage).collect(),
            norm: LayerNorm::new(config.outputs(), EPSILON, device),
            head: Linear::new(config.outputs(), config.classes, device),
            config: config.clone(),
        }
    }

    /// The tokens of the last stage as a map, before their normalisation.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, width, rows, columns]`
    pub fn feature_map(&self, images: Tensor<4>) -> Tensor<4> {
        let tokens = self.features(images, 0.0, None);
        let [batch, _, width] = tokens.dims();
        let [rows, columns] = self.config.last_grid();
        tokens.reshape([batch, rows, columns, width]).permute([0, 3, 1, 2])
    }

    /// From the map of the last stage to the logits.
    ///
    /// # Shapes
    /// - map: as [`Swin::feature_map`] gives it
    /// - output: `[batch, classes]`
    pub fn forward_from_features(&self, map: Tensor<4>) -> Tensor<2> {
        let [batch, width, rows, columns] = map.dims();
        self.classify(map.permute([0, 2, 3, 1]).reshape([batch, rows * columns, width]))
    }

    /// The logits, with what `attend` makes of the attention of every block of the last stage in its place. It is that of the
    /// whole grid: tokens of other windows have none of it.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - attention: `[batch, heads, tokens, tokens]`, whose rows sum to 1
    /// - output: `[batch, classes]`
    pub fn forward_attended(&self, images: Tensor<4>, mut attend: impl FnMut(Tensor<4>) -> Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, 0.0, Some(&mut attend)))
    }

    /// `[batch, tokens, width]` behind the last stage, in whose blocks `attend` may change the attention.
    fn features(&self, images: Tensor<4>, stochastic_depth: f64, mut attend: Option<Attend<'_>>) -> Tensor<3> {
        let patches = self.patches.forward(self.config.images().normalised(images));
        let [batch, rows, columns, width] = patches.dims();
        let mut x = self.patch_norm.forward(patches.reshape([batch, rows * columns, width]));
        let shapes = self.config.stage_shapes();
        let last = shapes.iter().map(|stage| stage.blocks).sum::<usize>().saturating_sub(1).max(1);
        let mut number = 0_usize;
        for (number_of_stage, (stage, shape)) in self.stages.iter().zip(&shapes).enumerate() {
            if let Some(merging) = &stage.merging {
                x = merging.forward(x, shape.grid.map(|side| 2 * side));
            }
            for (index, block) in stage.blocks.iter().enumerate() {
                let windows = Windows::of_block(index, shape.grid, self.config.window);
                let left_out = stochastic_depth * number as f64 / last as f64;
                let is_last = number_of_stage + 1 == shapes.len();
                let attend = if is_last { reborrowed(&mut attend) } else { None };
                x = block.forward(x, &windows, shape.heads, left_out, attend);
                number += 1;
            }
        }
        x
    }

    fn classify(&self, tokens: Tensor<3>) -> Tensor<2> {
        self.head.forward(mean_tokens(self.norm.forward(tokens)), Activation::Identity)
    }
}

impl Classifier for Swin {
    type Config = SwinConfig;

    fn config(&self) -> &SwinConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.classify(self.features(images, 0.0, None))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let tokens = self.features(images, self.config.stochastic_depth, None);
        TrainingOutput { logits: self.classify(tokens), statistics: Vec::new() }
    }

    fn draws_random_numbers(&self) -> bool {
        self.config.stochastic_depth > 0.0
    }
}
