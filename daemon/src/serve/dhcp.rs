//! The DHCP sockets of both families: receive, ask the core, send, report. One thread for all of them, because the system
//! calls are the cost: it makes three for each batch.

use crate::net::set::SocketSet;
use crate::net::socket::Socket;
use crate::net::sys::{Batch, Datagram, SendBatch};
use crate::state::State;
use nix::sys::epoll::EpollTimeout;
use proxydhcpd_core::answer::{Answer, Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::of_datagram;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::time::Instant;

/// For ever: a server that stops takes the sockets away.
pub fn run(sockets: &SocketSet, state: &State) -> io::Result<Infallible> {
    let mut batch = Batch::new();
    let mut out = Outbox::default();
    loop {
        sockets.wait(EpollTimeout::NONE, |address, socket| {
            let port = if address.port() == Port::BootServer.number() { Port::BootServer } else { Port::Dhcp };
            match socket.receive(&mut batch) {
                Ok(_) => answer_batch(socket, port, state, &batch, &mut out),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What any host can cause (an ICMP error that comes back) must not make us shout or stop.
                Err(error) => tracing::debug!("receiving at {address}: {error}"),
            }
        })?;
    }
}

/// What a thread uses again and again.
#[derive(Default)]
struct Outbox {
    replies: Replies,
    sending: SendBatch,
    /// With the index of the link in the list of links.
    answers: Vec<(usize, Answer)>,
    /// Reasons of those that were not even looked into.
    silences: Vec<&'static str>,
}

fn answer_batch(socket: &Socket, port: Port, state: &State, batch: &Batch, out: &mut Outbox) {
    let site = state.site.load();
    let links = state.links.load();
    let now = state.now();
    {
        let mut memory = state.memory();
        for datagram in batch.iter() {
            let Some((link, foreign)) = of_datagram(&links, datagram.link, datagram.to) else {
                out.silences.push("not-ours:unserved-interface");
                continue;
            };
            if datagram.truncated {
                out.silences.push("malformed");
                continue;
            }
            let Datagram { payload, from, to, .. } = datagram;
            let arrival = Arrival { datagram: payload, port, from, to, links: &links, link, foreign, now };
            let answer = answer(&site.plan, &mut memory, &arrival, &mut out.replies);
            for (octets, to) in out.replies.iter() {
                socket.push(&mut out.sending, octets, to.to, to.from.ip(), to.link);
            }
            out.answers.push((link, answer));
        }
    }
    socket.flush(&mut out.sending, |to, error| tracing::debug!("sending to {to}: {error}"));
    // Reported when the machines have their answers.
    let mut report = state.report();
    let now = Instant::now();
    out.silences.drain(..).for_each(|reason| report.silence(reason));
    out.answers.drain(..).for_each(|(link, answer)| report.dhcp(&site, &links[link].name, &answer, now));
}
