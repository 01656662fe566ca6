//! What every segmentation promises: cover, no overlap, no empty segment, connected superpixels, the same ones again.

#![expect(clippy::float_cmp, reason = "the expected values are exact")]

use proptest::prelude::*;
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    Cancellation, GridConfig, Segmentation, SegmentationConfig, SegmentationError, SegmentationKind, SlicConfig,
};

/// Blocks of random brightness with a little noise, `[channels, height, width]`.
fn image(channels: usize, height: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut generator = Draw { seed, purpose: Purpose::new("test image"), epoch: 0, index: 0 }.generator();
    let blocks: Vec<f32> = (0..channels * 16).map(|_| generator.random::<f32>()).collect();
    let mut values = Vec::new();
    for channel in 0..channels {
        for pixel in 0..height * width {
            let block = (pixel / width) * 4 / height * 4 + (pixel % width) * 4 / width;
            values.push(blocks[channel * 16 + block] + 0.05 * generator.random::<f32>());
        }
    }
    values
}

fn never() -> Cancellation {
    Cancellation::default()
}

/// Whether every segment is one piece under four neighbours.
fn connected(segmentation: &Segmentation) -> bool {
    let (height, width, labels) = (segmentation.height(), segmentation.width(), segmentation.labels());
    let mut seen = vec![false; labels.len()];
    let mut pieces = 0;
    for start in 0..labels.len() {
        if seen[start] {
            continue;
        }
        pieces += 1;
        seen[start] = true;
        let mut open = vec![start];
        while let Some(pixel) = open.pop() {
            let (row, column) = (pixel / width, pixel % width);
            let around =
                [(row.wrapping_sub(1), column), (row + 1, column), (row, column.wrapping_sub(1)), (row, column + 1)];
            for (row, column) in around.into_iter().filter(|&(row, column)| row < height && column < width) {
                let near = row * width + column;
                if !seen[near] && labels[near] == labels[start] {
                    seen[near] = true;
                    open.push(near);
                }
            }
        }
    }
    pieces == segmentation.count()
}

#[test]
fn grid_cells_are_numbered_row_by_row() {
    let grid = Segmentation::grid(4, 6, 2, 3).unwrap();
    let expected = [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5];
    assert_eq!(grid.labels(), expected);
    assert_eq!(grid.sizes(), [4; 6]);
    let uneven = Segmentation::grid(28, 28, 9, 9).unwrap();
    assert_eq!(uneven.count(), 81);
    assert!(uneven.sizes().iter().all(|size| (9..=16).contains(size)));
}

#[test]
fn painted_maps_show_values_and_spread_maps_share_them() {
    let halves = Segmentation::from_labels(1, 3, vec![0, 1, 1]).unwrap();
    assert_eq!(halves.paint(&[2.0, 5.0]).unwrap(), [2.0, 5.0, 5.0]);
    assert_eq!(halves.spread(&[2.0, 5.0]).unwrap(), [2.0, 2.5, 2.5]);
    assert_eq!(halves.means(&[1.0, 2.0, 4.0, 0.0, 6.0, 6.0]).unwrap(), [1.0, 3.0, 0.0, 6.0]);
}

#[test]
fn slic_follows_an_edge_that_a_grid_would_cross() {
    // Left half dark, right half bright, with the border at column 9 of 28.
    let values: Vec<f32> = (0..28 * 28).map(|pixel| if pixel % 28 < 9 { 0.0 } else { 1.0 }).collect();
    let superpixels = Segmentation::slic(&values, [1, 28, 28], &SlicConfig::default(), &never()).unwrap();
    let means = superpixels.means(&values).unwrap();
    assert!(means.iter().all(|mean| *mean == 0.0 || *mean == 1.0), "{means:?}");
}

#[test]
fn slic_of_flat_and_tiny_images_is_a_segmentation_still() {
    let flat = Segmentation::slic(&[0.5; 784], [1, 28, 28], &SlicConfig::default(), &never()).unwrap();
    // 6 × 6 centres, the most of a regular grid with at most 40
    assert_eq!(flat.count(), 36);
    assert!(connected(&flat));
    let pixel = Segmentation::slic(&[0.5], [1, 1, 1], &SlicConfig::default(), &never()).unwrap();
    assert_eq!(pixel.labels(), [0]);
    let line = Segmentation::slic(&[0.0, 1.0, 0.0, 1.0], [1, 1, 4], &SlicConfig::default(), &never()).unwrap();
    assert!(connected(&line));
}

#[test]
fn a_config_makes_the_segmentation_that_it_names() {
    let values = image(1, 28, 28, 3);
    let default = SegmentationConfig::default();
    assert_eq!(default.segment(&values, [1, 28, 28], &never()).unwrap(), Segmentation::grid(28, 28, 7, 7).unwrap());
    let slic = SegmentationConfig { kind: SegmentationKind::Slic, ..default };
    let expected = Segmentation::slic(&values, [1, 28, 28], &SlicConfig::default(), &never()).unwrap();
    assert_eq!(slic.segment(&values, [1, 28, 28], &never()).unwrap(), expected);
}

