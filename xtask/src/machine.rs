//! The machine of a run, and the threads it lends.

use std::process::Command;

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::outcome::UsageError;
use crate::schema::{Backend, DeviceSection};

/// What a manifest says of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's name, where the system says.
    pub(crate) cpu: Option<String>,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// Operating system and instruction set, such as `linux x86_64`.
    pub(crate) system: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        Self {
            cpu: cpu_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Sets the number of threads of every parallel operation. To be called once, before the first of them.
///
/// # Errors
/// If threads are running already.
pub(crate) fn set_threads(threads: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("failed to start the threads")
}

/// The device that the config asks for.
///
/// # Errors
/// [`UsageError`] if this program was built without its backend.
pub(crate) fn device(section: &DeviceSection) -> Result<Device> {
    match section.backend {
        Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        Backend::Ndarray => Ok(Device::ndarray()),
        #[cfg(not(feature = "ndarray"))]
        Backend::Ndarray => Err(UsageError(
            "device.backend is ndarray, which this program was built without; \
             build it with `cargo run --release --package xtask --features ndarray --`"
                .to_owned(),
        )
        .into()),
    }
}

/// The revision of the working tree, with `+` behind it if files differ; `None` outside a repository.
pub(crate) fn git_revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|lines| !lines.is_empty());
    Some(if changed { format!("{revision}+") } else { revision })
}
