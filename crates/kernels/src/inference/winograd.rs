//! F(4×4, 3×3) of Lavin and Gray (2016, "Fast algorithms for convolutional neural networks"), after Toom, Cook and
//! Winograd.
//!
//! An output tile of 4×4 pixels depends on an input tile of 6×6. Both the tile `d` and the kernel `g` are transformed to
//! 6×6, multiplied element by element, summed over the channels, and transformed back:
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`, which takes 36 multiplications for sixteen pixels instead of 144.
//!
//! The transforms evaluate and interpolate polynomials at the points 0, ±½, ±3⁄2 and ∞. With the customary points 0, ±1,
//! ±2 and ∞ the rounding error of a layer of 96 channels is five times that of the direct sum, with these it is twice
//! as large; all their constants are exact in `f32`.

use super::{Activations, ConvolutionShape, Scratch, padded};
use crate::arch::{self, Kernel, LANES, Level, Multiply, Simd};

/// Rows and columns of a transformed tile.
const SIDE: usize = 6;
/// Elements of a transformed tile.
const ELEMENTS: usize = SIDE * SIDE;
/// Rows and columns of a tile of outputs.
const TILE: usize = 4;

/// Tiles of a product, a multiple of the pixels that the products hold in registers.
const TILES: usize = 28;

/// The squares of the points ½ and 3⁄2.
const NEAR: f32 = 0.25;
const FAR: f32 = 2.25;

/// The transformed kernels and where the tiles lie.
#[derive(Debug)]
pub(super) struct Winograd {
    shape: ConvolutionShape,
    /// Tiles from top to bottom.
    down: usize,
    /// Tiles from left to right.
    across: usize,
    /// A packed matrix for each element.
    packed: Activations,
}

impl Winograd {
    /// Whether this way is the faster one.
    pub(super) fn suits(shape: &ConvolutionShape) -> bool {
        shape.stride == 1 && shape.inputs.min(shape.outputs) >= LANES && shape.height.min(shape.width) >= TILE
    }

    pub(super) fn new(shape: ConvolutionShape, weight: &[f32]) -> Self {
        let ConvolutionShape { inputs, outputs, .. } = shape;
        let mut transformed = vec![0.0; ELEMENTS * inputs * outputs];
        // the outputs inside, because they are neighbours in the matrices
        for input in 0..inputs {
            for output in 0..outputs {
                let kernel = &weight[(output * inputs + input) * 9..][..9];
                let elements = transformed_kernel(std::array::from_fn(|tap| f64::from(kernel[tap])));
                for (element, value) in elements.into_iter().enumerate() {
                    transformed[(element * inputs + input) * outputs + output] = value as f32;
                }
            }
        }
        let length = Multiply::packed_length(1, inputs, outputs);
        let mut packed = Activations::zeroed(ELEMENTS * length);
        for (packed, matrix) in packed.chunks_exact_mut(length).zip(transformed.chunks_exact(inputs * outputs)) {
            Multiply::pack(Level::chosen(), packed, 1, inputs, padded(outputs), |_, input, output| {
                if output < outputs { matrix[input * outputs + output] } else { 0.0 }
            });
        }
        Self { shape, down: shape.height.div_ceil(TILE), across: shape.width.div_ceil(TILE), packed }
    }

    pub(super) fn run(
        &self,
        x: &[f32],
        bias: &[f32],
        residual: Option<&[f32]>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let images = x.len() / self.shape.input_length();
        let total = images * self.down * self.across;
        let tiles = TILES.min(total);
        scratch.inputs.reserve(ELEMENTS * tiles * padded(self.shape.inputs));
        scratch.products.reserve(ELEMENTS * tiles * padded(self.shape.outputs));
        for first in (0..total).step_by(TILES) {
            arch::run(Band {
                winograd: self,
                first,
                tiles: TILES.min(total - first),
                x,
                bias,
                residual,
                transformed: &mut scratch.inputs,
                products: &mut scratch.products,
                output,
            });
        }
    }
}

/// `G g Gᵀ`; the rows of `G` are the powers of the points, (1, p, p²), over the product of their distances from the
/// other points, and (0, 0, 1) for ∞.
fn transformed_kernel(g: [f64; 9]) -> [f64; ELEMENTS] {
    let along = |[a, b, c]: [f64; 3]| {
        let at = |point: f64, distances: f64| (a + point * b + point * point * c) * distances.recip();
        [at(0.0, 0.5625), at(0.5, -1.0), at(-0.5, -1.0), at(1.5, 9.0), at(-1.5, 9.0), c]
    };
    let columns: [[f64; SIDE]; 3] = std::array::from_fn(|column| along([g[column], g[3 + column], g[6 + column]]));
    let mut elements = [0.0; ELEMENTS];
    for (row, elements) in elements.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        *elements = along([columns[0][row], columns[1][row], columns[2][row]]);
    }
    elements
}

/// `Bᵀ d`: the products of `(x − q)` over the other points `q`, applied to the powers.
#[inline(always)]
fn input_along<S: Simd>(simd: S, d: [S::Vector; SIDE]) -> [S::Vector; SIDE] {
    let both = simd.splat(-NEAR - FAR);
    let product = simd.splat(NEAR * FAR);
    let without = |square: f32| {
        let factor = simd.splat(-square);
        [simd.multiply_add(factor, d[2], d[4]), simd.multiply_add(factor, d[1], d[3])]
    };
    let [near_even, near_odd] = without(FAR);
    let [far_even, far_odd] = without(NEAR);
    let ends = |a, b, c| simd.multiply_add(product, a, simd.multiply_add(both, b, c));
    let at = |even, odd, point: f32| simd.multiply_add(simd.splat(point), odd, even);
    [
        ends(d[0], d[2], d[4]),
        at(near_even, near_odd, 0.5),
        at(near_even, near_odd, -0.5),
        at(far_even, far_odd, 1.5),
        at(far_even, far_odd, -1.5),
        ends(d[1], d[3], d[5]),
    ]
}

/// `Aᵀ m`: row `i` holds the powers `pⁱ` of the points.
#[inline(always)]
fn output_along<S: Simd>(simd: S, m: [S::Vector; SIDE]) -> [S::Vector; TILE] {
    let (near_sum, near_difference) = (simd.add(m[1], m[2]), simd.subtract(m[1], m[2]));
    let (far_sum, far_difference) = (simd.add(m[3], m[4]), simd.subtract(m[3], m[4]));
    let combine = |near: f32, near_part, far: f32, far_part| {
        simd.multiply_add(simd.splat(near), near_part, simd.multiply(simd.splat(far), far_part))
    };
    [
        simd.add(m[0], simd.add(near_sum, far_sum)),
        combine(0.5, near_difference, 1.5, far_difference),
        combine(NEAR, near_sum, FAR, far_sum),
        simd.add(m[5], combine(0.5 * NEAR, near_difference, 1.5 * FAR, far_difference)),
    ]
}

/// Some tiles, counted over all images, from the input to the output.
struct Band<'a> {
    winograd: &'a Winograd,
    first: usize,
    tiles: usize,
    x: &'a [f32],
    bias: &'a [f32],
    residual: Option<&'a [f32]>,
    /// For each element sixteen channels of every tile, then the next sixteen.
    transformed: &'a mut [f32],
    /// For each element the channels of every tile.
    products: &'a mut [f32],
    output: &'a mut [f32],
}

/// Image of a tile and its first row and column.
struct Place {
    image: usize,
    row: usize,
    column: usize,
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for tile in 0..self.tiles {
            self.transform_input(simd, tile);
        }
        self.multiply(simd);
        for tile in 0..self.tiles {
            self.transform_output(simd, tile);
        }
    }
}

impl Band<'_> {
    #[inline(always)]
    fn place(&self, tile: usize) -> Place {
        let Winograd { down, across, .. } = *self.winograd;
        let tile = self.first + tile;
        Place { image: tile / (down * across), row: tile / across % down * TILE, column: tile % across * TILE }
    }

    /// `Bᵀ d B` of a tile.
    #[inline(always)]
    fn transform_input<S: Simd>(&mut self, simd: S, tile: usize) {
        let ConvolutionShape { height, width, inputs, .. } = self.winograd.shape;
        let channels = padded(inputs);
        let Place { image, row, column } = self.place(tile);
        let image = &self.x[image * height * width * channels..][..height * width * channels];
        // pixel (r, c) of the tile is pixel (row + r − 1, column + c − 1) of the image, if there is one
        let rows = usize::from(row == 0)..SIDE.min(height + 1 - row);
        let columns = usize::from(column == 0)..SIDE.min(width + 1 - column);
        let zero = simd.splat(0.0);
        for block in 0..channels / LANES {
            let mut half = [[zero; SIDE]; SIDE];
            for r in rows.clone() {
                let start = (row + r - 1) * width * channels + block * LANES;
                let mut pixels = [zero; SIDE];
                if columns.len() == SIDE {
                    for (c, pixel) in pixels.iter_mut().enumerate() {
                        *pixel = simd.load(&image[start + (column + c - 1) * channels..][..LANES]);
                    }
                } else {
                    for c in columns.clone() {
                        pixels[c] = simd.load(&image[start + (column + c - 1) * channels..][..LANES]);
                    }
                }
                for (column, value) in half.iter_mut().zip(input_along(simd, pixels)) {
                    column[r] = value;
                }
            }
            let at = (block * self.tiles + tile) * LANES;
            let element_length = self.tiles * channels;
            for (c, column) in half.into_iter().enumerate() {
                let values = input_along(simd, column);
                for (r, value) in values.into_iter().enumerate() {
                    simd.store(&mut self.transformed[at + (SIDE * r + c) * element_length..][..LANES], value);
                }
            }
        }
    }

    /// The sums over the channels: a product for each element.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S) {
        let ConvolutionShape { inputs, outputs, .. } = self.winograd.shape;
        let (tiles, outputs) = (self.tiles, padded(outputs));
        let length = self.winograd.packed.len() / ELEMENTS;
        for element in 0..ELEMENTS {
            Multiply {
                input: &self.transformed[element * tiles * padded(inputs)..],
                channels: inputs,
                plane: tiles * LANES,
                row: 0,
                step: LANES,
                taps: &[0],
                weight: &self.winograd.packed[element * length..],
                bias: None,
                rows: 1,
                columns: tiles,
                outputs,
                output: &mut self.products[element * tiles * outputs..],
                output_row: 0,
                output_step: outputs,
            }
            .run(simd);
        }
    }

    /// `Aᵀ m A` of a tile, and what follows the convolution.
    #[inline(always)]
    fn transform_output<S: Simd>(&mut self, simd: S, tile: usize) {
        let ConvolutionShape { height, width, outputs, relu, pool, .. } = self.winograd.shape;
        let channels = padded(outputs);
        let Place { image, row, column } = self.place(tile);
        let (rows, columns) = (TILE.min(height - row), TILE.min(width - column));
        let zero = simd.splat(0.0);
        let floor = simd.splat(if relu { 0.0 } else { f32::NEG_INFINITY });
        let shrink = if pool { 2 } else { 1 };
        let output_width = width / shrink;
        let output_start = image * (height / shrink) * output_width;
        for first in (0..channels).step_by(LANES) {
            let mut half = [[zero; SIDE]; TILE];
            for c in 0..SIDE {
                let mut elements = [zero; SIDE];
                for (r, element) in elements.iter_mut().enumerate() {
                    let at = ((SIDE * r + c) * self.tiles + tile) * channels + first;
                    *element = simd.load(&self.products[at..][..LANES]);
                }
                for (half, value) in half.iter_mut().zip(output_along(simd, elements)) {
                    half[c] = value;
                }
            }
            let bias = simd.load(&self.bias[first..][..LANES]);
            let mut pixels = [[zero; TILE]; TILE];
            for (r, half) in half.into_iter().enumerate() {
                pixels[r] = output_along(simd, half);
                for (c, pixel) in pixels[r].iter_mut().enumerate() {
                    *pixel = simd.add(*pixel, bias);
                    if let (Some(residual), true) = (self.residual, r < rows && c < columns) {
                        let at = ((image * height + row + r) * width + column + c) * channels + first;
                        *pixel = simd.add(*pixel, simd.load(&residual[at..][..LANES]));
                    }
                    *pixel = simd.max(*pixel, floor);
                }
            }
            // loops of constant length keep the pixels in registers
            let mut write = |r: usize, c: usize, value: S::Vector| {
                if r < rows && c < columns {
                    let at = output_start + (row + r) / shrink * output_width + (column + c) / shrink;
                    simd.store(&mut self.output[at * channels + first..][..LANES], value);
                }
            };
            if pool {
                for r in [0, 2] {
                    for c in [0, 2] {
                        let upper = simd.max(pixels[r][c], pixels[r][c + 1]);
                        let lower = simd.max(pixels[r + 1][c], pixels[r + 1][c + 1]);
                        write(r, c, simd.max(upper, lower));
                    }
                }
            } else {
                for (r, pixels) in pixels.iter().enumerate() {
                    for (c, &pixel) in pixels.iter().enumerate() {
                        write(r, c, pixel);
                    }
                }
            }
        }
    }
}
