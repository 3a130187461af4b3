//! Receives the lines that machines send by syslog, and records them.

use crate::state::State;
use proxydhcpd_core::event::socket::SocketOperation;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

/// Maximum length of a line in octets (RFC 3164 4.1). A longer line is cut off.
const MAX_LINE: usize = 1024;

/// Opens the port over IPv4, and with `with_ipv6` also over IPv6, if this host has it.
pub fn bind(port: u16, with_ipv6: bool) -> io::Result<Vec<std::net::UdpSocket>> {
    let mut sockets = vec![bind_to((Ipv4Addr::UNSPECIFIED, port).into())?];
    if with_ipv6 {
        match bind_to((Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(socket) => sockets.push(socket),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

fn bind_to(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Receives lines on this socket until the task ends.
pub async fn run(socket: std::net::UdpSocket, state: Arc<State>) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return state.events.socket_failed(SocketOperation::ReceiveSyslog, &error),
    };
    let mut line = [0; MAX_LINE];
    loop {
        match socket.recv_from(&mut line).await {
            Ok((length, client)) => receive(&state, client, &line[..length]),
            Err(error) => {
                state.events.socket_failed(SocketOperation::ReceiveSyslog, &error);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn receive(state: &State, client: SocketAddr, line: &[u8]) {
    if let Err(refusal) = state.accept_syslog(client, &String::from_utf8_lossy(line)) {
        state.refuse_syslog(client, refusal);
    }
}
