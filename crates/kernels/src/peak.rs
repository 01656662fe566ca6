use crate::arch::{self, Kernel, LANES, Simd};
use std::hint::black_box;

/// Vectors that are summed independently: enough to hide the latency of an addition, few enough for the registers.
const SUMS: usize = 12;

/// Keeps the multiply-add units of the calling thread's core busy, without touching memory, and returns the number of
/// floating-point operations that it took. It is the yardstick for benchmarks: what a core can do with the instruction
/// set in use.
///
/// ```
/// assert_eq!(tinylsa_kernels::multiply_adds(10), 2 * 10 * 12 * 16);
/// ```
pub fn multiply_adds(rounds: usize) -> usize {
    black_box(arch::run(MultiplyAdds { rounds, factor: black_box(0.999), term: black_box(0.001) }));
    2 * rounds * SUMS * LANES
}

struct MultiplyAdds {
    rounds: usize,
    factor: f32,
    term: f32,
}

impl Kernel for MultiplyAdds {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (factor, term) = (simd.splat(self.factor), simd.splat(self.term));
        // sums of different values cannot be computed once for all
        let mut sums = [term; SUMS];
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum = simd.splat(black_box(index as f32));
        }
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.multiply_add(*sum, factor, term);
            }
        }
        let mut total = term;
        for sum in sums {
            total = simd.add(total, sum);
        }
        simd.sum(total)
    }
}
