use rand::RngExt;
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};
use tinylsa_shape::ImageShape;

use crate::augmentation::AugmentationKey;

mod fmix;

const MIXING: Purpose = Purpose::new("data/mixing");

/// How training images are mixed with each other, after each was varied by itself.
///
/// Each image of a batch meets the next one, the last the first. How much of each there is, and where, depends on the
/// first image and the epoch alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixingConfig {
    /// What becomes of two images.
    pub kind: MixingKind,
    /// Probability that an image is mixed at all, 0 to 1.
    pub probability: f64,
    /// α of the symmetric beta distribution from which the share of the first image is drawn: 1 is uniform, less
    /// prefers shares near 0 and 1.
    pub concentration: f64,
}

/// The ways to mix two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MixingKind {
    /// Their weighted sum (Zhang et al. 2018, "mixup: beyond empirical risk minimization").
    Mixup,
    /// A rectangle of the second in the first (Yun et al. 2019, "`CutMix`: regularization strategy to train strong
    /// classifiers with localizable features").
    Cutmix,
    /// A shape of low frequencies in which the second takes the place of the first (Harris et al. 2020, "`FMix`: enhancing mixed
    /// sample data augmentation").
    Fmix,
    /// One half of the mixed images by `Fmix`, the other by `Mixup`.
    FmixOrMixup,
}

/// What the label of a mixed image is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    /// Share of the image's own label, 0 to 1.
    pub share: f32,
    /// The label of the rest.
    pub other_label: u32,
}

impl Default for MixingConfig {
    fn default() -> Self {
        Self::none()
    }
}

impl MixingConfig {
    /// The setting that mixes nothing.
    pub fn none() -> Self {
        Self { kind: MixingKind::Cutmix, probability: 0.0, concentration: 1.0 }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("probability", self.probability, 0.0..=1.0)?;
        require_within("concentration", self.concentration, 0.01..=100.0)
    }

    /// Whether any image is mixed.
    pub(crate) fn is_active(&self) -> bool {
        self.probability > 0.0
    }
}

/// Mixes the images of a batch, in place, and says what became of their labels.
///
/// `images` holds the values of `shape` for each of `labels`; `keys` says which image in which epoch each is.
pub(crate) fn mix(
    images: &mut [f32],
    shape: ImageShape,
    labels: &[u32],
    config: &MixingConfig,
    keys: impl Iterator<Item = AugmentationKey>,
) -> Vec<Mixture> {
    let values = shape.values();
    let originals = images.to_vec();
    let successor = |position: usize| (position + 1) % labels.len();
    let mix_one = |(position, key): (usize, AugmentationKey)| {
        let next = successor(position);
        let (own, other) = (&mut images[position * values..][..values], &originals[next * values..][..values]);
        let share = draw(config, key).map_or(1.0, |drawn| match config.kind {
            MixingKind::Mixup => blend(own, other, drawn.share),
            MixingKind::Cutmix => paste(own, other, shape, &drawn),
            MixingKind::Fmix => fmix::grow(own, other, shape, drawn.share, key),
            MixingKind::FmixOrMixup => {
                if drawn.middle[0] < 0.5 {
                    fmix::grow(own, other, shape, drawn.share, key)
                } else {
                    blend(own, other, drawn.share)
                }
            }
        });
        Mixture { share, other_label: labels[next] }
    };
    keys.enumerate().map(mix_one).collect()
}

/// What is drawn for one mixture, whatever its kind.
struct Drawn {
    /// Share of the first image.
    share: f64,
    /// Where the middle of the rectangle is, as a fraction of height and width. The first decides between two kinds.
    middle: [f64; 2],
}

fn draw(config: &MixingConfig, AugmentationKey { seed, epoch, index }: AugmentationKey) -> Option<Drawn> {
    let mut generator = Draw { seed, purpose: MIXING, epoch, index }.generator();
    if !generator.random_bool(config.probability) {
        return None;
    }
    let beta = Beta::new(config.concentration, config.concentration).ok()?;
    Some(Drawn { share: beta.sample(&mut generator), middle: [generator.random(), generator.random()] })
}

fn blend(own: &mut [f32], other: &[f32], share: f64) -> f32 {
    let share = share as f32;
    for (own, &other) in own.iter_mut().zip(other) {
        *own = share * *own + (1.0 - share) * other;
    }
    share
}

