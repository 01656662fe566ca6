//! The gradients of a block, image by image. What was not kept is computed again while it is in the cache.

use super::{
    forward::{BlockSizes, Kept, Norm, Parameters, Perceptron, add_local},
    passes::{Add, GeluAndDerivative, Scale},
};
use crate::{
    arch::{self, Buffer},
    depthwise3x3::grid::{Correlate, ParameterGradient},
    gate::{Gated, GatedGradient},
    layer_norm::rows::{InputGradient, ParameterGradients, RowMoments},
    linear::product::{Packed, add_outer},
    linear_attention::heads::AttentionGradient,
    partials,
};

/// Where the gradients of the parameters lie, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Places {
    features: usize,
    projected: usize,
    hidden: usize,
    has_local: bool,
    has_gate: bool,
}

/// The gradients of the parameters, or sums for them; empty for those that are not there.
pub(super) struct ParameterSlices<T> {
    /// The weight, then the bias, like those of the other layers.
    pub query_key_value: T,
    pub local: T,
    pub gate: T,
    pub projection: T,
    pub expand: T,
    pub contract: T,
    /// Scale, then shift.
    pub attention_norm: T,
    pub perceptron_norm: T,
}

impl Places {
    pub(super) fn new(sizes: &BlockSizes, has_local: bool) -> Self {
        let &BlockSizes { features, hidden, has_gate, .. } = sizes;
        Self { features, projected: sizes.attention.row(), hidden, has_local, has_gate }
    }

    fn lengths(self) -> [usize; 8] {
        let Self { features, projected, hidden, has_local, has_gate } = self;
        let square = (features + 1) * features;
        let if_there = |is_there: bool, length: usize| if is_there { length } else { 0 };
        [
            (features + 1) * projected,
            if_there(has_local, 10 * features),
            if_there(has_gate, square),
            square,
            if_there(hidden > 0, (features + 1) * hidden),
            if_there(hidden > 0, (hidden + 1) * features),
            2 * features,
            if_there(hidden > 0, 2 * features),
        ]
    }

    fn length(self) -> usize {
        self.lengths().iter().sum()
    }

    pub(super) fn cut(self, sums: &[f32]) -> ParameterSlices<&[f32]> {
        let mut rest = sums;
        ParameterSlices::from(self.lengths().map(|length| {
            let (slice, behind) = rest.split_at(length);
            rest = behind;
            slice
        }))
    }

    fn cut_mut(self, sums: &mut [f32]) -> ParameterSlices<&mut [f32]> {
        let mut rest = sums;
        ParameterSlices::from(self.lengths().map(|length| {
            let (slice, behind) = std::mem::take(&mut rest).split_at_mut(length);
            rest = behind;
            slice
        }))
    }
}

impl<T> From<[T; 8]> for ParameterSlices<T> {
    fn from(parts: [T; 8]) -> Self {
        let [query_key_value, local, gate, projection, expand, contract, attention_norm, perceptron_norm] = parts;
        Self { query_key_value, local, gate, projection, expand, contract, attention_norm, perceptron_norm }
    }
}

/// The gradient of the input, and of the parameters as [`Places::cut`] finds them, if anybody asked for those.
pub(super) struct Backward {
    pub input: Buffer,
    pub parameters: Option<Buffer>,
}

/// Explanations ask for the gradient of the input alone: `of_parameters` is false, and a third of the products is spared.
pub(super) fn backward(
    sizes: &BlockSizes,
    parameters: &Parameters,
    x: &[f32],
    kept: &Kept<&[f32]>,
    gradient: &[f32],
    of_parameters: bool,
) -> Backward {
    let matrices = Transposed::new(parameters);
    let (image, places) = (sizes.image(), Places::new(sizes, parameters.local.is_some()));
    let mut input = Buffer::new(x.len());
    let length = if of_parameters { places.length() } else { 0 };
    let sums = partials::sum_and_map(x.len() / image, length, &mut input, |images, sums, input| {
        let mut scratch = Scratch::new(sizes);
        let mut sums = of_parameters.then(|| places.cut_mut(sums));
        for (index, input) in images.zip(input.chunks_exact_mut(image)) {
            let part = |length: usize| index * length..(index + 1) * length;
            let image = Image {
                x: &x[part(image)],
                kept: Kept {
                    query_key_value: &kept.query_key_value[part(sizes.projected_image())],
                    gate: &kept.gate[part(sizes.gate_image())],
                    middle: &kept.middle[part(sizes.middle_image())],
                    hidden: &kept.hidden[part(sizes.hidden_image())],
                },
                gradient: &gradient[part(image)],
            };
            match (&parameters.perceptron, &matrices.perceptron) {
                (Some(perceptron), Some(matrices)) => {
                    scratch.perceptron(sizes, perceptron, matrices, &image, sums.as_mut());
                }
                (None, _) | (_, None) => scratch.of_middle.copy_from_slice(image.gradient),
            }
            scratch.attention(sizes, parameters, &matrices, &image, sums.as_mut(), input);
        }
    });
    Backward { input, parameters: of_parameters.then_some(sums) }
}

