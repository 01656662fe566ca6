//! Values multiplied by the sigmoid linear unit of a gate, `g / (1 + exp(−g))`.

use crate::{
    arch::{Kernel, LANES, Simd},
    math::exp,
};

/// Multiplies values by the sigmoid linear unit of a gate, in place.
pub(crate) struct Gated<'a> {
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
pub(crate) struct GatedGradient<'a> {
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
