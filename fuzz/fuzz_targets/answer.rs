//! Any datagram on either port ends in a verdict, and an answer is always sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::answer::{Replies, Verdict, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::wire::dhcp4::Message;
use proxydhcpd_fuzz::site;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};

/// One memory for all runs, for it is large; between two of them a minute goes by, so that no limit is near.
static HEARD: Mutex<(Option<Memory>, u64)> = Mutex::new((None, 0));

fuzz_target!(|input: (bool, bool, [u8; 4], u16, &[u8])| {
    let (on_4011, is_configured, source, source_port, datagram) = input;
    let here = Ipv4Addr::new(192, 0, 2, 10);
    let links = [Link { index: 1, name: "eth0".into(), mtu: 1500, ipv4: vec![Network4 { address: here, prefix: 24 }] }];
    let plan = site(is_configured);
    let (port, to) = if on_4011 { (Port::BootServer, here) } else { (Port::Dhcp, Ipv4Addr::BROADCAST) };
    let from = SocketAddrV4::new(source.into(), source_port);
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    heard.1 += 60_000;
    let now = heard.1;
    let memory = heard.0.get_or_insert_with(|| Memory::new(0));
    let arrival = Arrival { datagram, port, from, to, links: &links, link: 0, foreign: false, now };
    let mut replies = Replies::default();
    let answer = answer(plan, memory, &arrival, &mut replies);
    let Verdict::Respond(response) = answer.verdict else {
        assert_eq!(replies.iter().count(), 0);
        return;
    };
    for (octets, _) in replies.iter() {
        let reply = Message::parse(octets).expect("what we send is sound");
        assert!(reply.header.op == 2 && reply.header.yiaddr.is_unspecified());
        assert!((300..=1472).contains(&octets.len()));
    }
    if on_4011 {
        assert_eq!(response.to.to, from);
    }
});
