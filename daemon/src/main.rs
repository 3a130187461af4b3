//! A proxyDHCP server: boots every machine beside the DHCP server that is already there.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxydhcpd::cli::main()
}
