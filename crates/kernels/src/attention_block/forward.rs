//! The output of a block, image by image.

use super::passes::{Add, Gelu};
use crate::{
    arch::{self, Buffer},
    layer_norm::rows::{Normalise, RowMoments},
    linear::product::Packed,
    linear_attention::heads::{Attention, Sizes},
};
use rayon::prelude::*;

/// Values of the parameters, in the order of their gradients.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub query_key_value: Affine<'a>,
    pub projection: Affine<'a>,
    pub expand: Affine<'a>,
    pub contract: Affine<'a>,
    pub attention_norm: Norm<'a>,
    pub perceptron_norm: Norm<'a>,
}

/// Weight and bias of a linear layer.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
}

impl Affine<'_> {
    fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    fn packed(&self) -> Packed {
        let outputs = self.bias.len();
        Packed::new(self.inputs(), outputs, |input, output| self.weight[input * outputs + output])
    }

    /// The transposed weight, which gradients are multiplied with.
    pub(super) fn transposed(&self) -> Packed {
        let outputs = self.bias.len();
        Packed::new(outputs, self.inputs(), |output, input| self.weight[input * outputs + output])
    }
}

/// Scale and shift of a normalisation.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f32,
}

impl Norm<'_> {
    pub(super) fn apply(&self, x: &[f32], output: &mut [f32], moments: &mut [RowMoments]) {
        let Self { gamma, beta, epsilon } = *self;
        arch::run(Normalise { x, gamma, beta, epsilon, output, moments });
    }
}

/// Sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSizes {
    pub attention: Sizes,
    pub features: usize,
    pub hidden: usize,
}

impl BlockSizes {
    /// Elements of the tokens of an image.
    pub(super) fn image(&self) -> usize {
        self.attention.tokens * self.features
    }

    /// Elements of the hidden units of an image.
    pub(super) fn hidden_image(&self) -> usize {
        self.attention.tokens * self.hidden
    }
}

/// What the gradient needs of the forward pass, for all images or for one.
pub(super) struct Kept<T> {
    /// Queries, keys and values, `[tokens, 3 * features]`.
    pub query_key_value: T,
    /// The tokens between attention and perceptron, `[tokens, features]`.
    pub middle: T,
    /// The hidden units before the activation, `[tokens, hidden]`.
    pub hidden: T,
}

impl Kept<Buffer> {
    fn new(sizes: &BlockSizes, images: usize) -> Self {
        Self {
            query_key_value: Buffer::new(images * 3 * sizes.image()),
            middle: Buffer::new(images * sizes.image()),
            hidden: Buffer::new(images * sizes.hidden_image()),
        }
    }

    fn slices(&mut self) -> Kept<&mut [f32]> {
        Kept { query_key_value: &mut self.query_key_value, middle: &mut self.middle, hidden: &mut self.hidden }
    }
}

/// Output, and what the gradient needs.
pub(super) struct Forward {
    pub output: Buffer,
    pub kept: Kept<Buffer>,
}

/// The output alone.
pub(super) fn output(sizes: &BlockSizes, parameters: &Parameters, x: &[f32]) -> Buffer {
    let matrices = Matrices::new(parameters);
    let image = sizes.image();
    let mut output = Buffer::new(x.len());
    output.par_chunks_mut(image).zip(x.par_chunks(image)).for_each_init(
        || (Scratch::new(sizes), Kept::new(sizes, 1)),
        |(scratch, kept), (output, x)| scratch.image(parameters, &matrices, x, &mut kept.slices(), output),
    );
    output
}

/// The output with what the gradient needs.
pub(super) fn forward(sizes: &BlockSizes, parameters: &Parameters, x: &[f32]) -> Forward {
    let matrices = Matrices::new(parameters);
    let image = sizes.image();
    let mut output = Buffer::new(x.len());
    let mut kept = Kept::new(sizes, x.len() / image);
    let images = output.par_chunks_mut(image).zip(x.par_chunks(image));
    let query_key_value = kept.query_key_value.par_chunks_mut(3 * image);
    let rest = kept.middle.par_chunks_mut(image).zip(kept.hidden.par_chunks_mut(sizes.hidden_image()));
    images.zip(query_key_value).zip(rest).for_each_init(
        || Scratch::new(sizes),
        |scratch, (((output, x), query_key_value), (middle, hidden))| {
            scratch.image(parameters, &matrices, x, &mut Kept { query_key_value, middle, hidden }, output);
        },
    );
    Forward { output, kept }
}

struct Matrices {
    query_key_value: Packed,
    projection: Packed,
    expand: Packed,
    contract: Packed,
}

impl Matrices {
    fn new(parameters: &Parameters) -> Self {
        let ((query_key_value, projection), (expand, contract)) = rayon::join(
            || (parameters.query_key_value.packed(), parameters.projection.packed()),
            || (parameters.expand.packed(), parameters.contract.packed()),
        );
        Self { query_key_value, projection, expand, contract }
    }
}

/// Memory for an image.
struct Scratch {
    attention: Attention,
    normalised: Buffer,
    context: Buffer,
    activated: Buffer,
    moments: Vec<RowMoments>,
}

impl Scratch {
    fn new(sizes: &BlockSizes) -> Self {
        Self {
            attention: Attention::new(sizes.attention),
            normalised: Buffer::new(sizes.image()),
            context: Buffer::new(sizes.image()),
            activated: Buffer::new(sizes.hidden_image()),
            moments: vec![[0.0; 2]; sizes.attention.tokens],
        }
    }

    fn image(
        &mut self,
        parameters: &Parameters,
        matrices: &Matrices,
        x: &[f32],
        kept: &mut Kept<&mut [f32]>,
        output: &mut [f32],
    ) {
        parameters.attention_norm.apply(x, &mut self.normalised, &mut self.moments);
        let bias = Some(parameters.query_key_value.bias);
        matrices.query_key_value.multiply_rows(&self.normalised, bias, kept.query_key_value);
        self.attention.forward(kept.query_key_value, &mut self.context);
        matrices.projection.multiply_rows(&self.context, Some(parameters.projection.bias), kept.middle);
        arch::run(Add { values: kept.middle, others: x });
        parameters.perceptron_norm.apply(kept.middle, &mut self.normalised, &mut self.moments);
        matrices.expand.multiply_rows(&self.normalised, Some(parameters.expand.bias), kept.hidden);
        arch::run(Gelu { values: kept.hidden, output: &mut self.activated });
        matrices.contract.multiply_rows(&self.activated, Some(parameters.contract.bias), output);
        arch::run(Add { values: output, others: kept.middle });
    }
}
