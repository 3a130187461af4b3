//! Firmware as the field has reported it: the very packets, and what each is told.

mod common;

use common::{Packet, ask, ask_again, mac, plan};
use proxydhcpd_core::answer::{Answer, Verdict};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Rule, Conditions};
use proxydhcpd_core::plan::{BootDirEntry, IpxeTarget, Loader, LoopGuard, BootDirMenu, Plan, EntryTarget, TftpServer};
use proxydhcpd_core::shape::ShapeName;
use std::net::Ipv4Addr;

/// gPXE 0.9 in the ROM of a DL580 G7 (poseidon/matchbox#652).
const P05: &str = "3501013c09505845436c69656e744d0467505845";
/// The iPXE of VirtualBox: TFTP and PXE, no menu, no kernels, no HTTP (ltsp/ltsp#579).
const P06: &str = "3501013c09505845436c69656e744d0469505845af06150101210101";
/// A Raspberry Pi 4 whose option 97 is its serial number four times (raspberrypi/documentation#1460).
const P07: &str = "3501015d0200006111001a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d3c20505845436c69656e743a417263683a30303030303a554e44493a\
                   303032303031";
/// An ARM 64 UEFI whose UUID begins as a Pi's does (BlueField's EDK2 is made of the Pi's).
const X1: &str = "3501015d02000b6111005250693400000000000000000000000\
                  13c20505845436c69656e743a417263683a30303031313a554e44493a303033303030";

/// A packet with these options, from this address.
fn packet(chaddr: [u8; 6], options: &str) -> Packet {
    let octets = hex::decode(options).unwrap();
    let (mut packet, mut rest) = (Packet { options: Vec::new(), ..Packet::discover() }, &octets[..]);
    packet.header.chaddr = mac(chaddr);
    while let [code, length, behind @ ..] = rest {
        let (value, behind) = behind.split_at(usize::from(*length));
        packet.options.push((*code, value.to_vec()));
        rest = behind;
    }
    packet
}

fn discover(plan: &Plan, packet: &Packet) -> Answer {
    ask(plan, &packet.octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255").0
}

/// The file and its shape, or the reason of silence.
fn told(answer: Answer) -> String {
    match answer.verdict {
        Verdict::Respond(response) if response.boot.file.is_empty() => response.shape.to_string(),
        Verdict::Respond(response) => response.boot.file,
        Verdict::Silent(silence) => silence.label().to_owned(),
    }
}

fn given(plan: &Plan, packet: &Packet) -> String {
    told(discover(plan, packet))
}

fn asks(plan: &Plan, memory: &mut Observations, packet: &Packet, second: u64) -> String {
    let octets = packet.octets();
    told(ask_again(plan, memory, &octets, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", second * 1000).0)
}

fn virtualbox() -> Packet {
    packet([8, 0, 0x27, 0, 0, 1], P06)
}

/// Our own iPXE on the same machine.
fn ours() -> Packet {
    virtualbox().set(175, &[0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1])
}

/// Its loader was fetched whole by the machine of `virtualbox`, which has said its address.
fn loads(memory: &mut Observations, second: u64) -> bool {
    let request = virtualbox().set(53, &[3]).set(50, &[192, 0, 2, 50]);
    asks(&plan(), memory, &request, second);
    memory.note_loader(Ipv4Addr::new(192, 0, 2, 50).into(), "undionly.kpxe", second * 1000).is_some()
}

fn booting(boots: BootTarget) -> Plan {
    let profile = Profile { name: "x".into(), boots, ..Profile::default() };
    Plan { profiles: vec![profile], default_profile: Some(0), ..plan() }
}

fn linux(kernel: &str) -> BootTarget {
    BootTarget::Linux(Linux { kernel: kernel.into(), ..Linux::default() })
}

// iPXE by what it can

#[test]
fn gpxe_is_given_a_loader_as_a_firmware_is_for_it_runs_no_script_of_ipxes() {
    let gpxe = packet([2, 0, 0, 0, 0, 1], P05);
    assert_eq!(given(&plan(), &gpxe), "undionly.kpxe");
    assert_eq!(discover(&plan(), &gpxe).client.unwrap().to_string(), "gPXE on x86 BIOS");
    let with_features = gpxe.clone().set(175, &[0xeb, 3, 1, 0, 1, 0x13, 1, 1, 0x15, 1, 1]);
    assert_eq!(given(&plan(), &with_features), "undionly.kpxe", "it lists its features as iPXE does");
    assert_eq!(given(&plan(), &with_features.set(77, b"\x04gPXE")), "undionly.kpxe");
    let word = Plan { user_classes: vec!["gPXE".into()], ..plan() };
    assert_eq!(given(&word, &packet([2, 0, 0, 0, 0, 1], P05)), "tftp://192.0.2.10/boot.ipxe", "the operator's word");
}

#[test]
fn an_ipxe_that_lacks_what_our_script_needs_is_given_our_loader_once_and_then_the_script() {
    let (plan, mut memory) = (plan(), Observations::new(1));
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 0), "undionly.kpxe");
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 3), "undionly.kpxe", "the same program asks again");
    assert!(!loads(&mut memory, 5));
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 10), "tftp://192.0.2.10/boot.ipxe", "it came back as it was");
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 200), "undionly.kpxe", "another boot");
}

