//! Tests properties of every DHCPv6 packet.

mod common;

use common::{CLIENT_DUID, DUID, GROUP, Packet6, SERVER6, ask, ask_again, plan, relayed, vendor_class};
use dhcproto::{Decodable, v6};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{Inventory, Machine};
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::{IpxeTarget, StatelessOptions};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_core::wire::dhcp6::{MAX_RELAYS, MessageType, Packet, Writer, write_relay_reply};
use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr};

/// Generates options in any order. A code may repeat, except for the codes of the DUIDs.
fn options() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let code = prop_oneof![3..200u16, any::<u16>()].prop_filter("occurs once", |code| ![1, 2].contains(code));
    vec((code, vec(any::<u8>(), 0..80)), 0..12)
}

/// Generates a message type other than a relay's.
fn kind() -> impl Strategy<Value = u8> {
    any::<u8>().prop_filter("a relay's", |kind| ![12, 13].contains(kind))
}

fn built(kind: u8, options: &[(u16, Vec<u8>)]) -> Vec<u8> {
    // The octets before the message must stay unchanged, because the writer only appends.
    let mut out = vec![0xa5; 3];
    let mut writer = Writer::new(kind.into(), [7, 8, 9], &mut out);
    options.iter().for_each(|(code, value)| {
        writer.option(*code, value);
    });
    assert_eq!(out[..3], [0xa5; 3]);
    out.split_off(3)
}

/// The link address, peer address and options of a relay.
type Relay = (u128, u128, Vec<(u16, Vec<u8>)>);

fn relays() -> impl Strategy<Value = Vec<Relay>> {
    let code = prop_oneof![Just(18u16), Just(135), Just(79), 20..60u16];
    vec((any::<u128>(), any::<u128>(), vec((code, vec(any::<u8>(), 0..20)), 0..4)), 0..=MAX_RELAYS)
}

/// Wraps a message in the messages of these relays, of which the first is the outermost.
fn through(relays: &[Relay], message: &[u8]) -> Vec<u8> {
    relays.iter().rev().fold(message.to_vec(), |inner, (link, peer, options)| {
        let options: Vec<(u16, &[u8])> = options.iter().map(|(code, value)| (*code, &value[..])).collect();
        let [link, peer] = [link, peer].map(|address| Ipv6Addr::from(*address).to_string());
        relayed(&inner, &link, &peer, &options)
    })
}

