//! Sizes of the tiles, and how they cover an image.

/// Rows and columns of a transformed tile.
pub(super) const EDGE: usize = 6;

/// Elements of a transformed tile.
pub(super) const ELEMENTS: usize = EDGE * EDGE;

/// Rows and columns of an output tile.
pub(super) const CELL: usize = 4;

/// The grid of tiles that covers an image.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub height: usize,
    pub width: usize,
    /// Tiles from top to bottom.
    pub down: usize,
    /// Tiles from left to right.
    pub across: usize,
}

impl Grid {
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self { height, width, down: height.div_ceil(CELL), across: width.div_ceil(CELL) }
    }

    /// Rows of tiles that hold about this number of tiles.
    pub(super) fn rows_for(&self, tiles: usize) -> usize {
        (tiles / self.across).max(1)
    }
}

/// `G`: what a kernel of three is multiplied with.
pub(super) const KERNEL: [[f64; 3]; EDGE] = {
    use std::f64::consts::SQRT_2;
    [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -SQRT_2 / 3.0, -1.0 / 3.0],
        [-2.0 / 3.0, SQRT_2 / 3.0, -1.0 / 3.0],
        [1.0 / 6.0, SQRT_2 / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -SQRT_2 / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ]
};
