//! The allocator of the C library.

/// Lets all threads allocate from two arenas. By default glibc has up to eight for each processor, and each keeps what
/// its threads needed at their peak: under load, with a reload each second, the memory of the server then grows for
/// hours. An answer allocates nothing, so threads seldom wait for each other here. Call this before other threads run.
#[cfg(target_env = "gnu")]
pub fn share_arenas() {
    // SAFETY: the call sets a number of the allocator, and no other thread runs.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// The static programs have another allocator.
#[cfg(not(target_env = "gnu"))]
pub fn share_arenas() {}