struct Transposed {
    query_key_value: Packed,
    gate: Option<Packed>,
    projection: Packed,
    perceptron: Option<TransposedPerceptron>,
}

struct TransposedPerceptron {
    expand: Packed,
    contract: Packed,
}

impl Transposed {
    fn new(parameters: &Parameters) -> Self {
        let of_perceptron = |perceptron: &Perceptron| TransposedPerceptron {
            expand: perceptron.expand.transposed(),
            contract: perceptron.contract.transposed(),
        };
        let ((query_key_value, projection), (gate, perceptron)) = rayon::join(
            || (parameters.query_key_value.transposed(), parameters.projection.transposed()),
            || (parameters.gate.map(|gate| gate.transposed()), parameters.perceptron.as_ref().map(of_perceptron)),
        );
        Self { query_key_value, gate, projection, perceptron }
    }
}

/// What the gradients of an image are computed from.
struct Image<'a> {
    x: &'a [f32],
    kept: Kept<&'a [f32]>,
    /// The gradient of the output.
    gradient: &'a [f32],
}

/// Memory for an image.
struct Scratch {
    attention: AttentionGradient,
    moments: Vec<RowMoments>,
    normalised: Buffer,
    /// The gradient of `normalised`, or of the gated context.
    of_tokens: Buffer,
    /// The gradient of the context.
    of_context: Buffer,
    /// The gradient of the argument of the gate.
    of_gate: Buffer,
    /// The gradient of the tokens between attention and perceptron.
    of_middle: Buffer,
    context: Buffer,
    of_query_key_value: Buffer,
    activated: Buffer,
    derivative: Buffer,
    of_hidden: Buffer,
}

impl Scratch {
    fn new(sizes: &BlockSizes) -> Self {
        let tokens = || Buffer::new(sizes.image());
        let hidden = || Buffer::new(sizes.hidden_image());
        Self {
            attention: AttentionGradient::new(sizes.attention),
            moments: vec![[0.0; 2]; sizes.attention.tokens],
            normalised: tokens(),
            of_tokens: tokens(),
            of_context: tokens(),
            of_gate: tokens(),
            of_middle: tokens(),
            context: tokens(),
            of_query_key_value: Buffer::new(sizes.projected_image()),
            activated: hidden(),
            derivative: hidden(),
            of_hidden: hidden(),
        }
    }

    /// From the output back to the tokens between attention and perceptron.
    fn perceptron(
        &mut self,
        sizes: &BlockSizes,
        parameters: &Perceptron,
        matrices: &TransposedPerceptron,
        image: &Image,
        mut sums: Option<&mut ParameterSlices<&mut [f32]>>,
    ) {
        let BlockSizes { features, hidden, .. } = *sizes;
        let Image { kept, gradient, .. } = image;
        let (output, derivative) = (&mut *self.activated, &mut *self.derivative);
        arch::run(GeluAndDerivative { values: kept.hidden, output, derivative });
        if let Some(sums) = sums.as_deref_mut() {
            add_outer(&self.activated, hidden, gradient, features, sums.contract);
        }
        matrices.contract.multiply_rows(gradient, None, &mut self.of_hidden);
        arch::run(Scale { values: &mut self.of_hidden, factors: &self.derivative });
        parameters.norm.apply(kept.middle, &mut self.normalised, &mut self.moments);
        if let Some(sums) = sums.as_deref_mut() {
            add_outer(&self.normalised, features, &self.of_hidden, hidden, sums.expand);
        }
        matrices.expand.multiply_rows(&self.of_hidden, None, &mut self.of_tokens);
        let norm = (&parameters.norm, sums.map(|sums| &mut *sums.perceptron_norm));
        through_norm(norm, kept.middle, &self.moments, &self.of_tokens, &mut self.of_middle);
        arch::run(Add { values: &mut self.of_middle, others: gradient });
    }

