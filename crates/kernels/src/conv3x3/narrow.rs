//! The gradient of an input of few channels, such as an image. A correlation (`correlate`) would leave most lanes of a vector
//! empty; here one product gives what an output pixel sends to all nine pixels under its kernel, and these are added up.

use super::geometry::Geometry;
use crate::arch::{Buffer, LANES};
use crate::linear::product::Packed;
use rayon::prelude::*;

const TAPS: usize = 9;

/// Whether the lanes that a correlation leaves empty cost more than the sums here.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.inputs <= LANES / 4
}

/// The gradient of the output and `weight` to the gradient of `x`.
pub(super) fn input_gradient(geometry: &Geometry, gradient: &[f32], weight: &[f32]) -> Buffer {
    let Geometry { batch, height, width, inputs, outputs, .. } = *geometry;
    let columns = geometry.output_width();
    let kernel = Packed::new(outputs, TAPS * inputs, |output, sent| {
        let (tap, channel) = (sent / inputs, sent % inputs);
        weight[(output * inputs + channel) * TAPS + tap]
    });
    let mut of_x = Buffer::zeroed(batch * height * width * inputs);
    let images = of_x.par_chunks_mut(height * width * inputs);
    images.zip(gradient.par_chunks(geometry.output_height() * columns * outputs)).for_each_init(
        || Buffer::new(columns * TAPS * inputs),
        |sent, (of_x, gradient)| {
            for (row, gradient) in gradient.chunks_exact(columns * outputs).enumerate() {
                kernel.multiply_rows(gradient, None, sent);
                add_row(geometry, row, sent, of_x);
            }
        },
    );
    of_x
}

/// Adds what a row of output pixels sends to the three rows of `x` under it.
fn add_row(geometry: &Geometry, row: usize, sent: &[f32], of_x: &mut [f32]) {
    let Geometry { height, width, inputs, stride, .. } = *geometry;
    for tap in 0..TAPS {
        let Some(to_row) = (stride * row + tap / 3).checked_sub(1).filter(|&to_row| to_row < height) else { continue };
        let of_row = &mut of_x[to_row * width * inputs..][..width * inputs];
        for (column, sent) in sent.chunks_exact(TAPS * inputs).enumerate() {
            let to_column = (stride * column + tap % 3).checked_sub(1).filter(|&to_column| to_column < width);
            let Some(to_column) = to_column else { continue };
            for (sum, sent) in of_row[to_column * inputs..][..inputs].iter_mut().zip(&sent[tap * inputs..]) {
                *sum += sent;
            }
        }
    }
}
