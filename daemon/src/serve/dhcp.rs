//! The DHCP sockets of both families: receive, ask the core, send, report. One thread for all of them, because the
//! system calls are the cost: it makes three for each batch.

use super::listeners::BOOT_SERVER6;
use super::delayed::{DelayedAnswer, DelayedReplies};
use super::heartbeat::Heartbeat;
use super::unserved::UnservedRequest;
use crate::net::overhear;
use crate::net::reply_sender::{OutgoingReplies, ReplySender, ReplySenders, Reply};
use crate::net::socket_set::SocketSet;
use crate::net::sys::{ReceiveBatch, Datagram};
use crate::report::SendFailure;
use crate::site::Site;
use crate::state::State;
use proxydhcpd_core::answer::{Answer, Replies, answer, overhear_offer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, for_datagram};
use proxydhcpd_core::route::Destination;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::{Duration, Instant};

/// For ever: a server that stops takes the sockets away.
pub fn run(sockets: &SocketSet, outlets: &ReplySenders, pulse: &Heartbeat, state: &State) -> io::Result<Infallible> {
    let mut batch = ReceiveBatch::new();
    let mut out = Outbox::default();
    let mut storm = Storm::new(Instant::now());
    loop {
        if storm.rages {
            thread::sleep(GATHERING);
        }
        sockets.wait(out.late.timeout(), |address, socket| {
            let port = if address.port() == Port::BootServer.number() { Port::BootServer } else { Port::Dhcp };
            match socket.receive(&mut batch) {
                Ok(_) if address == overhear::ADDRESS => overhear(state, &batch, &mut out),
                Ok(count) => {
                    if let Some(outlet) = outlets.get(address) {
                        answer_batch(&outlet, port, state, &batch, &mut out);
                    }
                    storm.heard(count, Instant::now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What any host can cause (an ICMP error that comes back) must not make us shout or stop.
                Err(error) => tracing::debug!("receiving at {address}: {error}"),
            }
        })?;
        pulse.beat();
        send_late(outlets, state, &mut out);
    }
}

/// How long datagrams gather in a storm before they are looked at. To be woken for each of them would cost more than to
/// answer it; no firmware notices so little, which waits for seconds.
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

/// What the thread uses again and again.
#[derive(Default)]
struct Outbox {
    replies: Replies,
    outgoing: OutgoingReplies,
    late: DelayedReplies,
    answers: Vec<Answered>,
    /// Reasons of those that were not even looked into.
    silences: Vec<&'static str>,
    unserved: Vec<UnservedRequest>,
}

/// An answer on its way.
struct Answered {
    /// The index of the link in the list of links.
    link: usize,
    answer: Answer,
    /// Replies that the kernel has not refused, and why it has refused the last.
    left: usize,
    unsent: Option<SendFailure>,
}

fn answer_batch(outlet: &ReplySender, port: Port, state: &State, batch: &ReceiveBatch, out: &mut Outbox) {
    let site = state.site.load();
    let links = state.links.load();
    let now = state.now();
    {
        let mut memory = state.observations();
        for datagram in batch.iter() {
            let Some((link, foreign)) = for_datagram(&links, datagram.link, datagram.to) else {
                out.silences.push("ignored:unserved-interface");
                out.unserved.extend(UnservedRequest::from_datagram(&site.plan, port, &datagram));
                continue;
            };
            if datagram.truncated {
                out.silences.push("malformed");
                continue;
            }
            let Datagram { payload, from, to, .. } = datagram;
            let arrival = Arrival { datagram: payload, port, from, to, links: &links, link, via_other_link: foreign, now };
            let answer = answer(&site.plan, &mut memory, &arrival, &mut out.replies);
            if port == Port::BootServer && from.is_ipv6() && !out.replies.is_empty() && out.late.has_room() {
                out.late.push(answer, &out.replies, links[link].index, Instant::now());
                continue;
            }
            push(outlet, &mut out.outgoing, out.replies.iter(), out.answers.len());
            out.answers.push(Answered { link, answer, left: out.replies.iter().count(), unsent: None });
        }
    }
    send(outlet, state, &site, &links, out);
    out.unserved.drain(..).for_each(|unserved| unserved.report(&mut state.report(), &links));
}

/// What other servers say to machines is not answered; it shows why a machine does not come to us.
fn overhear(state: &State, batch: &ReceiveBatch, out: &mut Outbox) {
    let links = state.links.load();
    let now = state.now();
    {
        let mut memory = state.observations();
        for datagram in batch.iter().filter(|datagram| !datagram.truncated) {
            let is_served = for_datagram(&links, datagram.link, datagram.to).is_some();
            if is_served && overhear_offer(&mut memory, &links, datagram.payload, now).is_err() {
                out.silences.push("malformed");
            }
        }
    }
    if !out.silences.is_empty() {
        let mut report = state.report();
        out.silences.drain(..).for_each(|reason| report.count(reason));
    }
}

/// If port and link are still there.
fn send_late(outlets: &ReplySenders, state: &State, out: &mut Outbox) {
    if out.late.is_empty() {
        return;
    }
    let Some(outlet) = outlets.get(BOOT_SERVER6) else { return };
    let links = state.links.load();
    while let Some(DelayedAnswer { replies, answer, link, .. }) = out.late.pop_due(Instant::now()) {
        let Some(link) = links.iter().position(|served| served.index == link) else { continue };
        push(&outlet, &mut out.outgoing, replies.iter().map(|(octets, to)| (&octets[..], *to)), out.answers.len());
        out.answers.push(Answered { link, answer, left: replies.len(), unsent: None });
    }
    if out.answers.is_empty() {
        return;
    }
    send(&outlet, state, &state.site.load(), &links, out);
}

fn push<'a>(
    outlet: &ReplySender,
    outgoing: &mut OutgoingReplies,
    replies: impl Iterator<Item = (&'a [u8], Destination)>,
    mark: usize,
) {
    for (octets, Destination { to, from, interface_index: link }) in replies {
        outlet.push(outgoing, &Reply { octets, to, from: from.ip(), link, tag: mark });
    }
}

/// Sends what waits, and reports it when the machines have their answers.
fn send(outlet: &ReplySender, state: &State, site: &Site, links: &[Link], out: &mut Outbox) {
    let answers = &mut out.answers;
    outlet.flush(&mut out.outgoing, |mark, to, error| {
        tracing::debug!("sending to {to}: {error}");
        let answered = &mut answers[mark];
        answered.left -= 1;
        answered.unsent = Some(SendFailure { to, error });
    });
    // An offer that has not left is none that a rival has kept a machine from.
    for Answered { answer, .. } in answers.iter().filter(|answered| answered.is_unsent()) {
        answer.client.iter().for_each(|client| state.observations().boot_attempts.note_unsent(&client.hardware));
    }
    let mut report = state.report();
    let now = Instant::now();
    out.silences.drain(..).for_each(|reason| report.count(reason));
    for answered in answers.drain(..) {
        let unsent = if answered.is_unsent() { answered.unsent.as_ref() } else { None };
        report.dhcp(site, &links[answered.link].name, &answered.answer, unsent, now);
    }
}

impl Answered {
    /// None of its replies has left.
    fn is_unsent(&self) -> bool {
        self.left == 0 && self.unsent.is_some()
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
