//! Any name, asked for by any client, means a text, a file that lies below the boot folder, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::fetch::{Fetch, fetch, fetched, is_beginning, is_done};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::request::{Door, Request};
use proxydhcpd_fuzz::site;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path};

thread_local! {
    /// One for all runs, for it is large.
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::new(0));
}

fuzz_target!(|input: (bool, bool, [u8; 4], &[u8])| {
    let (over_http, is_configured, client, name) = input;
    let plan = site(is_configured);
    let door = if over_http { Door::Http(8080) } else { Door::Tftp };
    let server = IpAddr::from([192, 0, 2, 10]);
    let request = Request { door, name, server, client: SocketAddr::from((client, 1024)), interface: "eth0" };
    MEMORY.with_borrow(|memory| {
        let meant = fetch(plan, memory, &request);
        let of_a_machine = fetched(plan, memory, &request);
        assert!(of_a_machine.used_up.is_none_or(|machine| machine == "web1"));
        is_beginning(name, &meant);
        is_done(name);
        match meant {
            Ok(Fetch::Folder { name, meant }) => {
                [Some(name), meant].into_iter().flatten().for_each(|name| below(&name))
            }
            Ok(Fetch::Text(text)) => assert!(text.len() < 64 << 10 && !text.contains('\0')),
            _ => {}
        }
    });
});

fn below(name: &str) {
    assert!(Path::new(name).components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
}
