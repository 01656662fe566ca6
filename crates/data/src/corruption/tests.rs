use super::*;
use crate::dataset::{DatasetName, Split, shared_names};

const GREY: ImageShape = ImageShape::grey(28, 28);
const PIXELS: usize = 28 * 28;

fn key(index: u64) -> CorruptionKey {
    CorruptionKey { seed: 3, index }
}

/// A bright block in the middle of a black image, seven pixels from every border and more.
fn block() -> Vec<f32> {
    let inside = |position: usize| (10..18).contains(&(position / 28)) && (11..17).contains(&(position % 28));
    (0..PIXELS).map(|position| if inside(position) { 0.25 + (position % 5) as f32 / 10.0 } else { 0.0 }).collect()
}

fn mean(image: &[f32]) -> f64 {
    image.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / image.len() as f64
}

fn deviation(image: &[f32]) -> f64 {
    let mean = mean(image);
    (image.iter().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum::<f64>() / image.len() as f64).sqrt()
}

#[test]
fn every_severity_is_stronger_than_the_one_before_and_changes_the_image() {
    let distance = |corruption: Corruption, severity| {
        let image = block();
        let corrupted = corruption.apply(severity, &image, GREY, key(0));
        image.iter().zip(corrupted).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    };
    for corruption in Corruption::ALL {
        let distances = Severity::ALL.map(|severity| distance(corruption, severity));
        assert!(distances[0] > 0.01, "{corruption} {distances:?}");
        assert!(distances.is_sorted_by(|a, b| a < b), "{corruption} {distances:?}");
    }
    assert_eq!(Severity::new(0), None);
    assert_eq!(Severity::new(6), None);
    assert_eq!(Severity::new(4).unwrap().number(), 4);
}

