//! Scales that several maps share, so that equal colours mean equal values.

use super::ValueMap;
use crate::ReportError;
use crate::number::number;

/// A scale for signed maps: symmetric around zero and the same for all maps that it was taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedScale {
    limit: f32,
    /// The percentile that was asked for.
    asked: f64,
    /// The percentile at which the scale ends.
    percentile: f64,
    clipped: f64,
    unit: &'static str,
}

impl SharedScale {
    /// The scale that reaches to the largest magnitude in any of the maps.
    pub fn largest<'a>(maps: impl IntoIterator<Item = &'a ValueMap>) -> Result<Self, ReportError> {
        Self::percentile(maps, 100.0)
    }

    /// The scale that reaches to the given percentile (above 0, at most 100) of the magnitudes in all maps together;
    /// larger values get the colours of its ends.
    ///
    /// The percentile is the smallest magnitude that at least this share of all values does not exceed. Where that is
    /// zero, as on maps that are mostly empty, the scale reaches to the largest magnitude instead.
    pub fn percentile<'a>(maps: impl IntoIterator<Item = &'a ValueMap>, percent: f64) -> Result<Self, ReportError> {
        let figure = "shared scale";
        if !(percent > 0.0 && percent <= 100.0) {
            let position = "percentile".to_owned();
            return Err(ReportError::OutOfRange { figure, position, value: percent, low: 0.0, high: 100.0 });
        }
        let mut magnitudes: Vec<f32> = maps.into_iter().flat_map(ValueMap::values).map(|value| value.abs()).collect();
        magnitudes.sort_by(f32::total_cmp);
        let Some(&largest) = magnitudes.last() else {
            return Err(ReportError::Empty { figure, item: "map" });
        };
        let rank = (percent / 100.0 * magnitudes.len() as f64).ceil() as usize;
        let at_rank = magnitudes[rank.clamp(1, magnitudes.len()) - 1];
        let (limit, percentile) = if at_rank > 0.0 { (at_rank, percent) } else { (largest, 100.0) };
        let beyond = magnitudes.iter().filter(|&&magnitude| magnitude > limit).count();
        Ok(Self { limit, asked: percent, percentile, clipped: beyond as f64 / magnitudes.len() as f64, unit: "" })
    }

    /// A scale of the same kind and unit for other maps.
    pub(super) fn of_others<'a>(&self, maps: impl IntoIterator<Item = &'a ValueMap>) -> Result<Self, ReportError> {
        Ok(Self::percentile(maps, self.asked)?.with_unit(self.unit))
    }

    /// The scale with the unit of its values, as in "logits per pixel", for the words around the colour bar.
    #[must_use]
    pub fn with_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The unit of the values; empty if none was given.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The magnitude at both ends; zero if all maps are zero everywhere.
    pub fn limit(&self) -> f32 {
        self.limit
    }

    /// Share of the values beyond the ends.
    pub fn clipped(&self) -> f64 {
        self.clipped
    }

    /// The scale in words, for the foot of an image.
    pub fn describe(&self) -> String {
        if self.limit == 0.0 {
            return with_unit("signed maps: all values are zero", self.unit);
        }
        let reach = number(f64::from(self.limit));
        let scale = with_unit(&format!("-{reach} to +{reach}"), self.unit);
        if self.clipped == 0.0 {
            return scale;
        }
        format!("{scale}; {:.1} % of the values lie beyond", self.clipped * 100.0)
    }

    /// Where a value lies, from −1 to 1; zero is 0 on every scale.
    pub(super) fn position(&self, value: f32) -> f64 {
        if self.limit > 0.0 { (f64::from(value) / f64::from(self.limit)).clamp(-1.0, 1.0) } else { 0.0 }
    }
}

/// A scale for unsigned maps such as attention weights, the same for all maps that it was taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionScale {
    low: f32,
    high: f32,
    starts_at_zero: bool,
    unit: &'static str,
}

impl AttentionScale {
    /// From zero to the largest value in any of the maps: shows how flat attention is. Negative values are an error.
    pub fn from_zero<'a>(maps: impl IntoIterator<Item = &'a ValueMap>) -> Result<Self, ReportError> {
        let spanning = Self::spanning(maps)?;
        if spanning.low < 0.0 {
            return Err(ReportError::OutOfRange {
                figure: "attention scale",
                position: "smallest value".to_owned(),
                value: f64::from(spanning.low),
                low: 0.0,
                high: f64::INFINITY,
            });
        }
        Ok(Self { low: 0.0, starts_at_zero: true, ..spanning })
    }

    /// From the smallest to the largest value in any of the maps: shows differences that are small beside the values.
    pub fn spanning<'a>(maps: impl IntoIterator<Item = &'a ValueMap>) -> Result<Self, ReportError> {
        let ends = maps.into_iter().map(|map| (map.min(), map.max()));
        let all = ends.reduce(|(low, high), (min, max)| (low.min(min), high.max(max)));
        let (low, high) = all.ok_or(ReportError::Empty { figure: "attention scale", item: "map" })?;
        Ok(Self { low, high, starts_at_zero: false, unit: "" })
    }

    /// A scale of the same kind and unit for other maps.
    pub(super) fn of_others<'a>(&self, maps: impl IntoIterator<Item = &'a ValueMap>) -> Result<Self, ReportError> {
        let scale = if self.starts_at_zero { Self::from_zero(maps) } else { Self::spanning(maps) };
        Ok(scale?.with_unit(self.unit))
    }

    /// The scale with the unit of its values, as in "share of a query's attention", for the words around the colour bar.
    #[must_use]
    pub fn with_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The unit of the values; empty if none was given.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The value with the darkest colour.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// The value with the brightest colour.
    pub fn high(&self) -> f32 {
        self.high
    }

    /// The scale in words, for the foot of an image.
    pub fn describe(&self) -> String {
        let (low, high) = (number(f64::from(self.low)), number(f64::from(self.high)));
        with_unit(&format!("{low} to {high}"), self.unit)
    }

    /// Where a value lies, from 0 to 1; 0 where the scale has no length.
    pub(super) fn position(self, value: f32) -> f64 {
        let length = f64::from(self.high) - f64::from(self.low);
        if length > 0.0 { ((f64::from(value) - f64::from(self.low)) / length).clamp(0.0, 1.0) } else { 0.0 }
    }
}

