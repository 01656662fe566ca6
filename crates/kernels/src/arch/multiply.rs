//! Products of channel-blocked inputs with packed weights, the arithmetic of convolutions and linear maps.

use super::{Kernel, LANES, Level, Simd, simd::debug_within};
use std::ops::Range;

/// Cuts a number of vectors into groups of at most `limit`, as even as possible: first vector and size of each.
pub(crate) fn groups(vectors: usize, limit: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = vectors.div_ceil(limit);
    (0..count).map(move |group| {
        let (start, end) = (group * vectors / count, (group + 1) * vectors / count);
        (start, end - start)
    })
}

/// For every pixel of a rectangle the product of the inputs around it with a weight matrix:
///
/// `output[row][column][o] = bias[o] + Σ_tap Σ_c input[c](row, column, tap) · weight[tap][c][o]`
///
/// The input holds sixteen channels of every pixel side by side, then the next sixteen channels of every pixel. The
/// last block may have fewer, but its pixels are just as far apart.
pub(crate) struct Multiply<'a> {
    /// Blocks of channels, each `plane` long.
    pub input: &'a [f32],
    /// Number of input channels.
    pub channels: usize,
    /// Distance between blocks of channels.
    pub plane: usize,
    /// Distance between the inputs of neighbouring rows.
    pub row: usize,
    /// Distance between the inputs of neighbouring columns. 1, 2, 16 and 32 are compiled in, which allows wider tiles.
    pub step: usize,
    /// Where the input of each tap lies for the first pixel, from the start of a block.
    pub taps: &'a [usize],
    /// The weights in the order of [`Multiply::pack`].
    pub weight: &'a [f32],
    /// Added to every pixel; as many as there are outputs.
    pub bias: Option<&'a [f32]>,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Number of output channels.
    pub outputs: usize,
    /// The results, channels side by side.
    pub output: &'a mut [f32],
    /// Distance between the outputs of neighbouring rows.
    pub output_row: usize,
    /// Distance between the outputs of neighbouring columns.
    pub output_step: usize,
}

