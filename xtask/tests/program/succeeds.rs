//! A command that must succeed.

use std::path::Path;

use crate::program::xtask;

/// What the program prints on standard output.
#[track_caller]
pub(crate) fn succeeds(dir: &Path, arguments: &[&str]) -> String {
    let output = xtask(dir, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
