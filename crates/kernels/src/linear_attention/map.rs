//! The feature maps on vectors.

use super::FeatureMap;
use crate::{
    arch::{Kernel, LANES, Simd},
    math::{exp, ln_one_plus},
};

impl FeatureMap {
    #[inline(always)]
    pub(crate) fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        let zero = simd.splat(0.0);
        match self {
            Self::EluPlusOne => simd.select(simd.greater(x, zero), simd.add(x, simd.splat(1.0)), exp(simd, x)),
            Self::Relu => simd.add(simd.max(x, zero), simd.splat(Self::RELU_EPSILON)),
            Self::Softplus => {
                let decay = exp(simd, simd.min(x, simd.subtract(zero, x)));
                simd.add(simd.max(x, zero), ln_one_plus(simd, decay))
            }
        }
    }

    #[inline(always)]
    fn derivative<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        let positive = simd.greater(x, zero);
        match self {
            Self::EluPlusOne => simd.select(positive, one, exp(simd, x)),
            Self::Relu => simd.select(positive, one, zero),
            Self::Softplus => {
                let decay = exp(simd, simd.min(x, simd.subtract(zero, x)));
                simd.divide(simd.select(positive, one, decay), simd.add(one, decay))
            }
        }
    }
}

/// Maps the columns of a head, which start at the first element and are `width` of each `row`, into blocks of sixteen
/// for every token.
pub(super) struct MapColumns<'a> {
    pub map: FeatureMap,
    pub columns: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub tokens: usize,
    pub blocks: &'a mut [f32],
}

impl Kernel for MapColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for token in 0..self.tokens {
            let from = &self.columns[token * self.row..][..self.width];
            for (block, values) in from.chunks(LANES).enumerate() {
                let to = &mut self.blocks[(block * self.tokens + token) * LANES..][..LANES];
                simd.store(to, self.map.value(simd, simd.load(values)));
            }
        }
    }
}

/// Multiplies gradients of mapped columns with the derivative of the map.
pub(super) struct ThroughMap<'a> {
    pub map: FeatureMap,
    pub columns: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub tokens: usize,
    /// `[tokens, width]`.
    pub gradient: &'a [f32],
    /// Laid out like the columns.
    pub result: &'a mut [f32],
}

impl Kernel for ThroughMap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for token in 0..self.tokens {
            let from = self.columns[token * self.row..][..self.width].chunks(LANES);
            let to = self.result[token * self.row..][..self.width].chunks_mut(LANES);
            let gradient = self.gradient[token * self.width..][..self.width].chunks(LANES);
            for ((from, to), gradient) in from.zip(to).zip(gradient) {
                let derivative = self.map.derivative(simd, simd.load(from));
                simd.store(to, simd.multiply(simd.load(gradient), derivative));
            }
        }
    }
}
