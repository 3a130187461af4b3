//! A port that cannot be had, said so that somebody can act: which, who has it, what to change.

use crate::net::port_owner::{PortOwner, Transport, port_owner};
use std::fmt;
use std::io;
use std::net::SocketAddr;

#[derive(Debug)]
pub struct BindError {
    pub transport: Transport,
    pub address: SocketAddr,
    /// Known for an address in use, unless its socket vanished before we looked, or /proc cannot be read.
    pub owner: Option<PortOwner>,
    pub error: io::Error,
}

impl BindError {
    /// Looks for the holder at once: the process that we ask for may be a short one.
    pub fn new(transport: Transport, wanted: SocketAddr, error: io::Error) -> Self {
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        let holder = in_use.then(|| port_owner(transport, wanted.ip(), wanted.port())).flatten();
        BindError { transport, address: wanted, owner: holder, error }
    }

    /// What the administrator can do about it.
    pub fn advice(&self) -> &'static str {
        match self.error.kind() {
            io::ErrorKind::PermissionDenied if self.address.port() < 1024 => {
                "ports below 1024 need root or CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            io::ErrorKind::AddrInUse => {
                let process = self.owner.as_ref().and_then(|holder| holder.process.as_ref());
                advice(self.address.port(), process.map(|process| process.name.as_str()))
            }
            _ => "",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (port, address) = (self.address.port(), self.address.ip());
        write!(f, "{} port {port} on {address} cannot be had: ", self.transport)?;
        match &self.owner {
            Some(holder) => write!(f, "{holder} has it")?,
            None if self.error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "it is in use, and /proc does not show by which process")?;
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

fn advice(port: u16, holder: Option<&str>) -> &'static str {
    let known = KNOWN.iter().find(|known| known.0 == port && holder.is_some_and(|name| name.starts_with(known.1)));
    match (known, holder, port) {
        (Some(known), ..) => known.2,
        (None, None, 67 | 547) => {
            "if it is dnsmasq, set bind-dynamic in its configuration; if it is another boot server, stop it"
        }
        (None, Some("proxydhcpd"), _) => "this boot server is running already: stop one of the two",
        (None, Some(python), _) if python.starts_with("python") => {
            "if it is the Python daemon (proxydhcpd.py), stop it; else keep the port for it and serve without"
        }
        (None, ..) => "stop it, or keep the port for it and serve without",
    }
}

/// Port, beginning of the process name, what to change. Seen: dnsmasq 2.90 (`tests/sockets.rs`); Kea's option from its
/// manual.
const KNOWN: &[(u16, &str, &str)] = &[
    (67, "dnsmasq", "set bind-dynamic in its configuration, so that it shares the port"),
    (67, "kea-dhcp4", "set \"dhcp-socket-type\": \"raw\" in its interfaces-config"),
    (547, "dnsmasq", "set bind-dynamic in its configuration, so that it shares the port"),
    (4011, "dnsmasq", "it answers network boots itself: remove pxe-service and pxe-prompt from its configuration"),
    (69, "dnsmasq", "it serves TFTP itself: remove enable-tftp from its configuration"),
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
    fn dnsmasq_on_its_wildcard_is_told_to_bind_dynamically() {
        assert_eq!(
            busy(67, libc::EADDRINUSE, Some("dnsmasq")).to_string(),
            "UDP port 67 on 255.255.255.255 cannot be had: dnsmasq (pid 812) on 0.0.0.0 has it; \
             set bind-dynamic in its configuration, so that it shares the port"
        );
    }

    #[test]
    fn without_the_right_to_look_the_usual_suspect_is_named() {
        let text = busy(67, libc::EADDRINUSE, None).to_string();
        assert!(
            text.contains("a process that /proc does not show to us on 0.0.0.0") && text.contains("bind-dynamic"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_right_is_named() {
        let text = busy(67, libc::EACCES, None).to_string();
        assert!(text.ends_with("; ports below 1024 need root or CAP_NET_BIND_SERVICE"), "{text}");
    }

    #[test]
    fn a_second_boot_server_is_told_apart_from_a_dhcp_server_and_from_any_python() {
        let said = |name| busy(4011, libc::EADDRINUSE, Some(name)).to_string();
        assert!(said("proxydhcpd").contains("this boot server is running already: stop one of the two"));
        assert!(said("python3").contains("if it is the Python daemon"));
        assert!(said("nginx").ends_with("; stop it, or keep the port for it and serve without"));
    }

    /// SELinux keeps other ports, too, and has no capability for them.
    #[test]
    fn the_capability_is_named_for_the_ports_that_need_it() {
        assert!(!busy(8080, libc::EACCES, None).to_string().contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn a_port_in_use_whose_holder_is_not_seen_is_told_so() {
        let mut unseen = busy(69, libc::EADDRINUSE, None);
        unseen.owner = None;
        let text = unseen.to_string();
        assert!(text.contains("it is in use, and /proc does not show by which process"), "{text}");
    }
}
