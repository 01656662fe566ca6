//! Sums of outer products, the arithmetic of weight gradients.

use super::{Kernel, LANES, Simd, groups, simd::debug_within};

/// Sums the outer products of the pixels of two rectangles:
///
/// `sums[i][o] = Σ_row Σ_column x[row][column][i] · y[row][column][o]`, or `+=` if it adds
pub(crate) struct Outer<'a> {
    /// Left factors; those of a pixel lie side by side.
    pub x: &'a [f32],
    /// Distance between the left factors of neighbouring rows.
    pub x_row: usize,
    /// Distance between the left factors of neighbouring columns.
    pub x_step: usize,
    /// Number of left factors of a pixel.
    pub inputs: usize,
    /// Right factors; those of a pixel lie side by side.
    pub y: &'a [f32],
    /// Distance between the right factors of neighbouring rows.
    pub y_row: usize,
    /// Distance between the right factors of neighbouring columns.
    pub y_step: usize,
    /// Number of right factors of a pixel.
    pub outputs: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The sums, `[inputs, outputs]`.
    pub sums: &'a mut [f32],
    /// Whether the sums are added to what is there.
    pub adds: bool,
}

impl Outer<'_> {
    /// Panics if any index of the computation would be outside of its slice.
    fn check(&self) {
        let (last_row, last_column) = (self.rows - 1, self.columns - 1);
        assert!(
            last_row * self.x_row + last_column * self.x_step + self.inputs <= self.x.len(),
            "the left factors of outer products are too few"
        );
        assert!(
            last_row * self.y_row + last_column * self.y_step + self.outputs <= self.y.len(),
            "the right factors of outer products are too few"
        );
        assert!(self.inputs * self.outputs <= self.sums.len(), "the sums of outer products are too few");
    }

    /// Covers the inputs of a group of output vectors with tiles, the deepest first.
    ///
    /// # Safety
    ///
    /// `check` has passed, and the group is within the outputs.
    #[inline(always)]
    unsafe fn inputs_of<S: Simd, const V: usize>(&mut self, simd: S, first: usize, last: usize) {
        let mut input = 0;
        macro_rules! tiles {
            ($($depth:literal),*) => {{
                $(
                    while self.inputs - input >= $depth {
                        // SAFETY: the inputs of the tile are within those of the pixel.
                        unsafe { self.tile::<S, $depth, V>(simd, input, first, last) };
                        input += $depth;
                    }
                )*
            }};
        }
        match (S::MAX_VECTORS, V) {
            (1, _) => tiles!(6, 2, 1),
            (_, 1) => tiles!(24, 8, 4, 1),
            (_, 2) => tiles!(12, 8, 4, 1),
            _ => tiles!(8, 4, 1),
        }
        debug_assert_eq!(input, self.inputs);
    }

    /// `K` inputs times `V` vectors of outputs, held in registers over all pixels.
    ///
    /// # Safety
    ///
    /// `check` has passed, the inputs from `input` and the outputs from `first` are within a pixel's, and `last` is the
    /// number of outputs in the last vector.
    #[inline(always)]
    unsafe fn tile<S: Simd, const K: usize, const V: usize>(
        &mut self,
        simd: S,
        input: usize,
        first: usize,
        last: usize,
    ) {
        // SAFETY: all offsets are those that `check` found within the slices.
        unsafe {
            let read = |from: *const f32, v: usize| {
                if v + 1 < V || last == LANES { simd.read(from) } else { simd.read_first(from, last) }
            };
            let cell = |k: usize, v: usize| (input + k) * self.outputs + first + v * LANES;
            let mut sums = [[simd.splat(0.0); V]; K];
            for row in 0..self.rows {
                let mut x = self.x.as_ptr().add(row * self.x_row + input);
                let mut y = self.y.as_ptr().add(row * self.y_row + first);
                for _ in 0..self.columns {
                    let mut right = [simd.splat(0.0); V];
                    debug_within(&self.y.as_ptr_range(), y, (V - 1) * LANES + last);
                    debug_within(&self.x.as_ptr_range(), x, K);
                    for (v, vector) in right.iter_mut().enumerate() {
                        *vector = read(y.add(v * LANES), v);
                    }
                    for (k, sum) in sums.iter_mut().enumerate() {
                        let left = simd.splat(*x.add(k));
                        for v in 0..V {
                            sum[v] = simd.multiply_add(left, right[v], sum[v]);
                        }
                    }
                    x = x.wrapping_add(self.x_step);
                    y = y.wrapping_add(self.y_step);
                }
            }
            for (k, sum) in sums.iter().enumerate() {
                for (v, &value) in sum.iter().enumerate() {
                    let bounds = self.sums.as_ptr_range();
                    let to = self.sums.as_mut_ptr().add(cell(k, v));
                    debug_within(&bounds, to, if v + 1 < V { LANES } else { last });
                    let total = if self.adds { simd.add(read(to, v), value) } else { value };
                    if v + 1 < V || last == LANES {
                        simd.write(to, total);
                    } else {
                        simd.write_first(to, total, last);
                    }
                }
            }
        }
    }
}

impl Kernel for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if self.rows == 0 || self.columns == 0 || self.inputs == 0 || self.outputs == 0 {
            return;
        }
        self.check();
        for (vector, size) in groups(self.outputs.div_ceil(LANES), S::MAX_VECTORS) {
            let first = vector * LANES;
            let last = LANES.min(self.outputs - (vector + size - 1) * LANES);
            // SAFETY: `check` has passed, and the groups cut the outputs.
            unsafe {
                match size {
                    1 => self.inputs_of::<S, 1>(simd, first, last),
                    2 if S::MAX_VECTORS > 1 => self.inputs_of::<S, 2>(simd, first, last),
                    3 if S::MAX_VECTORS > 1 => self.inputs_of::<S, 3>(simd, first, last),
                    size => unreachable!("no group has {size} vectors"),
                }
            }
        }
    }
}
