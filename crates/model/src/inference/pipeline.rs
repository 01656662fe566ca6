//! From pixels to logits, for as many images as stay in a core's cache.

use tinylsa_kernels::inference::{
    Activations, Convolution, Depthwise, LayerNorm, Linear, LinearAttention, Scratch, SoftmaxAttention, mean_rows,
    multiply_by_silu, padded, pool_by_softmax,
};
use tinylsa_shape::ImageShape;

/// The layers in the order of the forward pass.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub input: ImageShape,
    /// One number for each channel, as the deviation.
    pub input_mean: Vec<f32>,
    pub input_deviation: Vec<f32>,
    pub tokens: usize,
    pub width: usize,
    pub classes: usize,
    pub stem: Vec<StemLayer>,
    /// `[tokens, padded(width)]`
    pub positions: Option<Activations>,
    pub blocks: Vec<Block>,
    /// On the grid of tokens behind the blocks.
    pub closing: Vec<Residual>,
    pub norm: LayerNorm,
    /// From a token to how much each class counts it, before the softmax; without it they count it all the same.
    pub class_scores: Option<Linear>,
    pub head: Linear,
}

/// Convolutions that take a map to the next.
#[derive(Debug)]
pub(super) enum StemLayer {
    Plain(Convolution),
    Residual(Residual),
}

/// Two convolutions, of which the second adds the input of the first.
#[derive(Debug)]
pub(super) struct Residual {
    pub first: Convolution,
    pub second: Convolution,
}

#[derive(Debug)]
pub(super) struct Block {
    pub attention_norm: LayerNorm,
    pub query_key_value: Linear,
    pub mixing: Mixing,
    pub local: Option<Local>,
    pub gate: Option<Linear>,
    pub projection: Linear,
    pub perceptron: Option<Perceptron>,
}

/// A convolution of the values, which begin at a column of the projected tokens.
#[derive(Debug)]
pub(super) struct Local {
    pub convolution: Depthwise,
    pub first_value: usize,
}

#[derive(Debug)]
pub(super) struct Perceptron {
    pub norm: LayerNorm,
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

/// Memory for the tokens of one image.
#[derive(Debug, Default)]
struct Tokens {
    attended: Activations,
    normalised: Activations,
    mixed: Activations,
    wide: Activations,
}

impl Pipeline {
    pub(super) fn run(&self, pixels: &[f32], workspace: &mut Workspace, logits: &mut [f32]) {
        let images = pixels.len() / self.input.values();
        let (length, row) = (self.tokens * padded(self.width), padded(self.width));
        self.run_stem(pixels, workspace);
        for x in workspace.current.chunks_exact_mut(length).take(images) {
            self.run_blocks(x, &mut workspace.tokens, &mut workspace.scratch);
        }
        for block in &self.closing {
            block.run(images, workspace);
        }
        let Workspace { current, tokens, pooled, next, scratch, .. } = workspace;
        let output_row = padded(self.classes);
        pooled.reserve(images * row);
        next.reserve(images * output_row);
        let images = current.chunks_exact_mut(length).take(images);
        let outputs = pooled.chunks_exact_mut(row).zip(next.chunks_exact_mut(output_row));
        for (x, (pooled, output)) in images.zip(outputs) {
            tokens.normalised.reserve(length);
            self.norm.run(x, &mut tokens.normalised[..length]);
            match &self.class_scores {
                None => mean_rows(&tokens.normalised[..length], pooled),
                Some(scores) => self.pool_by_class(scores, tokens, scratch, output),
            }
        }
        let images = logits.len() / self.classes;
        if self.class_scores.is_none() {
            self.head.run(&pooled[..images * row], None, scratch, &mut next[..images * output_row]);
        }
        for (logits, output) in logits.chunks_exact_mut(self.classes).zip(next.chunks_exact(output_row)) {
            logits.copy_from_slice(&output[..self.classes]);
        }
    }

    /// Positions and attention on the tokens of an image.
    fn run_blocks(&self, x: &mut [f32], tokens: &mut Tokens, scratch: &mut Scratch) {
        if let Some(positions) = &self.positions {
            for (x, position) in x.iter_mut().zip(&**positions) {
                *x += position;
            }
        }
        for block in &self.blocks {
            block.run(x, tokens, scratch);
        }
    }

    /// What each class makes of the normalised tokens of an image.
    fn pool_by_class(&self, class_scores: &Linear, tokens: &mut Tokens, scratch: &mut Scratch, output: &mut [f32]) {
        let Tokens { normalised, mixed, wide, .. } = tokens;
        let normalised = &normalised[..self.tokens * padded(self.width)];
        let length = self.tokens * padded(self.classes);
        mixed.reserve(length);
        wide.reserve(length);
        class_scores.run(normalised, None, scratch, &mut mixed[..length]);
        self.head.run(normalised, None, scratch, &mut wide[..length]);
        pool_by_softmax(&mixed[..length], &wide[..length], output);
    }

