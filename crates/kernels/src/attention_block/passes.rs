//! The element-wise passes of a block over the tokens of an image.

use crate::{
    arch::{Kernel, LANES, Simd},
    math::{Normal, normal},
};

/// Adds other values in place.
pub(super) struct Add<'a> {
    pub values: &'a mut [f32],
    pub others: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (values, others) in self.values.chunks_mut(LANES).zip(self.others.chunks(LANES)) {
            simd.store(values, simd.add(simd.load(values), simd.load(others)));
        }
    }
}

/// The Gaussian error linear unit of every value.
pub(super) struct Gelu<'a> {
    pub values: &'a [f32],
    pub output: &'a mut [f32],
}

impl Kernel for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (output, values) in self.output.chunks_mut(LANES).zip(self.values.chunks(LANES)) {
            let x = simd.load(values);
            simd.store(output, simd.multiply(x, normal(simd, x).distribution));
        }
    }
}

/// The Gaussian error linear unit of every value again, and its derivative.
pub(super) struct GeluAndDerivative<'a> {
    pub values: &'a [f32],
    pub output: &'a mut [f32],
    pub derivative: &'a mut [f32],
}

impl Kernel for GeluAndDerivative<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let results = self.output.chunks_mut(LANES).zip(self.derivative.chunks_mut(LANES));
        for ((output, derivative), values) in results.zip(self.values.chunks(LANES)) {
            let x = simd.load(values);
            let Normal { distribution, density } = normal(simd, x);
            simd.store(output, simd.multiply(x, distribution));
            simd.store(derivative, simd.multiply_add(x, density, distribution));
        }
    }
}

/// Multiplies with other values in place.
pub(super) struct Scale<'a> {
    pub values: &'a mut [f32],
    pub factors: &'a [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (values, factors) in self.values.chunks_mut(LANES).zip(self.factors.chunks(LANES)) {
            simd.store(values, simd.multiply(simd.load(values), simd.load(factors)));
        }
    }
}
