use proptest::prelude::*;

use super::*;
use crate::dataset::to_unit;

const GREY: ImageShape = ImageShape::grey(28, 28);

/// An image on which every pixel can be told by its brightness, except that two share each.
fn image() -> Vec<u8> {
    (0..28 * 28).map(|pixel| (pixel % 255 + 1) as u8).collect()
}

fn key(epoch: u64, index: u64) -> AugmentationKey {
    AugmentationKey { seed: 1, epoch, index }
}

fn flipped(image: &[u8]) -> Vec<u8> {
    image.chunks(28).flat_map(|row| row.iter().rev().copied()).collect()
}

#[test]
fn none_changes_nothing() {
    let config = AugmentationConfig::none();
    for index in 0..50 {
        assert_eq!(augment(&image(), GREY, &config, key(0, index)), to_unit(&image()));
    }
}

#[test]
fn a_certain_flip_mirrors_every_row() {
    let config = AugmentationConfig { flip_probability: 1.0, ..AugmentationConfig::none() };
    assert_eq!(augment(&image(), GREY, &config, key(0, 0)), to_unit(&flipped(&image())));
}

#[test]
fn flips_come_as_often_as_said() {
    let config = AugmentationConfig { flip_probability: 0.25, ..AugmentationConfig::none() };
    let mirrored = to_unit(&flipped(&image()));
    let flips = (0..2000).filter(|&index| augment(&image(), GREY, &config, key(0, index)) == mirrored).count();
    assert!((400..600).contains(&flips), "{flips} of 2000");
}

#[test]
fn an_alternating_flip_shows_both_sides_in_two_epochs() {
    let config = AugmentationConfig { alternating_flip: true, flip_probability: 0.0, ..AugmentationConfig::none() };
    let is_flipped = |epoch, index| augment(&image(), GREY, &config, key(epoch, index)) != to_unit(&image());
    for index in 0..40 {
        for epoch in 0..4 {
            assert_ne!(is_flipped(epoch, index), is_flipped(epoch + 1, index));
        }
    }
    let flips = (0..1000).filter(|&index| is_flipped(0, index)).count();
    assert!((400..600).contains(&flips), "{flips} of 1000 in the first epoch");
}

#[test]
fn a_crop_moves_the_image_and_fills_with_black() {
    let config = AugmentationConfig { crop_padding: 3, ..AugmentationConfig::none() };
    let original = to_unit(&image());
    let mut moves = std::collections::BTreeSet::new();
    for index in 0..600 {
        let varied = augment(&image(), GREY, &config, key(0, index));
        let moved = (-3..=3).flat_map(|down| (-3..=3).map(move |right| (down, right))).find(|&(down, right)| {
            (0..28_i32).all(|row| {
                (0..28_i32).all(|column| {
                    let (from_row, from_column) = (row - down, column - right);
                    let is_inside = (0..28).contains(&from_row) && (0..28).contains(&from_column);
                    let expected: f32 = if is_inside { original[(from_row * 28 + from_column) as usize] } else { 0.0 };
                    varied[(row * 28 + column) as usize].to_bits() == expected.to_bits()
                })
            })
        });
        moves.insert(moved.expect("every crop is a move by at most the padding"));
    }
    assert_eq!(moves.len(), 49, "every move comes up");
}

/// The bounds of what was erased from a white image (rows, then columns) and the erased pixels.
fn erased(fill: ErasingFill, index: u64) -> Option<([usize; 4], Vec<f32>)> {
    let config = AugmentationConfig {
        erasing_probability: 1.0,
        erasing_area: [0.05, 0.2],
        erasing_aspect: [0.5, 2.0],
        erasing_fill: fill,
        ..AugmentationConfig::none()
    };
    let varied = augment(&[255; 28 * 28], GREY, &config, key(0, index));
    let changed: Vec<usize> = (0..28 * 28).filter(|&pixel| varied[pixel] < 1.0).collect();
    let rows = || changed.iter().map(|pixel| pixel / 28);
    let columns = || changed.iter().map(|pixel| pixel % 28);
    let bounds = [rows().min()?, rows().max()? + 1, columns().min()?, columns().max()? + 1];
    Some((bounds, changed.iter().map(|&pixel| varied[pixel]).collect()))
}

