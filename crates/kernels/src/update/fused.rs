//! The updates as single passes over slices.

use super::{
    AdamW, AdamWState, ExponentialAverage, Nesterov, NesterovState,
    reference::{adamw_reference, exponential_average_reference, nesterov_reference},
};
use crate::{
    arch::{self, Kernel, LANES, Simd},
    fused::{from_flex, into_flex, is_plain, values},
    profile::{Cost, Phase, measured},
};
use burn::{backend::flex::FlexTensor, tensor::Tensor};

/// Elements of a task; smaller tensors are not worth a second thread.
const CHUNK: usize = 1 << 15;

pub(super) fn adamw<const D: usize>(state: AdamWState<D>, gradient: Tensor<D>, options: &AdamW) -> AdamWState<D> {
    if ![&state.parameter, &state.mean, &state.mean_square, &gradient].into_iter().all(is_plain) {
        return adamw_reference(state, gradient, options);
    }
    let tensors = [state.parameter, state.mean, state.mean_square].map(into_flex);
    let [parameter, mean, mean_square] = update(tensors, &into_flex(gradient), options).map(from_flex);
    AdamWState { parameter, mean, mean_square }
}

pub(super) fn nesterov<const D: usize>(
    state: NesterovState<D>,
    gradient: Tensor<D>,
    options: &Nesterov,
) -> NesterovState<D> {
    if ![&state.parameter, &state.velocity, &gradient].into_iter().all(is_plain) {
        return nesterov_reference(state, gradient, options);
    }
    let tensors = [state.parameter, state.velocity].map(into_flex);
    let [parameter, velocity] = update(tensors, &into_flex(gradient), options).map(from_flex);
    NesterovState { parameter, velocity }
}

pub(super) fn exponential_average<const D: usize>(average: Tensor<D>, value: Tensor<D>, decay: f64) -> Tensor<D> {
    if !is_plain(&average) || !is_plain(&value) {
        return exponential_average_reference(average, value, decay);
    }
    let [average] = update([into_flex(average)], &into_flex(value), &ExponentialAverage { decay });
    from_flex(average)
}

impl AdamW {
    /// [`adamw`](crate::adamw()) on slices, in place.
    ///
    /// # Panics
    ///
    /// If the lengths differ or `step` is 0.
    pub fn update(&self, parameter: &mut [f32], mean: &mut [f32], mean_square: &mut [f32], gradient: &[f32]) {
        assert!(self.step > 0, "AdamW: steps are counted from 1");
        update_slices([parameter, mean, mean_square], gradient, self);
    }
}

impl Nesterov {
    /// [`nesterov`](crate::nesterov()) on slices, in place.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn update(&self, parameter: &mut [f32], velocity: &mut [f32], gradient: &[f32]) {
        update_slices([parameter, velocity], gradient, self);
    }
}

impl ExponentialAverage {
    /// [`exponential_average`](crate::exponential_average()) on slices, in place.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn update(&self, average: &mut [f32], value: &[f32]) {
        update_slices([average], value, self);
    }
}

/// A rule that updates `N` numbers with a gradient or a value.
trait Rule<const N: usize>: Sync {
    fn apply<S: Simd>(&self, simd: S, values: [S::Vector; N], gradient: S::Vector) -> [S::Vector; N];
}

impl Rule<3> for AdamW {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [p, m, v]: [S::Vector; 3], g: S::Vector) -> [S::Vector; 3] {
        let constant = |value: f64| simd.splat(value as f32);
        let m = simd.multiply_add(m, constant(self.beta_1), simd.multiply(g, constant(1.0 - self.beta_1)));
        let square = simd.multiply(g, g);
        let v = simd.multiply_add(v, constant(self.beta_2), simd.multiply(square, constant(1.0 - self.beta_2)));
        let correction = 1.0 - self.beta_2.powi(self.step as i32);
        let root = simd.sqrt(simd.multiply(v, constant(1.0 / correction)));
        let direction = simd.divide(m, simd.add(root, constant(self.epsilon)));
        let size = self.learning_rate / (1.0 - self.beta_1.powi(self.step as i32));
        let kept = simd.multiply(p, constant(1.0 - self.learning_rate * self.weight_decay));
        [simd.multiply_add(direction, constant(-size), kept), m, v]
    }
}

impl Rule<2> for Nesterov {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [p, v]: [S::Vector; 2], g: S::Vector) -> [S::Vector; 2] {
        let constant = |value: f64| simd.splat(value as f32);
        let g = simd.multiply_add(p, constant(self.weight_decay), g);
        let v = simd.multiply_add(v, constant(self.momentum), g);
        let direction = simd.multiply_add(v, constant(self.momentum), g);
        [simd.multiply_add(direction, constant(-self.learning_rate), p), v]
    }
}

impl Rule<1> for ExponentialAverage {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, [average]: [S::Vector; 1], value: S::Vector) -> [S::Vector; 1] {
        let part = simd.multiply(value, simd.splat((1.0 - self.decay) as f32));
        [simd.multiply_add(average, simd.splat(self.decay as f32), part)]
    }
}

/// Updates tensors element by element, in their own memory unless it is shared.
fn update<R: Rule<N>, const N: usize>(tensors: [FlexTensor; N], gradient: &FlexTensor, rule: &R) -> [FlexTensor; N] {
    let gradient = gradient.to_contiguous();
    let mut tensors = tensors.map(|tensor| tensor.to_contiguous());
    let slices = tensors.each_mut().map(FlexTensor::storage_mut::<f32>);
    update_slices(slices, values(&gradient), rule);
    tensors
}

fn update_slices<R: Rule<N>, const N: usize>(slices: [&mut [f32]; N], gradient: &[f32], rule: &R) {
    for slice in &slices {
        let (found, expected) = (slice.len(), gradient.len());
        assert!(found == expected, "an update of {found} numbers with a gradient or value of {expected}");
    }
    measured(Phase::Update, Cost::elements((2 * N + 1) * gradient.len()), || halve(slices, gradient, rule));
}

/// Cuts slices in halves until they are small, each half on its own thread.
fn halve<R: Rule<N>, const N: usize>(slices: [&mut [f32]; N], gradient: &[f32], rule: &R) {
    if gradient.len() <= CHUNK {
        arch::run(Update { slices, gradient, rule });
        return;
    }
    let middle = (gradient.len() / 2).next_multiple_of(LANES);
    let (low_gradient, high_gradient) = gradient.split_at(middle);
    let mut high = Vec::with_capacity(N);
    let low = slices.map(|slice| {
        let (low, rest) = slice.split_at_mut(middle);
        high.push(rest);
        low
    });
    let Ok(high) = <[&mut [f32]; N]>::try_from(high) else { unreachable!("one half was taken from every slice") };
    rayon::join(|| halve(low, low_gradient, rule), || halve(high, high_gradient, rule));
}

struct Update<'a, R, const N: usize> {
    slices: [&'a mut [f32]; N],
    gradient: &'a [f32],
    rule: &'a R,
}

impl<R: Rule<N>, const N: usize> Kernel for Update<'_, R, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for start in (0..self.gradient.len()).step_by(LANES) {
            let end = self.gradient.len().min(start + LANES);
            let gradient = simd.load(&self.gradient[start..end]);
            let mut values = [gradient; N];
            for (value, slice) in values.iter_mut().zip(&self.slices) {
                *value = simd.load(&slice[start..end]);
            }
            let updated = self.rule.apply(simd, values, gradient);
            for (slice, value) in self.slices.iter_mut().zip(updated) {
                simd.store(&mut slice[start..end], value);
            }
        }
    }
}
