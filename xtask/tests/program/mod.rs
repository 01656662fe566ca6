//! The program under test, in a directory of its own and cut off from everything around it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a developer's shell may set and the program reads.
const SETTINGS: [&str; 7] =
    ["FASHION_MNIST_DIR", "RUST_LOG", "PYTHON", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy"];
/// Where the program reads from which proxy to go through.
pub(crate) const PROXIES: [&str; 6] =
    ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"];
/// A proxy that nobody runs: connections are refused at once.
const NO_PROXY_THERE: &str = "http://127.0.0.1:9";

/// The program in `dir`, without a network and without standard input.
pub(crate) fn xtask(dir: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tinylsa"));
    command.args(arguments);
    isolate(command, dir)
}

/// Any command that starts the program, such as a tracer, with the same isolation.
pub(crate) fn isolate(mut command: Command, dir: &Path) -> Command {
    command.current_dir(dir).stdin(Stdio::null());
    for variable in SETTINGS {
        command.env_remove(variable);
    }
    for variable in PROXIES {
        command.env(variable, NO_PROXY_THERE);
    }
    command
}
