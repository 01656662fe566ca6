//! Files that cannot be written.

use std::path::Path;
use std::process::{Command, Stdio};

use rand::RngExt;

use crate::bench::{Bench, experiment};
use crate::kills::tracer;
use crate::program::{Ended, is_installed, run, wrapped, xtask};
use crate::verdict::Verdict;

/// A system call fails once, as on a bad disk; afterwards the run resumes.
pub(crate) fn failing_call(bench: &Bench, case: u64) -> Verdict {
    if !is_installed("strace") {
        return Verdict::LeftOut("strace is not installed");
    }
    let dir = bench.directory();
    let errors = ["ENOSPC", "EIO", "EACCES", "EDQUOT"];
    let error = errors[bench.generator("faults/error", case).random_range(0..errors.len())];
    let ended = run(wrapped(dir.path(), &tracer(bench, "faults/call", case, &format!("error={error}")), &experiment()));
    then_recover(bench, dir.path(), &ended)
}

/// The disk is full after some bytes; afterwards there is room, and the run resumes.
pub(crate) fn full_disk(bench: &Bench, case: u64) -> Verdict {
    let dir = bench.directory();
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    let kibibytes = bench.generator("faults/disk", case).random_range(4..2000);
    let Some(mounted) = Mounted::new(&disk, kibibytes) else {
        return Verdict::LeftOut("mounting is not allowed");
    };
    let ended = run(xtask(&disk, &experiment()));
    mounted.resize(64 * 1024);
    then_recover(bench, &disk, &ended)
}

/// A refusal is right if the run resumes afterwards.
fn then_recover(bench: &Bench, dir: &Path, ended: &Ended) -> Verdict {
    match bench.judge(dir, ended) {
        // An unwritable standard error leaves nowhere to say what is wrong.
        Verdict::Refused | Verdict::Stuck(_) if ended.status.is_some() => match bench.recover(dir) {
            Verdict::Right => Verdict::Refused,
            verdict => verdict,
        },
        verdict => verdict,
    }
}

/// A file system in memory, until the value is dropped.
struct Mounted<'a> {
    at: &'a Path,
}

impl<'a> Mounted<'a> {
    fn new(at: &'a Path, kibibytes: u64) -> Option<Self> {
        let options = format!("size={kibibytes}k");
        mount(&["-t", "tmpfs", "-o", &options, "none"], at).then_some(Self { at })
    }

    fn resize(&self, kibibytes: u64) {
        let options = format!("remount,size={kibibytes}k");
        assert!(mount(&["-o", &options], self.at), "the file system can be enlarged");
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.at).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let quiet = Command::new("mount").args(options).arg(at).stderr(Stdio::null()).stdout(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
