//! Tests that the list of served links follows the changes of the host's interfaces.

mod common;

use proxydhcpd::net::link::{LinkFilter, list, watch};
use proxydhcpd_core::link::Link;
use proxydhcpd_testbed::{Host, TIMEOUT};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn the_list_follows_added_changed_and_removed_links() {
    let host = Host::with_ipv4_only();
    let lists = watched(&host, LinkFilter::default());
    assert_eq!(next(&lists), "", "the loopback interface is not served");

    let other = Host::with_ipv4_only();
    host.cable("lan", &other, "eth0");
    host.run("ip addr add 192.0.2.1/24 dev lan");
    assert_eq!(settled(&lists, "lan 192.0.2.1/24"), host.index("lan"));
    host.run("ip addr add 192.0.2.2/24 dev lan\nip addr add 198.51.100.1/25 dev lan");
    settled(&lists, "lan 192.0.2.1/24 198.51.100.1/25 192.0.2.2/24");
    host.run("ip addr del 198.51.100.1/25 dev lan");
    settled(&lists, "lan 192.0.2.1/24 192.0.2.2/24");
    let index = host.index("lan");
    host.run("ip link set lan down\nip link set lan name boot\nip link set boot mtu 1400\nip link set boot up");
    assert_eq!(settled(&lists, "boot 192.0.2.1/24 192.0.2.2/24"), index, "a new name, the same link");
    host.run("ip link set boot down");
    settled(&lists, "");
    host.run("ip link set boot up");
    settled(&lists, "boot 192.0.2.1/24 192.0.2.2/24");
    host.run("ip link del boot");
    settled(&lists, "");
}

#[test]
fn a_bridge_is_served_and_its_ports_are_not() {
    let host = Host::with_ipv4_only();
    let other = Host::with_ipv4_only();
    host.cable("port", &other, "eth0");
    host.run("ip addr add 192.0.2.1/24 dev port");
    let lists = watched(&host, LinkFilter::default());
    settled(&lists, "port 192.0.2.1/24");
    host.run("ip link add br0 type bridge\nip link set port master br0\nip link set br0 up");
    settled(&lists, "");
    host.run("ip addr add 198.51.100.1/24 dev br0");
    settled(&lists, "br0 198.51.100.1/24");
    host.run("ip link set port nomaster");
    settled(&lists, "port 192.0.2.1/24, br0 198.51.100.1/24");
}

#[test]
fn a_link_without_carrier_is_served() {
    let host = Host::with_ipv4_only();
    let other = Host::with_ipv4_only();
    host.cable("lan", &other, "eth0");
    host.run("ip addr add 192.0.2.1/24 dev lan");
    other.run("ip link set eth0 down");
    assert_eq!(host.on(|| show(&list(&LinkFilter::default()).unwrap())), "lan 192.0.2.1/24");
}

#[test]
fn a_filter_selects_by_names_patterns_and_addresses() {
    let host = Host::with_ipv4_only();
    host.run("ip link add lan0 type veth peer name lan1\nip link set lan0 up\nip link set lan1 up");
    host.run(
        "ip addr add 192.0.2.1/24 dev lan0\nip addr add 192.0.2.9/24 dev lan0\nip addr add 198.51.100.1/24 dev lan1",
    );
    host.run("ip tuntap add dev tun0 mode tun\nip addr add 10.8.0.1 peer 10.8.0.2 dev tun0\nip link set tun0 up");
    let listed = |interfaces: &[&str], addresses: &[Ipv4Addr]| {
        let interfaces = interfaces.iter().map(|&name| name.to_owned()).collect();
        host.on(|| {
            show(
                &list(&LinkFilter {
                    interfaces,
                    addresses: addresses.iter().copied().map(IpAddr::V4).collect(),
                    ..LinkFilter::default()
                })
                .unwrap(),
            )
        })
    };
    let (lan0, lan1) = ("lan0 192.0.2.1/24 192.0.2.9/24", "lan1 198.51.100.1/24");
    assert_eq!(listed(&[], &[]), format!("{lan1}, {lan0}"));
    assert_eq!(listed(&["lan0"], &[]), lan0);
    assert_eq!(listed(&["lan*"], &[]), format!("{lan1}, {lan0}"));
    assert_eq!(listed(&["nothing", "*1"], &[]), lan1);
    assert_eq!(listed(&[], &[Ipv4Addr::new(192, 0, 2, 9)]), "lan0 192.0.2.9/24");
    assert_eq!(listed(&["tun*"], &[]), "", "a tunnel has no broadcast");
    assert_eq!(listed(&["tun0"], &[]), "tun0 10.8.0.1/32", "the full name selects it, with the local address");
    assert_eq!(listed(&["lo"], &[]), "lo 127.0.0.1/8");
}

