//! The forward pass and the gradient of the input, which are the same correlation: every image is copied once into
//! thread-local memory, with a border of zeros and its channels in blocks of sixteen, where the distance between
//! pixels is a constant that the products are compiled for.

use super::{Finish, geometry::Geometry};
use crate::arch::{self, Buffer, LANES, Level, Multiply};
use rayon::prelude::*;

/// Images below this number are cut into bands of rows, so that a small batch occupies several cores. How they are
/// cut does not change a result.
const MIN_TASKS: usize = 16;

/// The output pixels that use the same taps: all of them, or with gradients of a stride of 2 every second row and
/// column.
struct Pass {
    /// Row and column of every tap in the bordered source, for the first pixel.
    taps: Vec<[usize; 2]>,
    /// The packed weights.
    weight: Buffer,
    /// Row and column of the first output pixel.
    first: [usize; 2],
}

/// A correlation of many images.
struct Correlation {
    batch: usize,
    /// Height, width and channels of the source.
    source: [usize; 3],
    /// Height, width and channels of the result.
    target: [usize; 3],
    /// Source pixels from one output pixel of a pass to the next.
    stride: usize,
    /// Output pixels from one output pixel of a pass to the next.
    spacing: usize,
    passes: Vec<Pass>,
}

/// `x` and `weight` to the output.
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32], finish: Finish<'_>) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, stride } = *geometry;
    let taps: Vec<_> = (0..9).map(|tap| [tap / 3, tap % 3]).collect();
    let packed = pack(&taps, inputs, outputs, |[row, column], channel, output| {
        weight[((output * inputs + channel) * 3 + row) * 3 + column]
    });
    Correlation {
        batch,
        source: [height, width, inputs],
        target: [geometry.output_height(), geometry.output_width(), outputs],
        stride,
        spacing: 1,
        passes: vec![Pass { taps, weight: packed, first: [0, 0] }],
    }
    .run(x, finish)
}

/// The gradient of the output and `weight` to the gradient of `x`.
pub(super) fn input_gradient(geometry: &Geometry, gradient: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, stride } = *geometry;
    let mut passes = Vec::new();
    for first in [[0, 0], [0, 1], [1, 0], [1, 1]] {
        if first.iter().any(|&offset| offset >= stride) {
            continue;
        }
        // Output pixel (r, c) was made from input pixel (stride · r + row − 1, stride · c + column − 1). Seen from the
        // input pixel, the rows and columns of the kernel whose output lies on the grid, and where it lies.
        let along = |offset: usize| match (stride, offset) {
            (1, _) => vec![(0, 2), (1, 1), (2, 0)],
            (_, 0) => vec![(1, 1)],
            _ => vec![(0, 2), (2, 1)],
        };
        let mut kernel = Vec::new();
        let mut taps = Vec::new();
        for (row, source_row) in along(first[0]) {
            for (column, source_column) in along(first[1]) {
                kernel.push([row, column]);
                taps.push([source_row, source_column]);
            }
        }
        let packed = pack(&kernel, outputs, inputs, |[row, column], channel, output| {
            weight[((channel * inputs + output) * 3 + row) * 3 + column]
        });
        passes.push(Pass { taps, weight: packed, first });
    }
    Correlation {
        batch,
        source: [geometry.output_height(), geometry.output_width(), outputs],
        target: [height, width, inputs],
        stride: 1,
        spacing: stride,
        passes,
    }
    .run(gradient, &|_, _| {})
}

fn pack(
    taps: &[[usize; 2]],
    channels: usize,
    outputs: usize,
    weight: impl Fn([usize; 2], usize, usize) -> f32,
) -> Buffer {
    let mut packed = Buffer::new(Multiply::packed_length(taps.len(), channels, outputs));
    Multiply::pack(Level::chosen(), &mut packed, taps.len(), channels, outputs, |tap, channel, output| {
        weight(taps[tap], channel, output)
    });
    packed
}

