//! The error of a failed bind: it names the port, the process that uses the port, and the remedy.

use crate::net::port_owner::{PortOwner, Transport, port_owner};
use proxydhcpd_core::event::port::BindFailure;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// A failed bind.
#[derive(Debug)]
pub struct BindError {
    /// Transport protocol.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
    /// The owner of the port, if the address is in use. `None` if the owner closed its socket meanwhile, or /proc is
    /// not readable.
    pub owner: Option<PortOwner>,
    /// The kernel's error.
    pub error: io::Error,
}

impl BindError {
    /// Creates the error. Looks for the owner of the port at once, because the owner's process may end soon.
    pub fn new(transport: Transport, address: SocketAddr, error: io::Error) -> Self {
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        let owner = in_use.then(|| port_owner(transport, address.ip(), address.port())).flatten();
        BindError { transport, address, owner, error }
    }

    /// The failure for an event. `error` is this error as text.
    pub fn failure<'a>(&'a self, error: fmt::Arguments<'a>) -> BindFailure<'a> {
        BindFailure { address: self.address, owner: self.owner.as_ref().map(PortOwner::for_event), error }
    }

    /// Advice for the administrator. Empty if there is none for this error.
    pub fn advice(&self) -> &'static str {
        match self.error.kind() {
            io::ErrorKind::PermissionDenied if self.address.port() < 1024 => {
                "ports below 1024 need root or CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => "this host does not have this address",
            io::ErrorKind::AddrInUse => {
                let process = self.owner.as_ref().and_then(|owner| owner.process.as_ref());
                advice(self.address.port(), process.map(|process| process.name.as_str()))
            }
            _ => "",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (port, address) = (self.address.port(), self.address.ip());
        write!(f, "cannot bind {} port {port} on {address}: ", self.transport)?;
        match &self.owner {
            Some(owner) => write!(f, "in use by {owner}")?,
            None if self.error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "in use by a process that /proc does not show")?;
            }
            None => write!(f, "{}", self.error)?,
        }
        match self.advice() {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn advice(port: u16, process: Option<&str>) -> &'static str {
    let known = ADVICE.iter().find(|known| known.0 == port && process.is_some_and(|name| name.starts_with(known.1)));
    match (known, process, port) {
        (Some(known), ..) => known.2,
        (None, None, 67 | 547) => {
            "if it is dnsmasq, set bind-dynamic in its configuration; if it is another boot server, stop it"
        }
        (None, Some("proxydhcpd"), _) => "this boot server is already running: stop one of the two",
        (None, Some(python), _) if python.starts_with("python") => {
            "if it is the Python daemon (proxydhcpd.py), stop it; else leave the port to it and disable the service"
        }
        (None, ..) => "stop it, or leave the port to it and disable the service",
    }
}

/// Each row: the port, the beginning of the process name, the advice. The advice for dnsmasq was tested with version
/// 2.90 (`tests/sockets.rs`). The advice for Kea comes from Kea's manual.
const ADVICE: &[(u16, &str, &str)] = &[
    (67, "dnsmasq", "set bind-dynamic in its configuration to let it share the port"),
    (67, "kea-dhcp4", "set \"dhcp-socket-type\": \"raw\" in its interfaces-config"),
    (547, "dnsmasq", "set bind-dynamic in its configuration to let it share the port"),
    (4011, "dnsmasq", "it is a boot server, too: remove pxe-service and pxe-prompt from its configuration"),
    (69, "dnsmasq", "it serves TFTP, too: remove enable-tftp from its configuration"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::port_owner::Process;
    use std::net::{Ipv4Addr, SocketAddrV4};

    fn busy(port: u16, error: i32, name: Option<&str>) -> BindError {
        let process = name.map(|name| Process { pid: 812, name: name.into() });
        BindError {
            transport: Transport::Udp,
            address: SocketAddrV4::new(Ipv4Addr::BROADCAST, port).into(),
            owner: (error == libc::EADDRINUSE).then(|| PortOwner { address: Ipv4Addr::UNSPECIFIED.into(), process }),
            error: io::Error::from_raw_os_error(error),
        }
    }

    #[test]
    fn the_advice_for_dnsmasq_on_a_wildcard_is_bind_dynamic() {
        assert_eq!(
            busy(67, libc::EADDRINUSE, Some("dnsmasq")).to_string(),
            "cannot bind UDP port 67 on 255.255.255.255: in use by dnsmasq (pid 812) on 0.0.0.0; \
             set bind-dynamic in its configuration to let it share the port"
        );
    }

    #[test]
    fn the_advice_for_an_invisible_owner_is_about_dnsmasq() {
        let text = busy(67, libc::EADDRINUSE, None).to_string();
        assert!(
            text.contains("in use by a process that /proc does not show on 0.0.0.0") && text.contains("bind-dynamic"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_capability_is_named() {
        let text = busy(67, libc::EACCES, None).to_string();
        assert!(text.ends_with("; ports below 1024 need root or CAP_NET_BIND_SERVICE"), "{text}");
    }

    #[test]
    fn the_advice_depends_on_whether_the_owner_is_this_server_or_python_or_another() {
        let text = |name| busy(4011, libc::EADDRINUSE, Some(name)).to_string();
        assert!(text("proxydhcpd").contains("this boot server is already running: stop one of the two"));
        assert!(text("python3").contains("if it is the Python daemon"));
        assert!(text("nginx").ends_with("; stop it, or leave the port to it and disable the service"));
    }

    /// SELinux also restricts ports above 1023, for which no capability helps.
    #[test]
    fn the_capability_is_named_only_for_ports_that_need_it() {
        assert!(!busy(8080, libc::EACCES, None).to_string().contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn a_port_in_use_without_a_known_owner_is_described_so() {
        let mut error = busy(69, libc::EADDRINUSE, None);
        error.owner = None;
        let text = error.to_string();
        assert!(text.contains("in use by a process that /proc does not show"), "{text}");
    }
}
