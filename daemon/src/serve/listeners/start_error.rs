//! Why the server does not start, and what the administrator can do about it.

use crate::net::bind_error::BindError;
use std::fmt;
use std::fs;

#[derive(Debug)]
pub enum StartError {
    /// No DHCP port could be opened: there is nothing to serve.
    NoDhcp,
    /// This process may not open these ports, and the configuration does not do without them.
    PermissionDenied(Vec<BindError>),
    /// Our own sockets leave nothing of the limit of open files.
    TooFewOpenFiles { limit: usize },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDhcp => f.write_str("no DHCP port could be opened: there is nothing to serve"),
            Self::PermissionDenied(ports) => {
                let mut ports: Vec<String> = ports.iter().map(named).collect();
                // TFTP has a port for each family.
                ports.dedup();
                write!(f, "cannot open {}: permission denied. ", ports.join(", "))?;
                f.write_str(cure(may_bind()))
            }
            Self::TooFewOpenFiles { limit } => write!(
                f,
                "too few open files: this process may have {limit}, and its own sockets leave next to nothing for \
                 clients. \
                 Raise the limit to 1024 or more (LimitNOFILE= in the unit, or ulimit -n)"
            ),
        }
    }
}

impl std::error::Error for StartError {}

fn named(busy: &BindError) -> String {
    format!("{} port {}", busy.transport, busy.address.port())
}

/// `may_bind`: whether this process has CAP_NET_BIND_SERVICE, if that is known.
fn cure(may_bind: Option<bool>) -> &'static str {
    match may_bind {
        Some(true) => {
            "It has the capability CAP_NET_BIND_SERVICE, so something else refuses: a security module (SELinux, \
             AppArmor), or \
             a container whose user namespace does not own the network that it runs on"
        }
        Some(false) | None => {
            "Ports below 1024 need root or the capability CAP_NET_BIND_SERVICE: start the server as root or by its \
             systemd \
             unit; in a container, add NET_BIND_SERVICE and run it as a user that keeps it (root, or a program that \
             was given \
             it by `setcap cap_net_bind_service+ep`). What you do not need can be switched off: --no-tftp, --no-http, \
             --proxy-only"
        }
    }
}

/// `None` where the kernel does not tell: /proc may be missing.
fn may_bind() -> Option<bool> {
    const NET_BIND_SERVICE: u64 = 1 << 10;
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(u64::from_str_radix(effective.trim(), 16).ok()? & NET_BIND_SERVICE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::port_owner::Transport;
    use std::io;
    use std::net::Ipv4Addr;

    #[test]
    fn each_port_is_named_once_with_the_cure() {
        let refused = |port: u16| {
            let error = io::Error::from_raw_os_error(libc::EACCES);
            BindError::new(Transport::Udp, (Ipv4Addr::UNSPECIFIED, port).into(), error)
        };
        let text = StartError::PermissionDenied(vec![refused(67), refused(69), refused(69)]).to_string();
        let begin = "cannot open UDP port 67, UDP port 69: permission denied. ";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn the_capability_is_named_only_where_it_is_missing() {
        assert!(cure(Some(false)).contains("need root or the capability CAP_NET_BIND_SERVICE"));
        assert!(cure(Some(true)).contains("something else refuses"));
    }
}