impl Multiply<'_> {
    /// Length of the packed weights.
    pub(crate) fn packed_length(taps: usize, channels: usize, outputs: usize) -> usize {
        taps * channels * outputs.next_multiple_of(LANES)
    }

    /// Packs weights in the order in which an instruction set reads them: groups of vectors of outputs, in these blocks
    /// of sixteen input channels, in these taps, in these channels. `weight(tap, channel, output)` gives an element.
    pub(crate) fn pack(
        level: Level,
        packed: &mut [f32],
        taps: usize,
        channels: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) {
        debug_assert_eq!(packed.len(), Self::packed_length(taps, channels, outputs));
        let mut rest = packed;
        for (vector, size) in groups(outputs.div_ceil(LANES), level.group_limit()) {
            for block in (0..channels).step_by(LANES) {
                for tap in 0..taps {
                    for channel in block..channels.min(block + LANES) {
                        let (cells, behind) = rest.split_at_mut(size * LANES);
                        rest = behind;
                        let first = vector * LANES;
                        let (used, padding) = cells.split_at_mut((size * LANES).min(outputs - first));
                        for (output, cell) in (first..).zip(used) {
                            *cell = weight(tap, channel, output);
                        }
                        padding.fill(0.0);
                    }
                }
            }
        }
    }

    /// Packs a matrix `[channels, outputs]` whose rows are whole vectors, or returns it as it stands if that is the order
    /// of [`Multiply::pack`] already.
    pub(crate) fn pack_rows<'a>(level: Level, rows: &'a [f32], channels: usize, packed: &'a mut [f32]) -> &'a [f32] {
        let width = rows.len() / channels;
        debug_assert!(width.is_multiple_of(LANES) && rows.len() == width * channels);
        if width / LANES <= level.group_limit() {
            return rows;
        }
        let mut rest = &mut *packed;
        for (vector, size) in groups(width / LANES, level.group_limit()) {
            for row in rows.chunks_exact(width) {
                let (cells, behind) = rest.split_at_mut(size * LANES);
                cells.copy_from_slice(&row[vector * LANES..][..size * LANES]);
                rest = behind;
            }
        }
        packed
    }

    /// Panics if any index of the computation would be outside of its slice.
    fn check(&self) {
        let (last_row, last_column) = (self.rows - 1, self.columns - 1);
        let blocks = self.channels.div_ceil(LANES);
        let corner = last_row * self.row + last_column * self.step;
        let farthest_tap = self.taps.iter().max().copied().unwrap_or(0);
        let last_block = (blocks - 1) * self.plane + self.channels - (blocks - 1) * LANES;
        let full_block = if blocks > 1 { (blocks - 2) * self.plane + LANES } else { 0 };
        assert!(
            corner + farthest_tap + last_block.max(full_block) <= self.input.len(),
            "the input of a product is too short"
        );
        assert!(
            last_row * self.output_row + last_column * self.output_step + self.outputs <= self.output.len(),
            "the output of a product is too short"
        );
        let packed = Self::packed_length(self.taps.len(), self.channels, self.outputs);
        assert!(packed <= self.weight.len(), "the weights of a product are too few");
        assert!(self.bias.is_none_or(|bias| bias.len() >= self.outputs), "the bias of a product is too short");
    }
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.rows == 0 || self.columns == 0 || self.outputs == 0 || self.channels == 0 {
            return;
        }
        self.check();
        match self.step {
            1 => self.run_step::<S, 1>(simd),
            2 => self.run_step::<S, 2>(simd),
            16 => self.run_step::<S, 16>(simd),
            32 => self.run_step::<S, 32>(simd),
            _ => self.run_step::<S, 0>(simd),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn run_step<S: Simd, const STEP: usize>(self, simd: S) {
        let vectors = self.outputs.div_ceil(LANES);
        let per_vector = self.taps.len() * self.channels * LANES;
        for (vector, size) in groups(vectors, S::MAX_VECTORS) {
            let first = vector * LANES;
            let mut bias = [0.0; 3 * LANES];
            if let Some(values) = self.bias {
                let count = (size * LANES).min(self.outputs - first);
                bias[..count].copy_from_slice(&values[first..first + count]);
            }
            // SAFETY: `check` found the last element of every tap, row, column and group within its slice.
            unsafe {
                let group = Group {
                    plane: self.plane,
                    channels: self.channels,
                    taps: self.taps,
                    weight: self.weight.as_ptr().add(vector * per_vector),
                    bias: bias.as_ptr(),
                    last: LANES.min(self.outputs - (vector + size - 1) * LANES),
                    step: self.step,
                    output_step: self.output_step,
                    bounds: [self.input.as_ptr_range(), self.weight.as_ptr_range(), self.output.as_ptr_range()],
                };
                for row in 0..self.rows {
                    let input = self.input.as_ptr().add(row * self.row);
                    let output = self.output.as_mut_ptr().add(row * self.output_row + first);
                    match size {
                        1 if S::MAX_VECTORS > 1 && STEP > 0 => {
                            group.row_of_14::<S, 1, STEP>(simd, self.columns, input, output);
                        }
                        1 if S::MAX_VECTORS > 1 => group.row_of_7::<S, 1, STEP>(simd, self.columns, input, output),
                        1 => group.row_of_6::<S, 1, STEP>(simd, self.columns, input, output),
                        2 if S::MAX_VECTORS > 1 && STEP > 0 => {
                            group.row_of_14::<S, 2, STEP>(simd, self.columns, input, output);
                        }
                        2 if S::MAX_VECTORS > 1 => group.row_of_7::<S, 2, STEP>(simd, self.columns, input, output),
                        3 if S::MAX_VECTORS > 1 => group.row_of_7::<S, 3, STEP>(simd, self.columns, input, output),
                        size => unreachable!("no group has {size} vectors"),
                    }
                }
            }
        }
    }
}

