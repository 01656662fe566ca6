//! The machine of a run, and the threads it lends.

use std::error::Error;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use burn::tensor::DeviceType;
use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, UsageError, counted};
use tinylsa_system::processor_name;

use crate::error::ExperimentError;
use crate::schema::{Backend, DeviceSection};

/// What a manifest says of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, where the system says.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Operating system and instruction set, such as `linux x86_64`.
    pub system: String,
}

impl Machine {
    /// The machine of this process.
    pub fn here() -> Self {
        Self {
            cpu: processor_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// Threads for each core that a command may ask for.
const THREADS_PER_CORE: usize = 4;
/// A number of threads that every machine can serve, so that a config of a larger one runs on it.
const THREADS_ANYWHERE: usize = 64;

/// Sets the number of threads of every parallel operation in this process; 0 takes every core, or the threads that run
/// already. The first parallel operation fixes the number.
///
/// # Errors
/// [`ExperimentError::Usage`] if there are more than the machine can serve, or if another number runs already.
pub fn set_threads(threads: usize) -> Result<(), ExperimentError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    require_threads(threads, cores)?;
    let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() else { return Ok(()) };
    // An error of the system has a source. Without one, the threads run already.
    if error.source().is_some() {
        return Err(anyhow::Error::from(error).context("failed to start the threads").into());
    }
    require_running(threads, rayon::current_num_threads())?;
    Ok(())
}

fn require_running(threads: usize, running: usize) -> Result<(), UsageError> {
    if threads == 0 || threads == running {
        return Ok(());
    }
    Err(UsageError(format!(
        "this process computes with {} already, but the number of threads (--threads, or device.threads in a config) is \
         {threads}; it cannot change in a process",
        counted(running, "thread")
    )))
}

fn require_threads(threads: usize, cores: usize) -> Result<(), UsageError> {
    let most = THREADS_ANYWHERE.max(THREADS_PER_CORE * cores);
    if threads <= most {
        return Ok(());
    }
    Err(UsageError(format!(
        "the number of threads (--threads, or device.threads in a config) is {threads}, expected 0 to {most} on a machine \
         of {}",
        counted(cores, "core")
    )))
}

/// The device that the config asks for.
///
/// # Errors
/// [`InvalidSetting`] if this program was built without its backend, or if there is no such device here.
pub(crate) fn device(section: &DeviceSection) -> Result<Device, InvalidSetting> {
    match section.backend {
        Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[expect(deprecated, reason = "it is built for comparison as long as burn has it")]
        Backend::Ndarray => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => {
            first_found(DeviceType::Wgpu, section.backend).map(|_| Device::wgpu(DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cuda")]
        Backend::Cuda => first_found(DeviceType::Cuda, section.backend),
        #[cfg(not(feature = "ndarray"))]
        Backend::Ndarray => Err(not_built(section.backend)),
        #[cfg(not(feature = "wgpu"))]
        Backend::Wgpu => Err(not_built(section.backend)),
        #[cfg(not(feature = "cuda"))]
        Backend::Cuda => Err(not_built(section.backend)),
    }
}

/// burn opens a device at the first tensor and panics if there is none: better asked before.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn first_found(devices: DeviceType, backend: Backend) -> Result<Device, InvalidSetting> {
    let found = Device::enumerate(devices).into_vec().into_iter().next();
    found.ok_or_else(|| unusable(backend, "this machine has no device of it, or no driver for it"))
}

#[cfg(not(all(feature = "ndarray", feature = "wgpu", feature = "cuda")))]
fn not_built(backend: Backend) -> InvalidSetting {
    let feature = backend.name();
    let reason = format!(
        "this program was built without {feature}; `cargo run --release --package xtask --features {feature} --` builds it"
    );
    unusable(backend, &reason)
}

fn unusable(backend: Backend, reason: &str) -> InvalidSetting {
    InvalidSetting {
        key: "device.backend".to_owned(),
        found: format!("\"{}\"", backend.name()),
        expected: format!("\"flex\": {reason}"),
    }
}

/// The revision of the working tree, with `+` behind it if files differ; `None` outside a repository.
pub fn git_revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|lines| !lines.is_empty());
    Some(if changed { format!("{revision}+") } else { revision })
}

/// The last second of the year 9999, beyond which a date has no form of four digits.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// The date and the time of day in Greenwich.
pub fn now() -> String {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> String {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) if since <= LAST_SECOND => humantime::format_rfc3339_seconds(time).to_string(),
        Ok(_) => "unknown (the clock is beyond the year 9999)".to_owned(),
        Err(_) => "unknown (the clock is before the year 1970)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_outside_of_what_has_a_date_is_unknown() {
        let check = |time: Option<SystemTime>, expected: &str| {
            // Not every system has such times.
            if let Some(time) = time {
                assert_eq!(timestamp(time), expected);
            }
        };
        check(Some(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        check(UNIX_EPOCH.checked_add(LAST_SECOND), "9999-12-31T23:59:59Z");
        let second = Duration::from_secs(1);
        check(UNIX_EPOCH.checked_sub(second), "unknown (the clock is before the year 1970)");
        check(UNIX_EPOCH.checked_add(LAST_SECOND + second), "unknown (the clock is beyond the year 9999)");
    }

    #[test]
    fn threads_that_run_already_are_kept_unless_another_number_is_asked_for() {
        require_running(0, 2).unwrap();
        require_running(2, 2).unwrap();
        let text = require_running(3, 2).unwrap_err().to_string();
        assert!(text.contains("2 threads already") && text.contains("is 3; it cannot change"), "{text}");
    }

    #[test]
    fn more_threads_than_the_machine_can_serve_are_refused_by_name() {
        for (threads, cores) in [(0, 1), (64, 1), (64, 2), (512, 128)] {
            require_threads(threads, cores).unwrap();
        }
        for (threads, cores, most) in [(65, 1, 64), (20_000, 2, 64), (513, 128, 512)] {
            let text = require_threads(threads, cores).unwrap_err().to_string();
            assert!(
                text.contains("device.threads") && text.contains(&format!("{threads}, expected 0 to {most}")),
                "{text}"
            );
        }
    }
}
