use super::{LANES, Simd};

/// Plain Rust on arrays, which the compiler turns into whatever vectors the target's baseline has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// Applies a function lane by lane.
#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut result = a;
    for (value, other) in result.iter_mut().zip(b) {
        *value = f(*value, other);
    }
    result
}

impl Simd for Portable {
    type Vector = [f32; LANES];
    type Mask = [bool; LANES];

    const MAX_VECTORS: usize = 1;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Vector {
        [value; LANES]
    }

    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn subtract(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn multiply(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn divide(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn sqrt(self, a: Self::Vector) -> Self::Vector {
        a.map(f32::sqrt)
    }

    #[inline(always)]
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        let mut result = c;
        for i in 0..LANES {
            result[i] += a[i] * b[i];
        }
        result
    }

    #[inline(always)]
    fn round(self, a: Self::Vector) -> Self::Vector {
        // adding and taking away 1.5 · 2²³ rounds every number below 2²² to the nearest whole one
        const MAGIC: f32 = 12_582_912.0;
        a.map(|value| (value + MAGIC) - MAGIC)
    }

    #[inline(always)]
    fn scale(self, a: Self::Vector, n: Self::Vector) -> Self::Vector {
        zip(a, n, |a, n| a * f32::from_bits(((n as i32 + 127) << 23) as u32))
    }

    #[inline(always)]
    fn greater(self, a: Self::Vector, b: Self::Vector) -> Self::Mask {
        let mut mask = [false; LANES];
        for i in 0..LANES {
            mask[i] = a[i] > b[i];
        }
        mask
    }

    #[inline(always)]
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector {
        let mut result = no;
        for i in 0..LANES {
            result[i] = if mask[i] { yes[i] } else { no[i] };
        }
        result
    }

    #[inline(always)]
    unsafe fn read(self, from: *const f32) -> Self::Vector {
        // SAFETY: the caller guarantees sixteen readable values; an unaligned read needs no more.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn read_first(self, from: *const f32, count: usize) -> Self::Vector {
        let mut vector = [0.0; LANES];
        // SAFETY: the caller guarantees `count` readable values and that `count` fits the array.
        unsafe { std::ptr::copy_nonoverlapping(from, vector.as_mut_ptr(), count) };
        vector
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut f32, vector: Self::Vector) {
        // SAFETY: the caller guarantees sixteen writable values; an unaligned write needs no more.
        unsafe { to.cast::<Self::Vector>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn write_first(self, to: *mut f32, vector: Self::Vector, count: usize) {
        // SAFETY: the caller guarantees `count` writable values and that `count` is within the array.
        unsafe { std::ptr::copy_nonoverlapping(vector.as_ptr(), to, count) };
    }
}
