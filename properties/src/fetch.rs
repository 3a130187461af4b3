//! Any name, requested by any client, leads to a text, a file below the boot directory, or a refusal.

use crate::input::Input;
use crate::plans::plan;
use crate::seeds;
use proxydhcpd_core::fetch::{Fallback, Fetch, FetchDecision, fetch, is_done_request, is_first_request};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path};

/// Reads a choice of the plan, of the protocol and of the family, the address of the client, and the name.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice: u8 = input.next();
    let client: [u8; 16] = input.next();
    let name = input.rest();
    let plan = plan(choice >> 2);
    let protocol = if choice & 1 != 0 { Protocol::Http(8080) } else { Protocol::Tftp };
    let [a, b, c, d, ..] = client;
    let (server, client) = if choice & 2 != 0 {
        (IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10]), IpAddr::from(client))
    } else {
        (IpAddr::from([192, 0, 2, 10]), IpAddr::from([a, b, c, d]))
    };
    let request = FileRequest { protocol, name, server, client: SocketAddr::from((client, 1024)), interface: "eth0" };
    let FetchDecision { answer, ticket, .. } = fetch(plan, &Observations::new(0), &request);
    assert!(ticket.completes.is_none_or(|machine| machine.name == "web1"));
    is_first_request(name, &answer);
    is_done_request(name);
    match answer {
        Ok(Fetch::Directory { name, otherwise }) => {
            assert_below(&name);
            match otherwise {
                Some(Fallback::File(name)) => assert_below(&name),
                Some(Fallback::Text(text)) => assert_small(&text),
                None => {}
            }
        }
        Ok(Fetch::Text(text)) => assert_small(&text),
        _ => {}
    }
}

fn assert_small(text: &str) {
    assert!(text.len() < 64 << 10 && !text.contains('\0'));
}

fn assert_below(name: &str) {
    assert!(Path::new(name).components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
}

/// The names of vectors and captures, and those that scripts of the server contain.
pub fn seeds() -> Vec<Vec<u8>> {
    let packets = seeds::vectors(&["tftp"]).into_iter().chain(seeds::captured(&[69]));
    let requested = packets.filter_map(|packet| match TftpPacket::read(&packet.octets) {
        Ok(TftpPacket::Read(request)) => Some(request.name.to_vec()),
        _ => None,
    });
    let others: [&[u8]; 12] = [
        b"boot.ipxe",
        b"autoexec.ipxe",
        b"snponly.efi",
        b"local-disk/uefi-x64.efi",
        b"with-script/7.efi",
        b"machine/name=web1/token=0a/done",
        b"machine/name=web1/debian/linux",
        b"machine/mac=02-00-00-00-01-07/uuid=11223344-5566-7788-99aa-bbccddeeff00/platform=efi/arch=x86_64/menu.ipxe",
        b"machine/memsize=2048/errno=2d0c618e/rule=1-0/item=32769/failed/kernel/debian/linux",
        b"machine/name=web1/preseed.cfg",
        b"..\\boot\\x.efi",
        b"/sub/../a.ipxe",
    ];
    let names = requested.chain(others.map(Vec::from));
    names.flat_map(|name| (0..8).map(move |choice| [&[choice][..], &[192; 16], &name].concat())).collect()
}
