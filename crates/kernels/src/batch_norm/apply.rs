//! Scale, shift, residual, activation and pooling in one pass.

use super::plan::Plan;
use crate::arch::{self, Buffer, Kernel, LANES, Simd};
use rayon::prelude::*;

/// The output of all images.
pub(super) fn apply(plan: &Plan, x: &[f32], residual: Option<&[f32]>) -> Buffer {
    let (image, output_image) = (plan.image(), plan.output_image());
    let mut output = Buffer::new(plan.batch * output_image);
    output.par_chunks_mut(output_image).zip(x.par_chunks(image)).enumerate().for_each(|(index, (output, x))| {
        let residual = residual.map(|residual| &residual[index * image..][..image]);
        match residual {
            None => arch::run(Apply::<false> { plan, x, residual: &[], output }),
            Some(residual) => arch::run(Apply::<true> { plan, x, residual, output }),
        }
    });
    output
}

struct Apply<'a, const RESIDUAL: bool> {
    plan: &'a Plan,
    x: &'a [f32],
    residual: &'a [f32],
    output: &'a mut [f32],
}

impl<const RESIDUAL: bool> Kernel for Apply<'_, RESIDUAL> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, x, residual, output } = self;
        let channels = plan.channels;
        let floor = simd.splat(if plan.relu { 0.0 } else { f32::NEG_INFINITY });
        if plan.pool {
            let columns = plan.width / 2;
            for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
                let corner = plan.corner(index / columns, index % columns);
                for first in (0..channels).step_by(LANES) {
                    let end = channels.min(first + LANES);
                    let mut largest = floor;
                    for offset in plan.window() {
                        let at = corner + offset;
                        let value = plan.value::<S, RESIDUAL>(simd, x, residual, at + first, at + end, first);
                        largest = simd.max(value, largest);
                    }
                    simd.store(&mut pixel[first..end], largest);
                }
            }
        } else {
            for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
                let at = index * channels;
                for first in (0..channels).step_by(LANES) {
                    let end = channels.min(first + LANES);
                    let value = plan.value::<S, RESIDUAL>(simd, x, residual, at + first, at + end, first);
                    simd.store(&mut pixel[first..end], simd.max(value, floor));
                }
            }
        }
    }
}
