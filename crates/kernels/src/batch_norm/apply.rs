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

/// The output of some images in place of their input, without pooling.
pub(super) fn apply_in_place(plan: &Plan, values: &mut [f32], residual: Option<&[f32]>) {
    debug_assert!(!plan.pool);
    match residual {
        None => arch::run(ApplyInPlace::<false> { plan, values, residual: &[] }),
        Some(residual) => arch::run(ApplyInPlace::<true> { plan, values, residual }),
    }
}

struct ApplyInPlace<'a, const RESIDUAL: bool> {
    plan: &'a Plan,
    values: &'a mut [f32],
    residual: &'a [f32],
}

impl<const RESIDUAL: bool> Kernel for ApplyInPlace<'_, RESIDUAL> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, values, residual } = self;
        let floor = simd.splat(if plan.relu { 0.0 } else { f32::NEG_INFINITY });
        for start in (0..values.len()).step_by(plan.channels) {
            for first in (0..plan.channels).step_by(LANES) {
                let (from, to) = (start + first, start + plan.channels.min(first + LANES));
                let value = plan.value::<S, RESIDUAL>(simd, values, residual, from, to, first);
                simd.store(&mut values[from..to], simd.max(value, floor));
            }
        }
    }
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
