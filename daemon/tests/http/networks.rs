//! Tests HTTP over IPv6 with the addresses that machines use, in network namespaces. Needs root.

use super::*;
use crate::common::server::{Server as Daemon, one_network};
use std::net::SocketAddrV6;

#[test]
fn a_machine_loads_over_ipv6_from_a_link_local_and_from_a_global_address() {
    let (host, machine) = one_network();
    for (at, last) in [(&host, "10"), (&machine, "107")] {
        at.run(&format!(
            "ip address add 2001:db8::{last}/64 dev eth0 nodad\nip address add fe80::{last}/64 dev eth0 nodad"
        ));
    }
    let daemon = Daemon::start(&host, &["--boot-dir", "BOOT", "-v"]);
    std::fs::write(daemon.boot.path().join("file"), b"content").unwrap();
    daemon.wait_for_line("ready");
    let eth0 = machine.index("eth0");
    for (address, scope, literals) in [
        // RFC 6874 requires clients to remove the scope. The server accepts a Host field that still contains it, or
        // lacks the brackets.
        ("fe80::10", eth0, &["[fe80::10]:8080", "[fe80::10%eth0]:8080", "[fe80::10%25eth0]:8080", "fe80::10"][..]),
        ("2001:db8::10", 0, &["[2001:db8::10]:8080", "[2001:db8::10]", "2001:db8::10"]),
    ] {
        let server = SocketAddrV6::new(address.parse().unwrap(), 8080, 0, scope);
        for literal in literals {
            let mut client = machine.on(|| Client::to(server.into()));
            let reply = client.send(format!("GET /file HTTP/1.1\r\nHost: {literal}\r\n\r\n")).reply();
            assert_eq!((reply.status, &reply.body[..]), (200, &b"content"[..]), "Host: {literal}");
            // The request line contains the whole URL, as in a request to a proxy.
            let line = format!("GET http://{literal}/file HTTP/1.1\r\nHost: {literal}\r\n\r\n");
            if !literal.contains('%') && literal.starts_with('[') {
                assert_eq!(client.send(line).reply().status, 200, "{literal}");
            }
        }
    }
    for url in ["http://[2001:db8::10]:8080/file", "http://[fe80::10%25eth0]:8080/file"] {
        assert_eq!(machine.on(|| curl(&["--globoff", url])), b"content", "{url}");
    }
    let mut client = machine.on(|| Client::to(SocketAddrV6::new("2001:db8::10".parse().unwrap(), 8080, 0, 0).into()));
    let script = String::from_utf8(client.get("boot.ipxe", "").body).unwrap();
    assert!(script.contains(" http://[2001:db8::10]:8080/machine/"), "{script}");
}