/// The rectangle has the image's ratio of sides and is cut off at the border; the share is that of the pixels left. It
/// is the same in every channel.
fn paste(own: &mut [f32], other: &[f32], shape: ImageShape, drawn: &Drawn) -> f32 {
    let ImageShape { height, width, .. } = shape;
    let side = (1.0 - drawn.share).sqrt();
    let span = |size: usize, middle: f64| {
        let half = size as f64 * side / 2.0;
        let middle = size as f64 * middle;
        let bound = |value: f64| value.round().clamp(0.0, size as f64) as usize;
        bound(middle - half)..bound(middle + half)
    };
    let (rows, columns) = (span(height, drawn.middle[0]), span(width, drawn.middle[1]));
    let pasted = rows.len() * columns.len();
    for (own, other) in own.chunks_exact_mut(shape.pixels()).zip(other.chunks_exact(shape.pixels())) {
        for row in rows.clone() {
            let place = row * width + columns.start..row * width + columns.end;
            own[place.clone()].copy_from_slice(&other[place]);
        }
    }
    1.0 - pasted as f32 / shape.pixels() as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GREY: ImageShape = ImageShape::grey(6, 4);
    const COLOUR: ImageShape = ImageShape { channels: 3, height: 2, width: 4 };

    fn mixed(shape: ImageShape, kind: MixingKind, probability: f64, epoch: u64) -> (Vec<f32>, Vec<Mixture>) {
        let config = MixingConfig { kind, probability, concentration: 1.0 };
        // image i is of brightness i
        let mut images: Vec<f32> = (0..5_u8).flat_map(|label| vec![f32::from(label); 24]).collect();
        let keys = (0..5).map(|index| AugmentationKey { seed: 3, epoch, index });
        let mixtures = mix(&mut images, shape, &[0, 1, 2, 3, 4], &config, keys);
        (images, mixtures)
    }

    #[test]
    fn a_probability_of_zero_changes_nothing() {
        for kind in [MixingKind::Mixup, MixingKind::Cutmix, MixingKind::Fmix, MixingKind::FmixOrMixup] {
            let (images, mixtures) = mixed(GREY, kind, 0.0, 0);
            assert!(images.chunks(24).enumerate().all(|(label, image)| image == vec![label as f32; 24]));
            assert!(mixtures.iter().all(|mixture| mixture.share.to_bits() == 1.0_f32.to_bits()));
        }
    }

    proptest! {
        #[test]
        fn the_share_is_that_of_the_pixels_of_every_channel(epoch in 0_u64..10_000) {
            for (kind, shape) in [
                (MixingKind::Mixup, GREY), (MixingKind::Cutmix, GREY),
                (MixingKind::Mixup, COLOUR), (MixingKind::Cutmix, COLOUR),
                (MixingKind::Fmix, GREY), (MixingKind::Fmix, COLOUR),
                (MixingKind::FmixOrMixup, GREY), (MixingKind::FmixOrMixup, COLOUR),
            ] {
                let (images, mixtures) = mixed(shape, kind, 1.0, epoch);
                for (own, (image, mixture)) in images.chunks(24).zip(&mixtures).enumerate() {
                    let other = (own + 1) % 5;
                    prop_assert_eq!(mixture.other_label as usize, other);
                    let channels: Vec<&[f32]> = image.chunks(shape.pixels()).collect();
                    prop_assert!(channels.iter().all(|channel| channel == &channels[0]));
                    let brightness = image.iter().sum::<f32>() / 24.0;
                    let expected = mixture.share * own as f32 + (1.0 - mixture.share) * other as f32;
                    prop_assert!((brightness - expected).abs() < 1e-5, "{} {}", brightness, expected);
                    if matches!(kind, MixingKind::Cutmix | MixingKind::Fmix) {
                        let (own, other) = (own as f32, other as f32);
                        let is_one = |&pixel: &f32| pixel.total_cmp(&own).is_eq() || pixel.total_cmp(&other).is_eq();
                        prop_assert!(image.iter().all(is_one));
                    }
                }
                prop_assert_eq!(mixed(shape, kind, 1.0, epoch), (images, mixtures));
            }
        }
    }

    #[test]
    fn mixtures_come_as_often_as_said_and_differ() {
        let shares: Vec<f32> = (0..400)
            .flat_map(|epoch| mixed(GREY, MixingKind::Mixup, 0.25, epoch).1)
            .map(|mixture| mixture.share)
            .collect();
        let mixed: Vec<f32> = shares.iter().copied().filter(|&share| share < 1.0).collect();
        assert!((400..600).contains(&mixed.len()), "{} of 2000", mixed.len());
        let mean = mixed.iter().sum::<f32>() / mixed.len() as f32;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }

    #[test]
    fn every_fault_is_named() {
        MixingConfig::default().validate().unwrap();
        let message = |config: MixingConfig| config.validate().unwrap_err().to_string();
        assert_eq!(
            message(MixingConfig { probability: 1.5, ..MixingConfig::none() }),
            "probability is 1.5, expected 0 to 1"
        );
        assert!(message(MixingConfig { concentration: 0.0, ..MixingConfig::none() }).contains("concentration"));
    }
}
