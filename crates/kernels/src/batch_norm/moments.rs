//! Mean and variance of every channel.

use crate::arch::{self, Kernel, LANES, Simd};
use rayon::prelude::*;

/// Mean and biased variance of every channel.
pub(super) struct Moments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// Moments of `[images, positions, channels]`. Every image is summed in `f32` around its own first pixel, which loses
/// nothing to a mean far from zero; the images are combined in `f64` in their order (Chan et al., 1979).
pub(super) fn moments(x: &[f32], images: usize, channels: usize) -> Moments {
    let image = x.len() / images;
    let positions = (image / channels) as f64;
    let width = channels.next_multiple_of(LANES);
    let mut sums = vec![0.0; images * 2 * width];
    sums.par_chunks_mut(2 * width).zip(x.par_chunks(image)).for_each(|(sums, x)| {
        let (sums, squares) = sums.split_at_mut(width);
        arch::run(ShiftedSums { x, channels, sums, squares });
    });
    let mut result = Moments { mean: Vec::with_capacity(channels), variance: Vec::with_capacity(channels) };
    for channel in 0..channels {
        let of_image = |index: usize| {
            let sums = &sums[index * 2 * width..];
            let (sum, square) = (f64::from(sums[channel]), f64::from(sums[width + channel]));
            let mean = f64::from(x[index * image + channel]) + sum / positions;
            (mean, square - sum * sum / positions)
        };
        let mean = (0..images).map(|index| of_image(index).0).sum::<f64>() / images as f64;
        let spread: f64 = (0..images)
            .map(|index| {
                let (of_image, spread) = of_image(index);
                spread + positions * (of_image - mean).powi(2)
            })
            .sum();
        result.mean.push(mean as f32);
        result.variance.push((spread / (positions * images as f64)).max(0.0) as f32);
    }
    result
}

/// Adds the differences of all pixels to the first one, and their squares, channel by channel.
struct ShiftedSums<'a> {
    x: &'a [f32],
    channels: usize,
    sums: &'a mut [f32],
    squares: &'a mut [f32],
}

/// Pixels that are summed for sixteen channels before the next sixteen are, so that they are read from memory once.
const TILE: usize = 64;

impl Kernel for ShiftedSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, channels, sums, squares } = self;
        for tile in x.chunks(TILE * channels) {
            for first in (0..channels).step_by(LANES) {
                let end = channels.min(first + LANES);
                let shift = simd.load(&x[first..end]);
                let mut sum = [simd.splat(0.0); 2];
                let mut square = [simd.splat(0.0); 2];
                for (index, pixel) in tile.chunks_exact(channels).enumerate() {
                    let difference = simd.subtract(simd.load(&pixel[first..end]), shift);
                    sum[index % 2] = simd.add(sum[index % 2], difference);
                    square[index % 2] = simd.multiply_add(difference, difference, square[index % 2]);
                }
                for (total, part) in [(&mut *sums, sum), (&mut *squares, square)] {
                    let total = &mut total[first..first + LANES];
                    simd.store(total, simd.add(simd.load(total), simd.add(part[0], part[1])));
                }
            }
        }
    }
}
