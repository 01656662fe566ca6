//! From pixels to logits, for as many pictures as stay in a core's cache.

use tinylsa_kernels::inference::{
    Activations, Convolution, LayerNorm, Linear, LinearAttention, Scratch, SoftmaxAttention, mean_rows, padded,
};

/// The layers in the order in which a picture meets them.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub input_mean: f32,
    pub input_deviation: f32,
    /// Pixels of a picture.
    pub pixels: usize,
    pub tokens: usize,
    pub width: usize,
    pub classes: usize,
    pub stem: Vec<StemLayer>,
    /// `[tokens, padded(width)]`
    pub positions: Activations,
    pub blocks: Vec<Block>,
    pub norm: LayerNorm,
    pub head: Linear,
}

/// Convolutions that take a map to the next.
#[derive(Debug)]
pub(super) enum StemLayer {
    Plain(Convolution),
    /// The second adds the input of the first.
    Residual {
        first: Convolution,
        second: Convolution,
    },
}

#[derive(Debug)]
pub(super) struct Block {
    pub attention_norm: LayerNorm,
    pub query_key_value: Linear,
    pub mixing: Mixing,
    pub projection: Linear,
    pub mlp_norm: LayerNorm,
    pub expand: Linear,
    pub contract: Linear,
}

#[derive(Debug)]
pub(super) enum Mixing {
    Linear(LinearAttention),
    Softmax(SoftmaxAttention),
}

/// Memory of one core.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    current: Activations,
    next: Activations,
    hidden: Activations,
    tokens: Tokens,
    pooled: Activations,
    scratch: Scratch,
}

/// Memory for the tokens of one picture.
#[derive(Debug, Default)]
struct Tokens {
    attended: Activations,
    normalised: Activations,
    wide: Activations,
}

impl Pipeline {
    pub(super) fn run(&self, pixels: &[f32], workspace: &mut Workspace, logits: &mut [f32]) {
        let pictures = pixels.len() / self.pixels;
        let (length, row) = (self.tokens * padded(self.width), padded(self.width));
        self.run_stem(pixels, workspace);
        let Workspace { current, tokens, pooled, next, scratch, .. } = workspace;
        pooled.reserve(pictures * row);
        for (x, pooled) in current.chunks_exact_mut(length).zip(pooled.chunks_exact_mut(row)).take(pictures) {
            for (x, position) in x.iter_mut().zip(&*self.positions) {
                *x += position;
            }
            for block in &self.blocks {
                block.run(x, tokens, scratch);
            }
            tokens.normalised.reserve(length);
            self.norm.run(x, &mut tokens.normalised[..length]);
            mean_rows(&tokens.normalised[..length], pooled);
        }
        let output_row = padded(self.classes);
        next.reserve(pictures * output_row);
        self.head.run(&pooled[..pictures * row], None, scratch, &mut next[..pictures * output_row]);
        for (logits, output) in logits.chunks_exact_mut(self.classes).zip(next.chunks_exact(output_row)) {
            logits.copy_from_slice(&output[..self.classes]);
        }
    }

    /// Leaves the maps of the last stage in `current`.
    fn run_stem(&self, pixels: &[f32], workspace: &mut Workspace) {
        let pictures = pixels.len() / self.pixels;
        let Workspace { current, next, hidden, scratch, .. } = workspace;
        current.reserve(pixels.len());
        for (normalised, pixel) in current.iter_mut().zip(pixels) {
            *normalised = (pixel - self.input_mean) / self.input_deviation;
        }
        for layer in &self.stem {
            match layer {
                StemLayer::Plain(convolution) => convolve(convolution, pictures, current, None, scratch, next),
                StemLayer::Residual { first, second } => {
                    convolve(first, pictures, current, None, scratch, hidden);
                    convolve(second, pictures, hidden, Some(current), scratch, next);
                }
            }
            std::mem::swap(current, next);
        }
    }
}

fn convolve(
    convolution: &Convolution,
    pictures: usize,
    x: &Activations,
    residual: Option<&Activations>,
    scratch: &mut Scratch,
    output: &mut Activations,
) {
    let length = pictures * convolution.shape().output_length();
    output.reserve(length);
    // the residual has as many values as the input: the convolution keeps resolution and channels
    let input = pictures * convolution.shape().input_length();
    convolution.run(&x[..input], residual.map(|residual| &residual[..input]), scratch, &mut output[..length]);
}

impl Block {
    /// Replaces the tokens of a picture by those behind the block.
    fn run(&self, x: &mut [f32], memory: &mut Tokens, scratch: &mut Scratch) {
        let Tokens { attended, normalised, wide } = memory;
        let tokens = x.len() / padded(self.projection.outputs());
        let projections = tokens * padded(self.query_key_value.outputs());
        let hidden = tokens * padded(self.expand.outputs());
        attended.reserve(x.len());
        normalised.reserve(x.len());
        wide.reserve(projections.max(hidden));
        let (attended, normalised) = (&mut attended[..x.len()], &mut normalised[..x.len()]);

        self.attention_norm.run(x, normalised);
        self.query_key_value.run(normalised, None, scratch, &mut wide[..projections]);
        match &self.mixing {
            Mixing::Linear(attention) => attention.run(&wide[..projections], scratch, normalised),
            Mixing::Softmax(attention) => attention.run(&wide[..projections], scratch, normalised),
        }
        self.projection.run(normalised, Some(x), scratch, attended);

        self.mlp_norm.run(attended, normalised);
        self.expand.run(normalised, None, scratch, &mut wide[..hidden]);
        self.contract.run(&wide[..hidden], Some(attended), scratch, x);
    }
}
