use std::fs;

pub(super) fn peak_memory() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

pub(super) fn available_memory() -> Option<u64> {
    let of_machine = kibibytes("/proc/meminfo", "MemAvailable:")?;
    Some(left_in_control_group().map_or(of_machine, |left| of_machine.min(left)))
}

pub(super) fn processor_name() -> Option<String> {
    let name = field("/proc/cpuinfo", "model name")?;
    Some(name.trim_start().strip_prefix(':')?.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What a container's memory limit leaves (control groups version 2).
fn left_in_control_group() -> Option<u64> {
    let number =
        |name: &str| -> Option<u64> { fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok() };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// A field that is given in kibibytes, in bytes.
fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let kibibytes: u64 = field(path, name)?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// What stands behind a name in a `/proc` file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}
