//! What an instruction set offers, and what is computed with it.

use std::ops::Range;

/// In debug builds, panics unless `count` elements from `start` on lie within the bounds.
#[inline(always)]
pub(super) fn debug_within(bounds: &Range<*const f32>, start: *const f32, count: usize) {
    debug_assert!(
        bounds.start <= start && start.wrapping_add(count) <= bounds.end,
        "{count} elements from {start:?} are not within {bounds:?}"
    );
}

/// Number of `f32` in a vector.
pub(crate) const LANES: usize = 16;

/// A computation that is compiled once for every instruction set.
pub(crate) trait Kernel {
    /// What the computation returns.
    type Output;

    /// The computation; implementations are `#[inline(always)]`, because only what is inlined into the entry point of
    /// an instruction set is compiled for it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Operations of an instruction set on vectors of sixteen `f32`. A value of an implementing type is the proof that the
/// machine has the instruction set.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Sixteen `f32`.
    type Vector: Copy;
    /// A truth value for each of the sixteen.
    type Mask: Copy;

    /// Largest number of vectors that the products hold side by side in registers, at most 3.
    const MAX_VECTORS: usize;

    fn splat(self, value: f32) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn multiply(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn divide(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// `a · b + c`, with one rounding where the instruction set has it.
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The nearest whole number.
    fn round(self, a: Self::Vector) -> Self::Vector;
    /// `a · 2ⁿ` for a whole `n` within −126 and 127.
    fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector;
    fn greater(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector;

    /// Reads sixteen values.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of sixteen `f32`.
    unsafe fn read(self, from: *const f32) -> Self::Vector;

    /// Reads `count` values; the other lanes are 0.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `count` `f32`, and `count` is at most 16.
    unsafe fn read_first(self, from: *const f32, count: usize) -> Self::Vector;

    /// Writes sixteen values.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of sixteen `f32`.
    unsafe fn write(self, to: *mut f32, vector: Self::Vector);

    /// Writes the first `count` values.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `count` `f32`, and `count` is at most 16.
    unsafe fn write_first(self, to: *mut f32, vector: Self::Vector, count: usize);

    /// Asks for the cache line of an element that is needed soon; nothing happens where there is none.
    #[inline(always)]
    fn prefetch(self, _from: &[f32], _at: usize) {}

    /// Reads the first sixteen values of a slice, or as many as there are with zeros after them.
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::Vector {
        if from.len() >= LANES {
            // SAFETY: the slice has at least sixteen elements.
            unsafe { self.read(from.as_ptr()) }
        } else {
            // SAFETY: the slice has exactly as many elements as are read, fewer than sixteen.
            unsafe { self.read_first(from.as_ptr(), from.len()) }
        }
    }

    /// Writes the first sixteen values of a slice, or as many as there are.
    #[inline(always)]
    fn store(self, to: &mut [f32], vector: Self::Vector) {
        if to.len() >= LANES {
            // SAFETY: the slice has at least sixteen elements.
            unsafe { self.write(to.as_mut_ptr(), vector) }
        } else {
            // SAFETY: the slice has exactly as many elements as are written, fewer than sixteen.
            unsafe { self.write_first(to.as_mut_ptr(), vector, to.len()) }
        }
    }

    /// The values as an array.
    #[inline(always)]
    fn to_array(self, vector: Self::Vector) -> [f32; LANES] {
        let mut array = [0.0; LANES];
        self.store(&mut array, vector);
        array
    }

    /// Sum of the sixteen values, always added in the same order.
    #[inline(always)]
    fn sum(self, vector: Self::Vector) -> f32 {
        let mut values = self.to_array(vector);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                values[i] += values[i + half];
            }
        }
        values[0]
    }
}
