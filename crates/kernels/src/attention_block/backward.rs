//! The gradients of a block, image by image. What was not kept is computed again while it is in the cache.

use super::{
    forward::{BlockSizes, Kept, Norm, Parameters},
    passes::{Add, GeluAndDerivative, Scale},
};
use crate::{
    arch::{self, Buffer},
    layer_norm::rows::{InputGradient, ParameterGradients, RowMoments},
    linear::product::{Packed, add_outer},
    linear_attention::heads::AttentionGradient,
    partials,
};

/// Where the gradients of the parameters lie, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Places {
    features: usize,
    hidden: usize,
}

/// The gradients of the parameters, or sums for them.
pub(super) struct ParameterSlices<T> {
    /// The weight, then the bias, like those of the other linear layers.
    pub query_key_value: T,
    pub projection: T,
    pub expand: T,
    pub contract: T,
    /// Scale, then shift.
    pub attention_norm: T,
    pub perceptron_norm: T,
}

impl Places {
    pub(super) fn new(sizes: &BlockSizes) -> Self {
        Self { features: sizes.features, hidden: sizes.hidden }
    }

    fn lengths(self) -> [usize; 6] {
        let Self { features, hidden } = self;
        [
            (features + 1) * 3 * features,
            (features + 1) * features,
            (features + 1) * hidden,
            (hidden + 1) * features,
            2 * features,
            2 * features,
        ]
    }

    fn length(self) -> usize {
        self.lengths().iter().sum()
    }

    pub(super) fn cut(self, sums: &[f32]) -> ParameterSlices<&[f32]> {
        let mut rest = sums;
        let [query_key_value, projection, expand, contract, attention_norm, perceptron_norm] =
            self.lengths().map(|length| {
                let (slice, behind) = rest.split_at(length);
                rest = behind;
                slice
            });
        ParameterSlices { query_key_value, projection, expand, contract, attention_norm, perceptron_norm }
    }

    fn cut_mut(self, sums: &mut [f32]) -> ParameterSlices<&mut [f32]> {
        let mut rest = sums;
        let [query_key_value, projection, expand, contract, attention_norm, perceptron_norm] =
            self.lengths().map(|length| {
                let (slice, behind) = std::mem::take(&mut rest).split_at_mut(length);
                rest = behind;
                slice
            });
        ParameterSlices { query_key_value, projection, expand, contract, attention_norm, perceptron_norm }
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
    let (image, places) = (sizes.image(), Places::new(sizes));
    let mut input = Buffer::new(x.len());
    let length = if of_parameters { places.length() } else { 0 };
    let sums = partials::sum_and_map(x.len() / image, length, &mut input, |images, sums, input| {
        let mut scratch = Scratch::new(sizes);
        let mut sums = of_parameters.then(|| places.cut_mut(sums));
        for (index, input) in images.zip(input.chunks_exact_mut(image)) {
            let image = Image {
                x: &x[index * image..][..image],
                kept: Kept {
                    query_key_value: &kept.query_key_value[index * 3 * image..][..3 * image],
                    middle: &kept.middle[index * image..][..image],
                    hidden: &kept.hidden[index * sizes.hidden_image()..][..sizes.hidden_image()],
                },
                gradient: &gradient[index * image..][..image],
            };
            scratch.perceptron(sizes, parameters, &matrices, &image, sums.as_mut());
            scratch.attention(sizes, parameters, &matrices, &image, sums.as_mut(), input);
        }
    });
    Backward { input, parameters: of_parameters.then_some(sums) }
}

struct Transposed {
    query_key_value: Packed,
    projection: Packed,
    expand: Packed,
    contract: Packed,
}

impl Transposed {
    fn new(parameters: &Parameters) -> Self {
        let ((query_key_value, projection), (expand, contract)) = rayon::join(
            || (parameters.query_key_value.transposed(), parameters.projection.transposed()),
            || (parameters.expand.transposed(), parameters.contract.transposed()),
        );
        Self { query_key_value, projection, expand, contract }
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
    /// The gradient of `normalised` or of the context.
    of_tokens: Buffer,
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
            of_middle: tokens(),
            context: tokens(),
            of_query_key_value: Buffer::new(3 * sizes.image()),
            activated: hidden(),
            derivative: hidden(),
            of_hidden: hidden(),
        }
    }

    /// From the output back to the tokens between attention and perceptron.
    fn perceptron(
        &mut self,
        sizes: &BlockSizes,
        parameters: &Parameters,
        matrices: &Transposed,
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
        parameters.perceptron_norm.apply(kept.middle, &mut self.normalised, &mut self.moments);
        if let Some(sums) = sums.as_deref_mut() {
            add_outer(&self.normalised, features, &self.of_hidden, hidden, sums.expand);
        }
        matrices.expand.multiply_rows(&self.of_hidden, None, &mut self.of_tokens);
        let norm = (&parameters.perceptron_norm, sums.map(|sums| &mut *sums.perceptron_norm));
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
        let features = sizes.features;
        let Image { x, kept, .. } = image;
        matrices.projection.multiply_rows(&self.of_middle, None, &mut self.of_tokens);
        let of_query_key_value = &mut *self.of_query_key_value;
        let context = sums.is_some().then_some(&mut *self.context);
        self.attention.backward(kept.query_key_value, &self.of_tokens, of_query_key_value, context);
        parameters.attention_norm.apply(x, &mut self.normalised, &mut self.moments);
        if let Some(sums) = sums.as_deref_mut() {
            add_outer(&self.context, features, &self.of_middle, features, sums.projection);
            add_outer(&self.normalised, features, of_query_key_value, 3 * features, sums.query_key_value);
        }
        matrices.query_key_value.multiply_rows(of_query_key_value, None, &mut self.of_tokens);
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
