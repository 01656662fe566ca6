use thiserror::Error;

use crate::dataset::Dataset;

/// Mean and standard deviation of every channel, on the scale 0 to 1 of [`to_unit`](crate::to_unit).
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// The mean of each channel, `[channels]`.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, `[channels]`: of all values, not of a sample of them. It is 0 where a
    /// channel has one level everywhere.
    pub deviation: Vec<f32>,
}

/// Images that have no statistics.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There is no image.
    #[error("there are no images, expected at least one to compute the mean and the deviation of")]
    NoImages,
    /// An index lies outside the dataset.
    #[error("index {index} names no image, expected less than {len}")]
    Index {
        /// The index.
        index: u32,
        /// The number of images in the dataset.
        len: usize,
    },
}

/// Mean and standard deviation of every channel over the images with these indices: those of the training split without
/// the validation images, so that nothing is learned from either of the others.
///
/// Levels are whole numbers, and so are their sums: the result is exact up to the last rounding, in any order.
///
/// ```
/// use tinylsa_data::{SyntheticConfig, channel_statistics, stratified_split, synthetic_garments};
///
/// let garments = synthetic_garments(&SyntheticConfig { train: 100, test: 10, seed: 0 })?;
/// let split = stratified_split(&garments.train.labels, 20, 0)?;
/// let statistics = channel_statistics(&garments.train, &split.train)?;
/// assert_eq!((statistics.mean.len(), statistics.deviation.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StatisticsError`] if there are no images, or an index names none.
pub fn channel_statistics(dataset: &Dataset, indices: &[u32]) -> Result<ChannelStatistics, StatisticsError> {
    let len = dataset.len();
    if let Some(&index) = indices.iter().find(|&&index| index as usize >= len) {
        return Err(StatisticsError::Index { index, len });
    }
    let values = indices.len() as u64 * dataset.shape.pixels() as u64;
    if values == 0 {
        return Err(StatisticsError::NoImages);
    }
    let mut sums = vec![Sums::default(); dataset.shape.channels];
    for &index in indices {
        let image = dataset.image(index as usize);
        for (sums, channel) in sums.iter_mut().zip(image.chunks_exact(dataset.shape.pixels())) {
            for &level in channel {
                sums.levels += u64::from(level);
                sums.squares += u64::from(level) * u64::from(level);
            }
        }
    }
    Ok(ChannelStatistics {
        mean: sums.iter().map(|sums| (sums.levels as f64 / values as f64 / 255.0) as f32).collect(),
        deviation: sums.iter().map(|sums| sums.deviation(values)).collect(),
    })
}

/// Sums over the levels of one channel.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    levels: u64,
    squares: u64,
}

impl Sums {
    fn deviation(self, values: u64) -> f32 {
        let (levels, squares, values) = (u128::from(self.levels), u128::from(self.squares), u128::from(values));
        // Never negative, by the inequality of Cauchy and Schwarz.
        let scaled_variance = values * squares - levels * levels;
        ((scaled_variance as f64).sqrt() / values as f64 / 255.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tinylsa_shape::ImageShape;

    use super::*;
    use crate::dataset::{DatasetName, Split, shared_names};

    fn dataset(images: Vec<u8>) -> Dataset {
        Dataset {
            name: DatasetName::new("folder/test"),
            split: Split::Train,
            shape: ImageShape { channels: 3, height: 1, width: 2 },
            class_names: shared_names(&["a"]),
            labels: vec![0; images.len() / 6],
            images,
            masks: None,
        }
    }

    #[test]
    fn hand_computed_channels() {
        let dataset = dataset(vec![0, 255, 51, 51, 0, 0, 255, 0, 51, 51, 0, 102, 9, 9, 9, 9, 9, 9]);
        let ChannelStatistics { mean, deviation } = channel_statistics(&dataset, &[0, 1]).unwrap();
        assert_eq!(mean, [0.5, 0.2, 0.1]);
        assert_eq!(deviation[..2], [0.5, 0.0]);
        // 0, 0, 0 and 0.4: mean 0.1, mean square 0.04
        assert!((deviation[2] - 0.03_f32.sqrt()).abs() < 1e-7, "{deviation:?}");
    }

    proptest! {
        #[test]
        fn the_order_changes_no_bit_and_two_passes_agree(images in prop::collection::vec(any::<u8>(), 6 * 20)) {
            let dataset = dataset(images);
            let forward: Vec<u32> = (0..20).collect();
            let backward: Vec<u32> = (0..20).rev().collect();
            let found = channel_statistics(&dataset, &forward).unwrap();
            prop_assert_eq!(&found, &channel_statistics(&dataset, &backward).unwrap());
            for channel in 0..3 {
                let levels: Vec<f64> = dataset.images.chunks(6)
                    .flat_map(|image| &image[2 * channel..2 * channel + 2])
                    .map(|&level| f64::from(level) / 255.0)
                    .collect();
                let mean = levels.iter().sum::<f64>() / levels.len() as f64;
                let variance = levels.iter().map(|level| (level - mean).powi(2)).sum::<f64>() / levels.len() as f64;
                prop_assert!((f64::from(found.mean[channel]) - mean).abs() < 1e-6);
                prop_assert!((f64::from(found.deviation[channel]) - variance.sqrt()).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn no_images_and_absent_ones_are_refused() {
        let dataset = dataset(vec![0; 6]);
        assert_eq!(channel_statistics(&dataset, &[]), Err(StatisticsError::NoImages));
        assert_eq!(channel_statistics(&dataset, &[0, 1]), Err(StatisticsError::Index { index: 1, len: 1 }));
    }
}