fn with_unit(scale: &str, unit: &str) -> String {
    if unit.is_empty() { scale.to_owned() } else { format!("{scale} ({unit})") }
}

// expected positions and limits are exact in binary
#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use proptest::prelude::*;

    use super::super::colour::{sequential_colour, signed_colour};
    use super::*;

    fn map(values: &[f32]) -> ValueMap {
        ValueMap::new([1, values.len()], values).unwrap()
    }

    #[test]
    fn one_scale_serves_all_maps() {
        let (faint, strong) = (map(&[0.1, -0.2]), map(&[3.0, -4.0]));
        let scale = SharedScale::largest([&faint, &strong]).unwrap();
        assert_eq!((scale.limit(), scale.clipped()), (4.0, 0.0));
        assert_eq!(signed_colour(scale.position(4.0)), signed_colour(1.0));
        assert_eq!(signed_colour(scale.position(-4.0)), signed_colour(-1.0));
        assert_eq!(scale.describe(), "-4.000 to +4.000");
    }

    #[test]
    fn a_percentile_clips_and_says_how_much() {
        let values: Vec<f32> = (1..=100).map(|i| if i % 2 == 0 { i as f32 } else { -(i as f32) }).collect();
        let scale = SharedScale::percentile([&map(&values)], 90.0).unwrap();
        assert_eq!(scale.limit(), 90.0);
        assert!((scale.clipped() - 0.1).abs() < 1e-12);
        assert_eq!((scale.position(-99.0), scale.position(100.0)), (-1.0, 1.0));
        assert!(scale.describe().ends_with("; 10.0 % of the values lie beyond"));
    }

    #[test]
    fn scales_name_their_unit() {
        let signed = SharedScale::largest([&map(&[0.5])]).unwrap().with_unit("logits");
        assert_eq!(signed.describe(), "-0.500 to +0.500 (logits)");
        let weights = AttentionScale::from_zero([&map(&[0.5])]).unwrap().with_unit("share");
        assert_eq!((weights.unit(), weights.describe().as_str()), ("share", "0 to 0.500 (share)"));
    }

    #[test]
    fn mostly_empty_maps_keep_a_scale() {
        let mut values = [0.0; 100];
        values[3] = -2.0;
        assert_eq!(SharedScale::percentile([&map(&values)], 99.0).unwrap().limit(), 2.0);
    }

    #[test]
    fn a_map_of_zeros_is_neutral() {
        let zeros = map(&[0.0, -0.0, 0.0]);
        let scale = SharedScale::largest([&zeros]).unwrap();
        assert_eq!(scale.limit(), 0.0);
        assert!(zeros.values().iter().all(|&value| signed_colour(scale.position(value)) == signed_colour(0.0)));
        let attention = AttentionScale::from_zero([&zeros]).unwrap();
        assert_eq!(sequential_colour(attention.position(0.0)), sequential_colour(0.0));
    }

    #[test]
    fn attention_scales_start_where_they_say() {
        let weights = map(&[0.02, 0.03]);
        assert_eq!(AttentionScale::from_zero([&weights]).unwrap().position(0.015), 0.5);
        let spanning = AttentionScale::spanning([&weights]).unwrap();
        assert_eq!((spanning.position(0.02), spanning.position(0.03)), (0.0, 1.0));
        let error = AttentionScale::from_zero([&map(&[-0.5])]).unwrap_err().to_string();
        assert_eq!(error, "attention scale: found -0.5 at smallest value, expected a number from 0 to inf");
    }

    #[test]
    fn a_scale_needs_maps_and_a_percentile_that_exists() {
        assert!(matches!(SharedScale::largest([]), Err(ReportError::Empty { .. })));
        assert!(matches!(AttentionScale::spanning([]), Err(ReportError::Empty { .. })));
        for percent in [0.0, -1.0, 100.5, f64::NAN] {
            assert!(matches!(SharedScale::percentile([&map(&[1.0])], percent), Err(ReportError::OutOfRange { .. })));
        }
    }

    proptest! {
        #[test]
        fn the_scale_is_symmetric_and_zero_is_white(values in prop::collection::vec(-1e6f32..1e6, 1..40)) {
            let scale = SharedScale::percentile([&map(&values)], 95.0).unwrap();
            for value in values {
                prop_assert_eq!(scale.position(value), -scale.position(-value));
            }
            prop_assert_eq!(signed_colour(scale.position(0.0)).0, [255; 3]);
            prop_assert_eq!(scale.position(scale.limit()), if scale.limit() > 0.0 { 1.0 } else { 0.0 });
        }
    }
}
