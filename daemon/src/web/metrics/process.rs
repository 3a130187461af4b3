//! The figures of the process, as the kernel has them.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use std::fs;

/// The processor time of all threads, in seconds.
pub fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The memory that is not swapped out, in octets.
pub fn resident_memory() -> Option<u64> {
    resident_memory_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The number of open descriptors.
pub fn open_descriptors() -> Option<u64> {
    // The descriptor of the directory is one of them.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// The maximum number of open descriptors.
pub fn max_descriptors() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft)
}

/// The resident memory in the text of `/proc/PID/status` (proc_pid_status(5)).
fn resident_memory_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_shows_the_figures_of_this_process() {
        assert_eq!(resident_memory_in("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident_memory_in("Name:\tx\n"), None);
        assert!(cpu_seconds().is_some_and(|seconds| seconds > 0.0));
        assert!(resident_memory().is_some_and(|octets| octets > 100_000));
        assert!(open_descriptors().unwrap() <= max_descriptors().unwrap());
    }
}
