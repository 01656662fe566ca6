//! Windows of a grid of tokens, within which attention stays (Liu et al. 2021, section 3.2).

use burn::tensor::{Device, Tensor, TensorData};

/// What is added to a score between tokens that the shift put side by side.
const APART: f32 = -100.0;

/// Where the windows of a block lie.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub(super) grid: [usize; 2],
    pub(super) side: usize,
    /// Rows and columns by which the windows are shifted.
    pub(super) shift: [usize; 2],
}

impl Windows {
    /// Those of a block; every second block's are shifted by half a window along sides that hold more than one.
    pub(super) fn of_block(index: usize, grid: [usize; 2], side: usize) -> Self {
        let shift = grid.map(|length| if index % 2 == 1 && side < length { side / 2 } else { 0 });
        Self { grid, side, shift }
    }

    /// `[batch, rows · columns, width]` to `[batch · windows, side², width]`.
    pub(super) fn cut(&self, tokens: Tensor<3>) -> Tensor<3> {
        let ([batch, _, width], [rows, columns], side) = (tokens.dims(), self.grid, self.side);
        let map = tokens.reshape([batch, rows, columns, width]);
        let [down, across] = self.shift.map(|shift| -(shift as i64));
        let map = if self.shift == [0, 0] { map } else { map.roll(&[down, across], &[1, 2]) };
        map.reshape([batch, rows / side, side, columns / side, side * width]).permute([0, 1, 3, 2, 4]).reshape([
            batch * (rows / side) * (columns / side),
            side * side,
            width,
        ])
    }

    /// The way back from [`Windows::cut`].
    pub(super) fn joined(&self, windows: Tensor<3>) -> Tensor<3> {
        let ([count, _, width], [rows, columns], side) = (windows.dims(), self.grid, self.side);
        let batch = count / ((rows / side) * (columns / side));
        let map = windows
            .reshape([batch, rows / side, columns / side, side, side * width])
            .permute([0, 1, 3, 2, 4])
            .reshape([batch, rows, columns, width]);
        let [down, across] = self.shift.map(|shift| shift as i64);
        let map = if self.shift == [0, 0] { map } else { map.roll(&[down, across], &[1, 2]) };
        map.reshape([batch, rows * columns, width])
    }

    /// What is added to the scores of each window, `[windows, 1, side², side²]`: much less than 0 between tokens that come
    /// from opposite ends of the grid.
    pub(super) fn mask(&self, device: &Device) -> Option<Tensor<4>> {
        if self.shift == [0, 0] {
            return None;
        }
        let region = |place: usize, length: usize, shift: usize| {
            if shift == 0 || place < length - self.side {
                0
            } else if place < length - shift {
                1
            } else {
                2
            }
        };
        let ([rows, columns], side) = (self.grid, self.side);
        let mut values = Vec::new();
        for (window_row, window_column) in
            (0..rows / side).flat_map(|row| (0..columns / side).map(move |column| (row, column)))
        {
            let regions: Vec<[usize; 2]> = (0..side * side)
                .map(|token| {
                    let (row, column) = (window_row * side + token / side, window_column * side + token % side);
                    [region(row, rows, self.shift[0]), region(column, columns, self.shift[1])]
                })
                .collect();
            for from in &regions {
                values.extend(regions.iter().map(|to| if from == to { 0.0 } else { APART }));
            }
        }
        let windows = (rows / side) * (columns / side);
        Some(Tensor::from_data(TensorData::new(values, [windows, 1, side * side, side * side]), device))
    }
}
