//! Kills that leave no time for a last word.

use std::thread;

use rand::RngExt;

use crate::bench::{Bench, experiment};
use crate::program::{is_installed, kill, run, start, wrapped, xtask};
use crate::verdict::Verdict;

/// The system calls by which files come about.
pub(crate) const WRITING_CALLS: [&str; 5] = ["write", "fsync", "rename,renameat,renameat2", "openat", "mkdir,mkdirat"];
/// About as often as a run of the bench makes the most frequent of them.
pub(crate) const CALLS: u64 = 100;

pub(crate) fn at_a_random_time(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.directory();
    let mut started = start(&mut xtask(dir.path(), &experiment()));
    thread::sleep(bench.duration.mul_f64(bench.generator("faults/kill", case).random_range(0.0..1.1)));
    kill(&mut started.child);
    bench.recover(dir.path())
}

pub(crate) fn at_a_write(bench: &Bench, case: u64) -> Verdict {
    if !is_installed("strace") {
        return Verdict::LeftOut("strace is not installed");
    }
    let dir = bench.directory();
    let tracer = tracer(bench, "faults/kill at a write", case, "signal=SIGKILL");
    run(wrapped(dir.path(), &tracer, &experiment()));
    bench.recover(dir.path())
}

/// A tracer that injects `fault` into one call of one of the calls that write.
pub(crate) fn tracer(bench: &Bench, purpose: &'static str, case: u64, fault: &str) -> Vec<String> {
    let mut generator = bench.generator(purpose, case);
    let call = WRITING_CALLS[case as usize % WRITING_CALLS.len()];
    let when = generator.random_range(1..=CALLS);
    let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"];
    let injection = [format!("trace={call}"), "-e".to_owned(), format!("inject={call}:{fault}:when={when}")];
    words.into_iter().map(str::to_owned).chain(injection).collect()
}
