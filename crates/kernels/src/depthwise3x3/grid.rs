//! What is done with one image.

use crate::arch::{Kernel, LANES, Simd};

/// Rows and columns of positions, and the channels of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
}

impl Grid {
    pub(crate) fn positions(self) -> usize {
        self.rows * self.columns
    }

    /// The position that a tap of 0 to 8 reads from a position, if it lies on the grid; tap 4 reads the position itself.
    #[inline(always)]
    fn neighbour(self, position: usize, tap: usize) -> Option<usize> {
        let (row, column) = (position / self.columns + tap / 3, position % self.columns + tap % 3);
        ((1..=self.rows).contains(&row) && (1..=self.columns).contains(&column))
            .then(|| (row - 1) * self.columns + column - 1)
    }
}

/// Correlates every channel with nine weights.
pub(crate) struct Correlate<'a> {
    pub grid: Grid,
    /// Positions lie `x_row` apart.
    pub x: &'a [f32],
    pub x_row: usize,
    /// Nine rows of the channels.
    pub weight: &'a [f32],
    /// Whether the weights are turned around, which takes a gradient back to the input.
    pub turned: bool,
    pub bias: Option<&'a [f32]>,
    /// Whether the result is added to what `output` holds.
    pub adds: bool,
    /// Positions lie `output_row` apart.
    pub output: &'a mut [f32],
    pub output_row: usize,
}

impl Kernel for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { grid, x, x_row, weight, turned, bias, adds, output, output_row } = self;
        let channels = grid.channels;
        for start in (0..channels).step_by(LANES) {
            let end = channels.min(start + LANES);
            let weight: [S::Vector; 9] = std::array::from_fn(|tap| {
                let tap = if turned { 8 - tap } else { tap };
                simd.load(&weight[tap * channels + start..tap * channels + end])
            });
            let bias = bias.map_or(simd.splat(0.0), |bias| simd.load(&bias[start..end]));
            for position in 0..grid.positions() {
                let mut sum = bias;
                for (tap, &weight) in weight.iter().enumerate() {
                    if let Some(neighbour) = grid.neighbour(position, tap) {
                        let at = neighbour * x_row;
                        sum = simd.multiply_add(simd.load(&x[at + start..at + end]), weight, sum);
                    }
                }
                let at = position * output_row;
                let output = &mut output[at + start..at + end];
                let sum = if adds { simd.add(simd.load(output), sum) } else { sum };
                simd.store(output, sum);
            }
        }
    }
}

/// Adds an image's part to the gradients of the weights, nine rows of the channels, and of the bias behind them.
pub(crate) struct ParameterGradient<'a> {
    pub grid: Grid,
    /// Positions lie `x_row` apart.
    pub x: &'a [f32],
    pub x_row: usize,
    pub gradient: &'a [f32],
    pub sums: &'a mut [f32],
}

impl Kernel for ParameterGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { grid, x, x_row, gradient, sums } = self;
        let channels = grid.channels;
        for start in (0..channels).step_by(LANES) {
            let end = channels.min(start + LANES);
            let mut totals = [simd.splat(0.0); 10];
            for position in 0..grid.positions() {
                let of_position = simd.load(&gradient[position * channels + start..position * channels + end]);
                for (tap, total) in totals[..9].iter_mut().enumerate() {
                    if let Some(neighbour) = grid.neighbour(position, tap) {
                        let value = simd.load(&x[neighbour * x_row + start..neighbour * x_row + end]);
                        *total = simd.multiply_add(value, of_position, *total);
                    }
                }
                totals[9] = simd.add(totals[9], of_position);
            }
            for (row, total) in totals.into_iter().enumerate() {
                let sums = &mut sums[row * channels + start..row * channels + end];
                simd.store(sums, simd.add(simd.load(sums), total));
            }
        }
    }
}
