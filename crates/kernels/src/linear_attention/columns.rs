//! What is done with the columns of a head, element by element.

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
            Self::Exp => clamped_exp(simd, x),
            Self::SharpExp => clamped_exp(simd, simd.add(x, x)),
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
            Self::Exp => clamped_exp_slope(simd, x),
            Self::SharpExp => {
                let slope = clamped_exp_slope(simd, simd.add(x, x));
                simd.add(slope, slope)
            }
        }
    }
}

// not a call of `FeatureMap::value` by itself: a recursion is never inlined, and what is not inlined is not compiled for
// the instruction set
#[inline(always)]
fn clamped_exp<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let largest = simd.splat(FeatureMap::LARGEST_EXPONENT);
    exp(simd, simd.max(simd.min(x, largest), simd.subtract(simd.splat(0.0), largest)))
}

#[inline(always)]
fn clamped_exp_slope<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let (zero, largest) = (simd.splat(0.0), simd.splat(FeatureMap::LARGEST_EXPONENT));
    let below = simd.select(simd.greater(x, largest), zero, exp(simd, x));
    simd.select(simd.greater(simd.subtract(zero, largest), x), zero, below)
}

/// Maps the columns of a head, which start at the first element and are `width` of each `row`, into rows of whole
/// vectors. What fills them up is finite, and no product reads it.
pub(super) struct MapColumns<'a> {
    pub map: FeatureMap,
    pub columns: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub padded: usize,
    pub mapped: &'a mut [f32],
}

impl Kernel for MapColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (token, mapped) in self.mapped.chunks_exact_mut(self.padded).enumerate() {
            let from = &self.columns[token * self.row..][..self.width];
            for (mapped, values) in mapped.chunks_exact_mut(LANES).zip(from.chunks(LANES)) {
                simd.store(mapped, self.map.value(simd, simd.load(values)));
            }
        }
    }
}

/// Copies the columns of a head and puts a one behind them. What follows in a row stays as it is.
pub(super) struct CopyValues<'a> {
    pub columns: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub extended: usize,
    pub values: &'a mut [f32],
}

impl Kernel for CopyValues<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (token, to) in self.values.chunks_exact_mut(self.extended).enumerate() {
            let from = &self.columns[token * self.row..][..self.width];
            for (to, values) in to[..self.width].chunks_mut(LANES).zip(from.chunks(LANES)) {
                simd.store(to, simd.load(values));
            }
            to[self.width] = 1.0;
        }
    }
}

/// Divides the numerators by the denominator behind them, into `width` columns of each `row`.
pub(super) struct Divide<'a> {
    pub quotient: &'a [f32],
    pub extended: usize,
    pub width: usize,
    pub row: usize,
    pub output: &'a mut [f32],
}

impl Kernel for Divide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (token, quotient) in self.quotient.chunks_exact(self.extended).enumerate() {
            let inverse = simd.splat(1.0 / quotient[self.width]);
            let to = &mut self.output[token * self.row..][..self.width];
            for (to, numerator) in to.chunks_mut(LANES).zip(quotient[..self.width].chunks(LANES)) {
                simd.store(to, simd.multiply(simd.load(numerator), inverse));
            }
        }
    }
}

/// With `y = n / d`: the gradient of `n` is `g / d`, that of `d` is `−Σ g · n / d²`.
pub(super) struct QuotientGradient<'a> {
    pub quotient: &'a [f32],
    /// The gradient of the output: `width` columns of each `row`.
    pub gradient: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub extended: usize,
    pub result: &'a mut [f32],
}

impl Kernel for QuotientGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.width;
        let rows = self.result.chunks_exact_mut(self.extended).zip(self.quotient.chunks_exact(self.extended));
        for (token, (result, quotient)) in rows.enumerate() {
            let inverse = 1.0 / quotient[width];
            let factor = simd.splat(inverse);
            let gradient = &self.gradient[token * self.row..][..width];
            let mut product = simd.splat(0.0);
            let parts = result[..width].chunks_mut(LANES).zip(quotient[..width].chunks(LANES));
            for ((result, numerator), gradient) in parts.zip(gradient.chunks(LANES)) {
                let of_numerator = simd.multiply(simd.load(gradient), factor);
                simd.store(result, of_numerator);
                product = simd.multiply_add(of_numerator, simd.load(numerator), product);
            }
            result[width] = -simd.sum(product) * inverse;
        }
    }
}

/// Multiplies gradients of mapped columns with the derivative of the map.
pub(super) struct ThroughMap<'a> {
    pub map: FeatureMap,
    pub columns: &'a [f32],
    pub row: usize,
    pub width: usize,
    pub padded: usize,
    /// `[tokens, padded]`.
    pub gradient: &'a [f32],
    /// Laid out like the columns.
    pub result: &'a mut [f32],
}

impl Kernel for ThroughMap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (token, gradient) in self.gradient.chunks_exact(self.padded).enumerate() {
            let from = self.columns[token * self.row..][..self.width].chunks(LANES);
            let to = self.result[token * self.row..][..self.width].chunks_mut(LANES);
            for ((from, to), gradient) in from.zip(to).zip(gradient[..self.width].chunks(LANES)) {
                let derivative = self.map.derivative(simd, simd.load(from));
                simd.store(to, simd.multiply(simd.load(gradient), derivative));
            }
        }
    }
}
