//! The mean of rows.

use crate::arch::{self, Kernel, LANES, Simd};

/// The mean of all rows, which are as long as `output`.
///
/// # Panics
///
/// If `x` is empty or no whole number of rows.
pub fn mean_rows(x: &[f32], output: &mut [f32]) {
    assert!(!x.is_empty() && x.len().is_multiple_of(output.len()), "rows of {} columns", output.len());
    arch::run(Mean { x, output });
}

struct Mean<'a> {
    x: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let row = self.output.len();
        let factor = simd.splat(row as f32 / self.x.len() as f32);
        for (block, output) in self.output.chunks_mut(LANES).enumerate() {
            let mut sum = simd.splat(0.0);
            for x in self.x.chunks_exact(row) {
                sum = simd.add(sum, simd.load(&x[block * LANES..][..output.len()]));
            }
            simd.store(output, simd.multiply(sum, factor));
        }
    }
}