proptest! {
    #[test]
    fn a_written_packet_parses_to_the_same_message_and_relays(
        kind in kind(), options in options(), relays in relays(),
    ) {
        let octets = through(&relays, &built(kind, &options));
        let packet = Packet::parse(&octets).unwrap();
        prop_assert_eq!(u8::from(packet.message.message_type), kind);
        prop_assert_eq!(packet.message.transaction_id, [7, 8, 9]);
        let read: Vec<(u16, Vec<u8>)> = packet.message.options().map(|(code, value)| (code, value.to_vec())).collect();
        prop_assert_eq!(read, options);
        prop_assert_eq!(packet.hops.len(), relays.len());
        for (hop, (link, peer, options)) in packet.hops.iter().zip(&relays) {
            prop_assert_eq!((u128::from(hop.link_address), u128::from(hop.peer_address)), (*link, *peer));
            let relay_options: Vec<(u16, Vec<u8>)> =
                hop.options().filter(|(code, _)| *code != 9).map(|(code, value)| (code, value.to_vec())).collect();
            prop_assert_eq!(&relay_options, options);
        }
    }

    #[test]
    fn a_reply_passes_back_through_every_relay(relays in relays(), message in options()) {
        let request = through(&relays, &built(1, &[]));
        let hops = Packet::parse(&request).unwrap().hops;
        let reply = built(2, &message);
        let mut out = vec![0xa5; 3];
        write_relay_reply(&hops, &mut out, |out| out.extend_from_slice(&reply));
        prop_assert_eq!(&out[..3], &[0xa5; 3]);
        let back = Packet::parse(&out[3..]).unwrap();
        prop_assert_eq!(back.hops.len(), hops.len());
        for (sent, got) in hops.iter().zip(back.hops.iter()) {
            prop_assert_eq!(got.message_type, MessageType::RelayReply);
            prop_assert_eq!(sent.hop_count, got.hop_count);
            prop_assert_eq!((sent.link_address, sent.peer_address), (got.link_address, got.peer_address));
            prop_assert_eq!((sent.option(18), sent.option(135)), (got.option(18), got.option(135)));
            prop_assert!(got.options().all(|(code, _)| [9, 18, 135].contains(&code)));
        }
        prop_assert!(back.message.options().eq(Packet::parse(&reply).unwrap().message.options()));
    }

    #[test]
    fn a_truncated_packet_is_refused_or_has_fewer_options(
        kind in kind(), options in options(), relays in relays(), at in any::<Index>(),
    ) {
        let octets = through(&relays, &built(kind, &options));
        let cut = &octets[..at.index(octets.len())];
        if let Ok(packet) = Packet::parse(cut) {
            prop_assert!(packet.hops.is_empty(), "the message is the last option of a relay");
            prop_assert!(packet.message.options().count() < options.len());
        }
    }

    #[test]
    fn any_octets_lead_to_a_verdict(
        octets in vec(any::<u8>(), 0..1500), first in select(&[1u8, 3, 11, 12, 13][..]), on_4011 in any::<bool>()
    ) {
        let port = if on_4011 { Port::BootServer } else { Port::Dhcp };
        ask(&plan(), &octets, port, "[fe80::207]:546", GROUP);
        let octets = [&[first][..], &octets].concat();
        ask(&plan(), &octets, port, "[fe80::207]:546", GROUP);
        if let Ok(packet) = Packet::parse(&octets) {
            let message = packet.message;
            let classes = message.user_classes().iter().count();
            let _ = (message.addresses().count(), message.vendor_classes().count(), classes);
        }
    }

    /// dhcproto is an independent decoder. It may read options with a type differently, or lose the options after them.
    /// So the test uses codes without a type.
    #[test]
    fn an_independent_decoder_reads_the_same_packet(kind in 1..=11u8, values in vec(vec(any::<u8>(), 0..80), 0..8)) {
        let options: Vec<(u16, Vec<u8>)> = (1000..).zip(values).collect();
        let octets = built(kind, &options);
        let theirs = v6::Message::from_bytes(&octets).unwrap();
        prop_assert_eq!((u8::from(theirs.msg_type()), theirs.xid()), (kind, [7, 8, 9]));
        let ours = Packet::parse(&octets).unwrap().message;
        for (code, value) in ours.options() {
            match theirs.opts().get(v6::OptionCode::from(code)) {
                Some(v6::DhcpOption::Unknown(unknown)) => prop_assert_eq!(unknown.data(), value),
                other => prop_assert!(false, "option {}: {:?}", code, other),
            }
        }
        prop_assert_eq!(theirs.opts().iter().count(), options.len());
    }
}

// No packet and no plan leads to a harmful reply

fn loader() -> impl Strategy<Value = Loader> {
    let names = [
        "ipxe.efi",
        "a b/x.efi",
        "tftp://[2001:db8::5]/x.efi",
        "tftp://192.0.2.5/x.efi",
        "http://[2001:db8::5]/x.efi",
        "",
    ];
    (select(names.to_vec()), any::<bool>())
        .prop_map(|(name, ours)| Loader { name: name.into(), path: ours.then(|| "/x".into()) })
}

fn boots() -> impl Strategy<Value = BootTarget> {
    let item = |(server_type, target)| FirmwareMenuItem { server_type, title: "a".into(), target };
    let items = [
        ItemTarget::Profile(None),
        ItemTarget::Profile(Some("0".into())),
        ItemTarget::Server([192, 0, 2, 5].into()),
        ItemTarget::Broadcast,
    ];
    let menu = FirmwareMenu { prompt: "F8".into(), timeout: 0, items: (1..).zip(items).map(item).collect() };
    select(vec![
        BootTarget::BootDir,
        BootTarget::Linux(Linux::default()),
        BootTarget::Script("a.ipxe".into()),
        BootTarget::Script("http://192.0.2.5/a.ipxe".into()),
        BootTarget::Loader,
        BootTarget::Menu(menu),
        BootTarget::LocalDisk,
        BootTarget::Nothing,
    ])
}

/// The name of one of the profiles, of a profile that does not exist, or none.
fn profile_name() -> impl Strategy<Value = Option<String>> {
    option::of((0..4).prop_map(|number: i32| number.to_string()))
}

