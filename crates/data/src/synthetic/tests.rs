use super::garments::Paint;
use super::*;
use crate::dataset::to_unit;

fn few(train: usize, test: usize, seed: u64) -> SyntheticGarments {
    synthetic_garments(&SyntheticConfig { train, test, seed }).unwrap()
}

#[test]
fn an_image_depends_on_seed_split_and_index_alone() {
    let garments = few(60, 40, 3);
    let more = few(120, 20, 3);
    assert_eq!(garments.train.images, more.train.images[..garments.train.images.len()]);
    assert_eq!(garments.train.masks.as_ref().unwrap()[..], more.train.masks.unwrap()[..garments.train.images.len()]);
    assert_ne!(garments.train.image(0), garments.test.image(0));
    assert_ne!(garments.train.image(0), few(10, 10, 4).train.image(0));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| few(50, 10, 1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(alone, pool.install(|| few(50, 10, 1)));
}

#[test]
fn classes_are_balanced_and_no_image_comes_twice() {
    let train = few(500, 10, 0).train;
    for class in 0..CLASSES {
        assert_eq!((0..train.len()).filter(|&index| train.label(index) as usize == class).count(), 50);
    }
    let distinct: std::collections::HashSet<&[u8]> = (0..train.len()).map(|index| train.image(index)).collect();
    assert_eq!(distinct.len(), train.len());
}

#[test]
fn every_image_has_a_few_decisive_pixels() {
    let train = few(2_000, 10, 5).train;
    for index in 0..train.len() {
        let mask = train.mask(index).unwrap();
        assert!(mask.iter().all(|&pixel| pixel <= 1));
        let decisive = mask.iter().map(|&pixel| usize::from(pixel)).sum::<usize>();
        assert!(
            (4..=train.shape.pixels() * 3 / 10).contains(&decisive),
            "image {index} has {decisive} decisive pixels"
        );
    }
}

/// Photographs the same garment twice in the same pose and light, the second time with its decisive pieces left out and
/// its decisive gaps closed.
#[test]
fn a_garment_without_its_decisive_pieces_differs_where_the_mask_says() {
    for (class, seed) in (1..CLASSES as u8).flat_map(|class| (0..40).map(move |seed| (class, seed))) {
        let generator = Draw { seed, purpose: TRAIN, epoch: 0, index: class.into() }.generator();
        let parts = cut(class, &mut Variation(generator.clone()));
        let mut bare = parts.clone();
        let mut is_painted = false;
        for part in bare.iter_mut().filter(|part| part.is_decisive) {
            is_painted |= part.paint != Paint::Nothing;
            part.paint = if part.paint == Paint::Background { Paint::Cloth } else { Paint::Nothing };
        }
        if !is_painted {
            // a pullover's decisive pieces only mark a part of its sleeves
            continue;
        }
        let whole = photograph(&parts, &mut Variation(generator.clone()));
        let bare = photograph(&bare, &mut Variation(generator));
        let changed: Vec<usize> =
            (0..whole.image.len()).filter(|&pixel| whole.image[pixel].abs_diff(bare.image[pixel]) > 40).collect();
        assert!(!changed.is_empty(), "class {class}, seed {seed}: nothing changed");
        for pixel in changed {
            assert!(is_near(&whole.mask, pixel), "class {class}, seed {seed}: pixel {pixel} is far from the mask");
        }
    }
}

/// Whether the pixel or one of its eight neighbours is in the mask.
fn is_near(mask: &[u8], pixel: usize) -> bool {
    let (row, column) = (pixel / SIDE, pixel % SIDE);
    let rows = row.saturating_sub(1)..(row + 2).min(SIDE);
    let columns = column.saturating_sub(1)..(column + 2).min(SIDE);
    rows.into_iter().any(|row| columns.clone().any(|column| mask[row * SIDE + column] == 1))
}

#[test]
fn long_sleeves_have_more_decisive_pixels_than_short_ones() {
    let garments = few(2_000, 10, 2).train;
    let decisive = |class: u32| -> usize {
        let of_class = (0..garments.len()).filter(|&index| garments.label(index) == class);
        of_class.flat_map(|index| garments.mask(index).unwrap()).map(|&pixel| usize::from(pixel)).sum()
    };
    assert!(decisive(2) > 2 * decisive(0), "pullovers {} pixels, T-shirts {}", decisive(2), decisive(0));
}

#[test]
fn a_linear_classifier_stays_between_noise_and_85_percent() {
    let garments = few(4_000, 1_000, 0);
    let accuracy = linear_accuracy(&garments.train, &garments.test);
    assert!(accuracy > 0.3 && accuracy < 0.85, "a linear classifier reaches {accuracy}");
}

/// Test accuracy of multinomial logistic regression after twenty passes of stochastic gradient descent.
fn linear_accuracy(train: &Dataset, test: &Dataset) -> f64 {
    const EPOCHS: usize = 20;
    let inputs = train.shape.pixels();
    let images = to_unit(&train.images);
    let mean: Vec<f32> =
        (0..inputs).map(|pixel| images.iter().skip(pixel).step_by(inputs).sum::<f32>() / train.len() as f32).collect();
    let mut weights = vec![vec![0.0_f32; inputs]; CLASSES];
    let mut biases = [0.0_f32; CLASSES];
    let logits = |weights: &[Vec<f32>], biases: &[f32; CLASSES], image: &[f32]| -> Vec<f32> {
        let dot = |row: &[f32]| row.iter().zip(image).map(|(weight, pixel)| weight * pixel).sum::<f32>();
        weights.iter().zip(biases).map(|(row, bias)| dot(row) + bias).collect()
    };
    let centred =
        |pixels: &[u8]| -> Vec<f32> { to_unit(pixels).iter().zip(&mean).map(|(pixel, mean)| pixel - mean).collect() };

    for epoch in 0..EPOCHS {
        let rate = 0.01 * (1.0 - epoch as f32 / EPOCHS as f32);
        for index in 0..train.len() {
            let image = centred(train.image(index));
            let logits = logits(&weights, &biases, &image);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let total: f32 = powers.iter().sum();
            for class in 0..CLASSES {
                let target = f32::from(u8::from(train.label(index) as usize == class));
                let step = rate * (target - powers[class] / total);
                biases[class] += step;
                for (weight, pixel) in weights[class].iter_mut().zip(&image) {
                    *weight += step * pixel;
                }
            }
        }
    }
    let is_right = |index: &usize| {
        let logits = logits(&weights, &biases, &centred(test.image(*index)));
        (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b])) == Some(test.label(*index) as usize)
    };
    (0..test.len()).filter(is_right).count() as f64 / test.len() as f64
}

