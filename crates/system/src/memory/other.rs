use std::sync::atomic::{AtomicU64, Ordering};

use sysinfo::{
    CpuRefreshKind, IS_SUPPORTED_SYSTEM, MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System,
    get_current_pid,
};

pub(super) fn peak_memory() -> Option<u64> {
    static PEAK: AtomicU64 = AtomicU64::new(0);
    let process = get_current_pid().ok()?;
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, kind);
    let now = system.process(process)?.memory();
    Some(PEAK.fetch_max(now, Ordering::Relaxed).max(now))
}

pub(super) fn available_memory() -> Option<u64> {
    if !IS_SUPPORTED_SYSTEM {
        return None;
    }
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // Some systems say 0 where they do not know.
    Some(system.available_memory()).filter(|&bytes| bytes > 0)
}

pub(super) fn processor_name() -> Option<String> {
    let mut system = System::new();
    system.refresh_cpu_specifics(CpuRefreshKind::nothing());
    let name = system.cpus().first()?.brand().trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}
