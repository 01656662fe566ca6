//! Other processes: signals, a second writer, a reader that goes away.

use std::process::Stdio;
use std::thread;

use rand::RngExt;

use crate::bench::{Bench, broken, experiment, manifest};
use crate::program::{signal as send, start, wait, xtask};
use crate::verdict::Verdict;

/// A signal that asks the program to stop.
pub(crate) fn signal(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.directory();
    let names = ["INT", "TERM", "HUP"];
    let started = start(&mut xtask(dir.path(), &experiment()));
    thread::sleep(bench.duration.mul_f64(bench.generator("faults/signal", case).random_range(0.0..1.0)));
    send(&started.child, names[case as usize % names.len()]);
    let ended = wait(started);
    if let Some(verdict) = broken(&ended) {
        return verdict;
    }
    let status = manifest(dir.path()).map(|manifest| manifest["status"].clone());
    if ended.succeeded() != status.is_some_and(|status| status == "finished") {
        return Verdict::SilentlyWrong("the exit code and the manifest disagree".to_owned());
    }
    bench.recover(dir.path())
}

/// Two processes for one directory: one does the work, the other is refused.
pub(crate) fn two_at_once(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.directory();
    let first = start(&mut xtask(dir.path(), &experiment()));
    thread::sleep(bench.duration.mul_f64(bench.generator("faults/second", case).random_range(0.0..0.6)));
    let resume = if case.is_multiple_of(2) { Vec::new() } else { vec!["--resume".to_owned()] };
    let second = start(&mut xtask(dir.path(), &[experiment(), resume].concat()));
    let ended = [wait(second), wait(first)];
    if let Some(verdict) = ended.iter().find_map(broken) {
        return verdict;
    }
    let succeeded = ended.iter().filter(|ended| ended.succeeded()).count();
    if succeeded != 1 {
        return Verdict::SilentlyWrong(format!("{succeeded} of two processes succeeded: {ended:?}"));
    }
    bench.recover(dir.path())
}

/// `experiment … | head -1`: the run is finished although nobody listens.
pub(crate) fn closed_output(bench: &Bench, _case: u64) -> Verdict {
    let dir = bench.directory();
    let mut command = xtask(dir.path(), &experiment());
    command.stdout(Stdio::piped());
    let mut started = start(&mut command);
    drop(started.child.stdout.take());
    match bench.judge(dir.path(), &wait(started)) {
        Verdict::Refused => Verdict::Stuck("a closed output ended the run".to_owned()),
        verdict => verdict,
    }
}
