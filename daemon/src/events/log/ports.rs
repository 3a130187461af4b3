//! The lines about the ports of the server.

use proxydhcpd_core::event::port::{BindFailure, ListenerKind, PacketSocketFailure, PortEvent};

/// Something that happened to a port.
pub fn port(event: &PortEvent<'_>) {
    match event {
        PortEvent::Listening(listeners) => tracing::info!("{}", listening(listeners)),
        PortEvent::Opened { listener, port, is_alone } => {
            let transport = if *listener == ListenerKind::Http { "TCP" } else { "UDP" };
            tracing::info!("{transport} port {port} is open now: {}", benefit(*listener, *is_alone));
        }
        PortEvent::PacketSocketOpened { listener, port, owner } => {
            let owner = owner.map_or("another process".to_owned(), |owner| owner.to_string());
            tracing::info!(
                "{owner} does not share UDP port {port}: this server receives {} through a packet socket, and no \
                 relayed requests",
                packets(*listener)
            );
        }
        PortEvent::NoIpv6(error) => tracing::debug!("this host has no IPv6: {error}"),
        PortEvent::Failed { listener, failure: BindFailure { error, .. }, packet_socket, is_final } => {
            let advice = packet_socket.map_or_else(String::new, |failure| packet_socket_advice(*listener, &failure));
            let end = if *is_final { "; no further retries" } else { "" };
            tracing::warn!("{error}{advice}; {}{end}", consequence(*listener));
        }
        PortEvent::GroupFailed { failure, links } => {
            tracing::warn!("{}; machines do not boot over IPv6 on {}", failure.error, links.join(", "));
        }
        PortEvent::RelayedFailed(failure) => tracing::warn!("cannot receive relayed requests: {}", failure.error),
        PortEvent::RelayedYielded { address, owner } => tracing::info!(
            "{owner} has port {}: it receives the requests that relays send to {}; this server does not",
            address.port(),
            address.ip()
        ),
    }
}

fn listening(listeners: &[(ListenerKind, u16)]) -> String {
    let mut open: Vec<String> =
        listeners.iter().map(|(listener, port)| format!("{} on port {port}", service(*listener))).collect();
    // TFTP has a listener for each address family, and both have the same text.
    open.dedup();
    open.join(", ")
}

fn service(listener: ListenerKind) -> &'static str {
    match listener {
        ListenerKind::DhcpBroadcast | ListenerKind::BootServer => "DHCP",
        ListenerKind::Dhcp6Multicast | ListenerKind::BootServer6 => "DHCPv6",
        ListenerKind::Tftp | ListenerKind::Tftp6 => "TFTP",
        ListenerKind::Http => "HTTP",
        ListenerKind::Syslog => "syslog",
    }
}

/// The packets that a packet socket receives for the listener.
fn packets(listener: ListenerKind) -> &'static str {
    if listener == ListenerKind::Dhcp6Multicast { "DHCPv6 multicasts" } else { "DHCP broadcasts" }
}

/// How a packet socket would help, to append to the warning about a port.
fn packet_socket_advice(
    listener: ListenerKind,
    PacketSocketFailure { is_denied, error }: &PacketSocketFailure<'_>,
) -> String {
    let packets = packets(listener);
    match is_denied {
        true => format!(
            "; or give this server CAP_NET_RAW to receive {packets} through a packet socket (see its unit): {error}"
        ),
        false => format!("; cannot open a packet socket, which would receive {packets} nevertheless: {error}"),
    }
}

/// The consequence of a listener that cannot be opened.
fn consequence(listener: ListenerKind) -> &'static str {
    match listener {
        ListenerKind::DhcpBroadcast => "this server receives no DHCP broadcasts",
        ListenerKind::BootServer => "UEFI machines are sent straight to their file",
        ListenerKind::Dhcp6Multicast => "machines do not boot over IPv6",
        ListenerKind::BootServer6 => "machines do not boot by PXE over IPv6",
        ListenerKind::Tftp => "this server offers no loaders",
        ListenerKind::Tftp6 => "this server offers no loaders over IPv6",
        ListenerKind::Http => "scripts are sent by TFTP",
        ListenerKind::Syslog => "this server receives no lines of syslog",
    }
}

/// The benefit of a listener that is open now.
fn benefit(listener: ListenerKind, is_alone: bool) -> &'static str {
    match listener {
        ListenerKind::DhcpBroadcast if is_alone => {
            "this server receives DHCP broadcasts; a DHCP server that does not share the port must start before it"
        }
        ListenerKind::DhcpBroadcast => "this server receives DHCP broadcasts; the DHCP server now shares the port",
        ListenerKind::BootServer => "UEFI machines are sent to it",
        ListenerKind::Dhcp6Multicast if is_alone => {
            "machines boot over IPv6; a DHCPv6 server that does not share the port must start before this server"
        }
        ListenerKind::Dhcp6Multicast => "machines boot over IPv6; the DHCPv6 server now shares the port",
        ListenerKind::BootServer6 => "machines boot by PXE over IPv6",
        ListenerKind::Tftp => "this server offers loaders",
        ListenerKind::Tftp6 => "this server offers loaders over IPv6",
        ListenerKind::Http => "scripts are sent by HTTP",
        ListenerKind::Syslog => "this server receives lines of syslog",
    }
}

/// Says which machines load files slowly by TFTP, and how to change that.
pub fn slow_tftp_clients(single_port: bool, proxy_only: bool) {
    let (key, who, remedy) = match (single_port, proxy_only) {
        (true, false) => ("`single-port`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (false, false) => ("so few `ports`", "machines behind relays", "list the relays in `relays` of [dhcp], or "),
        (true, true) => ("`single-port` and `proxy-only`", "all machines", ""),
        (false, true) => ("so few `ports` and `proxy-only`", "all machines", ""),
    };
    tracing::info!(
        "with {key}, {who} load by TFTP block by block, at most 512 KiB a second for each address, because their \
         requests are easy to forge; {remedy}set `ports` of [tftp] to a range of 1024 ports or more (docs/security.md)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_with_two_listeners_on_one_port_is_listed_once() {
        let listeners = [(ListenerKind::Dhcp6Multicast, 547), (ListenerKind::Tftp, 69), (ListenerKind::Tftp6, 69)];
        assert_eq!(listening(&listeners), "DHCPv6 on port 547, TFTP on port 69");
    }

    #[test]
    fn a_packet_socket_is_advised_only_to_a_server_without_the_permission() {
        let advice = |is_denied| {
            packet_socket_advice(
                ListenerKind::Dhcp6Multicast,
                &PacketSocketFailure { is_denied, error: format_args!("no") },
            )
        };
        assert!(advice(true).contains("give this server CAP_NET_RAW to receive DHCPv6 multicasts"));
        assert!(advice(false).starts_with("; cannot open a packet socket, which would receive DHCPv6 multicasts"));
    }
}
