//! The DHCP sockets of both families: receive requests, call the core, send the replies, and record what happened. One
//! thread serves all sockets, because system calls dominate the cost: the thread makes three of them for each batch.

use super::answer_events::{self, SendFailure};
use super::delayed::{DelayedAnswer, DelayedReplies};
use super::heartbeat::Heartbeat;
use super::unserved::{UnservedLinks, UnservedRequest};
use crate::heard_traffic::{HeardKind, Traffic};
use crate::kept_packets::{PacketRing, PacketSender, SeenPacket};
use crate::net::overhear;
use crate::net::reply::Reply;
use crate::net::reply_sender::{OutgoingReplies, ReplySender, ReplySenders};
use crate::net::socket_set::SocketSet;
use crate::net::sys::{BATCH_SIZE, Datagram, ReceiveBatch};
use crate::site::Site;
use crate::state::State;
use proxydhcpd_core::answer::{Answer, Replies, answer, overhear_offer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::event::socket::SocketOperation;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::identity::{MachineIdentity, MachineKey};
use proxydhcpd_core::link::{Link, for_datagram};
use proxydhcpd_core::route::Destination;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Serves for ever, and returns only the error of a failed epoll call. When the server stops, it removes the sockets
/// from the set.
pub fn run(
    sockets: &SocketSet,
    senders: &ReplySenders,
    heartbeat: &Heartbeat,
    state: &State,
) -> io::Result<Infallible> {
    let mut batch = ReceiveBatch::new();
    let mut out = Outbox { answers: Vec::with_capacity(BATCH_SIZE), ..Outbox::default() };
    let mut load = Load::new(Instant::now());
    loop {
        if let Some(time) = load.gather_time() {
            thread::sleep(time);
        }
        load.is_behind = false;
        sockets.wait(out.delayed.timeout(), |address, socket| {
            let port = if address.port() == Port::BootServer.number() { Port::BootServer } else { Port::Dhcp };
            match socket.receive(&mut batch) {
                Ok(_) if address == overhear::ADDRESS => overhear(state, &batch, &mut out),
                Ok(count) => {
                    if let Some(sender) = senders.get(address) {
                        answer_batch(&sender, address, port, state, &batch, &mut out);
                    }
                    load.count(count, batch.is_full(), Instant::now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Any host can cause such an error, for example with an ICMP message.
                Err(error) => {
                    state.events.socket_failed(SocketOperation::Receive(address), &error);
                }
            }
        })?;
        heartbeat.beat();
        send_delayed(senders, state, &mut out);
    }
}

/// Measures the load, to gather datagrams when many machines are switched on together: waking up for each datagram would
/// cost more than answering it. Firmware waits for seconds, so it does not notice a delay of milliseconds.
struct Load {
    gather_time: Option<Duration>,
    /// Whether more datagrams are queued than the thread has read.
    is_behind: bool,
    since: Instant,
    requests: usize,
}

impl Load {
    /// The number of requests of which [`Load`] measures the time.
    const REQUESTS: usize = 60;
    /// The time in which so many requests arrive, at most, and the time for which the thread then lets datagrams
    /// accumulate before it reads them: at 6,000 requests a second, and at 1,000. With fewer, a datagram would rarely
    /// find another one to share its wake-up with.
    const GATHER_TIMES: [(Duration, Duration); 2] =
        [(Duration::from_millis(10), Duration::from_millis(1)), (Duration::from_millis(60), Duration::from_millis(3))];

    fn new(now: Instant) -> Self {
        Load { gather_time: None, is_behind: false, since: now, requests: 0 }
    }

    /// How long the thread should let datagrams accumulate before it reads again.
    fn gather_time(&self) -> Option<Duration> {
        self.gather_time.filter(|_| !self.is_behind)
    }

    /// Counts the requests of a batch, which is full if more may be queued.
    fn count(&mut self, requests: usize, is_full: bool, now: impl FnOnce() -> Instant) {
        self.is_behind |= is_full;
        self.requests += requests;
        if self.requests >= Self::REQUESTS {
            let now = now();
            let time = now.duration_since(self.since) * Self::REQUESTS as u32 / self.requests as u32;
            let fits = Self::GATHER_TIMES.into_iter().find(|(most, _)| time < *most);
            self.gather_time = fits.map(|(_, gather_time)| gather_time);
            (self.since, self.requests) = (now, 0);
        }
    }
}

/// Buffers that the thread reuses for every batch.
#[derive(Default)]
struct Outbox {
    replies: Replies,
    outgoing: OutgoingReplies,
    delayed: DelayedReplies,
    answers: Vec<SentAnswer>,
    /// Labels of the silences that this thread counts, because the core returns no answer for these packets.
    silences: Vec<&'static str>,
    unserved: Vec<UnservedRequest>,
    unserved_links: UnservedLinks,
}

/// An answer whose replies are being sent.
struct SentAnswer {
    /// The index of the link in the list of links.
    link: usize,
    answer: Answer,
    /// The site for which the server decided the answer. The indices in the decision belong to its plan.
    site: Arc<Site>,
    /// The number of replies that the kernel has not refused.
    accepted: usize,
    /// The last error with which the kernel refused a reply.
    unsent: Option<SendFailure>,
}

fn answer_batch(
    sender: &ReplySender,
    listener: SocketAddr,
    port: Port,
    state: &State,
    batch: &ReceiveBatch,
    out: &mut Outbox,
) {
    let site = state.current_site();
    let links = state.links.load();
    let now = state.now();
    {
        let mut observations = state.observations();
        let (mut packets, mut traffic) = (state.packets.lock(), state.traffic.lock());
        for datagram in batch.iter() {
            let Some((link, via_other_link)) = for_datagram(&links, datagram.link, datagram.to) else {
                out.silences.push("ignored:unserved-interface");
                out.unserved.extend(UnservedRequest::from_datagram(&site.plan, port, &datagram));
                continue;
            };
            if datagram.truncated {
                out.silences.push("malformed");
                continue;
            }
            let Datagram { payload, from, to, .. } = datagram;
            let arrival = Arrival { datagram: payload, port, from, to, links: &links, link, via_other_link, now };
            let answer = answer(&site.plan, &mut observations, &arrival, &mut out.replies);
            keep_packets(&mut packets, &arrival, &answer, &out.replies);
            note_traffic(&mut traffic, links[link].index, &answer, now);
            if let Some(delay) = answer.delay().filter(|_| out.delayed.has_room()) {
                let replies = out.delayed.take(&mut out.replies);
                let (due, site, link) = (Instant::now() + delay, Arc::clone(&site), links[link].index);
                out.delayed.push(DelayedAnswer { due, replies, answer, site, listener, link });
                continue;
            }
            queue(sender, &mut out.outgoing, out.replies.iter(), out.answers.len());
            let (site, accepted) = (Arc::clone(&site), out.replies.iter().count());
            out.answers.push(SentAnswer { link, answer, site, accepted, unsent: None });
        }
    }
    send(sender, listener, state, &links, out);
    out.unserved.drain(..).for_each(|request| out.unserved_links.record(&request, listener, &state.events, &links));
}

/// Keeps a packet of a machine that is known, and the replies to it.
fn keep_packets(packets: &mut PacketRing, arrival: &Arrival<'_>, answer: &Answer, replies: &Replies) {
    let client = answer.client.as_ref().map(|client| &client.machine);
    let Some(machine) = client.or(answer.other_sender.as_ref()).filter(|machine| !machine.is_probe()) else { return };
    let is_ipv6 = arrival.from.is_ipv6();
    let port = if is_ipv6 { arrival.port.number6() } else { arrival.port.number() };
    let mut keep = |sender, octets| {
        packets.keep(SeenPacket { at: arrival.now, machine: machine.key, sender, port, is_ipv6, octets });
    };
    keep(PacketSender::Machine, arrival.datagram);
    replies.iter().for_each(|(octets, _)| keep(PacketSender::Server, octets));
}

/// Counts a packet, and notes the relay that forwarded it.
fn note_traffic(traffic: &mut Traffic, link: u32, answer: &Answer, now: u64) {
    let sender = answer.client.as_ref().map(|client| &client.machine).or(answer.other_sender.as_ref());
    if sender.is_some_and(MachineIdentity::is_probe) {
        return;
    }
    let kind = if answer.client.is_some() { HeardKind::BootRequest } else { HeardKind::OtherRequest };
    let relay = sender.and_then(|machine| machine.relay).map(|relay| relay.address);
    traffic.note(link, kind, relay, now);
}

/// Reads the offers that other servers send to machines. The server does not reply to them, but they can explain why a
/// machine does not boot from this server.
fn overhear(state: &State, batch: &ReceiveBatch, out: &mut Outbox) {
    let links = state.links.load();
    let now = state.now();
    {
        let mut observations = state.observations();
        let (mut packets, mut traffic) = (state.packets.lock(), state.traffic.lock());
        for datagram in batch.iter().filter(|datagram| !datagram.truncated) {
            let Some((link, _)) = for_datagram(&links, datagram.link, datagram.to) else { continue };
            let index = links[link].index;
            match overhear_offer(&mut observations, &links, index, datagram.payload, now) {
                Ok(Some(hardware)) => {
                    traffic.note(index, HeardKind::Offer, None, now);
                    packets.keep(SeenPacket {
                        at: now,
                        machine: MachineKey::from_hardware(&hardware),
                        sender: PacketSender::OtherServer,
                        port: Port::Dhcp.number(),
                        is_ipv6: false,
                        octets: datagram.payload,
                    });
                }
                Ok(None) => {}
                Err(_) => out.silences.push("malformed"),
            }
        }
    }
    record_discarded(state, overhear::ADDRESS, &mut out.silences);
}

/// Records the packets for which the core returns no answer.
fn record_discarded(state: &State, listener: SocketAddr, labels: &mut Vec<&'static str>) {
    if labels.is_empty() {
        return;
    }
    let (mut recorder, service) = (state.events.lock(), Service::Dhcp(listener.port()));
    let mut record = |label| recorder.record(None, EventMachine::default(), service, What::Discarded(label));
    labels.drain(..).for_each(&mut record);
}

/// Sends the delayed replies that are due, those of one listener together. Discards a reply whose listener is closed,
/// or whose link is no longer served.
fn send_delayed(senders: &ReplySenders, state: &State, out: &mut Outbox) {
    let now = Instant::now();
    while let Some(listener) = out.delayed.next_listener(now) {
        let links = state.links.load();
        let sender = senders.get(listener);
        while let Some(DelayedAnswer { replies, answer, site, link, .. }) = out.delayed.pop_due(listener, now) {
            let link = links.iter().position(|served| served.index == link);
            let (Some(link), Some(sender)) = (link, &sender) else { continue };
            queue(sender, &mut out.outgoing, replies.iter(), out.answers.len());
            out.answers.push(SentAnswer { link, answer, site, accepted: replies.iter().count(), unsent: None });
            out.delayed.recycle(replies);
        }
        if let Some(sender) = sender.filter(|_| !out.answers.is_empty()) {
            send(&sender, listener, state, &links, out);
        }
    }
}

fn queue<'a>(
    sender: &ReplySender,
    outgoing: &mut OutgoingReplies,
    replies: impl Iterator<Item = (&'a [u8], Destination)>,
    tag: usize,
) {
    for (octets, Destination { to, from, interface_index: link }) in replies {
        sender.push(outgoing, &Reply { octets, to, from: from.ip(), link, tag });
    }
}

/// Sends all queued replies before it records them, so that no machine waits for the log.
fn send(sender: &ReplySender, listener: SocketAddr, state: &State, links: &[Link], out: &mut Outbox) {
    let answers = &mut out.answers;
    sender.flush(&mut out.outgoing, |tag, to, error| {
        state.events.socket_failed(SocketOperation::Send(to), &error);
        let sent = &mut answers[tag];
        sent.accepted -= 1;
        sent.unsent = Some((to, error));
    });
    // An offer that was not sent must not count as one that the machine did not take.
    for SentAnswer { answer, .. } in answers.iter().filter(|sent| sent.is_unsent()) {
        answer.client.iter().for_each(|client| state.observations().boot_attempts.note_unsent(client.machine.key));
    }
    record_discarded(state, listener, &mut out.silences);
    let mut recorder = state.events.lock();
    for sent in answers.drain(..) {
        let unsent = if sent.is_unsent() { sent.unsent.as_ref() } else { None };
        let link = &links[sent.link].name;
        answer_events::record(&mut recorder, &sent.site, link, listener.port(), &sent.answer, unsent);
    }
}

impl SentAnswer {
    /// Whether the kernel refused every reply of this answer.
    fn is_unsent(&self) -> bool {
        self.accepted == 0 && self.unsent.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_gathers_longer_if_few_machines_are_switched_on_together_and_not_at_all_if_hardly_any_are() {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        let mut gathers_at = |per_second: u64| {
            for _ in 0..2 * Load::REQUESTS {
                now += Duration::from_micros(1_000_000 / per_second);
                load.count(1, false, || now);
            }
            load.gather_time().map(|time| time.as_millis())
        };
        let times = [500, 900, 2_000, 10_000, 60_000, 900].map(&mut gathers_at);
        assert_eq!(times, [None, None, Some(3), Some(1), Some(1), None]);
    }

    #[test]
    fn full_batches_are_read_without_a_pause() {
        let start = Instant::now();
        let mut load = Load::new(start);
        let mut gathers = |requests, is_full| {
            load.is_behind = false;
            load.count(requests, is_full, || start);
            load.gather_time().is_some()
        };
        assert!(gathers(Load::REQUESTS, false) && !gathers(32, true) && gathers(5, false));
    }
}