impl Correlation {
    fn run(&self, source: &[f32], finish: Finish<'_>) -> Buffer {
        let [height, width, channels] = self.target;
        let image = height * width * channels;
        let source_image: usize = self.source.iter().product();
        let cells = height.div_ceil(self.spacing);
        let bands = MIN_TASKS.div_ceil(self.batch).min(cells);
        let band = cells.div_ceil(bands);
        let mut output = Buffer::new(self.batch * image);
        let images = output.par_chunks_mut(image).zip(source.par_chunks(source_image)).enumerate();
        images.for_each(|(image, (output, source))| {
            output.par_chunks_mut(band * self.spacing * width * channels).enumerate().for_each_init(
                || Buffer::zeroed(self.bordered_length(band)),
                |bordered, (index, output)| self.band(source, index * band, band, bordered, output),
            );
            finish(image, output);
        });
        output
    }

    /// Floats that a pixel takes in a block of channels.
    fn pixel(&self) -> usize {
        if self.source[2] == 1 { 1 } else { LANES }
    }

    /// Bordered source rows that a band of output cells needs.
    fn bordered_rows(&self, band: usize) -> usize {
        (band - 1) * self.stride + 3
    }

    fn bordered_length(&self, band: usize) -> usize {
        self.source[2].div_ceil(LANES) * self.bordered_rows(band) * (self.source[1] + 2) * self.pixel()
    }

    /// Computes the output cells from `start` on, as many as `output` has, up to `band`.
    fn band(&self, source: &[f32], start: usize, band: usize, bordered: &mut [f32], output: &mut [f32]) {
        let [_, width, channels] = self.target;
        let pixel = self.pixel();
        let row = (self.source[1] + 2) * pixel;
        let plane = self.bordered_rows(band) * row;
        self.copy(source, start * self.stride, plane, bordered);
        let output_rows = output.len() / (width * channels);
        for pass in &self.passes {
            let [first_row, first_column] = pass.first;
            if first_row >= output_rows || first_column >= width {
                continue;
            }
            let taps: Vec<_> = pass.taps.iter().map(|[down, right]| down * row + right * pixel).collect();
            arch::run(Multiply {
                input: bordered,
                channels: self.source[2],
                plane,
                row: row * self.stride,
                step: pixel * self.stride,
                taps: &taps,
                weight: &pass.weight,
                bias: None,
                rows: (output_rows - first_row).div_ceil(self.spacing),
                columns: (width - first_column).div_ceil(self.spacing),
                outputs: channels,
                output: &mut output[(first_row * width + first_column) * channels..],
                output_row: self.spacing * width * channels,
                output_step: self.spacing * channels,
            });
        }
    }

    /// Copies source rows, the first being `start` rows below the border's, into blocks of channels. The left and
    /// right border stay the zeros that they are.
    fn copy(&self, source: &[f32], start: usize, plane: usize, bordered: &mut [f32]) {
        let [height, width, channels] = self.source;
        let pixel = self.pixel();
        for (block, bordered) in bordered.chunks_exact_mut(plane).enumerate() {
            for (index, to) in bordered.chunks_exact_mut((width + 2) * pixel).enumerate() {
                let to = &mut to[pixel..][..width * pixel];
                let row = (start + index).wrapping_sub(1);
                if row >= height {
                    to.fill(0.0);
                    continue;
                }
                let from = &source[row * width * channels..][..width * channels];
                copy_row(from, channels, block * LANES, to, pixel);
            }
        }
    }
}

/// Copies up to sixteen channels of every pixel of a row.
fn copy_row(from: &[f32], channels: usize, first: usize, to: &mut [f32], pixel: usize) {
    if channels == pixel {
        to.copy_from_slice(from);
    } else if channels >= first + LANES {
        for (from, to) in from.chunks_exact(channels).zip(to.as_chunks_mut::<LANES>().0) {
            if let Some(values) = from[first..].first_chunk::<LANES>() {
                *to = *values;
            }
        }
    } else {
        for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(pixel)) {
            to[..channels - first].copy_from_slice(&from[first..]);
        }
    }
}