#[test]
fn a_machine_whose_ipxe_was_replaced_by_ours_has_it_replaced_at_its_next_boot_too() {
    let (plan, mut memory) = (plan(), Observations::new(1));
    for second in [0, 60] {
        assert_eq!(asks(&plan, &mut memory, &virtualbox(), second), "undionly.kpxe");
        assert_eq!(asks(&plan, &mut memory, &virtualbox(), second + 1), "undionly.kpxe", "its server is slow");
        loads(&mut memory, second + 5);
        assert_eq!(asks(&plan, &mut memory, &ours(), second + 20), "http://192.0.2.10:8080/boot.ipxe");
    }
}

#[test]
fn an_ipxe_that_comes_back_as_it_was_goes_round_in_no_circle() {
    let plan = Plan { loop_guard: LoopGuard::Stop, ..plan() };
    let mut memory = Observations::new(1);
    let mut told_of = false;
    // Its ROM comes up again each time: a boot every 30 seconds, for ten minutes.
    for second in (0..600).step_by(30) {
        match asks(&plan, &mut memory, &virtualbox(), second).as_str() {
            "undionly.kpxe" => told_of |= loads(&mut memory, second + 2),
            script => assert_eq!(script, "tftp://192.0.2.10/boot.ipxe"),
        }
    }
    assert!(!told_of);
}

#[test]
fn where_another_server_sends_our_loader_an_ipxe_that_lacks_something_is_given_it_no_more_than_once() {
    let plan = Plan { tftp: Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))), ..plan() };
    let mut memory = Observations::new(1);
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 0), "undionly.kpxe");
    assert_eq!(asks(&plan, &mut memory, &ours(), 10), "http://192.0.2.10:8080/boot.ipxe");
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 20), "undionly.kpxe");
    // It cannot fetch our script, which comes over HTTP alone.
    assert_eq!(asks(&plan, &mut memory, &virtualbox(), 60), "nothing:ipxe-lacks");
}

