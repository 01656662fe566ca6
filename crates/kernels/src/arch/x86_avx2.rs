use super::{Kernel, LANES, Simd};
#[allow(clippy::wildcard_imports)] // intrinsics carry their origin in their names
use std::arch::x86_64::*;

/// Proof that the machine has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn enter<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: a value of this type exists only where the features were detected.
        unsafe { enter(self, kernel) }
    }
}

/// Every intrinsic below is safe to call under one condition, that the machine has the features, and a value of
/// [`Avx2`] is the proof.
macro_rules! intrinsic {
    ($e:expr) => {
        // SAFETY: `self` proves that the machine has AVX2 and FMA.
        unsafe { $e }
    };
}

/// Two registers of eight make a vector of sixteen.
type Pair = [__m256; 2];

/// Number of `f32` in a register.
const HALF: usize = LANES / 2;

/// Sixteen lanes that are there and sixteen that are not: from `LANES - count` on, the mask of the first `count`.
static FIRST: [i32; 2 * LANES] = {
    let mut mask = [0; 2 * LANES];
    let mut lane = 0;
    while lane < LANES {
        mask[lane] = -1;
        lane += 1;
    }
    mask
};

impl Simd for Avx2 {
    type Vector = Pair;
    type Mask = Pair;

    const MAX_VECTORS: usize = 1;

    #[inline(always)]
    fn splat(self, value: f32) -> Pair {
        intrinsic!([_mm256_set1_ps(value); 2])
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn subtract(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn multiply(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn divide(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn min(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
    }

    #[inline(always)]
    fn sqrt(self, a: Pair) -> Pair {
        intrinsic!([_mm256_sqrt_ps(a[0]), _mm256_sqrt_ps(a[1])])
    }

    #[inline(always)]
    fn multiply_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        intrinsic!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
    }

    #[inline(always)]
    fn round(self, a: Pair) -> Pair {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        intrinsic!([_mm256_round_ps::<NEAREST>(a[0]), _mm256_round_ps::<NEAREST>(a[1])])
    }

    #[inline(always)]
    fn scale(self, a: Pair, n: Pair) -> Pair {
        let mut result = a;
        for (value, n) in result.iter_mut().zip(n) {
            *value = intrinsic!({
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_mul_ps(*value, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
            });
        }
        result
    }

    #[inline(always)]
    fn greater(self, a: Pair, b: Pair) -> Pair {
        intrinsic!([_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]), _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])])
    }

    #[inline(always)]
    fn select(self, mask: Pair, yes: Pair, no: Pair) -> Pair {
        intrinsic!([_mm256_blendv_ps(no[0], yes[0], mask[0]), _mm256_blendv_ps(no[1], yes[1], mask[1])])
    }

    #[inline(always)]
    fn prefetch(self, from: &[f32], at: usize) {
        // SAFETY: a prefetch reads nothing and never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().wrapping_add(at).cast()) }
    }

    #[inline(always)]
    unsafe fn read(self, from: *const f32) -> Pair {
        // SAFETY: `self` proves the features, the caller guarantees sixteen readable values.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn read_first(self, from: *const f32, count: usize) -> Pair {
        // SAFETY: `self` proves the features; a masked load touches the `count` values alone, which the caller guarantees
        // to be readable, and takes the other lanes as 0.
        unsafe {
            let masks = FIRST.as_ptr().add(LANES - count);
            let mask = |half: usize| _mm256_loadu_si256(masks.add(half * HALF).cast());
            [_mm256_maskload_ps(from, mask(0)), _mm256_maskload_ps(from.wrapping_add(HALF), mask(1))]
        }
    }

    #[inline(always)]
    unsafe fn write(self, to: *mut f32, vector: Pair) {
        // SAFETY: `self` proves the features, the caller guarantees sixteen writable values.
        unsafe {
            _mm256_storeu_ps(to, vector[0]);
            _mm256_storeu_ps(to.add(8), vector[1]);
        }
    }

    #[inline(always)]
    unsafe fn write_first(self, to: *mut f32, vector: Pair, count: usize) {
        let [first, second] = vector;
        // SAFETY: `self` proves the features; the pieces add up to `count` values, which the caller guarantees to be
        // writable. A masked store would take some processors a dozen cycles.
        unsafe {
            let (mut to, half) = if count >= HALF {
                _mm256_storeu_ps(to, first);
                (to.add(HALF), second)
            } else {
                (to, first)
            };
            if count == LANES {
                return _mm256_storeu_ps(to, half);
            }
            let mut rest = _mm256_castps256_ps128(half);
            if count & 4 > 0 {
                _mm_storeu_ps(to, rest);
                rest = _mm256_extractf128_ps::<1>(half);
                to = to.add(4);
            }
            if count & 2 > 0 {
                _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
                rest = _mm_movehl_ps(rest, rest);
                to = to.add(2);
            }
            if count & 1 > 0 {
                _mm_store_ss(to, rest);
            }
        }
    }
}
