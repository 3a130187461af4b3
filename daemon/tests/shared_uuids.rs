//! Tests how the server treats machines that share a UUID, also after a restart. Needs root.

mod common;

use common::server::{Server, one_network};
use nix::sys::signal::Signal;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::BindToDevice;
use proxydhcpd_testbed::{Host, TIMEOUT, wait_for};
use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use tempfile::TempDir;

const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const UUID: [u8; 16] = 0x11223344_5566_7788_99aa_bbccddeeff00_u128.to_be_bytes();
const CONFIG: &str = "
[profile.installer]
kernel = \"linux\"
[machine.web1]
mac = \"02:00:00:00:00:0a\"
uuid = \"11223344-5566-7788-99aa-bbccddeeff00\"
profile = \"installer\"
";

#[test]
fn a_machine_with_the_uuid_of_another_causes_one_warning_and_is_not_installed() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), CONFIG);
    ready(&server);
    for last in [0x99, 0xa, 0x98, 0x99] {
        discover(&machine, [2, 0, 0, 0, 0, last]);
    }
    server.wait_for_line("02:00:00:00:00:0a (x64 UEFI) on eth0: OFFER ipxe.efi");
    server.wait_for_line("02:00:00:00:00:98 (x64 UEFI) on eth0: OFFER ipxe.efi");
    let log = server.log();
    let warning = "has the uuid of web1, but none of the addresses in that entry: the server does not treat it as \
                   web1. If it is web1 with another network card, add 02:00:00:00:00:99 to `mac` of that entry; if it \
                   is another machine, remove `uuid` from that entry";
    assert_eq!((log.matches(warning).count(), log.matches("has the uuid of").count()), (1, 1), "{log}");
    assert!(log.contains("(loader for x64 UEFI, redirect), web1: profile installer"), "{log}");
    assert!(log.contains("(loader for x64 UEFI, redirect), possibly web1: profile menu"), "{log}");
}

#[test]
fn a_machine_in_two_entries_gets_no_installer_while_one_has_boot_never() {
    let entries = "default-profile = \"installer\"\n[profile.installer]\nkernel = \"linux\"\n\
                   [machine.db1]\nmac = \"02:00:00:00:00:0a\"\nboot = \"never\"\n\
                   [machine.db1-old]\nmac = \"02:00:00:00:00:0a\"\nboot = \"never\"\n";
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), entries);
    ready(&server);
    discover(&machine, A);
    server.wait_for_line("possibly db1: profile local-disk");
    server.wait_for_line("may be db1, because db1 and another entry list its mac: it boots no more than db1");
    let script = script_of(&machine, "mac=02000000000a");
    assert!(script.contains("sanboot ") && !script.contains("kernel"), "{script}");
    let log = server.log();
    let warning = log.lines().find(|line| line.contains("2 machines list the mac 02:00:00:00:00:0a (db1, db1-old)"));
    assert!(warning.unwrap().matches("proxydhcpd.toml:").count() == 2, "{log}");
}

#[test]
fn two_machines_with_one_mac_address_cause_one_warning_and_a_replaced_board_causes_none() {
    const OTHER: [u8; 16] = 0x55667788_1122_3344_5566_778899aabbcc_u128.to_be_bytes();
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    ready(&server);
    let (twins, replaced, unset) = ([2, 0, 0, 0, 0, 0x10], [2, 0, 0, 0, 0, 0x11], [2, 0, 0, 0, 0, 0x12]);
    for mac in [replaced, unset, twins] {
        discover_with(&machine, mac, UUID);
    }
    for uuid in [OTHER, OTHER] {
        discover_with(&machine, replaced, uuid);
    }
    for uuid in [[0; 16], UUID, [0xff; 16], UUID] {
        discover_with(&machine, unset, uuid);
    }
    for uuid in [OTHER, UUID, OTHER, UUID] {
        discover_with(&machine, twins, uuid);
    }
    server.wait_for_line("in turn: two machines use this MAC address");
    let log = server.log();
    assert_eq!(log.matches("two machines use this MAC address").count(), 1, "{log}");
    let line = log.lines().find(|line| line.contains("two machines use")).unwrap();
    assert!(line.contains("02:00:00:00:00:10") && line.contains("shared-macs"), "{line}");
    let uuids = "11223344-5566-7788-99aa-bbccddeeff00 and 55667788-1122-3344-5566-778899aabbcc in turn";
    assert!(line.contains(uuids), "{line}");
}

