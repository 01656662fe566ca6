//! What the comparisons with Python share.

use std::process::Command;

/// The Python to ask: `PYTHON`, or the one on the path. `None`, which is said, if it lacks one of the modules.
pub(crate) fn python(modules: &str) -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", &format!("import {modules}")]).output().ok();
    let has_them = probe.is_some_and(|output| output.status.success());
    if !has_them {
        say(&format!("left out: there is no Python with {modules}"));
    }
    has_them.then_some(python)
}

#[expect(clippy::print_stderr, reason = "what is left out, or how far off it is, is worth knowing")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
