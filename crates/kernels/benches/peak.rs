//! What the machine can do: the yardstick of the other benchmarks.

use divan::{Bencher, counter::ItemsCount};
use rayon::prelude::*;
use tinylsa_kernels::multiply_adds;

const ROUNDS: usize = 1_000_000;

fn main() {
    divan::main();
}

/// Giga-items are GFLOP a second over all cores.
#[divan::bench(max_time = 1)]
fn multiply_adds_on_all_cores(bencher: Bencher) {
    let threads = rayon::current_num_threads();
    let operations = multiply_adds(1) * ROUNDS * threads;
    bencher
        .counter(ItemsCount::new(operations))
        .bench(|| (0..threads).into_par_iter().map(|_| multiply_adds(ROUNDS)).sum::<usize>());
}