#[test]
fn a_config_that_draws_less_than_one_of_each_class_is_refused() {
    let error = synthetic_garments(&SyntheticConfig { test: 9, ..SyntheticConfig::default() }).unwrap_err();
    assert_eq!(error.to_string(), "test is 9, expected 10 to 16777216");
}

#[test]
fn more_than_the_memory_holds_is_refused_before_it_is_asked_for() {
    let config = |train, test| SyntheticConfig { train, test, seed: 0 };
    let error = |train, test, available| config(train, test).require_memory(available).unwrap_err();
    // 1572 bytes an image
    assert!(config(100, 10).require_memory(110 * 1572).is_ok());
    let train = error(100, 10, 110 * 1572 - 1);
    assert_eq!((train.key.as_str(), train.found.as_str()), ("train", "100"));
    assert!(train.expected.starts_with("at most 99: "), "{train}");
    assert_eq!(error(10, 100, 0).key, "test");
    let train = error(MOST_IMAGES, MOST_IMAGES, 8 << 30);
    assert!(train.expected.contains("8.0 GiB are available") && train.expected.contains("need 49.1 GiB"), "{train}");
}

#[test]
fn absurd_numbers_are_refused_by_their_key() {
    for (train, test, key) in [(usize::MAX, 10, "train"), (10, usize::MAX, "test"), (0, 10, "train"), (10, 9, "test")] {
        let error = synthetic_garments(&SyntheticConfig { train, test, seed: 0 }).unwrap_err();
        assert_eq!(error.key, key);
    }
}
