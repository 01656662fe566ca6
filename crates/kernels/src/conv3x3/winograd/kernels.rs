//! Transformed kernels, and those of constant weights kept from call to call: beside a few images their transformation costs
//! more than all that follows.

use super::tiles::{EDGE, ELEMENTS, KERNEL};
use crate::{
    arch::{self, Buffer, Kernel, LANES, Multiply, Simd, groups},
    conv3x3::Reuse,
    fused::values,
};
use burn::{
    backend::{TensorMetadata, flex::FlexTensor},
    tensor::Bytes,
};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The most bytes of transformed kernels that are kept; they take four times the memory of their weights, and of VGG-19 320 MB.
const ROOM: usize = 512 << 20;

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Which way a correlation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the input to the output.
    Forward,
    /// From the gradient of the output to that of the input, with the kernels turned around.
    Backward,
}

/// Transformed kernels.
pub(super) struct Kernels {
    /// Channels that a correlation with them takes, and those that it gives.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Element after element, each packed.
    pub(super) packed: Buffer,
}

/// The kernels of a weight `[outputs, inputs, 3, 3]`, contiguous.
pub(super) fn of(weight: &FlexTensor, direction: Direction, reuse: Reuse) -> Arc<Kernels> {
    match reuse {
        Reuse::Once => Arc::new(Kernels::new(weight, direction)),
        Reuse::Again => kept(weight, direction),
    }
}

/// Kernels that may be asked for again.
struct Kept {
    /// The memory of the weight. As long as this reference to it exists, burn copies it before it writes to it, and no other
    /// tensor gets its place.
    memory: Weak<Bytes>,
    shape: [usize; 2],
    direction: Direction,
    kernels: Arc<Kernels>,
}

impl Kept {
    fn bytes(&self) -> usize {
        size_of_val(&*self.kernels.packed)
    }
}

fn kept(weight: &FlexTensor, direction: Direction) -> Arc<Kernels> {
    // a view of a part has the memory of the whole
    if !weight.layout().is_contiguous() || weight.layout().start_offset() != 0 {
        return Arc::new(Kernels::new(weight, direction));
    }
    let (memory, shape) = (Arc::downgrade(&weight.data_arc()), [weight.shape()[0], weight.shape()[1]]);
    let is_asked_for = |kept: &&Kept| kept.memory.ptr_eq(&memory) && kept.shape == shape && kept.direction == direction;
    let all = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = all().iter().find(is_asked_for) {
        return kept.kernels.clone();
    }
    // without the lock; whoever does the same meanwhile gets the same
    let kernels = Arc::new(Kernels::new(weight, direction));
    let mut all = all();
    all.retain(|kept| kept.memory.strong_count() > 0 && !is_asked_for(&kept));
    all.push(Kept { memory: memory.clone(), shape, direction, kernels: kernels.clone() });
    while all.iter().map(Kept::bytes).sum::<usize>() > ROOM {
        all.remove(0);
    }
    kernels
}

impl Kernels {
    fn new(weight: &FlexTensor, direction: Direction) -> Self {
        let (shape, weight) = (weight.shape(), values(weight));
        let inputs_of_weight = shape[1];
        let kernel = |output: usize, input: usize| &weight[(output * inputs_of_weight + input) * 9..][..9];
        match direction {
            Direction::Forward => Self::transformed(shape[1], shape[0], |input, output| {
                let kernel = kernel(output, input);
                std::array::from_fn(|tap| kernel[tap])
            }),
            Direction::Backward => Self::transformed(shape[0], shape[1], |output, input| {
                let kernel = kernel(output, input);
                std::array::from_fn(|tap| kernel[8 - tap])
            }),
        }
    }

    fn transformed(inputs: usize, outputs: usize, kernel: impl Fn(usize, usize) -> [f32; 9] + Sync) -> Self {
        // the taps of every input side by side, each for all outputs
        let padded = outputs.next_multiple_of(LANES);
        let mut taps = Buffer::new(inputs * 9 * padded);
        taps.par_chunks_mut(9 * padded).enumerate().for_each(|(input, taps)| {
            taps.fill(0.0);
            for output in 0..outputs {
                for (tap, value) in kernel(input, output).into_iter().enumerate() {
                    taps[tap * padded + output] = value;
                }
            }
        });
        let length = Multiply::packed_length(1, inputs, outputs);
        let mut packed = Buffer::new(ELEMENTS * length);
        packed.par_chunks_mut(length).enumerate().for_each(|(element, packed)| {
            arch::run(TransformKernels { taps: &taps, padded, factors: kernel_factors(element), packed });
        });
        Self { inputs, outputs, packed }
    }
}

/// How much every tap of a kernel counts in an element of `G g Gᵀ`.
fn kernel_factors(element: usize) -> [f32; 9] {
    let (down, across) = (KERNEL[element / EDGE], KERNEL[element % EDGE]);
    std::array::from_fn(|tap| (down[tap / 3] * across[tap % 3]) as f32)
}

/// Computes one element of all transformed kernels, in the order of [`Multiply::pack`].
struct TransformKernels<'a> {
    /// `[inputs, 9, padded]`.
    taps: &'a [f32],
    padded: usize,
    factors: [f32; 9],
    packed: &'a mut [f32],
}

impl Kernel for TransformKernels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut packed = self.packed.chunks_exact_mut(LANES);
        for (vector, size) in groups(self.padded / LANES, S::MAX_VECTORS) {
            for taps in self.taps.chunks_exact(9 * self.padded) {
                for (first, packed) in (vector..vector + size).zip(&mut packed) {
                    let mut sum = simd.splat(0.0);
                    for (tap, &factor) in self.factors.iter().enumerate() {
                        let values = &taps[tap * self.padded + first * LANES..][..LANES];
                        sum = simd.multiply_add(simd.load(values), simd.splat(factor), sum);
                    }
                    simd.store(packed, sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::tensor;

    fn weight(value: f32) -> FlexTensor {
        let mut buffer = Buffer::new(16 * 16 * 9);
        buffer.fill(value);
        tensor(buffer, [16, 16, 3, 3])
    }

    #[test]
    fn kernels_are_kept_as_long_as_their_weight_is_there_and_unchanged() {
        let first = weight(1.0);
        let kernels = of(&first, Direction::Forward, Reuse::Again);
        assert!(Arc::ptr_eq(&kernels, &of(&first.clone(), Direction::Forward, Reuse::Again)));
        assert!(!Arc::ptr_eq(&kernels, &of(&first, Direction::Backward, Reuse::Again)));
        assert!(!Arc::ptr_eq(&kernels, &of(&first, Direction::Forward, Reuse::Once)));
        let mut changed = first;
        changed.storage_mut::<f32>().fill(2.0);
        let of_changed = of(&changed, Direction::Forward, Reuse::Again);
        let doubled = |(before, after): (&f32, &f32)| (2.0 * before).to_bits() == after.to_bits();
        assert!(kernels.packed.iter().zip(of_changed.packed.iter()).all(doubled));
        assert!(kernels.packed.iter().any(|&value| value != 0.0));
        drop(changed);
        of(&weight(3.0), Direction::Forward, Reuse::Again);
        let is_dead = |kept: &Kept| kept.memory.strong_count() == 0;
        // that of the last line, whose weight is gone already, is the only one of this test that is left
        assert!(KEPT.lock().unwrap().iter().filter(|kept| is_dead(kept)).count() <= 1);
    }
}
