//! Any name, asked for by any client, means a text, a file that lies below the boot directory, or a refusal.
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
    /// One for all runs, for it is large.
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::new(0));
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
    MEMORY.with_borrow(|memory| {
        let meant = fetch(plan, memory, &request);
        let of_a_machine = fetched(plan, memory, &request);
        assert!(of_a_machine.used_up.is_none_or(|machine| machine == "web1"));
        is_beginning(name, &meant);
        is_done(name);
        match meant {
            Ok(Fetch::Directory { name, otherwise }) => {
                below(&name);
                match otherwise {
                    Some(Otherwise::File(name)) => below(&name),
                    Some(Otherwise::Text(text)) => is_small(&text),
                    None => {}
                }
            }
            Ok(Fetch::Text(text)) => is_small(&text),
            _ => {}
        }
    });
});

fn is_small(text: &str) {
    assert!(text.len() < 64 << 10 && !text.contains('\0'));
}

fn below(name: &str) {
    assert!(Path::new(name).components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
}