#[test]
fn an_erased_rectangle_has_the_area_and_aspect_asked_for() {
    for index in 0..300 {
        let ([top, bottom, left, right], values) = erased(ErasingFill::Zero, index).unwrap();
        let (height, width) = (bottom - top, right - left);
        assert_eq!(values, vec![0.0; height * width], "a whole rectangle is black");
        // the sides are rounded by up to half a pixel
        let (height, width) = (height as f64, width as f64);
        assert!((height + 0.5) * (width + 0.5) > 0.05 * 784.0 && (height - 0.5) * (width - 0.5) < 0.2 * 784.0);
        assert!((height + 0.5) / (width - 0.5) > 0.5 && (height - 0.5) / (width + 0.5) < 2.0);
    }
}

#[test]
fn the_fill_is_what_was_asked_for() {
    assert!(erased(ErasingFill::Mean, 0).is_none(), "the mean of a white image is white");
    let (_, values) = erased(ErasingFill::Random, 0).unwrap();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    assert!((0.3..0.7).contains(&mean) && values.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 0.1));
}

#[test]
fn erasing_comes_as_often_as_said() {
    let config =
        AugmentationConfig { erasing_probability: 0.3, erasing_fill: ErasingFill::Zero, ..AugmentationConfig::none() };
    let white = vec![1.0; 784];
    let erased = (0..2000).filter(|&index| augment(&[255; 784], GREY, &config, key(0, index)) != white).count();
    assert!((500..700).contains(&erased), "{erased} of 2000");
}

