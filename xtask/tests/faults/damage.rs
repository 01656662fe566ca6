//! Damage to the files of a run.

use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::bench::{Bench, broken};
use crate::mutate::{flip, mangle};
use crate::program::{run, xtask};
use crate::verdict::Verdict;

const LAST: &str = "run/checkpoints/last.safetensors";
const BEST: &str = "run/checkpoints/best.safetensors";

pub(crate) fn flip_last(bench: &Bench, case: u64) -> Verdict {
    flipped(bench, LAST, case)
}

pub(crate) fn flip_best(bench: &Bench, case: u64) -> Verdict {
    flipped(bench, BEST, case)
}

fn flipped(bench: &Bench, file: &'static str, case: u64) -> Verdict {
    let dir = bench.copy_of("interrupted");
    let mut generator = bench.generator(file, case);
    change(&dir.path().join(file), |bytes| flip(bytes, &mut generator));
    bench.resume_damaged(dir.path())
}

pub(crate) fn mangle_checkpoint(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.copy_of("interrupted");
    let mut generator = bench.generator("faults/mangle", case);
    let file = if case.is_multiple_of(2) { LAST } else { BEST };
    change(&dir.path().join(file), |bytes| mangle(bytes, &mut generator));
    bench.resume_damaged(dir.path())
}

/// A checkpoint that is whole but not the one that belongs there.
pub(crate) fn exchange_checkpoint(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.copy_of("interrupted");
    let foreign = bench.template("foreign");
    let finished = bench.template("finished");
    let [last, best] = [LAST, BEST].map(|file| dir.path().join(file));
    let put = |from: PathBuf, to: &Path| {
        fs::copy(from, to).expect("a copy");
    };
    match case % 6 {
        0 => put(foreign.join(LAST), &last),
        1 => put(foreign.join(BEST), &best),
        2 => put(best.clone(), &last),
        3 => put(last.clone(), &best),
        4 => fs::remove_file(&best).expect("the checkpoint is there"),
        _ => put(finished.join(LAST), &last),
    }
    bench.resume_damaged(dir.path())
}

/// Damage to a finished run is found by the command that verifies it.
pub(crate) fn flip_finished(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.copy_of("finished");
    let mut generator = bench.generator("faults/finished", case);
    let file = any_file(&dir.path().join("run"), &mut generator);
    change(&file, |bytes| flip(bytes, &mut generator));
    let ended = run(xtask(dir.path(), &["reproduce", "run", "--verify"].map(str::to_owned)));
    match broken(&ended) {
        Some(verdict) => verdict,
        None if ended.succeeded() => Verdict::SilentlyWrong(format!("{} was not checked", file.display())),
        None => Verdict::Refused,
    }
}

fn any_file(dir: &Path, generator: &mut ChaCha8Rng) -> PathBuf {
    let mut files = files_in(dir);
    files.sort();
    let at = generator.random_range(0..files.len());
    files.swap_remove(at)
}

/// Every file below a directory that is not empty.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0));
    files.chain(dirs.iter().flat_map(|dir| files_in(dir))).collect()
}

fn change(path: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("the file is there");
    damage(&mut bytes);
    fs::write(path, bytes).expect("the file can be written");
}
