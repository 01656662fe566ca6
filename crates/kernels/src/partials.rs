//! Sums over a batch that have the same bits at any number of threads.

use crate::arch::Buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Values of all partial sums together that should not be exceeded.
const ROOM: usize = 1 << 19;

/// Sums vectors of `length` over `items` in a fixed number of partial sums, each over neighbouring items in their
/// order, which are then added in their order. `add` adds a range of items to a partial sum. The number depends on the
/// sizes alone.
pub(crate) fn sum(items: usize, length: usize, add: impl Fn(Range<usize>, &mut [f32]) + Sync) -> Buffer {
    let count = (ROOM / length.max(1)).clamp(8, 32).min(items).max(1);
    let mut partials = Buffer::zeroed(count * length);
    partials.par_chunks_mut(length).enumerate().for_each(|(index, sums)| {
        add(index * items / count..(index + 1) * items / count, sums);
    });
    let mut total = Buffer::new(length);
    total.par_chunks_mut(4096).enumerate().for_each(|(chunk, total)| {
        let start = chunk * 4096;
        total.copy_from_slice(&partials[start..start + total.len()]);
        for partial in partials.chunks_exact(length).skip(1) {
            for (total, value) in total.iter_mut().zip(&partial[start..]) {
                *total += value;
            }
        }
    });
    total
}
