//! Elementary functions on vectors, to about the last two bits of `f32`.

use crate::arch::Simd;

/// `exp(x)`, for arguments clamped to where neither it nor its reciprocal leaves the normal numbers.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    // x = n · ln 2 + r with |r| ≤ ½ ln 2, where the Taylor polynomial of degree 7 is exact to 6e-9;
    // ln 2 is split so that n times its first part has no rounding
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = simd.min(simd.max(x, simd.splat(-87.0)), simd.splat(87.0));
    let n = simd.round(simd.multiply(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.multiply_add(n, simd.splat(-LN2_HIGH), x);
    let r = simd.multiply_add(n, simd.splat(-LN2_LOW), r);
    let mut polynomial = simd.splat(1.0 / 5040.0);
    for factorial in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        polynomial = simd.multiply_add(polynomial, r, simd.splat(1.0 / factorial));
    }
    simd.scale(polynomial, n)
}

/// `ln(1 + t)` for `t` within 0 and 1.
#[inline(always)]
pub(crate) fn ln_one_plus<S: Simd>(simd: S, t: S::Vector) -> S::Vector {
    // ln(1 + t) = 2 artanh(s) with s = t / (2 + t) ≤ 1/3, whose series is cut where the rest is below 2e-9
    let s = simd.divide(t, simd.add(t, simd.splat(2.0)));
    let square = simd.multiply(s, s);
    let mut series = simd.splat(2.0 / 15.0);
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = simd.multiply_add(series, square, simd.splat(2.0 / odd));
    }
    simd.multiply(series, s)
}

/// The normal distribution function and its density.
pub(crate) struct Normal<V> {
    pub distribution: V,
    pub density: V,
}

/// The standard normal distribution, to an absolute error below 3e-7 (Abramowitz and Stegun, 1964, 7.1.26).
#[inline(always)]
pub(crate) fn normal<S: Simd>(simd: S, x: S::Vector) -> Normal<S::Vector> {
    const INVERSE_ROOT_OF_TWO_PI: f32 = 0.398_942_3;
    let negative = simd.subtract(simd.splat(0.0), x);
    let magnitude = simd.max(x, negative);
    let one = simd.splat(1.0);
    let exponential = exp(simd, simd.multiply(simd.multiply(x, negative), simd.splat(0.5)));
    let scaled = simd.multiply(magnitude, simd.splat(0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.divide(one, simd.add(one, scaled));
    let mut polynomial = simd.splat(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        polynomial = simd.multiply_add(polynomial, t, simd.splat(coefficient));
    }
    let tail = simd.multiply(simd.multiply(simd.multiply(polynomial, t), exponential), simd.splat(0.5));
    let distribution = simd.select(simd.greater(x, simd.splat(0.0)), simd.subtract(one, tail), tail);
    Normal { distribution, density: simd.multiply(exponential, simd.splat(INVERSE_ROOT_OF_TWO_PI)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Kernel, Level, run_on};

    /// Every function at a number.
    struct Evaluate(f32);

    impl Kernel for Evaluate {
        type Output = [f32; 4];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [f32; 4] {
            let x = simd.splat(self.0);
            let t = simd.splat(self.0.clamp(0.0, 1.0));
            let Normal { distribution, density } = normal(simd, x);
            [exp(simd, x), ln_one_plus(simd, t), distribution, density].map(|value| simd.to_array(value)[5])
        }
    }

    /// The normal distribution function by Simpson's rule from 0.
    fn distribution(x: f64) -> f64 {
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = x / 400.0;
        let inner = |index: i32| if index % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(index) * step);
        0.5 + (density(0.0) + (1..400).map(inner).sum::<f64>() + density(x)) * step / 3.0
    }

    #[test]
    fn agree_with_double_precision_on_every_instruction_set() {
        for level in Level::available() {
            for index in -800..=800 {
                let x = index as f32 / 100.0;
                let [exp, ln_one_plus, normal, density] = run_on(level, Evaluate(x));
                let double = f64::from(x);
                let relative = (f64::from(exp) / double.exp() - 1.0).abs();
                assert!(relative < 3e-7, "exp({x}) = {exp} is off by {relative} with {level:?}");
                let expected = double.clamp(0.0, 1.0).ln_1p();
                assert!((f64::from(ln_one_plus) - expected).abs() < 2e-7, "ln(1 + {x}) = {ln_one_plus}");
                assert!((f64::from(normal) - distribution(double)).abs() < 3e-7, "normal({x}) = {normal}");
                let expected = (-0.5 * double * double).exp() / (2.0 * std::f64::consts::PI).sqrt();
                assert!((f64::from(density) - expected).abs() < 2e-7, "density({x}) = {density}");
            }
            assert!(run_on(level, Evaluate(-200.0))[0] < 1e-37);
            assert!(run_on(level, Evaluate(200.0))[0].is_finite());
        }
    }
}
