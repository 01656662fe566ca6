//! A gate on activations.

use crate::{
    arch::{self, Kernel, LANES, Simd},
    math::exp,
};

/// Multiplies every value by the sigmoid linear unit of another, `g / (1 + exp(−g))`.
///
/// # Panics
///
/// If the lengths differ.
pub fn multiply_by_silu(values: &mut [f32], gate: &[f32]) {
    assert_eq!(values.len(), gate.len(), "a gate for every value");
    arch::run(Gate { values, gate });
}

struct Gate<'a> {
    values: &'a mut [f32],
    gate: &'a [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let one = simd.splat(1.0);
        for (values, gate) in self.values.chunks_mut(LANES).zip(self.gate.chunks(LANES)) {
            let gate = simd.load(gate);
            let decay = exp(simd, simd.subtract(simd.splat(0.0), gate));
            let silu = simd.divide(gate, simd.add(one, decay));
            simd.store(values, simd.multiply(simd.load(values), silu));
        }
    }
}
