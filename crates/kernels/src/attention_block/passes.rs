//! The element-wise passes of a block over the tokens of an image.

use crate::{
    arch::{Kernel, LANES, Simd},
    math::{Normal, exp, normal},
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

/// Multiplies values by the sigmoid linear unit of a gate, in place.
pub(super) struct Gated<'a> {
    pub values: &'a mut [f32],
    pub gate: &'a [f32],
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (values, gate) in self.values.chunks_mut(LANES).zip(self.gate.chunks(LANES)) {
            let gate = simd.load(gate);
            let opened = simd.multiply(gate, sigmoid(simd, gate));
            simd.store(values, simd.multiply(simd.load(values), opened));
        }
    }
}

/// The gradients of a product of values with the sigmoid linear unit of a gate.
pub(super) struct GatedGradient<'a> {
    pub values: &'a [f32],
    pub gate: &'a [f32],
    /// Of the product.
    pub gradient: &'a [f32],
    pub of_gate: &'a mut [f32],
}

impl Kernel for GatedGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let one = simd.splat(1.0);
        let inputs = self.values.chunks(LANES).zip(self.gate.chunks(LANES)).zip(self.gradient.chunks(LANES));
        for (of_gate, ((values, gate), gradient)) in self.of_gate.chunks_mut(LANES).zip(inputs) {
            let gate = simd.load(gate);
            let share = sigmoid(simd, gate);
            // σ + g σ (1 − σ)
            let slope = simd.multiply_add(simd.multiply(gate, share), simd.subtract(one, share), share);
            let of_product = simd.multiply(simd.load(gradient), simd.load(values));
            simd.store(of_gate, simd.multiply(of_product, slope));
        }
    }
}

#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    simd.divide(one, simd.add(one, exp(simd, simd.subtract(simd.splat(0.0), x))))
}