#[test]
fn what_an_ipxe_needs_is_what_it_is_to_run() {
    let menu = |entries| Plan { menu: BootDirMenu { entries, ..BootDirMenu::default() }, ..plan() };
    let starts =
        EntryTarget::Linux { kernel: "debian/linux".into(), initrds: Vec::new(), arguments: String::new(), arch: Arch::X64 };
    let kernel = BootDirEntry { title: String::new(), target: starts, problem: None };
    let lists = |features: &[u8]| {
        let list: Vec<u8> = features.iter().flat_map(|code| [*code, 1, 1]).collect();
        virtualbox().set(175, &list)
    };
    let script = "tftp://192.0.2.10/boot.ipxe";
    assert_eq!(given(&menu(vec![]), &lists(&[0x15, 0x27])), script, "an empty menu starts no kernel");
    assert_eq!(given(&menu(vec![kernel.clone()]), &lists(&[0x15, 0x27])), "undionly.kpxe");
    assert_eq!(given(&menu(vec![kernel.clone()]), &lists(&[0x15, 0x18, 0x27])), script);
    let x64 = lists(&[0x15, 0x24, 0x27]).set(93, &[0, 7]);
    assert_eq!(given(&menu(vec![kernel]), &x64), script, "under UEFI a kernel is an EFI program");
    assert_eq!(
        discover(&plan(), &lists(&[0x15]).set(93, &[0, 7])).client.unwrap().to_string(),
        "iPXE without menu on x64 UEFI"
    );

    let profile_script = "tftp://192.0.2.10/machine/boot.ipxe";
    assert_eq!(given(&booting(linux("debian/linux")), &lists(&[0x15, 0x18])), profile_script, "it shows no menu");
    assert_eq!(given(&booting(linux("debian/linux")), &lists(&[0x15, 0x27])), "undionly.kpxe");
    assert_eq!(given(&booting(linux("http://192.0.2.7/linux")), &lists(&[0x15, 0x18])), "undionly.kpxe");
    assert_eq!(given(&booting(BootTarget::Script("own.ipxe".into())), &virtualbox()), profile_script, "the operator's own");
    assert_eq!(given(&booting(BootTarget::LocalDisk), &virtualbox()), profile_script);
    let own = Plan { menu: BootDirMenu { has_boot_script: true, ..BootDirMenu::default() }, ..plan() };
    assert_eq!(given(&own, &virtualbox()), script);
    let bare = Packet::discover().set(77, b"iPXE").set(93, &[0, 0]);
    assert_eq!(given(&plan(), &bare), script, "it lists nothing at all");
    assert_eq!(given(&plan(), &bare.clone().set(175, &[0xeb, 3, 1, 21, 1])), script, "nor does it here");
}

#[test]
fn only_an_ipxe_takes_the_place_of_an_ipxe() {
    let grub = Loader { name: "core.0".into(), path: Some("/x".into()) };
    let plan = Plan { loaders: [(Arch::BIOS, grub)].into(), ..plan() };
    assert_eq!(given(&plan, &virtualbox()), "tftp://192.0.2.10/boot.ipxe");
    assert_eq!(given(&plan, &packet([2, 0, 0, 0, 0, 1], P05)), "core.0");
}

#[test]
fn an_ipxe_is_offered_no_url_that_it_cannot_load() {
    for url in ["http://192.0.2.7/boot.php", "https://192.0.2.7/boot.php"] {
        for plan in [booting(BootTarget::Script(url.into())), Plan { ipxe: IpxeTarget::Configured(url.into()), ..plan() }] {
            assert_eq!(given(&plan, &virtualbox()), "undionly.kpxe", "ours can");
            assert_eq!(given(&Plan { tftp: None, ..plan.clone() }, &virtualbox()), "nothing:ipxe-lacks");
            let unlisted = Packet::discover().set(77, b"iPXE");
            assert_eq!(given(&Plan { tftp: None, ..plan }, &unlisted), url, "it does not say what it can");
        }
    }
    let no_tftp = Plan { tftp: None, ..plan() };
    assert_eq!(given(&no_tftp, &virtualbox()), "nothing:ipxe-lacks");
    let reason = match discover(&no_tftp, &virtualbox()).verdict {
        Verdict::Silent(silence) => silence.to_string(),
        Verdict::Respond(response) => panic!("{response:?}"),
    };
    assert!(reason.starts_with("its iPXE does not list http, which it needs"), "{reason}");
}

// Raspberry Pi

