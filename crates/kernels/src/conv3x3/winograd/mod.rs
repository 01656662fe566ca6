//! The convolution of stride 1 with fewer multiplications: F(2×2, 3×3) of Lavin and Gray (2016, "Fast algorithms for
//! convolutional neural networks", after Winograd).
//!
//! An output tile of 2×2 pixels depends on an input tile of 4×4. Both the tile `d` and the kernel `g` are transformed to
//! 4×4, multiplied element by element, summed over the channels, and transformed back:
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. That takes 16 multiplications for four pixels instead of 36. The sums over the
//! channels are sixteen small matrix products, one for each element of the transformed tiles.

mod transform;
mod weight;

pub(super) use weight::weight_gradient;

use super::geometry::Geometry;
use crate::arch::{self, Buffer, LANES, Level, Multiply};
use rayon::prelude::*;
use transform::{Layout, ToTiles, from_tiles, to_tiles};

/// Elements of a transformed tile.
const ELEMENTS: usize = 16;

/// Tiles of a product, a multiple of the pixels that the products hold in registers.
const TILES: usize = 28;

/// Channels from which on the transforms pay for themselves: with 16 the direct product is faster, with 64 slower.
const MIN_CHANNELS: usize = 32;

/// Whether this way is the faster one.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.stride == 1 && geometry.inputs.min(geometry.outputs) >= MIN_CHANNELS
}

/// The grid of tiles that covers an image.
#[derive(Clone, Copy)]
struct Grid {
    height: usize,
    width: usize,
    /// Tiles from top to bottom.
    down: usize,
    /// Tiles from left to right.
    across: usize,
}

impl Grid {
    fn new(height: usize, width: usize) -> Self {
        Self { height, width, down: height.div_ceil(2), across: width.div_ceil(2) }
    }

    /// Rows of tiles that hold about this number of tiles.
    fn rows_for(&self, tiles: usize) -> usize {
        (tiles / self.across).max(1)
    }
}

/// `x` and `weight` to the output.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    Correlation::new(geometry, inputs, outputs, |input, output| {
        let kernel = &weight[(output * inputs + input) * 9..][..9];
        std::array::from_fn(|tap| kernel[tap])
    })
    .run(x)
}

/// The gradient of the output and `weight` to the gradient of `x`: a correlation with the kernels turned around.
pub(super) fn input_gradient(geometry: &Geometry, gradient: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { inputs, outputs, .. } = *geometry;
    Correlation::new(geometry, outputs, inputs, |output, input| {
        let kernel = &weight[(output * inputs + input) * 9..][..9];
        std::array::from_fn(|tap| kernel[8 - tap])
    })
    .run(gradient)
}

/// `G g Gᵀ` with the rows (1, 0, 0), (½, ½, ½), (½, −½, ½), (0, 0, 1) of `G`.
fn transformed_kernel(g: [f32; 9]) -> [f32; ELEMENTS] {
    let along = |[a, b, c]: [f32; 3]| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
    let columns: [[f32; 4]; 3] = std::array::from_fn(|column| along([g[column], g[3 + column], g[6 + column]]));
    let mut result = [0.0; ELEMENTS];
    for row in 0..4 {
        let values = along([columns[0][row], columns[1][row], columns[2][row]]);
        result[4 * row..4 * row + 4].copy_from_slice(&values);
    }
    result
}

/// A correlation of images of any number with transformed kernels.
struct Correlation {
    grid: Grid,
    inputs: usize,
    outputs: usize,
    /// The transformed kernels, element after element, each packed.
    packed: Buffer,
}

impl Correlation {
    fn new(
        geometry: &Geometry,
        inputs: usize,
        outputs: usize,
        kernel: impl Fn(usize, usize) -> [f32; 9] + Sync,
    ) -> Self {
        let mut elements = Buffer::new(ELEMENTS * inputs * outputs);
        elements.par_chunks_mut(ELEMENTS * outputs).enumerate().for_each(|(input, elements)| {
            for output in 0..outputs {
                for (element, value) in transformed_kernel(kernel(input, output)).into_iter().enumerate() {
                    elements[element * outputs + output] = value;
                }
            }
        });
        let length = Multiply::packed_length(1, inputs, outputs);
        let mut packed = Buffer::new(ELEMENTS * length);
        packed.par_chunks_mut(length).enumerate().for_each(|(element, packed)| {
            Multiply::pack(Level::chosen(), packed, 1, inputs, outputs, |_, input, output| {
                elements[(input * ELEMENTS + element) * outputs + output]
            });
        });
        Self { grid: Grid::new(geometry.height, geometry.width), inputs, outputs, packed }
    }

    fn run(&self, source: &[f32]) -> Buffer {
        let Grid { height, width, down, across } = self.grid;
        let pixels = height * width;
        let images = source.len() / (pixels * self.inputs);
        let mut output = Buffer::new(images * pixels * self.outputs);
        // small images share their products with others, large ones are cut into bands
        let group = if down * across < TILES { (4 * TILES).div_ceil(down * across).min(images) } else { 1 };
        let rows = self.grid.rows_for(TILES);
        let band = if group == 1 { 2 * rows * width } else { group * pixels };
        let groups = output.par_chunks_mut(group * pixels * self.outputs);
        groups.zip(source.par_chunks(group * pixels * self.inputs)).for_each(|(output, source)| {
            output.par_chunks_mut(band * self.outputs).enumerate().for_each_init(
                || Scratch::new(self, rows),
                |scratch, (index, output)| {
                    let count = if group == 1 {
                        (output.len() / (width * self.outputs)).div_ceil(2)
                    } else {
                        output.len() / (pixels * self.outputs) * down
                    };
                    for first in (0..count).step_by(rows) {
                        self.band(source, index * rows + first, first, rows.min(count - first), scratch, output);
                    }
                },
            );
        });
        output
    }

    /// Computes `count` rows of tiles. The first is the row `source_row` of all tiles of the source, and the row
    /// `output_row` of those of the output.
    fn band(
        &self,
        source: &[f32],
        source_row: usize,
        output_row: usize,
        count: usize,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let tiles = count * self.grid.across;
        let (inputs, outputs) = (self.inputs, self.outputs);
        let layout = Layout::blocks(tiles, inputs);
        to_tiles(
            &ToTiles { grid: self.grid, source, channels: inputs, first_row: source_row, rows: count, layout },
            &mut scratch.input,
        );
        let length = self.packed.len() / ELEMENTS;
        for element in 0..ELEMENTS {
            arch::run(Multiply {
                input: &scratch.input[element * layout.element..],
                channels: inputs,
                plane: layout.block,
                row: 0,
                step: LANES,
                taps: &[0],
                weight: &self.packed[element * length..],
                bias: None,
                rows: 1,
                columns: tiles,
                outputs,
                output: &mut scratch.output[element * tiles * outputs..],
                output_row: 0,
                output_step: outputs,
            });
        }
        from_tiles(self.grid, &scratch.output, outputs, output_row, count, output);
    }
}

/// Transformed tiles of a band.
struct Scratch {
    input: Buffer,
    output: Buffer,
}

impl Scratch {
    fn new(correlation: &Correlation, rows: usize) -> Self {
        let tiles = ELEMENTS * rows * correlation.grid.across;
        Self {
            input: Buffer::new(tiles * correlation.inputs.next_multiple_of(LANES)),
            output: Buffer::new(tiles * correlation.outputs),
        }
    }
}
