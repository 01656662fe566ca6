//! Quantiles of Student's t distribution.

use std::f64::consts::FRAC_2_PI;

/// The value below which a variable of Student's t distribution with this many degrees of freedom, 1 or more, lies with
/// this probability, from 0.5 to below 1: bisection of [`within`].
pub(super) fn student_quantile(probability: f64, freedom: usize) -> f64 {
    let inside = 2.0 * probability - 1.0;
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom) < inside {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if within(middle, freedom) < inside {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The probability that the magnitude is at most `t`: the finite sums for whole degrees of freedom (Abramowitz and Stegun
/// 1964, equations 26.7.3 and 26.7.4).
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    // odd: cos θ + 2/3 cos³ θ + 2·4/(3·5) cos⁵ θ …, even: 1 + 1/2 cos² θ + 1·3/(2·4) cos⁴ θ …
    let (mut term, mut place) = if is_odd { (cosine, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while place + 2 <= freedom {
        sum += term;
        place += 2;
        term *= cosine * cosine * (place - 1) as f64 / place as f64;
    }
    if is_odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // scipy.stats.t.ppf
        let known = [
            (0.975, 1, 12.706_204_736_174_694),
            (0.975, 2, 4.302_652_729_749_462),
            (0.975, 4, 2.776_445_105_197_793_4),
            (0.975, 7, 2.364_624_251_592_784),
            (0.975, 29, 2.045_229_642_132_703),
            (0.75, 3, 0.764_892_328_404_344_3),
            (0.999_95, 9, 6.593_682_583_944_882),
            (0.975, 9_999, 1.960_201_263_621_357),
        ];
        for (probability, freedom, expected) in known {
            let found = student_quantile(probability, freedom);
            assert!((found - expected).abs() < 1e-9 * expected, "{freedom}: {found} instead of {expected}");
        }
        assert!(student_quantile(0.5, 5).abs() < 1e-12);
    }
}
