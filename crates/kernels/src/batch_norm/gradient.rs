//! The backward pass: one pass for the sums over the batch, one for the gradient of the input. What the activation and
//! the pooling let through is computed again from the input instead of being kept.

use super::plan::Plan;
use crate::{
    TIE_TOLERANCE,
    arch::{self, Buffer, Kernel, LANES, Simd},
};
use rayon::prelude::*;

/// Sums of every channel over the batch.
pub(super) struct Sums {
    /// `Σ g` with `g` the gradient before the activation, which is the gradient of `beta`.
    pub gradient: Vec<f32>,
    /// `Σ g · (x − mean) / deviation`, which is the gradient of `gamma`.
    pub product: Vec<f32>,
}

/// The gradient before the activation at every element, which is the gradient of the residual.
pub(super) fn before_activation(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32]) -> Buffer {
    map_images(plan, x, residual, gradient, &Line::default())
}

/// `factor · g + slope · x + offset`, with `g` the gradient before the activation.
#[derive(Default)]
pub(super) struct Line {
    pub factor: Option<Vec<f32>>,
    pub slope: Vec<f32>,
    pub offset: Vec<f32>,
}

impl Line {
    /// The gradient of the input if the statistics are constants.
    pub(super) fn of_constant_statistics(plan: &Plan) -> Self {
        let zeros = vec![0.0; plan.scale.len()];
        Self { factor: Some(plan.scale.clone()), slope: zeros.clone(), offset: zeros }
    }

    /// The gradient of the input if the statistics are those of the batch.
    pub(super) fn of_batch_statistics(plan: &Plan, sums: &Sums) -> Self {
        let mut line = Self::of_constant_statistics(plan);
        let count = (plan.batch * plan.height * plan.width) as f64;
        for channel in 0..plan.channels {
            let scale = f64::from(plan.scale[channel]);
            let slope = -scale * f64::from(plan.inverse_deviation[channel]) * f64::from(sums.product[channel]) / count;
            line.slope[channel] = slope as f32;
            let mean = scale * f64::from(sums.gradient[channel]) / count;
            line.offset[channel] = (-mean - slope * f64::from(plan.mean[channel])) as f32;
        }
        line
    }
}

/// The gradient of the input.
pub(super) fn of_input(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32], line: &Line) -> Buffer {
    map_images(plan, x, residual, gradient, line)
}

fn map_images(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32], line: &Line) -> Buffer {
    let (image, output_image) = (plan.image(), plan.output_image());
    let mut result = Buffer::new(x.len());
    result.par_chunks_mut(image).enumerate().for_each(|(index, result)| {
        let x = &x[index * image..][..image];
        let gradient = &gradient[index * output_image..][..output_image];
        match residual {
            None => arch::run(Walk::<_, false> { plan, x, residual: &[], gradient, visit: Write { line, x, result } }),
            Some(residual) => {
                let residual = &residual[index * image..][..image];
                arch::run(Walk::<_, true> { plan, x, residual, gradient, visit: Write { line, x, result } });
            }
        }
    });
    result
}

/// The gradients of the input and of the residual in one pass.
pub(super) struct InputAndResidual {
    pub input: Buffer,
    pub residual: Buffer,
}

/// As [`of_input`] and [`before_activation`] together.
pub(super) fn of_input_and_residual(
    plan: &Plan,
    x: &[f32],
    residual: &[f32],
    gradient: &[f32],
    line: &Line,
) -> InputAndResidual {
    let (image, output_image) = (plan.image(), plan.output_image());
    let mut results = InputAndResidual { input: Buffer::new(x.len()), residual: Buffer::new(x.len()) };
    let images = results.input.par_chunks_mut(image).zip(results.residual.par_chunks_mut(image));
    images.enumerate().for_each(|(index, (result, before))| {
        let range = index * image..(index + 1) * image;
        let (x, residual) = (&x[range.clone()], &residual[range]);
        let gradient = &gradient[index * output_image..][..output_image];
        let visit = WriteBoth { write: Write { line, x, result }, before };
        arch::run(Walk::<_, true> { plan, x, residual, gradient, visit });
    });
    results
}

