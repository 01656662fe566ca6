//! Occlusion and RISE against their closed forms on linear models, computed here without the library's masks.

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_xai::{
    Cancellation, Execution, ExplainError, Image, OcclusionConfig, RiseConfig, Target, Targets, occlusion, rise,
};

const SHAPE: [usize; 3] = [2, 5, 7];
const PIXELS: usize = 35;
const CLASSES: usize = 3;

fn numbers(count: usize, salt: u64) -> Vec<f32> {
    (0..count as u64).map(|i| ((((i + 1) * (salt * 2 + 77_003) * 2_654_435_761) >> 17) % 64) as f32 / 64.0).collect()
}

fn image(salt: u64) -> Image {
    Image::new(numbers(2 * PIXELS, salt), SHAPE).unwrap()
}

fn weights() -> Vec<f32> {
    numbers(2 * PIXELS * CLASSES, 9).into_iter().map(|value| value - 0.5).collect()
}

fn linear(images: Tensor<4>) -> Tensor<2> {
    let batch = images.dims()[0];
    let weights = Tensor::<2>::from_data(TensorData::new(weights(), [2 * PIXELS, CLASSES]), &images.device());
    images.reshape([batch, 2 * PIXELS]).matmul(weights)
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

/// What each pixel adds to the score of a class while it is shown rather than hidden, both channels together.
fn contributions(class: usize) -> Vec<f64> {
    let (shown, hidden, weights) = (image(1), image(2), weights());
    let mut sums = vec![0.0; PIXELS];
    for position in 0..2 * PIXELS {
        let difference = f64::from(shown.values()[position]) - f64::from(hidden.values()[position]);
        sums[position % PIXELS] += f64::from(weights[position * CLASSES + class]) * difference;
    }
    sums
}

#[test]
fn the_value_of_a_pixel_is_the_mean_over_the_windows_that_cover_it() {
    let config = OcclusionConfig { height: 3, width: 2, row_stride: 2, column_stride: 2 };
    let found = occlusion(&linear, &image(1), &image(2), Targets::EveryClass, &config, &execution()).unwrap();
    // rows 0 to 2 and 2 to 4; columns 0, 2, 4, and the last one of a single column
    let (tops, lefts) = ([0, 2], [0, 2, 4, 6]);
    assert_eq!((found.windows, found.scores.len()), (8, 3));
    for (class, attribution) in found.attributions.iter().enumerate() {
        let contributions = contributions(class);
        let pixels = attribution.per_pixel();
        for (pixel, &value) in pixels.iter().enumerate() {
            let (row, column) = (pixel / 7, pixel % 7);
            let mut falls = Vec::new();
            for top in tops {
                for left in lefts {
                    let covers =
                        |row: usize, column: usize| (top..top + 3).contains(&row) && (left..left + 2).contains(&column);
                    if covers(row, column) {
                        let hidden = (0..PIXELS).filter(|&other| covers(other / 7, other % 7));
                        falls.push(hidden.map(|other| contributions[other]).sum::<f64>());
                    }
                }
            }
            let expected = falls.iter().sum::<f64>() / falls.len() as f64;
            assert!(
                (f64::from(value) - expected).abs() < 1e-5,
                "row {row}, column {column}: {value} is not {expected}"
            );
        }
    }
}

#[test]
fn windows_of_one_pixel_give_every_contribution() {
    let config = OcclusionConfig { height: 1, width: 1, row_stride: 1, column_stride: 1 };
    let contrast = Target::Against { class: 0, other: 2 };
    let found = occlusion(&linear, &image(1), &image(2), contrast, &config, &execution()).unwrap();
    let expected: Vec<f64> =
        contributions(0).iter().zip(contributions(2)).map(|(class, other)| class - other).collect();
    for (value, expected) in found.attributions[0].per_pixel().iter().zip(&expected) {
        assert!((f64::from(*value) - expected).abs() < 1e-5);
    }
}

/// The weight of every cell of a grid in every pixel of a mask cut at an offset: bilinear interpolation between the
/// centres of the cells, worked out on its own.
fn cell_shares(length: usize, cells: usize, offset: usize) -> Vec<Vec<f64>> {
    let cell = length.div_ceil(cells);
    let upsampled = (cells + 1) * cell;
    let mut shares = vec![vec![0.0; cells]; length];
    for (pixel, shares) in shares.iter_mut().enumerate() {
        let centre = ((pixel + offset) as f64 + 0.5) * cells as f64 / upsampled as f64 - 0.5;
        for (place, share) in shares.iter_mut().enumerate() {
            // a hat around the centre of each cell, and a flat end outside the outermost centres
            let at_most = centre.clamp(0.0, cells as f64 - 1.0);
            *share = (1.0 - (at_most - place as f64).abs()).max(0.0);
        }
    }
    shares
}

#[test]
fn rise_estimates_its_expectation_within_its_standard_error() {
    let config = RiseConfig { masks: 6000, rows: 2, columns: 3, probability: 0.4 };
    let found = rise(&linear, &image(1), &image(2), Targets::EveryClass, &config, &execution()).unwrap();
    let p = config.probability;
    let hidden = Tensor::from_data(TensorData::new(image(2).values().to_vec(), [1, 2, 5, 7]), &Device::flex());
    let level: Vec<f32> = linear(hidden).into_data().try_to_vec().unwrap();
    // E[Mⱼ M_λ] over the cells and over all offsets
    let (cell_height, cell_width) = (3, 3);
    let mut together = vec![0.0; PIXELS * PIXELS];
    for (top, left) in (0..cell_height * cell_width).map(|offset| (offset / cell_width, offset % cell_width)) {
        let (rows, columns) = (cell_shares(5, 2, top), cell_shares(7, 3, left));
        for first in 0..PIXELS {
            for second in 0..PIXELS {
                let overlap = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
                let cells =
                    overlap(&rows[first / 7], &rows[second / 7]) * overlap(&columns[first % 7], &columns[second % 7]);
                together[first * PIXELS + second] += (p * p + p * (1.0 - p) * cells) / 9.0;
            }
        }
    }
    for (class, &level) in level.iter().enumerate() {
        let contributions = contributions(class);
        let pixels = found.attributions[class].per_pixel();
        let mut squares = 0.0;
        for pixel in 0..PIXELS {
            let pairs = contributions.iter().zip(&together[pixel * PIXELS..(pixel + 1) * PIXELS]);
            let expected = f64::from(level) + pairs.map(|(value, both)| value * both).sum::<f64>() / p;
            let deviation = (f64::from(pixels[pixel]) - expected) / f64::from(found.standard_errors[class][pixel]);
            assert!(deviation.abs() < 4.5, "class {class}, pixel {pixel}: {deviation} standard errors off");
            squares += deviation * deviation;
        }
        // neither far too large nor far too small an error; the pixels of a mask hang together, so the bounds are wide
        assert!((0.1..3.5).contains(&(squares / PIXELS as f64)), "{}", squares / PIXELS as f64);
        assert!(found.relative_standard_errors[class].is_some_and(|share| (0.001..1.0).contains(&share)));
    }
}

#[test]
fn more_masks_are_more_exact_and_a_constant_has_no_map() {
    let share = |masks: usize| {
        let config = RiseConfig { masks, rows: 2, columns: 3, probability: 0.5 };
        let found = rise(&linear, &image(1), &image(2), Target::Class(0), &config, &execution()).unwrap();
        found.standard_errors[0].iter().copied().map(f64::from).sum::<f64>() / PIXELS as f64
    };
    let ratio = share(400) / share(6400);
    assert!((3.0..5.3).contains(&ratio), "sixteen times the masks take a fourth of the error: {ratio}");
    let constant = |images: Tensor<4>| Tensor::<2>::full([images.dims()[0], 2], 3.0, &images.device());
    let config = RiseConfig { masks: 500, ..RiseConfig { rows: 2, columns: 2, ..RiseConfig::default() } };
    let found = rise(&constant, &image(1), &image(2), Target::Class(1), &config, &execution()).unwrap();
    for (pixel, error) in found.attributions[0].per_pixel().iter().zip(&found.standard_errors[0]) {
        assert!((pixel - 3.0).abs() < 5.0 * error, "{pixel} is the score, within {error}");
    }
    assert!(found.relative_standard_errors[0].is_none_or(|share| share > 0.3), "what differs in the map is noise");
}

#[test]
fn the_batch_size_changes_no_bit_and_bounds_the_scorer() {
    let largest = Cell::new(0);
    let scorer = |images: Tensor<4>| {
        largest.set(largest.get().max(images.dims()[0]));
        // one row at a time, so that the scores of an image have the same bits in any batch
        Tensor::cat(images.split(1, 0).into_iter().map(linear).collect(), 0)
    };
    let run = |batch_size: usize, seed: u64| {
        let execution = Execution { batch_size, seed, ..execution() };
        let config = RiseConfig { masks: 30, rows: 2, columns: 3, probability: 0.5 };
        let windows = OcclusionConfig { height: 2, width: 2, row_stride: 1, column_stride: 2 };
        (
            rise(&scorer, &image(1), &image(2), Targets::EveryClass, &config, &execution).unwrap(),
            occlusion(&scorer, &image(1), &image(2), Targets::EveryClass, &windows, &execution).unwrap(),
        )
    };
    let (first, windows) = run(7, 1);
    assert_eq!(largest.get(), 7);
    assert_eq!(run(64, 1), (first.clone(), windows.clone()));
    let (other, same_windows) = run(7, 2);
    assert_ne!(other, first);
    assert_eq!(same_windows, windows, "nothing of occlusion is drawn");
}

#[test]
fn what_does_not_fit_is_named() {
    let (image, black) = (image(1), image(2));
    let windows =
        |config: OcclusionConfig| occlusion(&linear, &image, &black, Target::Predicted, &config, &execution());
    let key = |result: Result<(), ExplainError>| match result {
        Err(ExplainError::Setting(error)) => error.key,
        other => panic!("{other:?}"),
    };
    let small = OcclusionConfig { height: 2, width: 2, row_stride: 1, column_stride: 1 };
    for (config, expected) in [
        (OcclusionConfig { height: 6, row_stride: 1, ..small.clone() }, "height"),
        (OcclusionConfig { width: 8, ..small.clone() }, "width"),
        (OcclusionConfig { width: 0, ..small.clone() }, "width"),
        (OcclusionConfig { row_stride: 3, ..small.clone() }, "row_stride"),
        (OcclusionConfig { column_stride: 0, ..small.clone() }, "column_stride"),
    ] {
        assert_eq!(key(windows(config).map(drop)), expected);
    }
    let masks = |config: RiseConfig| rise(&linear, &image, &black, Target::Predicted, &config, &execution());
    let few = RiseConfig { masks: 20, rows: 2, columns: 2, probability: 0.5 };
    for (config, expected) in [
        (RiseConfig { masks: 1, ..few.clone() }, "masks"),
        (RiseConfig { rows: 6, ..few.clone() }, "rows"),
        (RiseConfig { columns: 8, ..few.clone() }, "columns"),
        (RiseConfig { probability: 1.0, ..few.clone() }, "probability"),
    ] {
        assert_eq!(key(masks(config).map(drop)), expected);
    }
    let other = Image::filled(0.0, [1, 5, 7]).unwrap();
    let found = occlusion(&linear, &image, &other, Target::Predicted, &small, &execution());
    assert!(matches!(found, Err(ExplainError::Shape { what: "the replacement", .. })));
    let cancellation = Cancellation::default();
    let calls = Cell::new(0);
    let cancelling = |images: Tensor<4>| {
        calls.set(calls.get() + 1);
        if calls.get() == 3 {
            cancellation.cancel();
        }
        linear(images)
    };
    let execution = Execution { batch_size: 4, cancellation: cancellation.clone(), ..execution() };
    let found = rise(&cancelling, &image, &black, Target::Predicted, &few, &execution);
    assert_eq!(found.unwrap_err(), ExplainError::Cancelled { what: "evaluations", done: 4, total: 20 });
}