    /// From there to the input.
    fn attention(
        &mut self,
        sizes: &BlockSizes,
        parameters: &Parameters,
        matrices: &Transposed,
        image: &Image,
        mut sums: Option<&mut ParameterSlices<&mut [f32]>>,
        input: &mut [f32],
    ) {
        let (features, projected) = (sizes.features, sizes.attention.row());
        let Image { x, kept, .. } = image;
        matrices.projection.multiply_rows(&self.of_middle, None, &mut self.of_context);
        if parameters.gate.is_some() {
            self.of_tokens.copy_from_slice(&self.of_context);
            arch::run(Gated { values: &mut self.of_context, gate: kept.gate });
        }
        let of_query_key_value = &mut *self.of_query_key_value;
        // the gate needs the context to know how the product changes with it
        let needs_context = sums.is_some() || parameters.gate.is_some();
        let context = needs_context.then_some(&mut *self.context);
        self.attention.backward(kept.query_key_value, &self.of_context, of_query_key_value, context);
        if let Some(local) = &parameters.local {
            arch::run(Correlate {
                grid: sizes.token_grid(),
                x: &self.of_context,
                x_row: features,
                weight: local.weight,
                turned: true,
                bias: None,
                adds: true,
                output: &mut of_query_key_value[sizes.first_value()..],
                output_row: projected,
            });
            if let Some(sums) = sums.as_deref_mut() {
                let x = &kept.query_key_value[sizes.first_value()..];
                let (grid, gradient) = (sizes.token_grid(), &*self.of_context);
                arch::run(ParameterGradient { grid, x, x_row: projected, gradient, sums: sums.local });
            }
            if needs_context {
                add_local(sizes, local, kept.query_key_value, &mut self.context);
            }
        }
        parameters.attention_norm.apply(x, &mut self.normalised, &mut self.moments);
        if parameters.gate.is_some() {
            let (values, gradient, of_gate) = (&*self.context, &*self.of_tokens, &mut *self.of_gate);
            arch::run(GatedGradient { values, gate: kept.gate, gradient, of_gate });
            arch::run(Gated { values: &mut self.context, gate: kept.gate });
        }
        if let Some(sums) = sums.as_deref_mut() {
            add_outer(&self.context, features, &self.of_middle, features, sums.projection);
            add_outer(&self.normalised, features, of_query_key_value, projected, sums.query_key_value);
            if parameters.gate.is_some() {
                add_outer(&self.normalised, features, &self.of_gate, features, sums.gate);
            }
        }
        matrices.query_key_value.multiply_rows(of_query_key_value, None, &mut self.of_tokens);
        if let Some(gate) = &matrices.gate {
            gate.multiply_rows(&self.of_gate, None, &mut self.of_context);
            arch::run(Add { values: &mut self.of_tokens, others: &self.of_context });
        }
        let norm = (&parameters.attention_norm, sums.map(|sums| &mut *sums.attention_norm));
        through_norm(norm, x, &self.moments, &self.of_tokens, input);
        arch::run(Add { values: input, others: &self.of_middle });
    }
}

/// The gradient of a normalisation's output to that of its input; those of its parameters are added to their sums, if
/// there are any.
fn through_norm(
    (norm, sums): (&Norm, Option<&mut [f32]>),
    x: &[f32],
    moments: &[RowMoments],
    gradient: &[f32],
    result: &mut [f32],
) {
    if let Some(sums) = sums {
        let (gamma, beta) = sums.split_at_mut(norm.gamma.len());
        arch::run(ParameterGradients { x, moments, gradient, gamma, beta });
    }
    arch::run(InputGradient { x, gamma: norm.gamma, moments, gradient, result });
}
