//! The transforms between pixels and tiles, sixteen channels at a time.

use super::{ELEMENTS, Grid};
use crate::arch::{self, Kernel, LANES, Simd};

/// Where the elements of transformed tiles lie.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Distance between the elements of a tile.
    pub element: usize,
    /// Distance between blocks of sixteen channels.
    pub block: usize,
    /// Distance between tiles.
    pub tile: usize,
}

impl Layout {
    /// Sixteen channels of every tile, then the next sixteen, as the products read them.
    pub(super) fn blocks(tiles: usize, channels: usize) -> Self {
        Self { element: tiles * channels.next_multiple_of(LANES), block: tiles * LANES, tile: LANES }
    }

    /// All channels of a tile side by side, as outer products read them.
    pub(super) fn rows(tiles: usize, channels: usize) -> Self {
        Self { element: tiles * channels, block: LANES, tile: channels }
    }

    /// Room for `channels` from `first` on: whole vectors where blocks are padded.
    #[inline(always)]
    fn room(&self, channels: usize, first: usize) -> usize {
        if self.tile == LANES { LANES } else { LANES.min(channels - first) }
    }
}

/// Rows of tiles to be made from images that lie one after the other.
pub(super) struct ToTiles<'a> {
    pub grid: Grid,
    pub source: &'a [f32],
    pub channels: usize,
    /// First row of tiles, counted over all images.
    pub first_row: usize,
    pub rows: usize,
    pub layout: Layout,
}

impl ToTiles<'_> {
    /// Position and image of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> Place {
        let row = self.first_row + tile / self.grid.across;
        Place { image: row / self.grid.down, down: row % self.grid.down, across: tile % self.grid.across }
    }

    fn tiles(&self) -> usize {
        self.rows * self.grid.across
    }
}

struct Place {
    image: usize,
    down: usize,
    across: usize,
}

/// A pixel outside of its image.
const OUTSIDE: usize = usize::MAX;

impl Grid {
    /// First element of a pixel of an image, the rows and columns being counted from 1; 0 is outside.
    #[inline(always)]
    fn pixel(&self, image: usize, row: usize, column: usize, channels: usize) -> usize {
        if row == 0 || row > self.height || column == 0 || column > self.width {
            return OUTSIDE;
        }
        ((image * self.height + row - 1) * self.width + column - 1) * channels
    }
}

#[inline(always)]
fn load<S: Simd>(simd: S, source: &[f32], start: usize, first: usize, last: usize) -> S::Vector {
    if start == OUTSIDE { simd.splat(0.0) } else { simd.load(&source[start + first..start + last]) }
}

/// `Bᵀ d B` of every 4×4 tile, with the rows (1, 0, −1, 0), (0, 1, 1, 0), (0, −1, 1, 0), (0, 1, 0, −1) of `Bᵀ`.
pub(super) fn to_tiles(from: &ToTiles, tiles: &mut [f32]) {
    arch::run(InputTransform { from, tiles });
}

struct InputTransform<'a> {
    from: &'a ToTiles<'a>,
    tiles: &'a mut [f32],
}

#[inline(always)]
fn input_along<S: Simd>(simd: S, [a, b, c, d]: [S::Vector; 4]) -> [S::Vector; 4] {
    [simd.subtract(a, c), simd.add(b, c), simd.subtract(c, b), simd.subtract(b, d)]
}

impl Kernel for InputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from, tiles } = self;
        let (channels, layout, zero) = (from.channels, from.layout, simd.splat(0.0));
        for tile in 0..from.tiles() {
            let Place { image, down, across } = from.place(tile);
            let mut starts = [OUTSIDE; ELEMENTS];
            for (index, start) in starts.iter_mut().enumerate() {
                *start = from.grid.pixel(image, 2 * down + index / 4, 2 * across + index % 4, channels);
            }
            for first in (0..channels).step_by(LANES) {
                let last = channels.min(first + LANES);
                let mut rows = [[zero; 4]; 4];
                for (row, starts) in rows.iter_mut().zip(starts.as_chunks::<4>().0) {
                    let mut pixels = [zero; 4];
                    for (pixel, &start) in pixels.iter_mut().zip(starts) {
                        *pixel = load(simd, from.source, start, first, last);
                    }
                    *row = input_along(simd, pixels);
                }
                let room = layout.room(channels, first);
                let at = first / LANES * layout.block + tile * layout.tile;
                for column in 0..4 {
                    let values =
                        input_along(simd, [rows[0][column], rows[1][column], rows[2][column], rows[3][column]]);
                    for (row, value) in values.into_iter().enumerate() {
                        simd.store(&mut tiles[at + (4 * row + column) * layout.element..][..room], value);
                    }
                }
            }
        }
    }
}

