//! The resources of its host that a running server uses.

use std::fs;

/// The memory, the descriptors and the threads of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its resident memory, in KiB.
    pub memory: u64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Usage {
    /// Returns what the process with this ID uses now.
    pub fn of(process: u32) -> Usage {
        let count = |name: &str| fs::read_dir(format!("/proc/{process}/{name}")).map_or(0, Iterator::count);
        Usage { memory: memory(process), descriptors: count("fd"), threads: count("task") }
    }
}

/// The resident memory of a process, in KiB; 0 if it has ended.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
