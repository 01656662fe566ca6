//! What the operating system says of memory and of the processor: Linux in `/proc`, the others through the crate `sysinfo`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use other as platform;

/// The largest amount of memory that this process held so far, in bytes; `None` where the system does not say.
///
/// Only Linux keeps it. On other systems it is the largest amount at any call of this function.
pub fn peak_memory() -> Option<u64> {
    platform::peak_memory()
}

/// The memory in bytes that the system could still give to a process without swapping, on Linux also counting the limit of
/// the control group that this process runs in; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    platform::available_memory()
}

/// The name of the processor; `None` where the system does not say.
pub fn processor_name() -> Option<String> {
    platform::processor_name()
}

#[cfg(test)]
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

    #[test]
    fn a_processor_has_a_name_of_one_line_or_none() {
        // Linux on arm64 gives numbers instead.
        if let Some(name) = processor_name() {
            assert!(!name.is_empty() && name.trim() == name && name.lines().count() == 1, "{name:?}");
        }
    }
}
