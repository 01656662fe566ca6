//! How work is cut into tasks: sums over a batch that have the same bits at any number of threads, and shares of what has
//! the same bits however it is cut.

use crate::arch::Buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Values of all partial sums together that should not be exceeded.
const ROOM: usize = 1 << 17;

/// Items of a task, about `most` of them, so that the threads finish together if there are few tasks. It depends on the number
/// of threads, and so it must change no result.
pub(crate) fn evenly(items: usize, most: usize) -> usize {
    let tasks = items.div_ceil(most.max(1)).max(1);
    items.div_ceil(tasks.next_multiple_of(rayon::current_num_threads())).max(1)
}

/// The number of partial sums of vectors of `length` over `items`. It depends on the sizes alone.
fn count(items: usize, length: usize) -> usize {
    (ROOM / length.max(1)).clamp(8, 32).min(items).max(1)
}

/// Sums vectors of `length` over `items` in a fixed number of partial sums, each over neighbouring items in their
/// order, which are then added in their order. `add` adds a range of items to a partial sum.
pub(crate) fn sum(items: usize, length: usize, add: impl Fn(Range<usize>, &mut [f32]) + Sync) -> Buffer {
    sum_and_map(items, length, &mut [], |items, sums, _| add(items, sums))
}

/// As [`sum`], with sums that hold anything until `write` has written those of a range, which is not empty.
pub(crate) fn sum_of_written(items: usize, length: usize, write: impl Fn(Range<usize>, &mut [f32]) + Sync) -> Buffer {
    sum_of_any(items, length, &mut [], |items, sums, _| write(items, sums))
}

/// As [`sum`], with results for every item: `results` holds equally many values for each, and `add` gets those of its
/// range. A `length` of 0 leaves the results alone.
pub(crate) fn sum_and_map(
    items: usize,
    length: usize,
    results: &mut [f32],
    add: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync,
) -> Buffer {
    sum_of_any(items, length, results, |items, sums, results| {
        sums.fill(0.0);
        add(items, sums, results);
    })
}

fn sum_of_any(
    items: usize,
    length: usize,
    results: &mut [f32],
    write: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync,
) -> Buffer {
    let (count, per_item) = (count(items, length), results.len() / items.max(1));
    let mut rest = results;
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let range = index * items / count..(index + 1) * items / count;
            let (results, behind) = std::mem::take(&mut rest).split_at_mut(range.len() * per_item);
            rest = behind;
            (range, results)
        })
        .collect();
    // a chunk has to hold something, even if the sums do not
    let room = length.max(1);
    let mut partials = Buffer::new(count * room);
    partials.par_chunks_mut(room).zip(tasks).for_each(|(sums, (range, results))| {
        write(range, &mut sums[..length], results);
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
