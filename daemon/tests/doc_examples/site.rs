//! The files, the running server and the machines that a page assumes at the reader's site.

use super::blocks;
use super::reader_host::ReaderHost;
use crate::common::boot_requests::{ask, request_address};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A site with the names that the pages use.
const SITE: &str = "
[profile.debian]
kernel = \"debian/linux\"
initrd = \"debian/initrd.gz\"
[profile.debian12]
extends = \"debian\"
[profile.debian13]
extends = \"debian\"
[profile.rescue]
extends = \"debian\"
arguments = \"rescue/enable=true\"
[machine.web1]
mac = \"52:54:00:00:00:01\"
profile = \"debian\"
[machine.web2]
mac = \"52:54:00:00:00:02\"
[machine.web3]
mac = \"52:54:00:00:00:03\"
[[rule]]
name = \"room 12\"
relay = \"10.1.0.1\"
profile = \"debian12\"
";
const WEB1: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
/// A machine without an entry, on the link.
const UNKNOWN: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// A machine without an entry, behind the relay.
const RELAYED: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0xc];
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// Copies the installer into the boot directory.
pub fn copy_installer(reader: &mut ReaderHost) {
    reader.run_well("mkdir -p lib/boot/debian && cp installer/* lib/boot/debian");
}

/// Starts the server of a site on which machines have booted: web1, one without an entry, and one behind a relay.
pub fn run(reader: &mut ReaderHost) {
    copy_installer(reader);
    reader.write(SITE);
    reader.start_server();
    // It opens a moment after the others, in case a DHCP server of this host needs its port.
    let server_address: IpAddr = [192, 0, 2, 10].into();
    let receives_relayed = || {
        let sockets = bound_sockets(Transport::Udp, 67);
        sockets.is_ok_and(|sockets| sockets.iter().any(|socket| socket.address == server_address))
    };
    wait_for("the socket for relays", || reader.host.on(receives_relayed).then_some(()));
    reader.machine.run("ip address add 10.1.0.1/24 dev eth0");
    reader.host.run("ip route add 10.0.0.0/8 via 192.0.2.107");
    for (mac, address, relay) in [
        (WEB1, Ipv4Addr::new(192, 0, 2, 50), None),
        (UNKNOWN, Ipv4Addr::new(192, 0, 2, 51), None),
        (RELAYED, Ipv4Addr::new(10, 1, 0, 50), Some(RELAY)),
    ] {
        ask(&reader.machine, mac, relay);
        request_address(&reader.machine, mac, address, relay);
        reader.machine.run(&format!("ip address add {address}/32 dev eth0"));
        let kernel =
            format!("curl --silent --interface {address} --output /dev/null http://192.0.2.10:8080/debian/linux");
        // The story has the address as soon as the machine requests a file.
        wait_for(&address.to_string(), || {
            reader.machine.run(&kernel);
            reader.run(&format!("proxydhcpd story {address}")).0.then_some(())
        });
    }
    let history = reader.path("lib/state/history.sqlite");
    wait_for("the history", || history.exists().then_some(()));
}

/// Gives the machine behind the relay an order.
pub fn order_relayed(reader: &mut ReaderHost) {
    reader.run_well("proxydhcpd boot --relay 10.1.0.1 debian13");
}

/// Adds a network, on which no server answers.
pub fn add_eth1(reader: &mut ReaderHost) {
    reader.host.cable("eth1", &reader.machine, "eth1");
    reader.host.run("ip address add 198.51.100.10/24 dev eth1");
}

/// Makes files with users, one of whom is alice.
pub fn make_users(reader: &mut ReaderHost) {
    reader.run_well("mkdir -p users/etc && cp /etc/login.defs users/etc && touch users/etc/shadow users/etc/gshadow");
    fs::write(reader.path("users/etc/passwd"), "root:x:0:0::/root:/bin/sh\nalice:x:1234:1234::/:/bin/sh\n").unwrap();
    fs::write(reader.path("users/etc/group"), "root:x:0:\nalice:x:1234:\n").unwrap();
}

/// Sets `$TOKEN` to a token that the page does not make.
pub fn make_token(reader: &mut ReaderHost) {
    let token = reader.run_well("proxydhcpd web token add reader --scope read");
    reader.variables.push(("TOKEN", token.trim().to_owned()));
}

/// Writes the templates of docs/templates.md.
pub fn write_templates(reader: &mut ReaderHost) {
    copy_installer(reader);
    for block in blocks::of_page("docs/templates.md").iter().filter(|block| block.language == "jinja") {
        let file = reader.path("etc/templates").join(&block.name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &block.text).unwrap();
    }
}

/// Starts the server, and sets `$REPORT_URL` to the URL that the preseed file of web1 has.
pub fn learn_report_url(reader: &mut ReaderHost) {
    reader.start_server();
    let preseed = reader.run_well("proxydhcpd render preseed.cfg --machine web1");
    let url = preseed.split_whitespace().find(|word| word.ends_with("/report")).expect("a URL in the preseed file");
    reader.variables.push(("REPORT_URL", url.to_owned()));
}

/// Starts the server, and lets a machine send requests during the test.
pub fn keep_asking(reader: &mut ReaderHost) {
    reader.start_server();
    let machine = reader.machine.on(proxydhcpd_testbed::Host::current);
    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            ask(&machine, UNKNOWN, None);
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    reader.at_end(move || is_over.store(true, Ordering::Relaxed));
}

pub fn write_proxy_ini(reader: &mut ReaderHost) {
    let file = "[proxy]\nlisten_address=192.0.2.10\ntftpd=192.0.2.10\nfilename=snponly.efi\n[pxe]\n[ipxe]\n";
    fs::write(reader.path("proxy.ini"), file).unwrap();
}

pub fn write_dnsmasq_conf(reader: &mut ReaderHost) {
    let root = reader.path("lib/boot");
    let service = "pxe-service=X86-64_EFI,iPXE,snponly.efi";
    let file =
        format!("dhcp-range=192.0.2.0,255.255.255.0,proxy\nenable-tftp\ntftp-root={}\n{service}\n", root.display());
    fs::write(reader.path("dnsmasq.conf"), file).unwrap();
}

/// Writes a configuration of ISC dhcpd, a directory of PXELINUX and a list of interfaces.
pub fn write_other_servers(reader: &mut ReaderHost) {
    let subnet = "subnet 192.0.2.0 netmask 255.255.255.0 { next-server 192.0.2.5; filename \"pxelinux.0\"; }\n";
    fs::write(reader.path("dhcpd.conf"), subnet).unwrap();
    fs::create_dir_all(reader.path("tftp/pxelinux.cfg")).unwrap();
    fs::write(reader.path("tftp/pxelinux.cfg/default"), "DEFAULT a\nLABEL a\nKERNEL linux\n").unwrap();
    fs::write(reader.path("interfaces.csv"), "device,nic\nweb1,52:54:00:00:00:01\n").unwrap();
}

/// Acts as the installed system does: fetches the URL in its preseed file.
pub fn install_web1(reader: &mut ReaderHost) {
    reader.start_server();
    let preseed = reader.run_well("proxydhcpd render preseed.cfg --machine web1");
    let url = preseed.split_whitespace().find(|word| word.starts_with("http")).expect("a URL in the preseed file");
    reader.run_well(&format!("curl {url}"));
    wait_for("the boot-once state on the disk", || reader.run("proxydhcpd rearm | grep web1").0.then_some(()));
}
