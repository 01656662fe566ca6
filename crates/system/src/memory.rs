/// The largest amount of memory that this process held so far, in bytes; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// The memory in bytes that the system could still give to a process without swapping, also counting the limit of the
/// control group that this process runs in; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    let of_machine = field("/proc/meminfo", "MemAvailable:")?;
    Some(left_in_control_group().map_or(of_machine, |left| of_machine.min(left)))
}

/// What a container's memory limit leaves (control groups version 2).
fn left_in_control_group() -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// A field of a `/proc` file that is given in kibibytes, in bytes.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_grows_with_what_is_held() {
        let before = peak_memory().unwrap();
        let held = vec![1_u8; 64 << 20];
        assert!(peak_memory().unwrap() >= before.max(held.iter().map(|&byte| u64::from(byte)).sum()));
    }

    #[test]
    fn some_memory_is_available() {
        assert!(available_memory().unwrap() > 0);
    }
}
