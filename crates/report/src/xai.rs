//! The results of `tinylsa-xai` as figures take them.

use tinylsa_xai::{Attribution, Direction, Image, MeanInterval};

use crate::{Better, ByteImage, Estimate, ReportError, ValueMap};

impl TryFrom<&Attribution> for ValueMap {
    type Error = ReportError;

    /// The sum over the channels at each pixel.
    ///
    /// ```
    /// use tinylsa_report::{Panel, SharedScale, ValueMap};
    /// use tinylsa_xai::Attribution;
    ///
    /// let attribution = Attribution { values: vec![0.5, -1.0, 0.25, 1.0], shape: [2, 1, 2].into(), target: 3.into() };
    /// let map = ValueMap::try_from(&attribution)?;
    /// assert_eq!((map.height(), map.width(), map.values()), (1, 2, [0.75, 0.0].as_slice()));
    /// let panel = Panel::attribution("LIME", &map, &SharedScale::largest([&map])?);
    /// # Ok::<(), tinylsa_report::ReportError>(())
    /// ```
    fn try_from(attribution: &Attribution) -> Result<Self, ReportError> {
        Self::new([attribution.shape.height, attribution.shape.width], &attribution.per_pixel())
    }
}

impl TryFrom<&Image> for ByteImage {
    type Error = ReportError;

    /// An image of one or three channels whose values lie between 0 and 1.
    fn try_from(image: &Image) -> Result<Self, ReportError> {
        Self::from_unit(image.shape(), image.values())
    }
}

impl From<&MeanInterval> for Estimate {
    fn from(interval: &MeanInterval) -> Self {
        Self { value: interval.mean, low: interval.low, high: interval.high }
    }
}

impl From<Direction> for Better {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Higher => Self::Higher,
            Direction::Lower => Self::Lower,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_what_figures_take() {
        let image = Image::new(vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [3, 1, 2]).unwrap();
        let drawn = ByteImage::try_from(&image).unwrap().enlarged(1);
        assert_eq!(drawn.to_bytes(), [0, 0, 0, 255, 0, 255]);
        let normalised = Image::filled(-0.8, [1, 2, 2]).unwrap();
        assert!(matches!(ByteImage::try_from(&normalised), Err(ReportError::OutOfRange { .. })));
        let wrong = Attribution { values: vec![1.0; 3], shape: [1, 2, 2].into(), target: 0.into() };
        assert!(matches!(ValueMap::try_from(&wrong), Err(ReportError::Size { found: 3, expected: 4, .. })));
        let interval = MeanInterval { mean: 0.5, low: 0.25, high: 1.0, level: 0.95, count: 9 };
        assert_eq!(Estimate::from(&interval), Estimate { value: 0.5, low: 0.25, high: 1.0 });
        assert_eq!([Direction::Higher, Direction::Lower].map(Better::from), [Better::Higher, Better::Lower]);
    }
}
