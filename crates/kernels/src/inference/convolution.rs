//! 3×3 convolution with bias, residual, rectifier and pooling in one pass.

use super::{Activations, ConvolutionShape, Scratch, finish::Finish, padded, padded_vector, winograd::Winograd};
use crate::arch::{self, Kernel, LANES, Level, Multiply, Simd};

/// Results of a band of rows before the rest is done with them; they should stay in the first-level cache.
const BAND: usize = 4096;

/// A 3×3 cross-correlation with zero padding 1 and a bias, then the addition of a residual, a rectifier and 2×2 maximum
/// pooling, as far as they are wanted.
///
/// With a stride of 1 and enough channels it multiplies less, by F(4×4, 3×3) of Lavin and Gray (2016).
#[derive(Debug)]
pub struct Convolution {
    shape: ConvolutionShape,
    bias: Activations,
    method: Method,
}

#[derive(Debug)]
enum Method {
    /// The packed weights.
    Direct(Activations),
    Winograd(Winograd),
}

impl Convolution {
    /// Packs the weights, `[outputs, inputs, 3, 3]`, and the bias, one value for each output.
    ///
    /// # Panics
    ///
    /// If a size is 0, the lengths do not fit, the stride is neither 1 nor 2, or the pooling meets an odd size.
    pub fn new(shape: ConvolutionShape, weight: &[f32], bias: &[f32]) -> Self {
        let ConvolutionShape { height, width, inputs, outputs, stride, pool, .. } = shape;
        assert!([height, width, inputs, outputs].iter().all(|&size| size > 0), "an empty convolution: {shape:?}");
        assert!(matches!(stride, 1 | 2), "the stride of a convolution is 1 or 2, got {stride}");
        assert_eq!(weight.len(), outputs * inputs * 9, "the weights of {shape:?}");
        assert_eq!(bias.len(), outputs, "the bias of {shape:?}");
        assert!(!pool || shape.convolved().iter().all(|size| size % 2 == 0), "pooling of odd sizes: {shape:?}");
        let method = if Winograd::suits(&shape) {
            Method::Winograd(Winograd::new(shape, weight))
        } else {
            Method::Direct(pack(&shape, weight))
        };
        Self { shape, bias: padded_vector(bias), method }
    }

    /// Sizes and what follows.
    pub fn shape(&self) -> &ConvolutionShape {
        &self.shape
    }

    /// Convolves the images in `x`, which lie one after the other.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of images, `output` has not their outputs' length, or the residual, which has as
    /// many values as there would be outputs without pooling, another one.
    pub fn run(&self, x: &[f32], residual: Option<&[f32]>, scratch: &mut Scratch, output: &mut [f32]) {
        let shape = &self.shape;
        let images = x.len() / shape.input_length();
        assert_eq!(x.len(), images * shape.input_length(), "the input of {shape:?}");
        assert_eq!(output.len(), images * shape.output_length(), "the output of {shape:?}");
        let [rows, columns] = shape.convolved();
        let convolved = rows * columns * padded(shape.outputs);
        assert!(residual.is_none_or(|residual| residual.len() == images * convolved), "the residual of {shape:?}");
        match &self.method {
            Method::Winograd(winograd) => winograd.run(x, &self.bias, residual, scratch, output),
            Method::Direct(weight) => {
                for image in 0..images {
                    arch::run(Direct {
                        shape,
                        weight,
                        bias: &self.bias,
                        x: &x[image * shape.input_length()..][..shape.input_length()],
                        residual: residual.map(|residual| &residual[image * convolved..][..convolved]),
                        scratch,
                        output: &mut output[image * shape.output_length()..][..shape.output_length()],
                    });
                }
            }
        }
    }
}

fn pack(shape: &ConvolutionShape, weight: &[f32]) -> Activations {
    let ConvolutionShape { inputs, outputs, .. } = *shape;
    let mut packed = Activations::zeroed(Multiply::packed_length(9, inputs, outputs));
    Multiply::pack(Level::chosen(), &mut packed, 9, inputs, padded(outputs), |tap, input, output| {
        if output < outputs { weight[(output * inputs + input) * 9 + tap] } else { 0.0 }
    });
    packed
}

/// The convolution of an image, a band of rows at a time: its input is copied with a border of zeros and its channels
/// in blocks of sixteen, as the products read it.
struct Direct<'a> {
    shape: &'a ConvolutionShape,
    weight: &'a [f32],
    bias: &'a [f32],
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    scratch: &'a mut Scratch,
    output: &'a mut [f32],
}

impl Kernel for Direct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ConvolutionShape { width, inputs, stride, relu, pool, .. } = *self.shape;
        let channels = padded(self.shape.outputs);
        let [rows, columns] = self.shape.convolved();
        let band = (BAND / (columns * channels)).next_multiple_of(2).max(2);
        let pixel = if inputs == 1 { 1 } else { LANES };
        let row = (width + 2) * pixel;
        let plane = ((band - 1) * stride + 3) * row;
        let Scratch { inputs: bordered, products, .. } = self.scratch;
        bordered.reserve(inputs.div_ceil(LANES) * plane);
        products.reserve(band * columns * channels);
        let taps: [usize; 9] = std::array::from_fn(|tap| tap / 3 * row + tap % 3 * pixel);
        for start in (0..rows).step_by(band) {
            let count = band.min(rows - start);
            copy_with_border(self.shape, self.x, start * stride, plane, bordered);
            Multiply {
                input: bordered,
                channels: inputs,
                plane,
                row: row * stride,
                step: pixel * stride,
                taps: &taps,
                weight: self.weight,
                bias: Some(self.bias),
                rows: count,
                columns,
                outputs: channels,
                output: products,
                output_row: columns * channels,
                output_step: channels,
            }
            .run(simd);
            let before = start * columns * channels;
            let length = count * columns * channels;
            let divisor = if pool { 4 } else { 1 };
            Finish {
                products: &products[..length],
                residual: self.residual.map(|residual| &residual[before..before + length]),
                columns,
                channels,
                relu,
                pool,
                output: &mut self.output[before / divisor..(before + length) / divisor],
            }
            .run(simd);
        }
    }
}

/// Copies the rows that fit into a plane, the first being `start` rows below the border's.
#[inline(always)]
fn copy_with_border(shape: &ConvolutionShape, x: &[f32], start: usize, plane: usize, bordered: &mut [f32]) {
    let (height, width) = (shape.height, shape.width);
    let channels = padded(shape.inputs);
    let pixel = channels.min(LANES);
    let blocks = channels / pixel;
    for (block, bordered) in bordered.chunks_exact_mut(plane).take(blocks).enumerate() {
        for (index, to) in bordered.chunks_exact_mut((width + 2) * pixel).enumerate() {
            let row = (start + index).wrapping_sub(1);
            if row >= height {
                to.fill(0.0);
                continue;
            }
            let from = &x[row * width * channels..][..width * channels];
            to[..pixel].fill(0.0);
            to[(width + 1) * pixel..].fill(0.0);
            let to = &mut to[pixel..][..width * pixel];
            if blocks == 1 {
                to.copy_from_slice(from);
                continue;
            }
            for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(LANES)) {
                to.copy_from_slice(&from[block * LANES..][..LANES]);
            }
        }
    }
}
