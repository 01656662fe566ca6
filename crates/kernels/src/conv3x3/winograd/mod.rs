//! The convolution of stride 1 with fewer multiplications: F(4×4, 3×3) of Lavin and Gray (2016, "Fast algorithms for
//! convolutional neural networks", after Winograd).
//!
//! An output tile of 4×4 pixels depends on an input tile of 6×6. Both the tile `d` and the kernel `g` are transformed to
//! 6×6, multiplied element by element, summed over the channels, and transformed back:
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. That takes 36 multiplications for sixteen pixels instead of 144. The sums over the
//! channels are 36 small matrix products, one for each element of the transformed tiles.
//!
//! The polynomials behind it are evaluated at 0, ±√½, ±√2 and infinity, which are symmetric around 1 in magnitude:
//! rounding costs less than half as much as with the usual 0, ±1, ±2.

mod kernels;
mod tiles;
mod transform;
mod weight;

pub(super) use weight::weight_gradient;

use super::{Finish, Reuse, geometry::Geometry};
use crate::{
    arch::{self, Buffer, LANES, Multiply},
    partials,
};
use burn::backend::flex::FlexTensor;
use kernels::{Direction, Kernels};
use rayon::prelude::*;
use tiles::{CELL, ELEMENTS, Grid};
use transform::{FromTiles, Layout, ToTiles, from_tiles, to_tiles};

/// Tiles of a product, a multiple of the pixels that the products hold in registers.
const TILES: usize = 28;

/// Elements of a transformed kernel for each [`TILES`] of a product. The kernels of many channels come from the last-level
/// cache for every product, which has to be worth it.
const ELEMENTS_PER_TILES: usize = 1 << 15;

/// The most tiles of a product.
const MOST_TILES: usize = 4 * TILES;

/// Channels from which on the transforms pay for themselves.
const MIN_CHANNELS: usize = 16;

/// Whether this way is the faster one.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.stride == 1 && geometry.inputs.min(geometry.outputs) >= MIN_CHANNELS
}

/// `x` and `weight` to the output.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &FlexTensor, reuse: Reuse, finish: Finish<'_>) -> Buffer {
    let kernels = kernels::of(weight, Direction::Forward, reuse);
    Correlation { grid: Grid::new(geometry.height, geometry.width), kernels: &kernels }.run(x, None, finish)
}

/// The gradient of the output and `weight` to the gradient of `x`, added to `onto` if it is there: a correlation with the
/// kernels turned around.
pub(super) fn input_gradient(
    geometry: &Geometry,
    gradient: &[f32],
    weight: &FlexTensor,
    reuse: Reuse,
    onto: Option<Buffer>,
) -> Buffer {
    let kernels = kernels::of(weight, Direction::Backward, reuse);
    Correlation { grid: Grid::new(geometry.height, geometry.width), kernels: &kernels }.run(gradient, onto, &|_, _| {})
}

/// Some rows of tiles.
struct Band {
    /// The first one among all rows of tiles of the source.
    source_row: usize,
    /// The first one among those of the output.
    output_row: usize,
    count: usize,
    /// Whether the results are added to what the output holds.
    adds: bool,
}

/// A correlation of images of any number with transformed kernels.
struct Correlation<'a> {
    grid: Grid,
    kernels: &'a Kernels,
}

impl Correlation<'_> {
    /// Adds the result to `onto`, if it is there.
    fn run(&self, source: &[f32], onto: Option<Buffer>, finish: Finish<'_>) -> Buffer {
        let Grid { height, width, down, .. } = self.grid;
        let &Kernels { inputs, outputs, .. } = self.kernels;
        let pixels = height * width;
        let images = source.len() / (pixels * inputs);
        let adds = onto.is_some();
        let mut output = onto.unwrap_or_else(|| Buffer::new(images * pixels * outputs));
        // Small images share their products with as many others as make whole products, unless they are so few that the
        // threads would not finish together; large ones are cut into bands.
        let tiles = (inputs * outputs / ELEMENTS_PER_TILES).clamp(1, MOST_TILES / TILES) * TILES;
        let mut rows = self.grid.rows_for(tiles);
        let mut group = 1;
        if rows > down {
            let whole = if tiles > TILES { rows / down } else { rows / greatest_common_divisor(rows, down) };
            group = partials::evenly(images, whole.min(images));
            rows = if tiles > TILES { group * down } else { rows };
        }
        let band = if group == 1 { CELL * rows * width } else { group * pixels };
        let groups = output.par_chunks_mut(group * pixels * outputs);
        let groups = groups.zip(source.par_chunks(group * pixels * inputs)).enumerate();
        groups.for_each(|(index, (output, source))| {
            output.par_chunks_mut(band * outputs).enumerate().for_each_init(
                || Scratch::new(self, rows),
                |scratch, (index, output)| {
                    let count = if group == 1 {
                        (output.len() / (width * outputs)).div_ceil(CELL)
                    } else {
                        output.len() / (pixels * outputs) * down
                    };
                    for first in (0..count).step_by(rows) {
                        let band = Band {
                            source_row: index * rows + first,
                            output_row: first,
                            count: rows.min(count - first),
                            adds,
                        };
                        self.band(source, &band, scratch, output);
                    }
                },
            );
            finish(index * group, output);
        });
        output
    }

    fn band(&self, source: &[f32], band: &Band, scratch: &mut Scratch, output: &mut [f32]) {
        let &Band { source_row, output_row, count, adds } = band;
        let tiles = count * self.grid.across;
        let &Kernels { inputs, outputs, ref packed } = self.kernels;
        let layout = Layout::blocks(tiles, inputs);
        to_tiles(
            &ToTiles { grid: self.grid, source, channels: inputs, first_row: source_row, rows: count, layout },
            &mut scratch.input,
        );
        let length = packed.len() / ELEMENTS;
        for element in 0..ELEMENTS {
            arch::run(Multiply {
                input: &scratch.input[element * layout.element..],
                channels: inputs,
                plane: layout.block,
                row: 0,
                step: LANES,
                taps: &[0],
                weight: &packed[element * length..],
                bias: None,
                rows: 1,
                columns: tiles,
                outputs,
                output: &mut scratch.output[element * outputs..],
                output_row: 0,
                output_step: ELEMENTS * outputs,
            });
        }
        let tiles = FromTiles { grid: self.grid, tiles: &scratch.output, channels: outputs, adds };
        from_tiles(&tiles, output_row, count, output);
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Transformed tiles of a band.
struct Scratch {
    input: Buffer,
    output: Buffer,
}

impl Scratch {
    fn new(correlation: &Correlation<'_>, rows: usize) -> Self {
        let tiles = ELEMENTS * rows * correlation.grid.across;
        Self {
            input: Buffer::new(tiles * correlation.kernels.inputs.next_multiple_of(LANES)),
            output: Buffer::new(tiles * correlation.kernels.outputs),
        }
    }
}