proptest! {
    #[test]
    fn the_same_key_gives_the_same_bits_in_the_unit_range(seed: u64, epoch in 0_u64..100, index in 0_u64..60_000) {
        let key = AugmentationKey { seed, epoch, index };
        let varied = augment(&image(), GREY, &AugmentationConfig::default(), key);
        prop_assert_eq!(&varied, &augment(&image(), GREY, &AugmentationConfig::default(), key));
        prop_assert!(varied.len() == 784 && varied.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    }
}

#[test]
fn the_default_is_valid_and_every_fault_is_named() {
    let base = AugmentationConfig::default();
    base.validate().unwrap();
    AugmentationConfig::none().validate().unwrap();
    for (config, expected) in [
        (AugmentationConfig { flip_probability: 1.5, ..base.clone() }, "flip_probability is 1.5, expected 0 to 1"),
        (AugmentationConfig { crop_padding: 40_000, ..base.clone() }, "crop_padding is 40000, expected 0 to 32768"),
        (
            AugmentationConfig { erasing_probability: f64::NAN, ..base.clone() },
            "erasing_probability is NaN, expected 0 to 1",
        ),
        (
            AugmentationConfig { erasing_area: [0.3, 0.2], ..base.clone() },
            "erasing_area is [0.3, 0.2], expected more than 0, ascending, at most 1",
        ),
        (
            AugmentationConfig { erasing_aspect: [0.0, 1.0], ..base },
            "erasing_aspect is [0, 1], expected more than 0, ascending, finite",
        ),
    ] {
        assert_eq!(config.validate().unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_padding_that_could_move_the_image_out_of_sight_is_refused() {
    let config = AugmentationConfig { crop_padding: 15, ..AugmentationConfig::default() };
    assert_eq!(
        config.validate_for(GREY).unwrap_err().to_string(),
        "crop_padding is 15, expected at most 14, one half of the shorter side of images of 1×28×28"
    );
    config.validate_for(ImageShape { channels: 3, height: 40, width: 30 }).unwrap();
    AugmentationConfig { crop_padding: 14, ..config }.validate_for(GREY).unwrap();
}

const COLOUR: ImageShape = ImageShape { channels: 3, height: 9, width: 14 };

proptest! {
    #[test]
    fn every_channel_is_moved_mirrored_and_erased_as_a_grey_image_would_be(
        index in 0_u64..10_000, epoch in 0_u64..4, alternating_flip: bool,
        fill in prop::sample::select(vec![ErasingFill::Zero, ErasingFill::Mean]),
    ) {
        let config = AugmentationConfig {
            erasing_fill: fill, erasing_probability: 0.7, alternating_flip, ..AugmentationConfig::default()
        };
        let image: Vec<u8> = (0..COLOUR.values()).map(|value| (value * 7 % 250 + 1) as u8).collect();
        let varied = augment(&image, COLOUR, &config, key(epoch, index));
        for (channel, varied) in image.chunks(COLOUR.pixels()).zip(varied.chunks(COLOUR.pixels())) {
            let alone = augment(channel, ImageShape { channels: 1, ..COLOUR }, &config, key(epoch, index));
            prop_assert_eq!(varied, alone);
        }
    }

    #[test]
    fn a_random_fill_differs_between_channels_and_lies_in_one_rectangle(index in 0_u64..10_000) {
        let config = AugmentationConfig { erasing_probability: 1.0, ..AugmentationConfig::none() };
        let varied = augment(&vec![255; COLOUR.values()], COLOUR, &config, key(0, index));
        let erased = |channel: &[f32]| -> Vec<bool> { channel.iter().map(|&value| value < 1.0).collect() };
        let channels: Vec<&[f32]> = varied.chunks(COLOUR.pixels()).collect();
        prop_assert!(channels.iter().all(|channel| erased(channel) == erased(channels[0])));
        prop_assert!(channels[0] != channels[1] && channels[1] != channels[2]);
    }
}

#[test]
fn a_turn_moves_what_lies_off_the_middle_and_keeps_its_distance() {
    // one bright pixel ten to the right of the middle of an image of 29 × 29
    let shape = ImageShape::grey(29, 29);
    let mut image = vec![0_u8; 29 * 29];
    image[14 * 29 + 24] = 255;
    let config = AugmentationConfig { rotation: 30.0, ..AugmentationConfig::none() };
    let mut angles = Vec::new();
    for index in 0..200 {
        let turned = augment(&image, shape, &config, key(0, index));
        let mass: f32 = turned.iter().sum();
        let moment = |coordinate: fn(usize) -> usize| {
            turned.iter().enumerate().map(|(pixel, level)| level * coordinate(pixel) as f32).sum::<f32>() / mass - 14.0
        };
        let (down, right) = (moment(|pixel| pixel / 29), moment(|pixel| pixel % 29));
        assert!((down.hypot(right) - 10.0).abs() < 0.3 && (0.8..1.2).contains(&mass), "{down} {right} {mass}");
        angles.push(down.atan2(right).to_degrees());
    }
    let (least, largest) =
        (angles.iter().copied().fold(f32::MAX, f32::min), angles.iter().copied().fold(f32::MIN, f32::max));
    assert!((-31.0..-25.0).contains(&least) && (25.0..31.0).contains(&largest), "{least} to {largest}");
}

#[test]
fn a_larger_image_covers_more() {
    let shape = ImageShape::grey(28, 28);
    let square: Vec<u8> = (0..784)
        .map(|pixel| if (8..20).contains(&(pixel / 28)) && (8..20).contains(&(pixel % 28)) { 255 } else { 0 })
        .collect();
    let config = AugmentationConfig { scaling: 0.25, ..AugmentationConfig::none() };
    let mut sides = Vec::new();
    for index in 0..200 {
        let scaled = augment(&square, shape, &config, key(0, index));
        sides.push(scaled.iter().sum::<f32>().sqrt());
    }
    assert!(sides.iter().all(|side| (8.9..15.1).contains(side)), "{sides:?}");
    assert!(sides.iter().any(|&side| side < 9.6) && sides.iter().any(|&side| side > 14.4), "{sides:?}");
}

const LEVEL: f32 = 100.0 / 255.0;

/// The levels of an image of two, black and `LEVEL`, in each of 200 draws of the light.
fn two_levels_in_other_light(change: &AugmentationConfig) -> Vec<[f32; 2]> {
    let image: Vec<u8> = (0..784).map(|pixel| (pixel % 2 * 100) as u8).collect();
    let config = AugmentationConfig { light_probability: 1.0, ..change.clone() };
    (0..200)
        .map(|index| {
            let changed = augment(&image, GREY, &config, key(0, index));
            assert!(changed.chunks(2).all(|pair| pair == &changed[..2]), "equal levels stay equal");
            [changed[0], changed[1]]
        })
        .collect()
}

/// All values lie between the bounds, and some come within a tenth of either.
fn assert_spans(found: &[f32], [least, largest]: [f32; 2]) {
    let span = largest - least;
    assert!(found.iter().all(|found| (least - 1e-5..=largest + 1e-5).contains(found)));
    assert!(found.iter().any(|&found| found < least + 0.1 * span));
    assert!(found.iter().any(|&found| found > largest - 0.1 * span));
}

#[test]
fn brightness_and_gamma_change_all_levels_alike_and_keep_black() {
    let brightness = AugmentationConfig { brightness: 0.5, ..AugmentationConfig::none() };
    let gamma = AugmentationConfig { gamma: 1.0, ..AugmentationConfig::none() };
    for (config, bounds) in [(brightness, [0.5 * LEVEL, 1.5 * LEVEL]), (gamma, [LEVEL * LEVEL, LEVEL.sqrt()])] {
        let pairs = two_levels_in_other_light(&config);
        assert!(pairs.iter().all(|pair| pair[0].abs() < 1e-5));
        assert_spans(&pairs.iter().map(|pair| pair[1]).collect::<Vec<_>>(), bounds);
    }
}

#[test]
fn contrast_keeps_the_mean_and_leaves_a_share() {
    let pairs = two_levels_in_other_light(&AugmentationConfig { contrast: 0.75, ..AugmentationConfig::none() });
    assert!(pairs.iter().all(|[dark, light]| (dark + light - LEVEL).abs() < 1e-5));
    let shares: Vec<f32> = pairs.iter().map(|[dark, light]| (light - dark) / LEVEL).collect();
    assert_spans(&shares, [0.25, 1.0]);
}

#[test]
fn noise_has_a_deviation_of_up_to_its_setting() {
    let grey = vec![128_u8; 784];
    let config = AugmentationConfig { light_probability: 1.0, noise: 0.1, ..AugmentationConfig::none() };
    let deviations: Vec<f32> = (0..200)
        .map(|index| {
            let noisy = augment(&grey, GREY, &config, key(0, index));
            let mean = noisy.iter().sum::<f32>() / 784.0;
            assert!((mean - 128.0 / 255.0).abs() < 0.02);
            (noisy.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / 784.0).sqrt()
        })
        .collect();
    assert!(deviations.iter().all(|&deviation| deviation < 0.115));
    assert!(deviations.iter().any(|&deviation| deviation > 0.09));
    assert!(deviations.iter().any(|&deviation| deviation < 0.01));
}

#[test]
fn the_light_changes_as_often_as_it_is_told() {
    let image: Vec<u8> = (0..784).map(|pixel| (pixel % 2 * 100) as u8).collect();
    let config = AugmentationConfig { light_probability: 0.25, brightness: 0.5, ..AugmentationConfig::none() };
    let is_lit = |index: &u64| (augment(&image, GREY, &config, key(0, *index as _))[1] - LEVEL).abs() > 1e-6;
    let lit = (0..2000_u64).filter(is_lit).count();
    // five standard deviations of a binomial count
    assert!((403..=597).contains(&lit), "{lit} of 2000");
}