fn rule() -> impl Strategy<Value = Rule> {
    let when = select(vec![
        Conditions::default(),
        Conditions { interface_ids: vec![Glob("*".into())], ..Conditions::default() },
        Conditions { vendor_classes: vec![Glob("PXE*".into())], ..Conditions::default() },
        Conditions { known: Some(true), ..Conditions::default() },
        Conditions { archs: vec![Arch::X64], ..Conditions::default() },
    ]);
    let bits = (proptest::bool::weighted(0.1), any::<bool>(), profile_name());
    (when, bits).prop_map(|(when, (deny, as_firmware, profile))| Rule {
        when,
        deny,
        as_firmware,
        profile,
        ..Rule::default()
    })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let usually = || proptest::bool::weighted(0.8);
    let tftp = prop_oneof![
        4 => Just(Some(TftpServer::Local)),
        1 => Just(Some(TftpServer::Remote([192, 0, 2, 5].into()))),
        1 => Just(None)
    ];
    let ipxe = select(vec![
        IpxeTarget::Builtin,
        IpxeTarget::Configured("x".into()),
        IpxeTarget::Configured("http://[::1]/x".into()),
        IpxeTarget::AsFirmware,
    ]);
    let dns = StatelessOptions { dns_servers: vec![Ipv6Addr::LOCALHOST], domains: vec!["a..b.example.".into()] };
    let stateless = select(vec![None, Some(StatelessOptions::default()), Some(dns)]);
    let profile =
        (boots(), option::of(loader()), option::of(loader())).prop_map(|(boots, loader, default_loader)| Profile {
            boots,
            loaders: loader.map(|loader| (Arch::X64, loader)).into_iter().collect(),
            default_loader,
            ..Profile::default()
        });
    let machine = Machine { name: "web1", macs: &[[2, 0, 0, 0, 2, 7]], profile: Some("0"), ..Machine::default() };
    let profiles = (vec(profile, 3), profile_name(), vec(rule(), 0..3), any::<bool>());
    let listeners = (tftp, option::weighted(0.8, Just(8080)), usually(), usually(), usually(), usually());
    (listeners, ipxe, stateless, profiles, option::of(loader()), any::<bool>()).prop_map(
        move |(listeners, ipxe, stateless, (profiles, default_profile, rules, known), default_loader, boot_server)| {
            let (tftp, http, http_clients, boot_server6, tftp6, has_files) = listeners;
            let mut plan = plan()
                .with_policy(|policy| {
                    policy.ipxe = ipxe;
                    let named = |(number, profile): (usize, _)| Profile { name: number.to_string(), ..profile };
                    policy.profiles = profiles.into_iter().enumerate().map(named).collect::<Vec<_>>().into();
                    policy.default_profile = default_profile;
                    policy.rules = rules;
                    policy.http_clients = http_clients;
                    policy.stateless_dhcp6 = stateless;
                })
                .with_offer(|offer| {
                    (offer.tftp, offer.http, offer.boot_server) = (tftp, http, boot_server);
                    (offer.dhcp6.tftp, offer.dhcp6.boot_server) = (tftp6, boot_server6);
                    offer.default_loader = default_loader;
                    offer.dialects.retain(|_| has_files);
                    offer.local_disk = vec![Arch::X64];
                });
            plan.inventory = if known { Inventory::new(&[machine], &[]) } else { Inventory::default() };
            plan
        },
    )
}

/// A datagram that begins like a boot client's, and the way in which it arrives.
#[derive(Clone, Debug)]
struct Datagram {
    octets: Vec<u8>,
    port: Port,
    from: String,
    to: &'static str,
}

fn any_message() -> impl Strategy<Value = Packet6> {
    let begin = prop_oneof![
        3 => Just(Packet6::solicit()),
        3 => Just(Packet6::request_4011()),
        2 => Just(Packet6::http_solicit()),
        2 => Just(Packet6::information_request()),
        1 => Just(Packet6::request_for("2001:db8::1b3")),
        1 => Just(Packet6::request_for("2001:db8:1::1b3")),
    ];
    let class = select(vec![
        vendor_class(343, b"PXEClient:Arch:00007"),
        vendor_class(343, b"HTTPClient:Arch:00016"),
        vendor_class(343, b"PXEClient"),
        vendor_class(9, b"PXEClient"),
        [&vendor_class(343, b"HTTPClient")[..], b"\0\x09PXEClient"].concat(),
    ]);
    let other = prop_oneof![
        class.prop_map(|class| (16, class)),
        select(vec![&b"\0\x04iPXE"[..], b"iPXE", b"\0\x01x"]).prop_map(|class| (15, class.to_vec())),
        vec(any::<u8>(), 0..6).prop_map(|archs| (61, archs)),
        select(vec![CLIENT_DUID, b"\0\x03\0\x01\x02\0\0\0\x02\x07", b"x"]).prop_map(|duid| (1, duid.to_vec())),
        select(vec![&DUID[..], b"another"]).prop_map(|duid| (2, duid.to_vec())),
        (any::<u16>(), vec(any::<u8>(), 0..30)),
    ];
    let kind = option::weighted(0.15, 0..=11u8);
    let change = (other, any::<bool>());
    (begin, kind, vec(change, 0..3)).prop_map(|(packet, kind, changes)| {
        let packet = Packet6 { kind: kind.unwrap_or(packet.kind), ..packet };
        changes.into_iter().fold(packet, |packet, ((code, value), in_place)| match in_place {
            true => packet.set(code, &value),
            false => packet.add(code, &value),
        })
    })
}

