//! The other DHCP and boot servers, and their effect on this one.

use proxydhcpd_core::observations::heard_servers::HeardServer;

/// The effect of another server on this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whether machines may boot from that server instead.
    pub interferes: bool,
    /// The effect, and what to do about it.
    pub text: &'static str,
}

/// The effect of a server whose recent offers are these.
pub fn effect(server: &HeardServer) -> Effect {
    let (interferes, text) = match (server.assigns_addresses, server.is_pxe, server.names_boot_file) {
        (true, true, _) => (
            true,
            "assigns addresses and sends option 60 (PXEClient), so UEFI machines contact only that server: remove \
             option 60 from its settings",
        ),
        (true, false, true) => (
            true,
            "assigns addresses and names a boot file, which machines may load instead: remove the file name (option \
             67) from its settings",
        ),
        (true, false, false) => (false, "assigns addresses, and does not interfere"),
        (false, true, _) | (false, _, true) => (
            true,
            "is another boot server, whose offer machines may take: stop it, or configure it to ignore the machines of \
             this server",
        ),
        (false, false, false) => (false, "assigns no addresses and boots no machines"),
    };
    Effect { interferes, text }
}
