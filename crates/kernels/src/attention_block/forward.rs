//! The output of a block, image by image.

use super::passes::{Add, Gelu};
use crate::{
    arch::{self, Buffer},
    depthwise3x3::grid::{Correlate, Grid},
    gate::Gated,
    layer_norm::rows::{Normalise, RowMoments},
    linear::product::Packed,
    linear_attention::heads::{Attention, Sizes},
};
use rayon::prelude::*;

/// Values of the parameters, in the order of their gradients.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub query_key_value: Affine<'a>,
    pub local: Option<Affine<'a>>,
    pub gate: Option<Affine<'a>>,
    pub projection: Affine<'a>,
    pub attention_norm: Norm<'a>,
    pub perceptron: Option<Perceptron<'a>>,
}

/// Values of the perceptron's parameters.
#[derive(Clone, Copy)]
pub(super) struct Perceptron<'a> {
    pub norm: Norm<'a>,
    pub expand: Affine<'a>,
    pub contract: Affine<'a>,
}

/// Weight and bias of a linear layer, or of a depthwise convolution.
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
    /// Rows and columns of the tokens, for a local convolution.
    pub grid: [usize; 2],
    pub features: usize,
    /// 0 without a perceptron.
    pub hidden: usize,
    pub has_gate: bool,
}

impl BlockSizes {
    /// Elements of the tokens of an image.
    pub(super) fn image(&self) -> usize {
        self.attention.tokens * self.features
    }

    /// Elements of the queries, keys and values of an image.
    pub(super) fn projected_image(&self) -> usize {
        self.attention.tokens * self.attention.row()
    }

    /// The column of the queries, keys and values at which the values begin.
    pub(super) fn first_value(&self) -> usize {
        self.attention.row() - self.features
    }

    /// The tokens of a local convolution.
    pub(super) fn token_grid(&self) -> Grid {
        Grid { rows: self.grid[0], columns: self.grid[1], channels: self.features }
    }

    /// Elements of the gate of an image.
    pub(super) fn gate_image(&self) -> usize {
        if self.has_gate { self.image() } else { 0 }
    }

    /// Elements of the tokens between attention and perceptron of an image, where both are there.
    pub(super) fn middle_image(&self) -> usize {
        if self.hidden > 0 { self.image() } else { 0 }
    }

    /// Elements of the hidden units of an image.
    pub(super) fn hidden_image(&self) -> usize {
        self.attention.tokens * self.hidden
    }
}

/// What the gradient needs of the forward pass, for all images or for one.
pub(super) struct Kept<T> {
    /// Queries, keys and values, `[tokens, row]`.
    pub query_key_value: T,
    /// The argument of the gate, `[tokens, features]`; empty without one.
    pub gate: T,
    /// The tokens between attention and perceptron, `[tokens, features]`; empty without a perceptron.
    pub middle: T,
    /// The hidden units before the activation, `[tokens, hidden]`.
    pub hidden: T,
}

impl Kept<Buffer> {
    fn new(sizes: &BlockSizes, images: usize) -> Self {
        Self {
            query_key_value: Buffer::new(images * sizes.projected_image()),
            gate: Buffer::new(images * sizes.gate_image()),
            middle: Buffer::new(images * sizes.middle_image()),
            hidden: Buffer::new(images * sizes.hidden_image()),
        }
    }

    fn slices(&mut self) -> Kept<&mut [f32]> {
        let Self { query_key_value, gate, middle, hidden } = self;
        Kept { query_key_value, gate, middle, hidden }
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
    let rest = &mut kept.slices();
    let tasks: Vec<_> =
        output.chunks_mut(image).zip(x.chunks(image)).map(|(output, x)| (output, x, rest.first(sizes))).collect();
    tasks.into_par_iter().for_each_init(
        || Scratch::new(sizes),
        |scratch, (output, x, mut kept)| scratch.image(parameters, &matrices, x, &mut kept, output),
    );
    Forward { output, kept }
}

impl Kept<&mut [f32]> {
    /// What belongs to the first image, which is taken off the rest.
    fn first(&mut self, sizes: &BlockSizes) -> Self {
        const THERE: &str = "as many images are kept as there are";
        Self {
            query_key_value: self.query_key_value.split_off_mut(..sizes.projected_image()).expect(THERE),
            gate: self.gate.split_off_mut(..sizes.gate_image()).expect(THERE),
            middle: self.middle.split_off_mut(..sizes.middle_image()).expect(THERE),
            hidden: self.hidden.split_off_mut(..sizes.hidden_image()).expect(THERE),
        }
    }
}

struct Matrices {
    query_key_value: Packed,
    gate: Option<Packed>,
    projection: Packed,
    perceptron: Option<[Packed; 2]>,
}

impl Matrices {
    fn new(parameters: &Parameters) -> Self {
        let ((query_key_value, projection), (gate, perceptron)) = rayon::join(
            || (parameters.query_key_value.packed(), parameters.projection.packed()),
            || {
                let of_perceptron =
                    |perceptron: &Perceptron| [&perceptron.expand, &perceptron.contract].map(Affine::packed);
                (parameters.gate.as_ref().map(Affine::packed), parameters.perceptron.as_ref().map(of_perceptron))
            },
        );
        Self { query_key_value, gate, projection, perceptron }
    }
}

/// Memory for an image.
struct Scratch {
    sizes: BlockSizes,
    attention: Attention,
    normalised: Buffer,
    context: Buffer,
    activated: Buffer,
    moments: Vec<RowMoments>,
}

impl Scratch {
    fn new(sizes: &BlockSizes) -> Self {
        Self {
            sizes: *sizes,
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
        if let Some(local) = &parameters.local {
            add_local(&self.sizes, local, kept.query_key_value, &mut self.context);
        }
        if let (Some(gate), Some(matrix)) = (&parameters.gate, &matrices.gate) {
            matrix.multiply_rows(&self.normalised, Some(gate.bias), kept.gate);
            arch::run(Gated { values: &mut self.context, gate: kept.gate });
        }
        let (Some(perceptron), Some([expand, contract])) = (&parameters.perceptron, &matrices.perceptron) else {
            matrices.projection.multiply_rows(&self.context, Some(parameters.projection.bias), output);
            arch::run(Add { values: output, others: x });
            return;
        };
        matrices.projection.multiply_rows(&self.context, Some(parameters.projection.bias), kept.middle);
        arch::run(Add { values: kept.middle, others: x });
        perceptron.norm.apply(kept.middle, &mut self.normalised, &mut self.moments);
        expand.multiply_rows(&self.normalised, Some(perceptron.expand.bias), kept.hidden);
        arch::run(Gelu { values: kept.hidden, output: &mut self.activated });
        contract.multiply_rows(&self.activated, Some(perceptron.contract.bias), output);
        arch::run(Add { values: output, others: kept.middle });
    }
}

/// Adds the convolution of the values to what the attention gives.
pub(super) fn add_local(sizes: &BlockSizes, local: &Affine, query_key_value: &[f32], context: &mut [f32]) {
    arch::run(Correlate {
        grid: sizes.token_grid(),
        x: &query_key_value[sizes.first_value()..],
        x_row: sizes.attention.row(),
        weight: local.weight,
        turned: false,
        bias: Some(local.bias),
        adds: true,
        output: context,
        output_row: sizes.features,
    });
}
