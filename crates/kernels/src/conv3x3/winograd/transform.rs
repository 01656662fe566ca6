//! The transforms between pixels and tiles, sixteen channels at a time.

use super::tiles::{CELL, EDGE, Grid};
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
    fn tiles(&self) -> usize {
        self.rows * self.grid.across
    }
}

/// A pixel outside of its image.
const OUTSIDE: usize = usize::MAX;

/// Where the pixels of a tile lie.
struct Places<const N: usize> {
    /// First element of every row of the tile.
    rows: [usize; N],
    /// From there to every column.
    columns: [usize; N],
}

impl Grid {
    /// The pixels of a tile, counted over all images from row `first_row` of tiles on. Its first row and column are
    /// `border` above and left of the first pixel that belongs to it.
    #[inline(always)]
    fn places<const N: usize>(&self, first_row: usize, tile: usize, border: usize, channels: usize) -> Places<N> {
        let row = first_row + tile / self.across;
        let (image, down, across) = (row / self.down, row % self.down, tile % self.across);
        let mut places = Places { rows: [OUTSIDE; N], columns: [OUTSIDE; N] };
        for (index, start) in places.rows.iter_mut().enumerate() {
            let row = (CELL * down + index).wrapping_sub(border);
            if row < self.height {
                *start = (image * self.height + row) * self.width * channels;
            }
        }
        for (index, start) in places.columns.iter_mut().enumerate() {
            let column = (CELL * across + index).wrapping_sub(border);
            if column < self.width {
                *start = column * channels;
            }
        }
        places
    }
}

impl<const N: usize> Places<N> {
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, source: &[f32], row: usize, column: usize, channels: [usize; 2]) -> S::Vector {
        let (row, column) = (self.rows[row], self.columns[column]);
        if row == OUTSIDE || column == OUTSIDE {
            return simd.splat(0.0);
        }
        simd.load(&source[row + column + channels[0]..row + column + channels[1]])
    }

    /// Asks for the pixels that the tile before this one did not have: the rows of a tile are too short for the processor to
    /// see a stream in them.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, source: &[f32], channels: usize) {
        for &row in self.rows.iter().filter(|&&row| row != OUTSIDE) {
            for &column in self.columns[N - CELL..].iter().filter(|&&column| column != OUTSIDE) {
                for first in (0..channels).step_by(LANES) {
                    simd.prefetch(source, row + column + first);
                }
            }
        }
    }
}

const ROOT: f32 = std::f32::consts::SQRT_2;
const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// `a · factor + b`.
#[inline(always)]
fn line<S: Simd>(simd: S, a: S::Vector, factor: f32, b: S::Vector) -> S::Vector {
    simd.multiply_add(a, simd.splat(factor), b)
}

/// Writes `N × N` values transformed along both dimensions, each to `M` values.
///
/// The arrays of a tile exceed the registers: a loop that consumed one would copy it in memory first, so that all loops
/// borrow.
#[inline(always)]
fn transform_tile<S: Simd, const N: usize, const M: usize>(
    simd: S,
    along: impl Fn([S::Vector; N]) -> [S::Vector; M],
    value: impl Fn(usize, usize) -> S::Vector,
    mut write: impl FnMut(usize, usize, S::Vector),
) {
    let zero = simd.splat(0.0);
    let mut rows = [[zero; M]; N];
    for (row, to) in rows.iter_mut().enumerate() {
        let mut values = [zero; N];
        for (column, to) in values.iter_mut().enumerate() {
            *to = value(row, column);
        }
        *to = along(values);
    }
    for column in 0..M {
        let mut values = [zero; N];
        for (to, row) in values.iter_mut().zip(&rows) {
            *to = row[column];
        }
        for (row, &value) in along(values).iter().enumerate() {
            write(row, column, value);
        }
    }
}

/// `Bᵀ d B` of every 6×6 tile.
pub(super) fn to_tiles(from: &ToTiles, tiles: &mut [f32]) {
    arch::run(InputTransform { from, tiles });
}

struct InputTransform<'a> {
    from: &'a ToTiles<'a>,
    tiles: &'a mut [f32],
}

/// The rows (1, 0, −5/2, 0, 1, 0), (0, ∓√2, −2, ±√½, 1, 0), (0, ∓√½, −½, ±√2, 1, 0), (0, 1, 0, −5/2, 0, 1) of `Bᵀ`.
#[inline(always)]
fn input_along<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::Vector; EDGE]) -> [S::Vector; EDGE] {
    let even = line(simd, c, -2.0, e);
    let odd = line(simd, b, -ROOT, simd.multiply(d, simd.splat(HALF_ROOT)));
    let second_even = line(simd, c, -0.5, e);
    let second_odd = line(simd, b, -HALF_ROOT, simd.multiply(d, simd.splat(ROOT)));
    [
        line(simd, c, -2.5, simd.add(a, e)),
        simd.add(even, odd),
        simd.subtract(even, odd),
        simd.add(second_even, second_odd),
        simd.subtract(second_even, second_odd),
        line(simd, d, -2.5, simd.add(b, f)),
    ]
}

