//! Work without a capability of root, for tests of what an unprivileged server may do.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Runs `work` on this thread without this capability.
pub fn without_capability<T>(capability: CapabilitySet, work: impl FnOnce() -> T) -> T {
    let all = capabilities(None).unwrap();
    let _restored = Restored(all);
    set_capabilities(None, CapabilitySets { effective: all.effective - capability, ..all }).unwrap();
    work()
}

/// Gives the thread its capabilities back, also if the work panics: the thread may run another test.
struct Restored(CapabilitySets);

impl Drop for Restored {
    fn drop(&mut self) {
        set_capabilities(None, self.0).unwrap();
    }
}