/// The gradients of input and residual if the statistics are constants, from the output instead of what it was made of: a
/// rectifier lets pass where it is positive. There is no pooling.
pub(super) fn by_output(plan: &Plan, output: &[f32], gradient: &[f32], with_residual: bool) -> ByOutput {
    debug_assert!(!plan.pool);
    let image = plan.image();
    let mut input = Buffer::new(output.len());
    let mut residual = with_residual.then(|| Buffer::new(output.len()));
    let of_residual: Vec<Option<&mut [f32]>> = match &mut residual {
        Some(residual) => residual.chunks_mut(image).map(Some).collect(),
        None => (0..plan.batch).map(|_| None).collect(),
    };
    let images = output.par_chunks(image).zip(gradient.par_chunks(image));
    input.par_chunks_mut(image).zip(of_residual).zip(images).for_each(|((input, residual), (output, gradient))| {
        arch::run(Masked { plan, output, gradient, input, residual });
    });
    ByOutput { input, residual }
}

/// What [`by_output`] returns.
pub(crate) struct ByOutput {
    pub input: Buffer,
    pub residual: Option<Buffer>,
}

struct Masked<'a> {
    plan: &'a Plan,
    output: &'a [f32],
    gradient: &'a [f32],
    input: &'a mut [f32],
    residual: Option<&'a mut [f32]>,
}

impl Kernel for Masked<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, output, gradient, input, mut residual } = self;
        let zero = simd.splat(0.0);
        for start in (0..output.len()).step_by(plan.channels) {
            for first in (0..plan.channels).step_by(LANES) {
                let range = start + first..start + plan.channels.min(first + LANES);
                let mut passed = simd.load(&gradient[range.clone()]);
                if plan.relu {
                    passed = simd.select(simd.greater(simd.load(&output[range.clone()]), zero), passed, zero);
                }
                if let Some(residual) = &mut residual {
                    simd.store(&mut residual[range.clone()], passed);
                }
                let scale = simd.load(&plan.scale[first..first + LANES]);
                simd.store(&mut input[range], simd.multiply(passed, scale));
            }
        }
    }
}

/// The sums over the batch: in `f32` over an image, in `f64` over the images, in their order.
pub(super) fn sums(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32]) -> Sums {
    let (image, output_image, width) = (plan.image(), plan.output_image(), plan.scale.len());
    let mut partials = vec![0.0; plan.batch * 2 * width];
    partials.par_chunks_mut(2 * width).enumerate().for_each(|(index, partial)| {
        let x = &x[index * image..][..image];
        let gradient = &gradient[index * output_image..][..output_image];
        let (sums, products) = partial.split_at_mut(width);
        let visit = Add { x, mean: &plan.mean, sums, products };
        match residual {
            None => arch::run(Walk::<_, false> { plan, x, residual: &[], gradient, visit }),
            Some(residual) => {
                let residual = &residual[index * image..][..image];
                arch::run(Walk::<_, true> { plan, x, residual, gradient, visit });
            }
        }
    });
    let total =
        |channel: usize| partials.chunks_exact(2 * width).map(|partial| f64::from(partial[channel])).sum::<f64>();
    Sums {
        gradient: (0..plan.channels).map(|channel| total(channel) as f32).collect(),
        product: (0..plan.channels)
            .map(|channel| (total(width + channel) * f64::from(plan.inverse_deviation[channel])) as f32)
            .collect(),
    }
}

/// What is done with the gradient before the activation of the elements from `start` to `end`.
trait Visit {
    fn visit<S: Simd>(&mut self, simd: S, start: usize, end: usize, first: usize, gradient: S::Vector);
}

/// Writes a line through the gradient and the input.
struct Write<'a> {
    line: &'a Line,
    x: &'a [f32],
    result: &'a mut [f32],
}

impl Visit for Write<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, start: usize, end: usize, first: usize, gradient: S::Vector) {
        let result = &mut self.result[start..end];
        let value = match &self.line.factor {
            None => gradient,
            Some(factor) => {
                let factor = simd.load(&factor[first..first + LANES]);
                let slope = simd.load(&self.line.slope[first..first + LANES]);
                let offset = simd.load(&self.line.offset[first..first + LANES]);
                let x = simd.load(&self.x[start..end]);
                simd.multiply_add(gradient, factor, simd.multiply_add(x, slope, offset))
            }
        };
        simd.store(result, value);
    }
}

/// Writes that, and the gradient before the activation itself.
struct WriteBoth<'a> {
    write: Write<'a>,
    before: &'a mut [f32],
}

