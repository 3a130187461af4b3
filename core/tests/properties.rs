//! Tests properties of every DHCPv4 packet.

mod common;

use common::{ask, plan};
use dhcproto::{Decodable, v4};
use proptest::collection::vec;
use proptest::prelude::*;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::wire::dhcp4::{Header, Message, Writer};

fn header() -> impl Strategy<Value = Header> {
    let addresses = any::<[u32; 4]>();
    let numbers = (any::<u8>(), any::<u8>(), 1..=16u8, any::<u8>(), any::<u32>(), any::<u16>(), any::<u16>());
    (numbers, addresses, any::<[u8; 16]>(), vec(any::<u8>(), 64), vec(any::<u8>(), 128)).prop_map(
        |((op, htype, hlen, hops, xid, secs, flags), [ci, yi, si, gi], chaddr, sname, file)| Header {
            op,
            htype,
            hlen,
            hops,
            xid,
            secs,
            flags,
            ciaddr: ci.into(),
            yiaddr: yi.into(),
            siaddr: si.into(),
            giaddr: gi.into(),
            chaddr,
            sname: sname.try_into().unwrap(),
            file: file.try_into().unwrap(),
        },
    )
}

/// Generates options without a fixed length, in any order. A code may repeat.
fn options() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let code = (1..255u8).prop_filter("has its own rules", |code| ![50, 52, 53, 54, 57].contains(code));
    vec((code, vec(any::<u8>(), 0..600)), 0..12)
}

fn build(header: &Header, options: &[(u8, Vec<u8>)], smallest: usize) -> Vec<u8> {
    // The octets before the message must stay unchanged, because the writer only appends.
    let mut out = vec![0xa5; 3];
    let mut writer = Writer::new(header, &mut out);
    for (code, value) in options {
        writer.option(*code, value);
    }
    let length = writer.finish(smallest);
    assert_eq!(out.len(), 3 + length);
    assert_eq!(out[..3], [0xa5; 3]);
    out.split_off(3)
}

/// Generates a packet that begins like a boot client's, with random octets in its options.
fn almost_a_request() -> impl Strategy<Value = Vec<u8>> {
    let boot = Just(vec![(53, vec![1u8]), (60, b"PXEClient:Arch:00007".to_vec()), (93, vec![0, 7])]);
    (header(), boot, options(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut header, mut list, more, at, octet)| {
            header.op = 1;
            list.extend(more);
            let mut octets = build(&header, &list, 300);
            let at = at.index(octets.len());
            octets[at] = octet;
            octets
        },
    )
}

proptest! {
    #[test]
    fn a_written_packet_parses_to_the_same_header_and_options(
        header in header(), options in options(), smallest in 0..700usize,
    ) {
        let octets = build(&header, &options, smallest);
        let message = Message::parse(&octets).unwrap();
        prop_assert_eq!(&message.header, &header);
        prop_assert!(octets.len() >= smallest);
        for (code, _) in &options {
            let whole: Vec<u8> = options.iter().filter(|(c, _)| c == code).flat_map(|(_, v)| v.clone()).collect();
            let read = message.option(*code).unwrap();
            prop_assert_eq!(&read[..], &whole[..]);
        }
        let order: Vec<u8> = options.iter().flat_map(|(c, v)| vec![*c; v.len().div_ceil(255).max(1)]).collect();
        prop_assert_eq!(message.options().map(|(code, _)| code).collect::<Vec<_>>(), order);
    }

    #[test]
    fn any_octets_lead_to_a_verdict(octets in vec(any::<u8>(), 0..1500), on_4011 in any::<bool>()) {
        let port = if on_4011 { Port::BootServer } else { Port::Dhcp };
        ask(&plan(), &octets, port, "192.0.2.107:68", "192.0.2.10");
    }

    #[test]
    fn a_damaged_request_leads_to_a_verdict_and_every_reply_is_valid(octets in almost_a_request()) {
        let (answer, sent) = ask(&plan(), &octets, Port::Dhcp, "0.0.0.0:68", "255.255.255.255");
        match answer.reply {
            Err(_) => prop_assert!(sent.is_empty()),
            Ok(_) => {
                let reply = Message::parse(&sent[0].0).unwrap();
                prop_assert_eq!(reply.header.op, 2);
                prop_assert!(reply.header.yiaddr.is_unspecified() && !reply.header.siaddr.is_unspecified());
                prop_assert!(reply.option(54).is_some() && reply.option(60).is_some() && reply.option(52).is_none());
                prop_assert!((300..=1472).contains(&sent[0].0.len()));
            }
        }
    }

    /// dhcproto is an independent decoder. It loses the options after an option that it cannot parse, joins only
    /// adjacent instances of an option, and ignores overloads. So the test compares only the options that dhcproto
    /// returns.
    #[test]
    fn an_independent_decoder_reads_the_same_packet(header in header(), options in options()) {
        let header = Header { htype: 1, hlen: 6, op: header.op % 2 + 1, ..header };
        let mut once: Vec<(u8, Vec<u8>)> = Vec::new();
        for (code, value) in options {
            // dhcproto returns options without a type as raw octets.
            let raw = (128..=254).contains(&code) && !matches!(code, 145 | 150..=157 | 209..=211);
            if raw && !value.is_empty() && value.len() < 256 && once.iter().all(|(c, _)| *c != code) {
                once.push((code, value));
            }
        }
        let octets = build(&header, &once, 300);
        let ours = Message::parse(&octets).unwrap();
        let theirs = v4::Message::from_bytes(&octets).unwrap();
        prop_assert_eq!(ours.header.xid, theirs.xid());
        prop_assert_eq!(ours.header.flags, u16::from(theirs.flags()));
        prop_assert_eq!(ours.header.hardware(), theirs.chaddr());
        let addresses = [theirs.ciaddr(), theirs.yiaddr(), theirs.siaddr(), theirs.giaddr()];
        prop_assert_eq!([ours.header.ciaddr, ours.header.yiaddr, ours.header.siaddr, ours.header.giaddr], addresses);
        for (code, _) in &once {
            let read = ours.option(*code).unwrap();
            match theirs.opts().get(v4::OptionCode::from(*code)) {
                Some(v4::DhcpOption::Unknown(unknown)) => prop_assert_eq!(unknown.data(), &read[..]),
                other => prop_assert!(false, "option {}: {:?}", code, other),
            }
        }
    }
}
