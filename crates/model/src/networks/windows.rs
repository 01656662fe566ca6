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

    /// The attention of every window as that of the grid: `[batch · windows, heads, side², side²]` to `[batch, heads, tokens,
    /// tokens]`, 0 between tokens of different windows.
    pub(super) fn across_grid(&self, attention: Tensor<4>) -> Tensor<4> {
        let ([cut, heads, inside, _], windows) = (attention.dims(), self.count());
        let (batch, tokens, device) = (cut / windows, windows * inside, attention.device());
        let rows = attention.reshape([batch, windows, heads, inside, 1, inside]);
        let apart = rows * Tensor::<2>::eye(windows, &device).reshape([1, windows, 1, 1, windows, 1]);
        let by_window = apart.permute([0, 2, 1, 3, 4, 5]).reshape([batch, heads, tokens, tokens]);
        let mut order = vec![0; tokens];
        for (place, token) in self.tokens().into_iter().enumerate() {
            order[token] = place as i64;
        }
        ordered(by_window, order)
    }

    /// The way back from [`Windows::across_grid`].
    pub(super) fn within(&self, attention: Tensor<4>) -> Tensor<4> {
        let ([batch, heads, tokens, _], windows) = (attention.dims(), self.count());
        let (inside, device) = (tokens / windows, attention.device());
        let order = self.tokens().into_iter().map(|token| token as i64).collect();
        let rows = ordered(attention, order).reshape([batch, heads, windows, inside, windows, inside]);
        let own = rows * Tensor::<2>::eye(windows, &device).reshape([1, 1, windows, 1, windows, 1]);
        let blocks: Tensor<5> = own.sum_dim(4).squeeze_dim(4);
        blocks.swap_dims(1, 2).reshape([batch * windows, heads, inside, inside])
    }

    fn count(&self) -> usize {
        self.grid.iter().map(|length| length / self.side).product()
    }

    /// The tokens of the grid in the order of [`Windows::cut`].
    fn tokens(&self) -> Vec<usize> {
        let ([rows, columns], side) = (self.grid, self.side);
        let across = columns / side;
        let token = |place: usize| {
            let (window, inside) = (place / (side * side), place % (side * side));
            let row = (window / across * side + inside / side + self.shift[0]) % rows;
            let column = (window % across * side + inside % side + self.shift[1]) % columns;
            row * columns + column
        };
        (0..rows * columns).map(token).collect()
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

/// Rows and columns of matrices in another order.
fn ordered(matrices: Tensor<4>, order: Vec<i64>) -> Tensor<4> {
    let count = order.len();
    let order = Tensor::from_data(TensorData::new(order, [count]), &matrices.device());
    matrices.select(2, order.clone()).select(3, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::values_of;

    #[test]
    fn attention_of_windows_is_attention_of_the_grid() {
        let device = Device::flex();
        for index in 0..2 {
            let windows = Windows::of_block(index, [4, 6], 2);
            let values = |count: usize| (0..count).map(|value| (value % 7) as f32 + 1.0).collect::<Vec<_>>();
            let attention = Tensor::<4>::from_data(TensorData::new(values(6 * 3 * 16), [6, 3, 4, 4]), &device);
            let tokens = Tensor::<3>::from_data(TensorData::new(values(24 * 5), [1, 24, 5]), &device);
            let spread = windows.across_grid(attention.clone());
            assert_eq!(spread.dims(), [1, 3, 24, 24]);
            assert_eq!(values_of(&windows.within(spread.clone())), values_of(&attention));
            // the first head by windows, and by the grid
            let cut = windows.cut(tokens.clone()).reshape([6, 1, 4, 5]);
            let by_windows = windows.joined(attention.narrow(1, 0, 1).matmul(cut).reshape([6, 4, 5]));
            let by_grid = spread.narrow(1, 0, 1).reshape([1, 24, 24]).matmul(tokens);
            assert_eq!(values_of(&by_windows), values_of(&by_grid));
        }
    }
}