#[test]
fn a_burst_of_changes_is_published_after_its_end() {
    let host = Host::with_ipv4_only();
    let other = Host::with_ipv4_only();
    host.cable("lan", &other, "eth0");
    let lists = watched(&host, LinkFilter::default());
    assert_eq!(next(&lists), "");
    let batch: String = (1..=250).map(|last| format!("addr add 10.0.0.{last}/24 dev lan\n")).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), batch).unwrap();
    host.run(&format!("ip -batch {}", file.path().display()));
    let mut published = 0;
    loop {
        published += 1;
        if next(&lists).ends_with("10.0.0.250/24") {
            break;
        }
    }
    assert!(published <= 3, "{published} lists for one burst");
}

#[test]
fn the_list_is_correct_after_lost_notifications() {
    let host = Host::with_ipv4_only();
    let other = Host::with_ipv4_only();
    host.cable("lan", &other, "eth0");
    let (sender, lists) = channel();
    let (resume, blocked) = channel::<()>();
    host.on(|| {
        thread::spawn(move || {
            let publish = move |links| {
                sender.send(links).unwrap();
                let _ = blocked.recv(); // blocks the whole runtime, so that the kernel's buffer overflows
            };
            block_on(watch(LinkFilter::default(), publish, drop))
        })
    });
    assert_eq!(next(&lists), "");
    let churn = "addr add 192.0.2.7/24 dev lan\naddr del 192.0.2.7/24 dev lan\n".repeat(2000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), churn).unwrap();
    host.run(&format!("ip -batch {}\nip addr add 192.0.2.1/24 dev lan", file.path().display()));
    assert!(has_lost_messages(&host), "the buffer did not overflow: this test proves nothing");
    drop(resume);
    settled(&lists, "lan 192.0.2.1/24");
}

/// A machine may boot over IPv6 before the host has an IPv4 address.
#[test]
fn over_ipv6_a_link_is_served_as_soon_as_it_has_a_usable_link_local_address() {
    let (host, other) = (Host::new(), Host::new());
    let lists = watched(&host, LinkFilter::default());
    assert_eq!(next(&lists), "");
    // On this host, the kernel generates no addresses, so the test sets all of them.
    host.set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    host.cable("lan", &other, "eth0");
    host.run("ip address add 2001:db8::1/64 dev lan nodad");
    // The address 2001:db8::1 cannot be the source of replies. fe80::1 is tentative until the kernel has verified that
    // it is unique.
    host.run("ip address add fe80::1/64 dev lan");
    assert!(lists.recv_timeout(Duration::from_millis(300)).is_err(), "served too early");
    settled(&lists, "lan 2001:db8::1/64 fe80::1/64");
    host.run("ip address add 192.0.2.1/24 dev lan");
    settled(&lists, "lan 192.0.2.1/24 2001:db8::1/64 fe80::1/64");
    host.run("ip address del fe80::1/64 dev lan");
    settled(&lists, "lan 192.0.2.1/24");
}

