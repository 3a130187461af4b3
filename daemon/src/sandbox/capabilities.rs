//! The capabilities of the process.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// A port that becomes free, or a link that comes up, may need these: for a port below 1024, for a packet socket.
const NEEDED: CapabilitySet = CapabilitySet::NET_BIND_SERVICE.union(CapabilitySet::NET_RAW);

/// Gives up all capabilities that this thread has and the server does not need. A process that has no others needs no
/// system call for that: under the unit, the filter of systemd refuses it.
///
/// # Errors
/// The kernel refuses it. The value says why.
pub fn drop_needless() -> Result<(), String> {
    let before = capabilities(None).map_err(|error| error.to_string())?;
    let kept = before.permitted & NEEDED;
    if before.permitted == kept && before.effective == kept {
        return Ok(());
    }
    // The bounding set limits what a program gains that the process starts, and the process can start none. So it does
    // not matter if this fails.
    for capability in CapabilitySet::all().difference(NEEDED).iter() {
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let _ = clear_ambient_capability_set();
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(|error| format!("the kernel refuses capset: {error}"))
}

/// The names of the capabilities that this thread has.
pub fn held() -> Vec<&'static str> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    held.iter_names().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_only_what_ports_need() {
        let kept = std::thread::spawn(|| {
            drop_needless().unwrap();
            (capabilities(None).unwrap(), held(), drop_needless())
        });
        let (sets, names, again) = kept.join().unwrap();
        assert!(NEEDED.contains(sets.permitted) && sets.inheritable.is_empty(), "{sets:?}");
        assert_eq!(again, Ok(()));
        let is_root = nix::unistd::geteuid().is_root();
        assert_eq!(names, if is_root { vec!["NET_BIND_SERVICE", "NET_RAW"] } else { vec![] });
    }
}