impl Visit for WriteBoth<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, start: usize, end: usize, first: usize, gradient: S::Vector) {
        self.write.visit(simd, start, end, first, gradient);
        simd.store(&mut self.before[start..end], gradient);
    }
}

/// Adds the gradients, and their products with the centred input.
struct Add<'a> {
    x: &'a [f32],
    mean: &'a [f32],
    sums: &'a mut [f32],
    products: &'a mut [f32],
}

impl Visit for Add<'_> {
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, start: usize, end: usize, first: usize, gradient: S::Vector) {
        let mean = simd.load(&self.mean[first..first + LANES]);
        let sum = &mut self.sums[first..first + LANES];
        simd.store(sum, simd.add(simd.load(sum), gradient));
        let centred = simd.subtract(simd.load(&self.x[start..end]), mean);
        let product = &mut self.products[first..first + LANES];
        simd.store(product, simd.multiply_add(gradient, centred, simd.load(product)));
    }
}

/// The gradients of the four values of a window: equal shares for those that are tied with the largest, see
/// [`TIE_TOLERANCE`], if the largest lies above `floor`.
#[inline(always)]
fn shares<S: Simd>(simd: S, values: [S::Vector; 4], floor: S::Vector, gradient: S::Vector) -> [S::Vector; 4] {
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    // as in the forward pass, so that a NaN is passed over here too
    let mut largest = floor;
    for value in values {
        largest = simd.max(value, largest);
    }
    let magnitude = simd.max(largest, simd.subtract(zero, largest));
    let lowest = simd.multiply_add(simd.max(magnitude, one), simd.splat(-TIE_TOLERANCE), largest);
    let mut count = zero;
    for value in values {
        count = simd.add(count, simd.select(simd.greater(value, lowest), one, zero));
    }
    let share = simd.select(simd.greater(largest, floor), simd.divide(gradient, count), zero);
    let mut shares = [zero; 4];
    for (result, value) in shares.iter_mut().zip(values) {
        *result = simd.select(simd.greater(value, lowest), share, zero);
    }
    shares
}

/// Visits every element of an image with the gradient before the activation.
struct Walk<'a, V, const RESIDUAL: bool> {
    plan: &'a Plan,
    x: &'a [f32],
    residual: &'a [f32],
    gradient: &'a [f32],
    visit: V,
}

impl<V: Visit, const RESIDUAL: bool> Kernel for Walk<'_, V, RESIDUAL> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, x, residual, gradient, mut visit } = self;
        let channels = plan.channels;
        let zero = simd.splat(0.0);
        let floor = simd.splat(if plan.relu { 0.0 } else { f32::NEG_INFINITY });
        if !plan.pool {
            for (index, gradient) in gradient.chunks_exact(channels).enumerate() {
                let at = index * channels;
                for first in (0..channels).step_by(LANES) {
                    let end = channels.min(first + LANES);
                    let value = plan.value::<S, RESIDUAL>(simd, x, residual, at + first, at + end, first);
                    let passed = simd.select(simd.greater(value, floor), simd.load(&gradient[first..end]), zero);
                    visit.visit(simd, at + first, at + end, first, passed);
                }
            }
            return;
        }
        let columns = plan.width / 2;
        for (index, gradient) in gradient.chunks_exact(channels).enumerate() {
            let corner = plan.corner(index / columns, index % columns);
            for first in (0..channels).step_by(LANES) {
                let end = channels.min(first + LANES);
                let gradient = simd.load(&gradient[first..end]);
                let mut values = [zero; 4];
                for (value, offset) in values.iter_mut().zip(plan.window()) {
                    let at = corner + offset;
                    *value = plan.value::<S, RESIDUAL>(simd, x, residual, at + first, at + end, first);
                }
                let gradients = shares(simd, values, floor, gradient);
                for (offset, gradient) in plan.window().into_iter().zip(gradients) {
                    let at = corner + offset;
                    visit.visit(simd, at + first, at + end, first, gradient);
                }
            }
        }
        // an odd last row or column is in no window
        let (even_height, even_width) = (plan.height / 2 * 2, columns * 2);
        for row in 0..plan.height {
            let start = if row < even_height { even_width } else { 0 };
            for column in start..plan.width {
                let at = (row * plan.width + column) * channels;
                for first in (0..channels).step_by(LANES) {
                    let end = channels.min(first + LANES);
                    visit.visit(simd, at + first, at + end, first, zero);
                }
            }
        }
    }
}