impl Kernel for InputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from, tiles } = self;
        let (channels, layout) = (from.channels, from.layout);
        let places_of = |tile: usize| from.grid.places::<EDGE>(from.first_row, tile, 1, channels);
        for tile in 0..from.tiles() {
            let places = places_of(tile);
            if tile + 1 < from.tiles() {
                places_of(tile + 1).prefetch(simd, from.source, channels);
            }
            for first in (0..channels).step_by(LANES) {
                let range = [first, channels.min(first + LANES)];
                let room = layout.room(channels, first);
                let at = first / LANES * layout.block + tile * layout.tile;
                transform_tile(
                    simd,
                    #[inline(always)]
                    |values| input_along(simd, values),
                    #[inline(always)]
                    |row, column| places.load(simd, from.source, row, column, range),
                    #[inline(always)]
                    |row, column, value| {
                        simd.store(&mut tiles[at + (row * EDGE + column) * layout.element..][..room], value);
                    },
                );
            }
        }
    }
}

/// `A y Aᵀ` of every 4×4 tile: the transpose of the way back.
pub(super) fn gradient_to_tiles(from: &ToTiles, tiles: &mut [f32]) {
    arch::run(GradientTransform { from, tiles });
}

struct GradientTransform<'a> {
    from: &'a ToTiles<'a>,
    tiles: &'a mut [f32],
}

/// The rows (1, 0, 0, 0), (1, ±√½, ½, ±√2/4), (1, ±√2, 2, ±2√2), (0, 0, 0, 1) of `A`.
#[inline(always)]
fn gradient_along<S: Simd>(simd: S, [a, b, c, d]: [S::Vector; CELL]) -> [S::Vector; EDGE] {
    let even = line(simd, c, 0.5, a);
    let odd = line(simd, b, HALF_ROOT, simd.multiply(d, simd.splat(0.5 * HALF_ROOT)));
    let second_even = line(simd, c, 2.0, a);
    let second_odd = line(simd, b, ROOT, simd.multiply(d, simd.splat(2.0 * ROOT)));
    [
        a,
        simd.add(even, odd),
        simd.subtract(even, odd),
        simd.add(second_even, second_odd),
        simd.subtract(second_even, second_odd),
        d,
    ]
}

impl Kernel for GradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from, tiles } = self;
        let (channels, layout) = (from.channels, from.layout);
        let places_of = |tile: usize| from.grid.places::<CELL>(from.first_row, tile, 0, channels);
        for tile in 0..from.tiles() {
            let places = places_of(tile);
            if tile + 1 < from.tiles() {
                places_of(tile + 1).prefetch(simd, from.source, channels);
            }
            for first in (0..channels).step_by(LANES) {
                let range = [first, channels.min(first + LANES)];
                let room = layout.room(channels, first);
                let at = first / LANES * layout.block + tile * layout.tile;
                transform_tile(
                    simd,
                    #[inline(always)]
                    |values| gradient_along(simd, values),
                    #[inline(always)]
                    |row, column| places.load(simd, from.source, row, column, range),
                    #[inline(always)]
                    |row, column, value| {
                        simd.store(&mut tiles[at + (row * EDGE + column) * layout.element..][..room], value);
                    },
                );
            }
        }
    }
}

/// Tiles on their way to an output.
pub(super) struct FromTiles<'a> {
    pub grid: Grid,
    /// The channels of an element lie side by side, the elements of a tile one behind the other.
    pub tiles: &'a [f32],
    pub channels: usize,
    /// Whether they are added to what the output holds.
    pub adds: bool,
}

/// `Aᵀ m A` of every tile, written to rows of tiles of images that lie one after the other, the first being
/// `first_row`.
pub(super) fn from_tiles(tiles: &FromTiles<'_>, first_row: usize, rows: usize, output: &mut [f32]) {
    arch::run(OutputTransform { from: tiles, first_row, rows, output });
}

struct OutputTransform<'a> {
    from: &'a FromTiles<'a>,
    first_row: usize,
    rows: usize,
    output: &'a mut [f32],
}

/// The transpose of what `gradient_along` computes.
#[inline(always)]
fn output_along<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::Vector; EDGE]) -> [S::Vector; CELL] {
    let (sum, difference) = (simd.add(b, c), simd.subtract(b, c));
    let (second_sum, second_difference) = (simd.add(d, e), simd.subtract(d, e));
    [
        simd.add(a, simd.add(sum, second_sum)),
        line(simd, difference, HALF_ROOT, simd.multiply(second_difference, simd.splat(ROOT))),
        line(simd, sum, 0.5, simd.add(second_sum, second_sum)),
        line(simd, difference, 0.5 * HALF_ROOT, line(simd, second_difference, 2.0 * ROOT, f)),
    ]
}

impl Kernel for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from: &FromTiles { grid, tiles, channels, adds }, first_row, rows, output } = self;
        let count = rows * grid.across;
        for tile in 0..count {
            let places = grid.places::<CELL>(first_row, tile, 0, channels);
            for first in (0..channels).step_by(LANES) {
                let last = channels.min(first + LANES);
                transform_tile(
                    simd,
                    #[inline(always)]
                    |values| output_along(simd, values),
                    #[inline(always)]
                    |row, column| {
                        let at = (tile * EDGE * EDGE + EDGE * row + column) * channels;
                        simd.load(&tiles[at + first..at + last])
                    },
                    #[inline(always)]
                    |row, column, value| {
                        let (row, column) = (places.rows[row], places.columns[column]);
                        // the last tiles reach beyond the image, and a band may end within its last tiles
                        if row < output.len() && column != OUTSIDE {
                            let to = &mut output[row + column + first..row + column + last];
                            let value = if adds { simd.add(value, simd.load(to)) } else { value };
                            simd.store(to, value);
                        }
                    },
                );
            }
        }
    }
}
