//! The DHCP sockets of both families: receive, ask the core, send, report. One thread for all of them, because the system
//! calls are the cost: it makes three for each batch.

use super::doors::BOOT_SERVER6;
use super::late::{Late, Reply};
use crate::net::offers;
use crate::net::set::SocketSet;
use crate::net::socket::Socket;
use crate::net::sys::{Batch, Datagram, SendBatch};
use crate::state::State;
use proxydhcpd_core::answer::{Answer, Replies, answer, overhear_offer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::of_datagram;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

/// For ever: a server that stops takes the sockets away.
pub fn run(sockets: &SocketSet, state: &State) -> io::Result<Infallible> {
    let mut batch = Batch::new();
    let mut out = Outbox::default();
    let mut storm = Storm::new(Instant::now());
    loop {
        if storm.rages {
            thread::sleep(GATHERING);
        }
        sockets.wait(out.late.pause(), |address, socket| {
            let port = if address.port() == Port::BootServer.number() { Port::BootServer } else { Port::Dhcp };
            match socket.receive(&mut batch) {
                Ok(_) if address == offers::ADDRESS => overhear(state, &batch, &mut out),
                Ok(count) => {
                    answer_batch(socket, port, state, &batch, &mut out);
                    storm.heard(count, Instant::now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What any host can cause (an ICMP error that comes back) must not make us shout or stop.
                Err(error) => tracing::debug!("receiving at {address}: {error}"),
            }
        })?;
        send_late(sockets, &mut out);
    }
}

/// How long datagrams gather in a storm before they are looked at. To be woken for each of them would cost more than to answer
/// it; no firmware notices so little, which waits for seconds.
const GATHERING: Duration = Duration::from_micros(100);

/// Thousands of machines that were switched on together.
struct Storm {
    rages: bool,
    since: Instant,
    heard: usize,
}

impl Storm {
    /// So many within [`Storm::AT_MOST`] are a storm: 5,000 a second.
    const MANY: usize = 300;
    const AT_MOST: Duration = Duration::from_millis(60);

    fn new(now: Instant) -> Self {
        Storm { rages: false, since: now, heard: 0 }
    }

    fn heard(&mut self, count: usize, now: impl FnOnce() -> Instant) {
        self.heard += count;
        if self.heard >= Self::MANY {
            let now = now();
            self.rages = now.duration_since(self.since) < Self::AT_MOST;
            (self.since, self.heard) = (now, 0);
        }
    }
}

/// What a thread uses again and again.
#[derive(Default)]
struct Outbox {
    replies: Replies,
    sending: SendBatch,
    late: Late,
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
                if port == Port::BootServer && to.to.is_ipv6() && out.late.put(octets, to, Instant::now()) {
                    continue;
                }
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

/// What other servers say to machines is not answered; it shows why a machine does not come to us.
fn overhear(state: &State, batch: &Batch, out: &mut Outbox) {
    let links = state.links.load();
    let now = state.now();
    {
        let mut memory = state.memory();
        for datagram in batch.iter().filter(|datagram| !datagram.truncated) {
            let is_served = of_datagram(&links, datagram.link, datagram.to).is_some();
            if is_served && overhear_offer(&mut memory, &links, datagram.payload, now).is_err() {
                out.silences.push("malformed");
            }
        }
    }
    if !out.silences.is_empty() {
        let mut report = state.report();
        out.silences.drain(..).for_each(|reason| report.silence(reason));
    }
}

/// If the socket is still there.
fn send_late(sockets: &SocketSet, out: &mut Outbox) {
    if out.late.is_empty() {
        return;
    }
    let socket = sockets.get(BOOT_SERVER6);
    while let Some(Reply { octets, to, .. }) = out.late.next(Instant::now()) {
        if let Some(socket) = &socket {
            socket.push(&mut out.sending, &octets, to.to, to.from.ip(), to.link);
            socket.flush(&mut out.sending, |to, error| tracing::debug!("sending to {to}: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_many_requests_in_a_short_time_and_ends_with_fewer() {
        let mut now = Instant::now();
        let mut storm = Storm::new(now);
        let mut rages_at = |per_second: u64| {
            for _ in 0..2 * Storm::MANY {
                now += Duration::from_micros(1_000_000 / per_second);
                storm.heard(1, || now);
            }
            storm.rages
        };
        assert_eq!([1_000, 4_000, 10_000, 60_000, 4_000].map(&mut rages_at), [false, false, true, true, false]);
    }
}