    /// Leaves the maps of the last stage in `current`.
    fn run_stem(&self, pixels: &[f32], workspace: &mut Workspace) {
        let images = pixels.len() / self.input.values();
        self.normalise(pixels, &mut workspace.current);
        for layer in &self.stem {
            match layer {
                StemLayer::Plain(convolution) => {
                    let Workspace { current, next, scratch, .. } = workspace;
                    convolve(convolution, images, current, None, scratch, next);
                    std::mem::swap(current, next);
                }
                StemLayer::Residual(block) => block.run(images, workspace),
            }
        }
    }
}

impl Residual {
    /// Replaces the maps in `current` by those behind the block.
    fn run(&self, images: usize, workspace: &mut Workspace) {
        let Workspace { current, next, hidden, scratch, .. } = workspace;
        convolve(&self.first, images, current, None, scratch, hidden);
        convolve(&self.second, images, hidden, Some(current), scratch, next);
        std::mem::swap(current, next);
    }
}

impl Pipeline {
    /// Takes off the mean and divides by the deviation of each channel, and puts the channels of a pixel side by side.
    fn normalise(&self, pixels: &[f32], normalised: &mut Activations) {
        let (channels, plane) = (self.input.channels, self.input.pixels());
        let row = padded(channels);
        normalised.reserve(pixels.len() / channels * row);
        if let ([mean], [deviation]) = (self.input_mean.as_slice(), self.input_deviation.as_slice()) {
            for (normalised, pixel) in normalised.iter_mut().zip(pixels) {
                *normalised = (pixel - mean) / deviation;
            }
            return;
        }
        let images = pixels.chunks_exact(channels * plane).zip(normalised.chunks_exact_mut(row * plane));
        for (image, normalised) in images {
            let channels = image.chunks_exact(plane).zip(self.input_mean.iter().zip(&self.input_deviation));
            // what pads a pixel to whole vectors must be zero, and the memory was used before
            normalised.fill(0.0);
            for (channel, (pixels, (mean, deviation))) in channels.enumerate() {
                for (pixel, normalised) in pixels.iter().zip(normalised.chunks_exact_mut(row)) {
                    normalised[channel] = (pixel - mean) / deviation;
                }
            }
        }
    }
}

fn convolve(
    convolution: &Convolution,
    images: usize,
    x: &Activations,
    residual: Option<&Activations>,
    scratch: &mut Scratch,
    output: &mut Activations,
) {
    let length = images * convolution.shape().output_length();
    output.reserve(length);
    // the residual has as many values as the input: the convolution keeps resolution and channels
    let input = images * convolution.shape().input_length();
    convolution.run(&x[..input], residual.map(|residual| &residual[..input]), scratch, &mut output[..length]);
}

impl Block {
    /// Replaces the tokens of an image by those behind the block.
    fn run(&self, x: &mut [f32], memory: &mut Tokens, scratch: &mut Scratch) {
        let Tokens { attended, normalised, mixed, wide } = memory;
        let tokens = x.len() / padded(self.projection.outputs());
        let projections = tokens * padded(self.query_key_value.outputs());
        attended.reserve(x.len());
        normalised.reserve(x.len());
        mixed.reserve(x.len());
        wide.reserve(projections.max(x.len()));
        let (attended, normalised) = (&mut attended[..x.len()], &mut normalised[..x.len()]);
        let mixed = &mut mixed[..x.len()];

        self.attention_norm.run(x, normalised);
        self.query_key_value.run(normalised, None, scratch, &mut wide[..projections]);
        match &self.mixing {
            Mixing::Linear(attention) => attention.run(&wide[..projections], scratch, mixed),
            Mixing::Softmax(attention) => attention.run(&wide[..projections], scratch, mixed),
        }
        if let Some(Local { convolution, first_value }) = &self.local {
            convolution.add(&wide[..projections], projections / tokens, *first_value, mixed);
        }
        if let Some(gate) = &self.gate {
            gate.run(normalised, None, scratch, &mut wide[..x.len()]);
            multiply_by_silu(mixed, &wide[..x.len()]);
        }
        self.projection.run(mixed, Some(x), scratch, attended);
        let Some(Perceptron { norm, expand, contract }) = &self.perceptron else {
            x.copy_from_slice(attended);
            return;
        };
        norm.run(attended, normalised);
        let hidden = tokens * padded(expand.outputs());
        wide.reserve(hidden);
        expand.run(normalised, None, scratch, &mut wide[..hidden]);
        contract.run(&wide[..hidden], Some(attended), scratch, x);
    }
}