#[test]
fn a_shared_uuid_is_known_after_a_restart() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), CONFIG);
    ready(&server);
    discover(&machine, A);
    assert!(script_by_uuid(&machine).contains("linux"));
    discover(&machine, [2, 0, 0, 0, 0, 0x99]);
    let file = server.directory.path().join("state/shared-uuids");
    let line = "11223344-5566-7788-99aa-bbccddeeff00 02:00:00:00:00:0a 02:00:00:00:00:99\n";
    let written = || fs::read_to_string(&file).ok().filter(|text| text.ends_with(line));
    wait_for("the shared UUID in its file", written);
    assert!(!script_by_uuid(&machine).contains("linux"));
    let server = server.kill_and_restart(&host);
    ready(&server);
    assert!(!script_by_uuid(&machine).contains("linux"), "{}", server.log());
}

#[test]
fn an_invalid_file_of_shared_uuids_is_an_error_and_is_not_overwritten() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    fs::write(directory.path().join("state/shared-uuids"), "11223344 02:00:00:00:00:0a\n").unwrap();
    let server = Server::start_configured(&host, directory, CONFIG);
    ready(&server);
    server.wait_for_line("shared-uuids:1: expected a UUID and two MAC addresses; the server leaves the file alone");
    [A, [2, 0, 0, 0, 0, 0x99]].iter().for_each(|mac| discover(&machine, *mac));
    assert!(!script_by_uuid(&machine).contains("linux"), "the shared UUID counts all the same");
    server.signal(Signal::SIGTERM);
    server.wait_for_line("stopped");
    let text = fs::read_to_string(server.directory.path().join("state/shared-uuids")).unwrap();
    assert_eq!(text, "11223344 02:00:00:00:00:0a\n");
}

#[test]
fn explain_reads_the_shared_uuids() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    ["boot", "state"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    let text = "[machine.web1]\nuuid = \"11223344-5566-7788-99aa-bbccddeeff00\"\nboot = \"never\"\n";
    let text = format!("boot-dir = {:?}\nstate-dir = {:?}\n{text}", at("boot"), at("state"));
    fs::write(at("proxydhcpd.toml"), text).unwrap();
    let line = "11223344-5566-7788-99aa-bbccddeeff00 02:00:00:00:00:0a 02:00:00:00:00:99\n";
    fs::write(at("state/shared-uuids"), line).unwrap();
    let mut explain = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    explain.arg("-c").arg(at("proxydhcpd.toml")).args(["explain", "--client", "uefi-x64"]);
    let output = explain.args(["--uuid", "11223344-5566-7788-99aa-bbccddeeff00"]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("shared: 02:00:00:00:00:0a and 02:00:00:00:00:99 both sent its uuid"), "{output}");
}

