//! A proxyDHCP server: boots machines over the network next to the site's DHCP server.

use std::process::ExitCode;

/// For the static programs: the allocator of musl takes several times as long as that of glibc.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    proxydhcpd::cli::main()
}
