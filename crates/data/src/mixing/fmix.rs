//! Shapes of low frequencies.

use std::f64::consts::TAU;

use rand::distr::Distribution;
use rand_distr::StandardNormal;
use tinylsa_random::{Draw, Purpose};
use tinylsa_shape::ImageShape;

use crate::augmentation::AugmentationKey;

const SHAPES: Purpose = Purpose::new("data/mixing/fmix");
/// The power of the frequency by which its amplitude falls, as in the paper.
const DECAY: f64 = 3.0;
/// Waves across the image, at the most. Those beyond hold 0.2 % of the variance at this decay.
const MOST_WAVES: i32 = 4;

/// Keeps `share` of the first image where a random map of low frequencies is largest, and puts the second elsewhere, the same
/// in every channel. Returns the share of the pixels that were kept.
pub(super) fn grow(own: &mut [f32], other: &[f32], shape: ImageShape, share: f64, key: AugmentationKey) -> f32 {
    let map = low_frequencies(shape, key);
    let mut pixels: Vec<usize> = (0..map.len()).collect();
    pixels.sort_by(|&one, &other| map[other].total_cmp(&map[one]));
    let kept = (share * pixels.len() as f64).round() as usize;
    for (own, other) in own.chunks_exact_mut(shape.pixels()).zip(other.chunks_exact(shape.pixels())) {
        for &pixel in &pixels[kept..] {
            own[pixel] = other[pixel];
        }
    }
    kept as f32 / pixels.len() as f32
}

/// A sum of waves with normal amplitudes that fall with the cube of the frequency, `[height, width]`.
fn low_frequencies(shape: ImageShape, AugmentationKey { seed, epoch, index }: AugmentationKey) -> Vec<f64> {
    let mut generator = Draw { seed, purpose: SHAPES, epoch, index }.generator();
    let mut map = vec![0.0; shape.pixels()];
    let largest = shape.height.max(shape.width) as f64;
    // each of the few waves of a direction occurs with all of the other
    let of_columns = phases_of_waves(shape.width);
    let of_rows = phases_of_waves(shape.height);
    for (down, right) in half_plane() {
        let frequency = (f64::from(down) / shape.height as f64).hypot(f64::from(right) / shape.width as f64);
        let amplitude = (largest * frequency).powf(-DECAY);
        let [cosine, sine] = [(); 2].map(|()| amplitude * Distribution::<f64>::sample(&StandardNormal, &mut generator));
        let [columns, rows] = [&of_columns[place_of(right)], &of_rows[place_of(down)]];
        for (row_phase, row) in rows.iter().zip(map.chunks_exact_mut(shape.width)) {
            for (value, column_phase) in row.iter_mut().zip(columns) {
                // the angle of the wave is the sum of the two
                let [row_cosine, row_sine] = row_phase;
                let [column_cosine, column_sine] = column_phase;
                *value += cosine * (row_cosine * column_cosine - row_sine * column_sine)
                    + sine * (row_sine * column_cosine + row_cosine * column_sine);
            }
        }
    }
    map
}

/// Waves down and to the right, one of each pair of opposite ones, without the constant.
fn half_plane() -> impl Iterator<Item = (i32, i32)> {
    let all = (0..=MOST_WAVES).flat_map(|down| (-MOST_WAVES..=MOST_WAVES).map(move |right| (down, right)));
    all.filter(|&(down, right)| down > 0 || right > 0)
}

/// [`phases`] of every number of waves, at [`place_of`] it.
fn phases_of_waves(count: usize) -> Vec<Vec<[f64; 2]>> {
    (-MOST_WAVES..=MOST_WAVES).map(|waves| phases(waves, count)).collect()
}

fn place_of(waves: i32) -> usize {
    (waves + MOST_WAVES) as usize
}

/// Cosine and sine of the angle of a number of waves at each of `count` places.
fn phases(waves: i32, count: usize) -> Vec<[f64; 2]> {
    let angle = |place: usize| TAU * f64::from(waves) * place as f64 / count as f64;
    (0..count).map(|place| [angle(place).cos(), angle(place).sin()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_hangs_together() {
        let shape = ImageShape::grey(28, 28);
        for index in 0..100 {
            let mut own = vec![1.0; 784];
            let share = grow(&mut own, &[0.0; 784], shape, 0.5, AugmentationKey { seed: 1, epoch: 0, index });
            assert!((share - 0.5).abs() < 1e-6);
            assert!((own.iter().sum::<f32>() - 392.0).abs() < 1e-6);
            let parted = |one: f32, other: f32| (one - other).abs() > 0.5;
            // of 1 484 pairs of neighbours a random half would part 742
            let right = (0..784).filter(|pixel| pixel % 28 < 27 && parted(own[*pixel], own[pixel + 1])).count();
            let below = (0..756).filter(|pixel| parted(own[*pixel], own[pixel + 28])).count();
            assert!(right + below < 250, "{} pairs of neighbours are parted", right + below);
        }
    }

    #[test]
    fn shapes_differ_and_lie_anywhere() {
        let shape = ImageShape::grey(28, 28);
        let mut kept = vec![0.0_f32; 784];
        for index in 0..500 {
            let mut own = vec![1.0; 784];
            grow(&mut own, &[0.0; 784], shape, 0.3, AugmentationKey { seed: 1, epoch: 0, index });
            kept.iter_mut().zip(&own).for_each(|(kept, own)| *kept += own / 500.0);
        }
        assert!(kept.iter().all(|kept| (0.2..0.4).contains(kept)), "{kept:?}");
    }
}