#[test]
fn a_raspberry_pi_is_told_by_any_one_of_its_signs() {
    let nobody = [2, 0, 0, 0, 0, 1];
    let new_maker = [0x88, 0xa2, 0x9e, 0, 0, 1];
    assert_eq!(given(&plan(), &packet(new_maker, P07)), "raspberry-pi");
    assert_eq!(given(&plan(), &packet(nobody, P07)), "raspberry-pi", "by the word that stands there four times");
    let silent = |chaddr| packet(chaddr, P07).without(97);
    assert_eq!(given(&plan(), &silent(new_maker)), "raspberry-pi", "by its maker's address");
    assert_eq!(given(&plan(), &silent(nobody)), "undionly.kpxe", "by nothing");
    let id = |word: &[u8]| silent(nobody).set(97, &[&[0], word].concat());
    assert_eq!(given(&plan(), &id(b"RPi5\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01")), "raspberry-pi");
    assert_eq!(given(&plan(), &id(b"RPi6\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01")), "raspberry-pi", "the next one");
    assert_eq!(given(&plan(), &id(&[0x44; 16])), "raspberry-pi", "the Pi 3");
    for filler in [0, 0xff, 0x20] {
        assert_eq!(given(&plan(), &id(&[filler; 16])), "undionly.kpxe", "a board without a UUID");
    }
    assert_eq!(
        given(&plan(), &packet(nobody, P07).set(60, b"PXEClient")),
        "undionly.kpxe",
        "the word alone is no sign"
    );
    let code_41 = silent(nobody).set(93, &[0, 41]).set(60, b"PXEClient:Arch:00041:UNDI:002001");
    assert_eq!(given(&plan(), &code_41), "raspberry-pi");
}

#[test]
fn a_uefi_is_no_raspberry_pi_whatever_its_uuid_and_address() {
    let x1 = packet([2, 0, 0, 0, 0, 1], X1);
    assert_eq!(given(&plan(), &x1), "ipxe-arm64.efi");
    let x64 = Packet::discover().set(97, &[&[0][..], &[0x44; 16]].concat());
    assert_eq!(given(&plan(), &x64), "ipxe.efi");
    // EDK2 on a Pi 4, whose option 93 was lost on the way (garybowers/bootimus#118).
    let p10 = packet([0xdc, 0xa6, 0x32, 0, 0, 1], X1).without(97).without(93);
    assert_eq!(given(&plan(), &p10), "ipxe-arm64.efi");
}

#[test]
fn a_rule_can_say_that_a_machine_is_a_raspberry_pi() {
    let rule = Rule { as_raspberry_pi: true, when: Conditions::default(), ..Rule::default() };
    let declared = Plan { rules: vec![rule], ..plan() };
    let module = packet([2, 0, 0, 0, 0, 1], P07).without(97);
    assert_eq!((given(&plan(), &module), given(&declared, &module)), ("undionly.kpxe".into(), "raspberry-pi".into()));
    assert_eq!(given(&declared, &packet([2, 0, 0, 0, 0, 1], X1)), "ipxe-arm64.efi", "its UEFI is a UEFI");
    assert_eq!(given(&declared, &ours()), "http://192.0.2.10:8080/boot.ipxe", "and an iPXE an iPXE");
    let without_files = Plan { raspberry_pi: false, ..declared };
    assert_eq!(given(&without_files, &module), "nothing:raspberry-pi");
}

// Loaders by URL

