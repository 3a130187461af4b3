//! Why the server cannot start, and what the administrator can do about it.

use crate::net::bind_error::BindError;
use std::fmt;
use std::fs;

/// Why the server cannot start.
#[derive(Debug)]
pub enum StartError {
    /// No DHCP port could be opened.
    NoDhcp,
    /// This process lacks the permission to open these ports, which the configuration requires.
    PermissionDenied(Vec<BindError>),
    /// The server's own sockets need almost all descriptors that the limit of open files allows.
    TooFewOpenFiles {
        /// The limit (RLIMIT_NOFILE).
        limit: usize,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDhcp => f.write_str("no DHCP port could be opened: there is nothing to serve"),
            Self::PermissionDenied(ports) => {
                let mut ports: Vec<String> = ports.iter().map(port_name).collect();
                // TFTP uses the same port for both address families.
                ports.dedup();
                write!(f, "cannot open {}: permission denied. ", ports.join(", "))?;
                f.write_str(advice(may_bind()))
            }
            Self::TooFewOpenFiles { limit } => write!(
                f,
                "too few open files: the limit is {limit}, and the server's own sockets leave almost none for \
                 clients. Raise the limit to 1024 or more (LimitNOFILE= in the unit, or ulimit -n)"
            ),
        }
    }
}

impl std::error::Error for StartError {}

fn port_name(bind_error: &BindError) -> String {
    format!("{} port {}", bind_error.transport, bind_error.address.port())
}

/// Advice for the administrator. `may_bind`: whether this process has CAP_NET_BIND_SERVICE, if known.
fn advice(may_bind: Option<bool>) -> &'static str {
    match may_bind {
        Some(true) => {
            "The process has the capability CAP_NET_BIND_SERVICE, so something else denies it: a security module \
             (SELinux, AppArmor), or a container whose user namespace does not own its network namespace"
        }
        Some(false) | None => {
            "Ports below 1024 need root or the capability CAP_NET_BIND_SERVICE: start the server as root or with its \
             systemd unit; in a container, add NET_BIND_SERVICE and run as a user that keeps it (root, or set it on \
             the program with `setcap cap_net_bind_service+ep`). Turn off services that you do not need: --no-tftp, \
             --no-http, --proxy-only"
        }
    }
}

/// Whether this process has CAP_NET_BIND_SERVICE. `None` if /proc does not show it.
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
    fn each_port_is_named_once_with_advice() {
        let denied = |port: u16| {
            let error = io::Error::from_raw_os_error(libc::EACCES);
            BindError::new(Transport::Udp, (Ipv4Addr::UNSPECIFIED, port).into(), error)
        };
        let text = StartError::PermissionDenied(vec![denied(67), denied(69), denied(69)]).to_string();
        let begin = "cannot open UDP port 67, UDP port 69: permission denied. ";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn the_capability_is_requested_only_if_it_is_missing() {
        assert!(advice(Some(false)).contains("need root or the capability CAP_NET_BIND_SERVICE"));
        assert!(advice(Some(true)).contains("something else denies it"));
    }
}