#[test]
fn check_warns_of_shared_uuids_with_the_remedy() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    ["boot", "state"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    let uuid = |number| format!("11223344-5566-7788-99aa-bbccddeeff0{number}");
    let text = format!(
        "boot-dir = {:?}\nstate-dir = {:?}\n[machine.web1]\nuuid = \"{}\"\n[machine.web2]\nuuid = \"{}\"\n\
         mac = \"02:00:00:00:00:0a\"\n[machine.web3]\nuuid = \"{}\"\nmac = [\"02:00:00:00:00:03\", \
         \"02:00:00:00:00:33\"]\n[[rule]]\nuuid = \"{}\"\nprofile = \"menu\"\n",
        at("boot"),
        at("state"),
        uuid(1),
        uuid(2),
        uuid(3),
        uuid(4)
    );
    fs::write(at("proxydhcpd.toml"), text).unwrap();
    let line = |number| format!("{} 02:00:00:00:00:0a 02:00:00:00:00:99\n", uuid(number));
    let lines: String = [1, 2, 4, 5].map(line).concat() + &uuid(3) + " 02:00:00:00:00:03 02:00:00:00:00:33\n";
    fs::write(at("state/shared-uuids"), lines).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let output = check.arg("-c").arg(at("proxydhcpd.toml")).arg("check").output().unwrap();
    let output = String::from_utf8(output.stderr).unwrap();
    let macs = "02:00:00:00:00:0a and 02:00:00:00:00:99";
    for line in [
        format!("a machine has the UUID {}, which {macs} have: both match web1, whose entry", uuid(1)),
        "02:00:00:00:00:99 has the uuid of web2, but none of the addresses in that entry: the server does not treat it"
            .to_owned(),
        format!("a machine has the UUID {}, which {macs} have: a rule with this UUID matches both", uuid(4)),
        format!("has no effect: {} (02:00:00:00:00:0a, 02:00:00:00:00:99)\n", uuid(5)),
        "to make the server forget a UUID, stop it, remove the line, and start it again".to_owned(),
    ] {
        assert!(output.contains(&line), "{line}\n{output}");
    }
    assert!(!output.contains("web3") && !output.contains(&uuid(3)), "the entry explains it: {output}");
    fs::write(at("state/shared-uuids"), "nonsense\n").unwrap();
    let output = String::from_utf8(check.output().unwrap().stderr).unwrap();
    assert!(output.contains("shared-uuids:1: expected a UUID and two MAC addresses"), "{output}");
}

fn ready(server: &Server) {
    server.wait_for_line("ready");
    fs::write(server.boot.path().join("linux"), "kernel").unwrap();
}

/// Sends the DISCOVER of a real machine, with this MAC address.
fn discover(machine: &Host, mac: [u8; 6]) {
    discover_with(machine, mac, UUID);
}

/// Sends a DISCOVER with this MAC address and this UUID.
fn discover_with(machine: &Host, mac: [u8; 6], shown: [u8; 16]) {
    let mut packet = hex::decode(include_str!("../../core/tests/identity/p01.hex").trim()).unwrap();
    packet[28..34].copy_from_slice(&mac);
    let uuid = 3 + packet.windows(3).position(|window| window == [97, 17, 0]).unwrap();
    packet[uuid..uuid + 16].copy_from_slice(&shown);
    packet[uuid..uuid + 4].reverse();
    packet[uuid + 4..uuid + 6].reverse();
    packet[uuid + 6..uuid + 8].reverse();
    // A previous socket may remain open for a moment in a process that another test is starting.
    let bind = || UdpSocket::bind("0.0.0.0:68").ok();
    let socket = machine.on(|| wait_for("the machine's port 68", bind));
    setsockopt(&socket, BindToDevice, &"eth0".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.send_to(&packet, "255.255.255.255:67").unwrap();
    let mut reply = [0; 1500];
    socket.recv(&mut reply).expect("a reply");
    assert_eq!((reply[0], &reply[28..34]), (2, &mac[..]));
}

/// Returns the script for an iPXE that sends its UUID but no MAC address.
fn script_by_uuid(machine: &Host) -> String {
    script_of(machine, "mac=/uuid=11223344-5566-7788-99aa-bbccddeeff00")
}

fn script_of(machine: &Host, identity: &str) -> String {
    let mut curl = Command::new("curl");
    let name = format!("machine/{identity}/platform=efi/arch=x86_64/menu.ipxe");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "60"]).arg(format!("http://192.0.2.10:8080/{name}"));
    let output = machine.on(|| curl.output().expect("curl is missing: run e2e/setup"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
