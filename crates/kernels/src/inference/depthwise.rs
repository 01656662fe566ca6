//! Depthwise 3×3 convolution of a token grid.

use super::padded;
use crate::{
    arch,
    depthwise3x3::grid::{Correlate, Grid},
};

/// A 3×3 convolution of each channel by itself, with a bias; beyond the edge lie zeros.
#[derive(Debug)]
pub struct Depthwise {
    grid: Grid,
    /// `[9, channels]`
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// Keeps the weights, `[3, 3, channels]`, for a grid of `rows` and `columns`.
    ///
    /// # Panics
    ///
    /// If there is no token, or the weights are not nine for each bias.
    pub fn new(rows: usize, columns: usize, weight: &[f32], bias: &[f32]) -> Self {
        let channels = bias.len();
        assert!(rows * columns > 0 && channels > 0, "an empty grid");
        assert_eq!(weight.len(), 9 * channels, "nine weights for each of {channels} channels");
        Self { grid: Grid { rows, columns, channels }, weight: weight.to_vec(), bias: bias.to_vec() }
    }

    /// Adds the convolution of the tokens of one image to the rows of `output`. The channels of a token begin at column
    /// `first` of a row of `x`, which is `x_row` long.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn add(&self, x: &[f32], x_row: usize, first: usize, output: &mut [f32]) {
        let Grid { channels, .. } = self.grid;
        let tokens = self.grid.positions();
        assert!(first + channels <= x_row && x.len() == tokens * x_row, "{tokens} rows with {channels} columns");
        assert_eq!(output.len(), tokens * padded(channels), "{tokens} rows of {channels}");
        arch::run(Correlate {
            grid: self.grid,
            x: &x[first..],
            x_row,
            weight: &self.weight,
            turned: false,
            bias: Some(&self.bias),
            adds: true,
            output,
            output_row: padded(channels),
        });
    }
}