#[test]
fn noise_has_the_mean_and_the_deviation_it_says() {
    // On a grey so far from black and white that hardly anything is cut off.
    let grey = vec![0.5; PIXELS];
    for severity in &Severity::ALL[..3] {
        let strength = Corruption::GaussianNoise.strength(*severity);
        let noisy: Vec<f32> =
            (0..50).flat_map(|index| Corruption::GaussianNoise.apply(*severity, &grey, GREY, key(index))).collect();
        let standard_error = strength / (noisy.len() as f64).sqrt();
        assert!((mean(&noisy) - 0.5).abs() < 5.0 * standard_error, "{}", mean(&noisy));
        assert!((deviation(&noisy) / strength - 1.0).abs() < 0.02, "{} of {strength}", deviation(&noisy));
    }
    let noisy = Corruption::GaussianNoise.apply(Severity(5), &vec![1.0; PIXELS], GREY, key(0));
    assert!(noisy.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
}

#[test]
fn a_blur_keeps_the_sum_and_has_the_deviation_it_says() {
    for severity in Severity::ALL {
        let strength = Corruption::GaussianBlur.strength(severity);
        let blurred = Corruption::GaussianBlur.apply(severity, &block(), GREY, key(0));
        assert!((mean(&blurred) / mean(&block()) - 1.0).abs() < 1e-3, "{strength}");

        let mut point = vec![0.0; PIXELS];
        point[14 * 28 + 14] = 1.0;
        let spread = Corruption::GaussianBlur.apply(severity, &point, GREY, key(0));
        assert!((mean(&spread) * PIXELS as f64 - 1.0).abs() < 1e-5);
        let variance: f64 =
            (0..PIXELS).map(|position| f64::from(spread[position]) * ((position % 28) as f64 - 14.0).powi(2)).sum();
        // A normal distribution sampled at whole pixels is a little narrow when it is itself narrower than a pixel.
        let tolerance = if strength < 0.6 { 0.15 } else { 0.01 };
        assert!((variance.sqrt() / strength - 1.0).abs() < tolerance, "{} of {strength}", variance.sqrt());
    }
}

#[test]
fn a_shift_moves_every_pixel_by_whole_pixels() {
    let image = block();
    let mut seen = [false; 4];
    for index in 0..40 {
        for severity in Severity::ALL {
            let pixels = isize::from(severity.number());
            let moved = Corruption::Shift.apply(severity, &image, GREY, key(index));
            let directions = [[pixels, 0], [-pixels, 0], [0, pixels], [0, -pixels]];
            let matching: Vec<usize> = (0..4)
                .filter(|&direction| {
                    let [down, right] = directions[direction];
                    (0..PIXELS).all(|position| {
                        // The block stays far enough from the borders that its pixels only change their place.
                        let source = position as isize - 28 * down - right;
                        let before = usize::try_from(source).ok().and_then(|source| image.get(source));
                        moved[position].to_bits() == before.copied().unwrap_or(0.0).to_bits()
                    })
                })
                .collect();
            assert_eq!(matching.len(), 1, "image {index}");
            seen[matching[0]] = true;
        }
    }
    assert_eq!(seen, [true; 4]);
}

#[test]
fn what_is_moved_in_is_black() {
    assert_eq!(shift(&[1.0, 2.0, 3.0, 4.0], ImageShape::grey(2, 2), [1, 0]), [0.0, 0.0, 1.0, 2.0]);
    assert_eq!(shift(&[1.0, 2.0, 3.0, 4.0], ImageShape::grey(2, 2), [0, -1]), [2.0, 0.0, 4.0, 0.0]);
}

#[test]
fn contrast_keeps_the_mean_and_leaves_the_share_it_says() {
    for severity in Severity::ALL {
        let flat = Corruption::Contrast.apply(severity, &block(), GREY, key(0));
        assert!((mean(&flat) - mean(&block())).abs() < 1e-6);
        let share = deviation(&flat) / deviation(&block());
        assert!((share - Corruption::Contrast.strength(severity)).abs() < 1e-4, "{share}");
    }
}

#[test]
fn a_dataset_is_corrupted_by_index_and_the_same_way_each_time() {
    let images = (0..4).flat_map(|index| block().into_iter().map(move |pixel| (255.0 * pixel) as u8 + index)).collect();
    let dataset = Dataset {
        name: DatasetName::SYNTHETIC_GARMENTS,
        split: Split::Test,
        shape: GREY,
        class_names: shared_names(&[""; 10]),
        images,
        labels: vec![4, 5, 6, 7],
        masks: None,
    };
    let make = |indices: &[u32], seed| corrupted(&dataset, indices, Corruption::GaussianNoise, Severity(2), seed);
    let both = make(&[3, 1], 9);
    assert_eq!(both, make(&[3, 1], 9));
    assert_ne!(both, make(&[3, 1], 10));
    assert_eq!(both.labels, [7, 5]);
    assert_eq!(both.image(1), make(&[1], 9).image(0));
    assert_ne!(both.image(0), dataset.image(3));
}

#[test]
fn the_channels_of_a_colour_image_are_corrupted_alike() {
    let colour = ImageShape { channels: 3, ..GREY };
    let scaled = |factor: f32| block().into_iter().map(move |value| factor * value);
    let image: Vec<f32> = scaled(1.0).chain(scaled(0.5)).chain(scaled(0.25)).collect();
    for corruption in [Corruption::GaussianBlur, Corruption::Shift, Corruption::Contrast] {
        for (index, severity) in (0..8).zip(Severity::ALL.into_iter().cycle()) {
            let corrupted = corruption.apply(severity, &image, colour, key(index));
            for (channel, corrupted) in image.chunks(PIXELS).zip(corrupted.chunks(PIXELS)) {
                assert_eq!(corrupted, corruption.apply(severity, channel, GREY, key(index)), "{corruption}");
            }
        }
    }
    let noisy = Corruption::GaussianNoise.apply(Severity(1), &vec![0.5; 3 * PIXELS], colour, key(0));
    assert_ne!(noisy[..PIXELS], noisy[PIXELS..2 * PIXELS], "every channel has noise of its own");
}
