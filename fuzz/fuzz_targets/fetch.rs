//! Any name, requested by any client, leads to a text, a file below the boot directory, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::fetch::{Fallback, Fetch, FetchDecision, fetch, is_done_request, is_first_request};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_fuzz::site;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path};

thread_local! {
    /// The observations of all runs. The runs share them, because they are large.
    static OBSERVATIONS: RefCell<Observations> = RefCell::new(Observations::new(0));
}

fuzz_target!(|input: (bool, bool, bool, [u8; 16], &[u8])| {
    let (over_http, over_ipv6, is_configured, client, name) = input;
    let plan = site(is_configured);
    let protocol = if over_http { Protocol::Http(8080) } else { Protocol::Tftp };
    let [a, b, c, d, ..] = client;
    let (server, client) = if over_ipv6 {
        (IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10]), IpAddr::from(client))
    } else {
        (IpAddr::from([192, 0, 2, 10]), IpAddr::from([a, b, c, d]))
    };
    let request = FileRequest { protocol, name, server, client: SocketAddr::from((client, 1024)), interface: "eth0" };
    OBSERVATIONS.with_borrow(|observations| {
        let FetchDecision { answer, ticket, .. } = fetch(plan, observations, &request);
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
    });
});

fn assert_small(text: &str) {
    assert!(text.len() < 64 << 10 && !text.contains('\0'));
}

fn assert_below(name: &str) {
    assert!(Path::new(name).components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
}
