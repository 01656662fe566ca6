//! The two colour maps.

use crate::raster::Rgb;

use crate::text::mix;

const WHITE: Rgb = Rgb([255; 3]);
/// Below this share of the scale the colour fades to white.
const FADE: f64 = 0.15;

/// The colour of a signed value at `position` from −1 (blue) over 0 (pure white) to 1 (red).
///
/// `ColorBrewer`'s `RdBu` in reverse. Its own middle is a light grey: near zero it is mixed with white, so that exactly
/// nothing looks like exactly nothing.
pub(super) fn signed_colour(position: f64) -> Rgb {
    let position = position.clamp(-1.0, 1.0);
    let colour = colorous::RED_BLUE.eval_continuous(f64::midpoint(1.0, -position));
    mix(WHITE, Rgb([colour.r, colour.g, colour.b]), (position.abs() / FADE).min(1.0))
}

/// The colour of an unsigned value at `position` from 0 (dark blue) to 1 (yellow): `viridis`.
pub(super) fn sequential_colour(position: f64) -> Rgb {
    let colour = colorous::VIRIDIS.eval_continuous(position.clamp(0.0, 1.0));
    Rgb([colour.r, colour.g, colour.b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exactly_white_and_the_ends_are_blue_and_red() {
        assert_eq!(signed_colour(0.0), WHITE);
        let ([low_red, _, low_blue], [high_red, _, high_blue]) = (signed_colour(-1.0).0, signed_colour(1.0).0);
        assert!(low_blue > low_red + 80 && high_red > high_blue + 60);
        assert_eq!(signed_colour(-7.0), signed_colour(-1.0));
    }

    #[test]
    fn a_signed_colour_darkens_with_distance_from_zero() {
        let brightness = |position: f64| signed_colour(position).0.iter().map(|&c| i32::from(c)).sum::<i32>();
        for sign in [-1.0, 1.0] {
            let steps: Vec<i32> = (0..=50).map(|step| brightness(sign * f64::from(step) / 50.0)).collect();
            assert!(steps.windows(2).all(|pair| pair[1] < pair[0]), "{steps:?}");
        }
    }
}