/// `A y Aᵀ` of every 2×2 tile, with the rows (1, 0), (1, 1), (1, −1), (0, −1) of `A`: the transpose of the way back.
pub(super) fn gradient_to_tiles(from: &ToTiles, tiles: &mut [f32]) {
    arch::run(GradientTransform { from, tiles });
}

struct GradientTransform<'a> {
    from: &'a ToTiles<'a>,
    tiles: &'a mut [f32],
}

#[inline(always)]
fn gradient_along<S: Simd>(simd: S, [a, b]: [S::Vector; 2]) -> [S::Vector; 4] {
    [a, simd.add(a, b), simd.subtract(a, b), simd.subtract(simd.splat(0.0), b)]
}

impl Kernel for GradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from, tiles } = self;
        let (channels, layout) = (from.channels, from.layout);
        for tile in 0..from.tiles() {
            let Place { image, down, across } = from.place(tile);
            let start = |row, column| from.grid.pixel(image, 2 * down + row + 1, 2 * across + column + 1, channels);
            let starts = [[start(0, 0), start(0, 1)], [start(1, 0), start(1, 1)]];
            for first in (0..channels).step_by(LANES) {
                let last = channels.min(first + LANES);
                let mut rows = [[simd.splat(0.0); 4]; 2];
                for (row, starts) in rows.iter_mut().zip(starts) {
                    let left = load(simd, from.source, starts[0], first, last);
                    *row = gradient_along(simd, [left, load(simd, from.source, starts[1], first, last)]);
                }
                let room = layout.room(channels, first);
                let at = first / LANES * layout.block + tile * layout.tile;
                for column in 0..4 {
                    let values = gradient_along(simd, [rows[0][column], rows[1][column]]);
                    for (row, value) in values.into_iter().enumerate() {
                        simd.store(&mut tiles[at + (4 * row + column) * layout.element..][..room], value);
                    }
                }
            }
        }
    }
}

/// `Aᵀ m A` of every tile, written to rows of tiles of images that lie one after the other, the first being
/// `first_row`. The elements of the tiles lie apart by all tiles of the band, the channels side by side.
pub(super) fn from_tiles(
    grid: Grid,
    tiles: &[f32],
    channels: usize,
    first_row: usize,
    rows: usize,
    output: &mut [f32],
) {
    arch::run(OutputTransform { grid, tiles, channels, first_row, rows, output });
}

struct OutputTransform<'a> {
    grid: Grid,
    tiles: &'a [f32],
    channels: usize,
    first_row: usize,
    rows: usize,
    output: &'a mut [f32],
}

#[inline(always)]
fn output_along<S: Simd>(simd: S, [a, b, c, d]: [S::Vector; 4]) -> [S::Vector; 2] {
    [simd.add(a, simd.add(b, c)), simd.subtract(simd.subtract(b, c), d)]
}

impl Kernel for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { grid, tiles, channels, first_row, rows, output } = self;
        let count = rows * grid.across;
        let zero = simd.splat(0.0);
        for tile in 0..count {
            let row = first_row + tile / grid.across;
            let (image, down, across) = (row / grid.down, row % grid.down, tile % grid.across);
            let mut starts = [[OUTSIDE; 2]; 2];
            for (row, starts) in starts.iter_mut().enumerate() {
                for (column, start) in starts.iter_mut().enumerate() {
                    *start = grid.pixel(image, 2 * down + row + 1, 2 * across + column + 1, channels);
                }
            }
            for first in (0..channels).step_by(LANES) {
                let last = channels.min(first + LANES);
                let mut halves = [[zero; 2]; 4];
                for (row, half) in halves.iter_mut().enumerate() {
                    let mut elements = [zero; 4];
                    for (column, element) in elements.iter_mut().enumerate() {
                        let at = ((4 * row + column) * count + tile) * channels;
                        *element = simd.load(&tiles[at + first..at + last]);
                    }
                    *half = output_along(simd, elements);
                }
                for column in 0..2 {
                    let pixels = output_along(
                        simd,
                        [halves[0][column], halves[1][column], halves[2][column], halves[3][column]],
                    );
                    for (row, pixel) in pixels.into_iter().enumerate() {
                        let start = starts[row][column];
                        // a band may end with the first row of its last tiles
                        if start < output.len() {
                            simd.store(&mut output[start + first..start + last], pixel);
                        }
                    }
                }
            }
        }
    }
}
