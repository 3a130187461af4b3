//! The filter of system calls (seccomp).
//!
//! A call that is not in the list fails with ENOSYS, as on an older kernel: then libraries do without it. That includes
//! clone3, whose arguments a filter cannot see. A forbidden call ends the process, because only an attacker makes it.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod filter {
    use crate::sandbox::syscalls::{ALLOWED, FORBIDDEN};
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch, apply_filter_all_threads,
    };
    use std::collections::BTreeMap;

    type Rules = BTreeMap<i64, Vec<SeccompRule>>;

    /// The address families of sockets: IP, netlink (interfaces), Unix (the control socket, the journal) and packets.
    const FAMILIES: [i32; 5] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_UNIX, libc::AF_PACKET];

    /// Threads set their name and the names of their memory.
    const PRCTL_OPTIONS: [i32; 8] = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_GET_DUMPABLE,
        libc::PR_GET_NO_NEW_PRIVS,
        libc::PR_GET_SECCOMP,
        libc::PR_CAPBSET_READ,
        libc::PR_GET_TIMERSLACK,
    ];

    /// The number of the request for the name of an interface, and of that for its index, on all architectures.
    const SIOCGIFNAME: libc::Ioctl = 0x8910;
    const SIOCGIFINDEX: libc::Ioctl = 0x8933;

    /// Requests to sockets, and to a terminal.
    const IOCTLS: [libc::Ioctl; 8] = [
        libc::FIONBIO,
        libc::FIOCLEX,
        libc::FIONREAD,
        libc::TIOCOUTQ,
        libc::TCGETS,
        libc::TIOCGWINSZ,
        SIOCGIFNAME,
        SIOCGIFINDEX,
    ];

    /// The number of fchmodat2 on all architectures.
    const SYS_FCHMODAT2: i64 = 452;

    const EXEC: u64 = libc::PROT_EXEC as u64;
    const WRITE_EXEC: u64 = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;

    /// Refuses all system calls that are not in the list, for all threads. Returns the number of allowed ones.
    pub fn refuse_others() -> Result<usize, String> {
        let end: Rules = FORBIDDEN.iter().map(|number| (*number, Vec::new())).collect();
        let (allowed, count) = allowed().map_err(|error| error.to_string())?;
        let refused = SeccompAction::Errno(libc::ENOSYS as u32);
        apply(end, SeccompAction::Allow, SeccompAction::KillProcess)?;
        apply(allowed, refused, SeccompAction::Allow)?;
        Ok(count)
    }

    /// Lets the kernel log all system calls that are not in the list. Returns the number of those in the list.
    pub fn log_others() -> Result<usize, String> {
        let (mut allowed, count) = allowed().map_err(|error| error.to_string())?;
        // The C library tries it first for each thread. It says nothing about the list.
        allowed.insert(libc::SYS_clone3, Vec::new());
        apply(allowed, SeccompAction::Log, SeccompAction::Allow)?;
        Ok(count)
    }

    fn apply(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Result<(), String> {
        let program = || -> Result<BpfProgram, BackendError> {
            let target = TargetArch::try_from(std::env::consts::ARCH)?;
            SeccompFilter::new(rules, otherwise, listed, target)?.try_into()
        };
        let program = program().map_err(|error| error.to_string())?;
        apply_filter_all_threads(&program).map_err(|error| error.to_string())
    }

    /// The rules for what is allowed, and the number of system calls in them.
    #[allow(clippy::unnecessary_cast, reason = "the C libraries have different types for requests of ioctl")]
    pub(super) fn allowed() -> Result<(Rules, usize), BackendError> {
        let mut rules: Rules = ALLOWED.iter().copied().flatten().map(|number| (*number, Vec::new())).collect();
        let one_of = |argument, values: &[u64]| values.iter().map(|value| equal(argument, *value)).collect();
        let mut allow_if = |number, conditions: Result<Vec<SeccompRule>, BackendError>| {
            conditions.map(|conditions| rules.insert(number, conditions))
        };
        allow_if(libc::SYS_socket, one_of(0, &FAMILIES.map(|family| family as u64)))?;
        allow_if(libc::SYS_prctl, one_of(0, &PRCTL_OPTIONS.map(|option| option as u64)))?;
        allow_if(libc::SYS_ioctl, one_of(1, &IOCTLS.map(|request| request as u64)))?;
        allow_if(libc::SYS_clone, Ok(vec![bits(0, libc::CLONE_THREAD as u64, libc::CLONE_THREAD as u64)?]))?;
        let own = u64::from(std::process::id());
        allow_if(libc::SYS_tgkill, one_of(0, &[own]))?;
        allow_if(libc::SYS_prlimit64, one_of(0, &[0, own]))?;
        // No file gets the bits with which a program runs as its owner or its group.
        let set_id = u64::from(libc::S_ISUID | libc::S_ISGID);
        let creates = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
        let open = |flags| -> Result<Vec<SeccompRule>, BackendError> {
            Ok(vec![bits(flags, creates, 0)?, bits(flags + 1, set_id, 0)?])
        };
        allow_if(libc::SYS_openat, open(2))?;
        for (number, mode) in [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (SYS_FCHMODAT2, 2)] {
            allow_if(number, bits(mode, set_id, 0).map(|rule| vec![rule]))?;
        }
        #[cfg(target_arch = "x86_64")]
        allow_if(libc::SYS_open, open(1))?;
        #[cfg(target_arch = "x86_64")]
        allow_if(libc::SYS_chmod, bits(1, set_id, 0).map(|rule| vec![rule]))?;
        // The name service of the C library loads shared objects, which are executable and not writable.
        let not_both =
            |mask| [0, libc::PROT_WRITE as u64, EXEC].map(|value| bits(2, mask, value)).into_iter().collect();
        allow_if(libc::SYS_mmap, not_both(WRITE_EXEC))?;
        // On aarch64, the C library adds a protection to pages that are already executable.
        let protect = if cfg!(target_arch = "x86_64") { Ok(vec![bits(2, EXEC, 0)?]) } else { not_both(WRITE_EXEC) };
        allow_if(libc::SYS_mprotect, protect)?;
        let count = rules.len();
        Ok((rules, count))
    }

    fn equal(argument: u8, value: u64) -> Result<SeccompRule, BackendError> {
        condition(argument, SeccompCmpOp::Eq, value)
    }

    fn bits(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
        condition(argument, SeccompCmpOp::MaskedEq(mask), value)
    }

    fn condition(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
        // The kernel reads these arguments as 32 bits.
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)?])
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use filter::{log_others, refuse_others};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod no_filter {
    const NO_LIST: &str = "there is no list for this architecture";

    /// Refuses nothing.
    pub fn refuse_others() -> Result<usize, String> {
        Err(NO_LIST.to_owned())
    }

    /// Logs nothing.
    pub fn log_others() -> Result<usize, String> {
        Err(NO_LIST.to_owned())
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use no_filter::{log_others, refuse_others};

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::filter::allowed;
    use crate::sandbox::syscalls::{ALLOWED, FORBIDDEN};
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_listed_twice_or_both_allowed_and_forbidden() {
        let (rules, count) = allowed().unwrap();
        assert_eq!(rules.len(), count);
        let listed = ALLOWED.iter().copied().flatten().chain(FORBIDDEN);
        assert_eq!(listed.clone().collect::<BTreeSet<_>>().len(), listed.count());
        assert!(FORBIDDEN.iter().all(|number| !rules.contains_key(number)));
    }
}