/// What all tiles of a group of output vectors share.
struct Group<'a> {
    plane: usize,
    channels: usize,
    taps: &'a [usize],
    weight: *const f32,
    bias: *const f32,
    /// Outputs in the last vector.
    last: usize,
    /// Distance between columns, used where it is not the constant `STEP`.
    step: usize,
    output_step: usize,
    /// Where inputs, weights and outputs lie, for the debug assertions.
    bounds: [Range<*const f32>; 3],
}

/// Defines a function that covers a row with tiles, the widest first.
macro_rules! row_of {
    ($name:ident: $widest:literal $(, $narrower:literal)*) => {
        /// # Safety
        ///
        /// As [`Group::tile`], for every column.
        #[inline(always)]
        unsafe fn $name<S: Simd, const V: usize, const STEP: usize>(
            &self,
            simd: S,
            columns: usize,
            input: *const f32,
            output: *mut f32,
        ) {
            let step = if STEP > 0 { STEP } else { self.step };
            let mut column = 0;
            while columns - column >= $widest {
                // SAFETY: the columns of the tile are within the row.
                unsafe {
                    let (input, output) = (input.add(column * step), output.add(column * self.output_step));
                    self.tile::<S, $widest, V, STEP>(simd, input, output);
                }
                column += $widest;
            }
            $(
                if columns - column >= $narrower {
                    // SAFETY: the columns of the tile are within the row.
                    unsafe {
                        let (input, output) = (input.add(column * step), output.add(column * self.output_step));
                        self.tile::<S, $narrower, V, STEP>(simd, input, output);
                    }
                    column += $narrower;
                }
            )*
            debug_assert_eq!(column, columns);
        }
    };
}

impl Group<'_> {
    row_of!(row_of_14: 14, 7, 4, 2, 1);
    row_of!(row_of_7: 7, 4, 2, 1);
    row_of!(row_of_6: 6, 3, 2, 1);

    /// `Q` neighbouring pixels times `V` vectors of outputs, held in registers over all taps and channels.
    ///
    /// # Safety
    ///
    /// For every tap, block of channels and pixel the inputs are readable from `input`, the packed weights of the
    /// group from `weight`, `V` vectors from `bias`, and the outputs of every pixel are writable from `output`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const Q: usize, const V: usize, const STEP: usize>(
        &self,
        simd: S,
        input: *const f32,
        output: *mut f32,
    ) {
        // SAFETY: all offsets are those that the caller vouches for.
        unsafe {
            let step = if STEP > 0 { STEP } else { self.step };
            let mut sums = [[simd.splat(0.0); V]; Q];
            for v in 0..V {
                let bias = simd.read(self.bias.add(v * LANES));
                for sum in &mut sums {
                    sum[v] = bias;
                }
            }
            let mut weight = self.weight;
            let mut block = input;
            let mut left = self.channels;
            while left > 0 {
                let channels = left.min(LANES);
                for &tap in self.taps {
                    let pixel = block.add(tap);
                    for channel in 0..channels {
                        let mut vectors = [simd.splat(0.0); V];
                        debug_within(&self.bounds[1], weight, V * LANES);
                        for (v, vector) in vectors.iter_mut().enumerate() {
                            *vector = simd.read(weight.add(v * LANES));
                        }
                        for (q, sum) in sums.iter_mut().enumerate() {
                            debug_within(&self.bounds[0], pixel.add(q * step + channel), 1);
                            let value = simd.splat(*pixel.add(q * step + channel));
                            for v in 0..V {
                                sum[v] = simd.multiply_add(value, vectors[v], sum[v]);
                            }
                        }
                        weight = weight.add(V * LANES);
                    }
                }
                block = block.wrapping_add(self.plane);
                left -= channels;
            }
            for (q, sum) in sums.iter().enumerate() {
                let pixel = output.add(q * self.output_step);
                debug_within(&self.bounds[2], pixel, (V - 1) * LANES + self.last);
                for (v, &vector) in sum[..V - 1].iter().enumerate() {
                    simd.write(pixel.add(v * LANES), vector);
                }
                let last = pixel.add((V - 1) * LANES);
                if self.last == LANES {
                    simd.write(last, sum[V - 1]);
                } else {
                    simd.write_first(last, sum[V - 1], self.last);
                }
            }
        }
    }
}
