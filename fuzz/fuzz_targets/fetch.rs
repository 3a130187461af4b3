//! Any name, requested by any client, leads to a text, a file below the boot directory, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::fetch::{Fetch, Otherwise, fetch, fetched, is_beginning, is_done};
use proxydhcpd_core::observations::Memory;
use proxydhcpd_core::request::{Door, Request};
use proxydhcpd_fuzz::site;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path};

thread_local! {
    /// Shared by all runs, because it is large.
    static OBSERVATIONS: RefCell<Memory> = RefCell::new(Memory::new(0));
}

fuzz_target!(|input: (bool, bool, bool, [u8; 16], &[u8])| {
    let (over_http, over_ipv6, is_configured, client, name) = input;
    let plan = site(is_configured);
    let door = if over_http { Door::Http(8080) } else { Door::Tftp };
    let [a, b, c, d, ..] = client;
    let (server, client) = if over_ipv6 {
        (IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10]), IpAddr::from(client))
    } else {
        (IpAddr::from([192, 0, 2, 10]), IpAddr::from([a, b, c, d]))
    };
    let request = Request { door, name, server, client: SocketAddr::from((client, 1024)), interface: "eth0" };
    OBSERVATIONS.with_borrow(|observations| {
        let content = fetch(plan, observations, &request);
        let completed = fetched(plan, observations, &request);
        assert!(completed.used_up.is_none_or(|machine| machine == "web1"));
        is_beginning(name, &content);
        is_done(name);
        match content {
            Ok(Fetch::Directory { name, otherwise }) => {
                assert_below(&name);
                match otherwise {
                    Some(Otherwise::File(name)) => assert_below(&name),
                    Some(Otherwise::Text(text)) => assert_small(&text),
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