#[test]
fn of_several_ipv6_addresses_a_permanent_global_one_identifies_the_server() {
    let (host, other) = (Host::new(), Host::new());
    host.set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    host.cable("lan", &other, "eth0");
    for address in ["2001:db8::3/64 nodad preferred_lft 0", "2001:db8::1/64 nodad", "fe80::1/64 nodad"] {
        host.run(&format!("ip address add dev lan {address}"));
    }
    host.run("ip address add dev lan 2001:db8::2/64 nodad valid_lft 3600 preferred_lft 1800");
    let listed = host.on(|| list(&LinkFilter::default()).unwrap());
    assert_eq!(show(&listed), "lan 2001:db8::1/64 2001:db8::2/64 fe80::1/64 2001:db8::3/64");
    assert_eq!(listed[0].address6(), "2001:db8::1".parse().ok());
}

#[test]
fn a_filter_selects_links_for_each_family() {
    let (host, other) = (Host::new(), Host::new());
    host.set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    for (number, link) in ["lan", "dmz"].iter().enumerate() {
        host.cable(link, &other, &format!("eth{number}"));
        host.run(&format!("ip address add 192.0.2.{number}/32 dev {link}"));
        host.run(&format!("ip address add fe80::{number}:1/64 dev {link} nodad"));
        host.run(&format!("ip address add 2001:db8::{number}:1/64 dev {link} nodad"));
    }
    let listed = |filter: LinkFilter| host.on(|| show(&list(&filter).unwrap()));
    let only = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let (lan, dmz) = ("2001:db8::1/64 fe80::1/64", "2001:db8::1:1/64 fe80::1:1/64");
    let families = |ipv4, ipv6| listed(LinkFilter { ipv4, ipv6, ..LinkFilter::default() });
    assert_eq!(families(None, only(&["l*"])), format!("lan 192.0.2.0/32 {lan}, dmz 192.0.2.1/32"));
    assert_eq!(families(only(&["lan"]), only(&["dmz"])), format!("lan 192.0.2.0/32, dmz {dmz}"));
    assert_eq!(families(only(&[]), only(&["dmz"])), format!("dmz {dmz}"));
    assert_eq!(families(only(&[]), only(&[])), "");
    let with_address = LinkFilter { addresses: vec!["2001:db8::1:1".parse().unwrap()], ..LinkFilter::default() };
    assert_eq!(listed(with_address), format!("dmz 192.0.2.1/32 {dmz}"));
}

/// Whether the kernel has counted lost messages on a netlink socket of this host.
fn has_lost_messages(host: &Host) -> bool {
    let table = host.on(|| std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
    table.lines().skip(1).any(|row| row.split_ascii_whitespace().nth(8).is_some_and(|drops| drops != "0"))
}

fn watched(host: &Host, filter: LinkFilter) -> Receiver<Vec<Link>> {
    let (sender, lists) = channel();
    // The thread ends when the receiver of the lists is dropped, or with the test.
    host.on(|| {
        thread::spawn(move || block_on(watch(filter, move |links| sender.send(links).unwrap_or_default(), drop)));
    });
    lists
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn next(lists: &Receiver<Vec<Link>>) -> String {
    show(&lists.recv_timeout(TIMEOUT).unwrap())
}

/// Waits until the watched list equals `expected` and no longer changes. Returns the index of the first link in the
/// list.
fn settled(lists: &Receiver<Vec<Link>>, expected: &str) -> u32 {
    let end = Instant::now() + TIMEOUT;
    let mut last = String::from("nothing");
    while let Ok(links) = lists.recv_timeout(end.saturating_duration_since(Instant::now())) {
        last = show(&links);
        if last == expected {
            assert!(lists.recv_timeout(Duration::from_millis(300)).is_err(), "it changed again after {expected}");
            return links.first().map_or(0, |link| link.index);
        }
    }
    panic!("the last list was {last:?}, not {expected:?}");
}

fn show(links: &[Link]) -> String {
    let line = |link: &Link| {
        let ipv4 = link.ipv4.iter().map(|network| format!(" {}/{}", network.address, network.prefix));
        let ipv6 = link.ipv6.iter().map(|network| format!(" {}/{}", network.address, network.prefix));
        format!("{}{}", link.name, ipv4.chain(ipv6).collect::<String>())
    };
    links.iter().map(line).collect::<Vec<_>>().join(", ")
}
