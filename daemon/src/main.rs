//! A proxyDHCP server: boots machines over the network next to the site's DHCP server.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxydhcpd::cli::main()
}
