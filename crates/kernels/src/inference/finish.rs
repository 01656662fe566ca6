use crate::arch::{Kernel, LANES, Simd};

/// Residual, rectifier and pooling on whole rows of convolved pixels.
pub(super) struct Finish<'a> {
    /// `[rows, columns, channels]`
    pub products: &'a [f32],
    /// Of the same shape.
    pub residual: Option<&'a [f32]>,
    pub columns: usize,
    pub channels: usize,
    pub relu: bool,
    pub pool: bool,
    pub output: &'a mut [f32],
}

impl Finish<'_> {
    /// The sums of up to sixteen channels of a pixel with the residual.
    #[inline(always)]
    fn value<S: Simd>(&self, simd: S, start: usize, end: usize) -> S::Vector {
        let value = simd.load(&self.products[start..end]);
        match self.residual {
            Some(residual) => simd.add(value, simd.load(&residual[start..end])),
            None => value,
        }
    }
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let channels = self.channels;
        let floor = simd.splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let output = std::mem::take(&mut self.output);
        let columns = self.columns / 2;
        let window = [0, channels, self.columns * channels, (self.columns + 1) * channels];
        for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
            let at = if self.pool {
                (index / columns * 2 * self.columns + index % columns * 2) * channels
            } else {
                index * channels
            };
            for first in (0..channels).step_by(LANES) {
                let end = channels.min(first + LANES);
                let mut largest = floor;
                for &offset in if self.pool { &window[..] } else { &window[..1] } {
                    let at = at + offset;
                    largest = simd.max(self.value(simd, at + first, at + end), largest);
                }
                simd.store(&mut pixel[first..end], largest);
            }
        }
    }
}