fn any_datagram() -> impl Strategy<Value = Datagram> {
    let from = select(vec!["fe80::ff:fe00:207", "2001:db8::207", "2001:db8:1::1", "2001:db8:1::207", "fe80::99", "::"]);
    let relays = prop_oneof![3 => Just(Vec::new()), 2 => relays()];
    let damage = option::weighted(0.1, (any::<Index>(), any::<u8>()));
    let path = (from, select(vec![GROUP, SERVER6, "fe80::10"]), proptest::bool::weighted(0.8), any::<bool>());
    (any_message(), relays, damage, path).prop_map(|(message, relays, damage, (from, to, proper, on_4011))| {
        let on_4011 =
            if proper { message.kind == 3 && message.options.iter().all(|(code, _)| *code != 3) } else { on_4011 };
        let relays = if proper && on_4011 { Vec::new() } else { relays };
        let from = if proper && !on_4011 && relays.is_empty() { "fe80::ff:fe00:207" } else { from };
        let mut octets = through(&relays, &message.octets());
        if let Some((at, octet)) = damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let port = if on_4011 { Port::BootServer } else { Port::Dhcp };
        Datagram { octets, port, from: format!("[{from}]:{}", if on_4011 { 4011 } else { 546 }), to }
    })
}

/// If a reply has a URL without the firmware's class, or with that class under another enterprise number, firmware
/// mistakes the reply for a DHCP server's offer without an address. The firmware then selects that offer, and stops
/// booting for good. An address or a preference in the reply would have the same effect.
#[test]
fn no_plan_and_no_packet_lead_to_a_reply_that_stops_a_machine() {
    let (answered, with_url, twice) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(any_plan(), vec(any_datagram(), 1..8)), |(plan, datagrams)| {
        let mut observations = Observations::new(1);
        for (now, Datagram { octets, port, from, to }) in (0..).step_by(1000).zip(&datagrams) {
            let (_, sent) = ask_again(&plan, &mut observations, octets, *port, from, to, now);
            twice.set(twice.get() + usize::from(sent.len() == 2));
            let from: std::net::SocketAddr = from.parse().unwrap();
            for (reply, destination) in &sent {
                answered.set(answered.get() + 1);
                let (request, reply) = (Packet::parse(octets).unwrap(), Packet::parse(reply).unwrap());
                let (asked, reply_message) = (request.message, reply.message);
                prop_assert!(matches!(reply_message.message_type, MessageType::Advertise | MessageType::Reply));
                prop_assert_eq!(
                    (reply_message.transaction_id, reply_message.option(1)),
                    (asked.transaction_id, asked.option(1))
                );
                prop_assert_eq!(reply_message.option(2), Some(&DUID[..]));
                prop_assert_eq!(reply.hops.len(), request.hops.len());
                let codes: Vec<u16> = reply_message.options().map(|(code, _)| code).collect();
                prop_assert!(codes.iter().all(|code| ![3, 7, 13, 60].contains(code)), "{:?}", codes);
                // The option contains only one class: of the two, the class that the client names first.
                let class = reply_message.option(16).unwrap();
                let [pxe, http] = [&b"PXEClient"[..], b"HTTPClient"].map(|class| vendor_class(343, class));
                let first = asked
                    .vendor_classes()
                    .find(|text| text.starts_with(b"PXEClient") || text.starts_with(b"HTTPClient"));
                prop_assert_eq!(class, &(if first.unwrap().starts_with(b"PXE") { pxe } else { http })[..]);
                prop_assert_eq!(codes.iter().filter(|code| **code == 16).count(), 1);
                if let Some(at) = codes.iter().position(|code| *code == 59) {
                    with_url.set(with_url.get() + 1);
                    prop_assert_eq!(codes.get(at + 1), Some(&16), "followed by a 0");
                    let url = std::str::from_utf8(reply_message.option(59).unwrap()).unwrap();
                    prop_assert!(url.contains("://") && url.is_ascii(), "{}", url);
                }
                let (IpAddr::V6(source), IpAddr::V6(to)) = (from.ip(), destination.to.ip()) else { panic!() };
                prop_assert!(to == source || to.segments()[..4] == source.segments()[..4] && *port == Port::BootServer);
                prop_assert_eq!(destination.from.port(), if *port == Port::Dhcp { 547 } else { 4011 });
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let counts = [answered.get(), with_url.get(), twice.get()];
    assert!(counts[0] > 3000 && counts[1] > 2000 && counts[2] > 10, "too few replies were tested: {counts:?}");
}