#[test]
fn a_url_is_never_offered_to_a_pxe_firmware_which_is_given_our_ipxe_to_go_there() {
    let by_url = |arch, url: &str, boots| {
        let mut plan = booting(boots);
        plan.profiles[0].loaders = [(arch, Loader { name: url.into(), path: None })].into();
        plan
    };
    let bios = packet([2, 0, 0, 0, 0, 1], P07).without(97);
    for (arch, firmware, ours) in [(Arch::BIOS, bios, "undionly.kpxe"), (Arch::X64, Packet::discover(), "ipxe.efi")] {
        for url in ["http://192.0.2.5/x", "https://192.0.2.5/x", "tftp://boot.example/x", "tftp://[2001:db8::5]/x"] {
            let plan = by_url(arch, url, BootTarget::Loader);
            assert_eq!(given(&plan, &firmware), ours, "{url}");
            let code = arch.0.to_be_bytes();
            let ipxe = virtualbox().set(93, &code).set(175, &[0x13, 1, 1, 0x14, 1, 1, 0x15, 1, 1]);
            assert_eq!(given(&plan, &ipxe), url, "which goes on to it");
            let alone = Plan { loaders: [].into(), ..plan };
            assert_eq!(given(&alone, &firmware), "nothing:loader-url", "{url}");
            assert_eq!(given(&Plan { tftp: None, ..by_url(arch, url, BootTarget::Loader) }, &firmware), "nothing:no-tftp");
        }
        let with_script = by_url(arch, "http://192.0.2.5/x", linux("debian/linux"));
        assert_eq!(given(&with_script, &firmware), ours, "it is an iPXE that was to be loaded");
    }
    let p08 = by_url(Arch::BIOS, "tftp://192.0.2.5/x", BootTarget::Loader);
    assert_eq!(given(&p08, &Packet::discover().set(93, &[0, 0])), "x", "a TFTP server that it can reach");
}

// Others

#[test]
fn a_u_boot_that_calls_itself_a_pxe_client_is_told_its_file_at_once() {
    let class = |digits: &str| format!("PXEClient:Arch:{digits}:UNDI:003000");
    let loader = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let mut plan = Plan { tftp: Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))), ..plan() };
    plan.loaders.insert(Arch(27), loader("ipxe-riscv64.efi"));
    // bootmeth_efi writes the digits in hexadecimal (siderolabs/booter#12).
    for (code, digits, file) in [(11u8, "0000b", "ipxe-arm64.efi"), (27, "0001b", "ipxe-riscv64.efi")] {
        let p11 = Packet::discover().set(93, &[0, code]).set(94, &[1, 0, 0]).set(60, class(digits).as_bytes());
        for packet in [p11.clone(), p11.without(93)] {
            let Verdict::Respond(response) = discover(&plan, &packet).verdict else { panic!("silent") };
            assert_eq!((response.boot.file.as_str(), response.shape), (file, ShapeName::Direct), "it never comes to 4011");
            assert_eq!(response.boot.server.to_string(), "192.0.2.99");
        }
    }
}

#[test]
fn an_infiniband_card_is_known_by_the_six_octets_that_it_says() {
    // Mellanox FlexBoot (warewulf/warewulf3#104).
    let mut p13 = packet([0x0c, 0x42, 0xa1, 0, 0, 1], P07).without(97).set(61, b"\xff\0\0\0\0\0\x02\0\0\x02\xc9\0");
    p13.header.htype = 32;
    assert_eq!(given(&plan(), &p13), "undionly.kpxe");
}

#[test]
fn an_infiniband_host_without_a_hardware_address_is_named_and_is_nobodys_twin() {
    let mut host = packet([0; 6], P07).without(97).set(61, b"\xff\0\0\0\0\0\x02\0\0\x02\xc9\0");
    (host.header.htype, host.header.hlen) = (32, 0);
    assert_eq!(given(&plan(), &host), "not-ours:no-hardware-address");
    // Its own system asks without a class, and for an address.
    assert_eq!(given(&plan(), &host.clone().without(60)), "not-ours:no-vendor-class");
    let mut memory = Observations::new(1);
    let request = host.clone().set(53, &[3]).set(50, &[192, 0, 2, 50]);
    asks(&plan(), &mut memory, &request, 0);
    assert_eq!(memory.address_owner(Ipv4Addr::new(192, 0, 2, 50)), None);
    host.header.htype = 1;
    assert_eq!(given(&plan(), &host), "malformed");
}

#[test]
fn bootp_with_nothing_but_a_cookie_is_no_boot_client() {
    // A Lenze controller (eblot/pybootd#16).
    assert_eq!(given(&plan(), &packet([0, 0x0a, 0x86, 0, 0, 1], "")), "not-ours:bootp");
}
