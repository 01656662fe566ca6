//! The activations and their derivatives, element by element.

use crate::{
    Activation,
    arch::{self, Buffer, Kernel, LANES, Simd},
    math::{Normal, normal},
};
use rayon::prelude::*;

/// Elements of a task.
const CHUNK: usize = 1 << 14;

/// Applies an activation in place.
pub(super) fn apply(activation: Activation, values: &mut [f32]) {
    if activation != Activation::Identity {
        arch::run(Apply { activation, values });
    }
}

/// The activation of every value.
pub(super) fn applied(activation: Activation, values: &[f32]) -> Buffer {
    let mut result = Buffer::new(values.len());
    result.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(result, values)| {
        result.copy_from_slice(values);
        apply(activation, result);
    });
    result
}

/// The derivative of an activation.
pub(super) struct Derivative<'a> {
    pub activation: Activation,
    /// The values before a `Gelu`, or after a `Relu`.
    pub kept: &'a [f32],
}

/// The gradient before the activation.
pub(super) fn through(derivative: &Derivative, gradient: &[f32]) -> Buffer {
    let mut result = Buffer::new(gradient.len());
    result.par_chunks_mut(CHUNK).enumerate().for_each(|(index, result)| {
        let range = index * CHUNK..index * CHUNK + result.len();
        let kept = &derivative.kept[range.clone()];
        arch::run(Through { activation: derivative.activation, kept, gradient: &gradient[range], result });
    });
    result
}

struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for values in self.values.chunks_mut(LANES) {
            let x = simd.load(values);
            let y = match self.activation {
                Activation::Identity => x,
                Activation::Relu => simd.max(x, simd.splat(0.0)),
                Activation::Gelu => simd.multiply(x, normal(simd, x).distribution),
            };
            simd.store(values, y);
        }
    }
}

struct Through<'a> {
    activation: Activation,
    kept: &'a [f32],
    gradient: &'a [f32],
    result: &'a mut [f32],
}

impl Kernel for Through<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let zero = simd.splat(0.0);
        let chunks = self.result.chunks_mut(LANES).zip(self.kept.chunks(LANES)).zip(self.gradient.chunks(LANES));
        for ((result, kept), gradient) in chunks {
            let (kept, gradient) = (simd.load(kept), simd.load(gradient));
            let value = match self.activation {
                Activation::Identity => gradient,
                Activation::Relu => simd.select(simd.greater(kept, zero), gradient, zero),
                Activation::Gelu => {
                    let Normal { distribution, density } = normal(simd, kept);
                    simd.multiply(gradient, simd.multiply_add(kept, density, distribution))
                }
            };
            simd.store(result, value);
        }
    }
}