#[test]
fn what_is_no_segmentation_is_an_error() {
    let labels = |labels: Vec<usize>| Segmentation::from_labels(2, 2, labels).unwrap_err();
    assert_eq!(labels(vec![0; 3]), SegmentationError::Length { what: "the label map", found: 3, expected: 4 });
    assert_eq!(labels(vec![1, 1, 2, 2]), SegmentationError::EmptySegment { segment: 0, count: 3 });
    assert_eq!(
        labels(vec![0, 0, 2, 2]).to_string(),
        "segment 1 of 3 holds no pixel, expected labels 0 to 2 to be used each"
    );
    assert!(matches!(labels(vec![0, 0, 0, usize::MAX]), SegmentationError::EmptySegment { segment: 1, .. }));
    assert_eq!(Segmentation::from_labels(0, 5, vec![]), Err(SegmentationError::NoPixels { height: 0, width: 5 }));

    let masks = |masks: &[Vec<bool>]| Segmentation::from_masks(1, 3, masks);
    let (left, middle, right) = (vec![true, false, false], vec![true, true, false], vec![false, false, true]);
    let overlap = SegmentationError::Overlap { row: 0, column: 0, first: 0, second: 1 };
    assert_eq!(masks(&[left.clone(), middle.clone(), right.clone()]), Err(overlap));
    assert_eq!(masks(&[left.clone(), right.clone()]), Err(SegmentationError::Uncovered { row: 0, column: 1 }));
    let empty = SegmentationError::EmptySegment { segment: 1, count: 2 };
    assert_eq!(masks(&[middle.clone(), vec![false; 3]]), Err(empty));
    assert!(matches!(masks(&[vec![true; 2]]), Err(SegmentationError::Length { .. })));
    assert_eq!(masks(&[middle, right]).unwrap().labels(), [0, 0, 1]);

    let grid = SegmentationError::Grid { rows: 5, columns: 1, height: 4, width: 4 };
    assert_eq!(Segmentation::grid(4, 4, 5, 1), Err(grid));
    assert!(matches!(Segmentation::grid(4, 4, 0, 1), Err(SegmentationError::Grid { .. })));
    let slic = |values: &[f32], config: &SlicConfig| Segmentation::slic(values, [1, 2, 2], config, &never());
    assert!(matches!(
        slic(&[0.0, f32::NAN, 0.0, 0.0], &SlicConfig::default()),
        Err(SegmentationError::NotFinite { index: 1, .. })
    ));
    assert!(matches!(slic(&[0.0; 5], &SlicConfig::default()), Err(SegmentationError::Length { .. })));
    let none = SlicConfig { segments: 0, ..SlicConfig::default() };
    assert!(matches!(slic(&[0.0; 4], &none), Err(SegmentationError::Setting(_))));
    let config = SegmentationConfig { grid: GridConfig { rows: 0, columns: 1 }, ..SegmentationConfig::default() };
    assert_eq!(config.validate().unwrap_err().key, "grid.rows");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cover, no overlap and no empty segment hold for whatever is made; connection, count, determinism and
    /// independence of scale are SLIC's own promises.
    #[test]
    fn slic_keeps_its_promises(
        channels in 1_usize..4,
        height in 1_usize..30,
        width in 1_usize..30,
        segments in 1_usize..40,
        compactness in 0.01_f64..3.0,
        seed in 0_u64..1000,
    ) {
        let values = image(channels, height, width, seed);
        let config = SlicConfig { segments, compactness, ..SlicConfig::default() };
        let found = Segmentation::slic(&values, [channels, height, width], &config, &never()).unwrap();
        prop_assert_eq!(found.sizes().iter().sum::<usize>(), height * width);
        prop_assert!(found.sizes().iter().all(|&size| size > 0));
        prop_assert!((1..=segments).contains(&found.count()));
        prop_assert!(connected(&found));
        prop_assert_eq!(&found, &Segmentation::slic(&values, [channels, height, width], &config, &never()).unwrap());
        let scaled: Vec<f32> = values.iter().map(|value| 4.0 * value).collect();
        prop_assert_eq!(&found, &Segmentation::slic(&scaled, [channels, height, width], &config, &never()).unwrap());
    }

    #[test]
    fn slic_comes_near_the_number_that_was_asked_for(segments in 4_usize..60, seed in 0_u64..1000) {
        let config = SlicConfig { segments, compactness: 1.0, ..SlicConfig::default() };
        let found = Segmentation::slic(&image(1, 28, 28, seed), [1, 28, 28], &config, &never()).unwrap();
        prop_assert!(2 * found.count() >= segments, "{} of {segments}", found.count());
    }
}
