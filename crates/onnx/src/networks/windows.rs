//! Windows of a grid of tokens, within which the attention of Swin stays.

use crate::graph::{GraphBuilder, Value};

/// What is added to a score between tokens that the shift put side by side, as in the network itself.
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

    /// Windows of the grid.
    pub(super) fn count(&self) -> usize {
        self.grid.iter().map(|length| length / self.side).product()
    }

    /// Tokens of a window.
    pub(super) fn tokens(&self) -> usize {
        self.side * self.side
    }

    /// The tokens of the grid, window by window.
    fn order(&self) -> Vec<i64> {
        let ([rows, columns], side) = (self.grid, self.side);
        let token = |place: usize| {
            let (window, inside) = (place / (side * side), place % (side * side));
            let across = columns / side;
            let row = (window / across * side + inside / side + self.shift[0]) % rows;
            let column = (window % across * side + inside % side + self.shift[1]) % columns;
            (row * columns + column) as i64
        };
        (0..rows * columns).map(token).collect()
    }

    /// Where each token of the grid lies in [`Windows::order`].
    fn places(&self) -> Vec<i64> {
        let order = self.order();
        let mut places = vec![0; order.len()];
        for (place, &token) in order.iter().enumerate() {
            places[token as usize] = place as i64;
        }
        places
    }

    /// `[batch, tokens of the grid, width]` to `[batch · windows, tokens of a window, width]`.
    pub(super) fn cut(&self, graph: &mut GraphBuilder<'_>, name: &str, x: &Value, width: usize) -> Value {
        let order = self.order();
        let order = graph.integers(&format!("{name}.windows.order"), &[order.len()], &order);
        let ordered = graph.gather(&format!("{name}.windows.ordered"), x, &order, 1);
        graph.reshape(&format!("{name}.windows"), &ordered, &[-1, self.tokens() as i64, width as i64])
    }

    /// The way back from [`Windows::cut`].
    pub(super) fn joined(&self, graph: &mut GraphBuilder<'_>, name: &str, x: &Value, width: usize) -> Value {
        let places = self.places();
        let together = [-1, places.len() as i64, width as i64];
        let together = graph.reshape(&format!("{name}.grid.together"), x, &together);
        let places = graph.integers(&format!("{name}.grid.places"), &[places.len()], &places);
        graph.gather(&format!("{name}.grid"), &together, &places, 1)
    }

    /// The attention of every window as that of the grid: `[batch · windows, heads, side², side²]` to `[batch, heads, tokens,
    /// tokens]`, 0 between tokens of different windows.
    pub(super) fn across_grid(
        &self,
        graph: &mut GraphBuilder<'_>,
        [name, result]: [&str; 2],
        attention: &Value,
        heads: usize,
    ) -> Value {
        let part = |part: &str| format!("{name}.grid.{part}");
        let (windows, inside) = (self.count(), self.tokens());
        let tokens = windows * inside;
        let [of_grid, of_window, all, of_head] = [windows, inside, tokens, heads].map(|length| length as i64);
        let apart = [-1, of_grid, of_head, of_window, 1, of_window];
        let apart = graph.reshape(&part("apart"), attention, &apart);
        let own = (0..windows * windows).map(|pair| if pair / windows == pair % windows { 1.0 } else { 0.0 });
        let own: Vec<f32> = own.collect();
        let own = graph.floats(&part("own"), &[windows, 1, 1, windows, 1], &own);
        let spread = graph.multiply(&part("spread"), &apart, &own);
        let by_head = graph.transpose(&part("by_head"), &spread, &[0, 2, 1, 3, 4, 5]);
        let by_window = graph.reshape(&part("by_window"), &by_head, &[-1, of_head, all, all]);
        let places = graph.integers(&part("places"), &[tokens], &self.places());
        let rows = graph.gather(&part("rows"), &by_window, &places, 2);
        graph.gather(result, &rows, &places, 3)
    }

    /// What is added to the scores of each window, `[windows, 1, side², side²]`; nothing without a shift.
    pub(super) fn mask(&self) -> Option<Vec<f32>> {
        if self.shift == [0, 0] {
            return None;
        }
        let ([rows, columns], side) = (self.grid, self.side);
        let across = columns / side;
        let region = |place: usize, length: usize, shift: usize| {
            usize::from(shift > 0 && place >= length - side) + usize::from(shift > 0 && place >= length - shift)
        };
        let region_of = |window: usize, token: usize| {
            let row = window / across * side + token / side;
            let column = window % across * side + token % side;
            [region(row, rows, self.shift[0]), region(column, columns, self.shift[1])]
        };
        let inside = self.tokens();
        let pairs = (0..self.count()).flat_map(|window| (0..inside * inside).map(move |pair| (window, pair)));
        let added = pairs.map(|(window, pair)| {
            let is_together = region_of(window, pair / inside) == region_of(window, pair % inside);
            if is_together { 0.0 } else { APART }
        });
        Some(added.collect())
    }
}
