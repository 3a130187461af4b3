//! Tests firmware from bug reports of other projects: the packets of each report, and the reply to each packet.

mod common;

use common::{Packet, ask, ask_again, mac, machine_at, plan};
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{BootDirEntry, BootDirMenu, EntryTarget, Loader, TftpServer};
use proxydhcpd_core::plan::policy::{IpxeTarget, LoopGuard};
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_core::shape::ShapeName;
use std::net::Ipv4Addr;

/// The options of gPXE 0.9 in the ROM of a DL580 G7 (poseidon/matchbox#652).
const GPXE: &str = "3501013c09505845436c69656e744d0467505845";
/// The options of VirtualBox's iPXE, which has TFTP and PXE, but no menu, no kernels and no HTTP (ltsp/ltsp#579).
const VIRTUALBOX_IPXE: &str = "3501013c09505845436c69656e744d0469505845af06150101210101";
/// The options of a Raspberry Pi 4. Its option 97 is its serial number, repeated four times
/// (raspberrypi/documentation#1460).
const PI_WITH_SERIAL: &str = "3501015d0200006111001a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d3c20505845436c69656e743a417263683a30303030\
                   303a554e44493a303032303031";
/// The options of an ARM 64 UEFI whose UUID begins like that of a Raspberry Pi, because BlueField's EDK2 is derived
/// from the Pi's.
const BLUEFIELD: &str = "3501015d02000b6111005250693400000000000000000000000\
                  13c20505845436c69656e743a417263683a30303031313a554e44493a303033303030";

/// Returns a packet with these options, from this MAC address.
fn packet(chaddr: [u8; 6], options: &str) -> Packet {
    let octets = hex::decode(options).unwrap();
    let (mut packet, mut rest) = (Packet { options: Vec::new(), ..Packet::discover() }, &octets[..]);
    packet.header.chaddr = mac(chaddr);
    while let [code, length, tail @ ..] = rest {
        let (value, tail) = tail.split_at(usize::from(*length));
        packet.options.push((*code, value.to_vec()));
        rest = tail;
    }
    packet
}

fn discover(plan: &Plan, packet: &Packet) -> Answer {
    ask(plan, &packet.octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255").0
}

/// Returns the file of the reply, the shape of a reply without a file, or the label of the silence.
fn outcome(answer: Answer) -> String {
    match answer.reply {
        Ok(response) if response.boot.file.is_empty() => response.shape.to_string(),
        Ok(response) => response.boot.file.to_string(),
        Err(silence) => silence.label().to_owned(),
    }
}

fn offered(plan: &Plan, packet: &Packet) -> String {
    outcome(discover(plan, packet))
}

fn discover_at(plan: &Plan, observations: &mut Observations, packet: &Packet, second: u64) -> String {
    let octets = packet.octets();
    outcome(ask_again(plan, observations, &octets, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", second * 1000).0)
}

fn virtualbox() -> Packet {
    packet([8, 0, 0x27, 0, 0, 1], VIRTUALBOX_IPXE)
}

/// Returns the DISCOVER of our iPXE on the machine of `virtualbox`.
fn our_ipxe() -> Packet {
    virtualbox().set(175, &[0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1])
}

/// Requests an address as the machine of `virtualbox`, and downloads the machine's loader completely. Returns whether
/// the server found a boot loop.
fn downloads_loader(observations: &mut Observations, second: u64) -> bool {
    let request = virtualbox().set(53, &[3]).set(50, &[192, 0, 2, 50]);
    discover_at(&plan(), observations, &request, second);
    let machine = machine_at(observations, Ipv4Addr::new(192, 0, 2, 50));
    observations.note_loader(&machine, "undionly.kpxe", second * 1000).is_some()
}

fn booting(boots: BootTarget) -> Plan {
    let profile = Profile { name: "x".into(), boots, ..Profile::default() };
    plan().with_policy(|policy| {
        policy.profiles = vec![profile].into();
        policy.default_profile = Some("x".into());
    })
}

fn linux(kernel: &str) -> BootTarget {
    BootTarget::Linux(Linux { kernel: kernel.into(), ..Linux::default() })
}

// iPXE by its features

#[test]
fn gpxe_receives_a_loader_because_it_cannot_run_an_ipxe_script() {
    let gpxe = packet([2, 0, 0, 0, 0, 1], GPXE);
    assert_eq!(offered(&plan(), &gpxe), "undionly.kpxe");
    assert_eq!(discover(&plan(), &gpxe).client.unwrap().to_string(), "gPXE on x86 BIOS");
    let with_features = gpxe.clone().set(175, &[0xeb, 3, 1, 0, 1, 0x13, 1, 1, 0x15, 1, 1]);
    assert_eq!(offered(&plan(), &with_features), "undionly.kpxe", "it lists its features as iPXE does");
    assert_eq!(offered(&plan(), &with_features.set(77, b"\x04gPXE")), "undionly.kpxe");
    let with_user_class = plan().with_policy(|policy| policy.user_classes = vec!["gPXE".into()]);
    assert_eq!(
        offered(&with_user_class, &packet([2, 0, 0, 0, 0, 1], GPXE)),
        "tftp://192.0.2.10/boot.ipxe",
        "the operator's user class"
    );
}

#[test]
fn an_ipxe_without_the_features_of_our_script_receives_our_loader_once_and_then_the_script() {
    let (plan, mut observations) = (plan(), Observations::new(1));
    assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), 0), "undionly.kpxe");
    assert_eq!(
        discover_at(&plan, &mut observations, &virtualbox(), 3),
        "undionly.kpxe",
        "the same program sends another request"
    );
    assert!(!downloads_loader(&mut observations, 5));
    assert_eq!(
        discover_at(&plan, &mut observations, &virtualbox(), 10),
        "tftp://192.0.2.10/boot.ipxe",
        "it came back unchanged"
    );
    assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), 200), "undionly.kpxe", "another boot");
}

#[test]
fn a_machines_ipxe_is_replaced_at_its_next_boot_as_well() {
    let (plan, mut observations) = (plan(), Observations::new(1));
    for second in [0, 60] {
        assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), second), "undionly.kpxe");
        assert_eq!(
            discover_at(&plan, &mut observations, &virtualbox(), second + 1),
            "undionly.kpxe",
            "its server is slow"
        );
        downloads_loader(&mut observations, second + 5);
        assert_eq!(discover_at(&plan, &mut observations, &our_ipxe(), second + 20), "http://192.0.2.10:8080/boot.ipxe");
    }
}

#[test]
fn an_ipxe_that_comes_back_unchanged_is_no_boot_loop() {
    let plan = plan().with_policy(|policy| policy.loop_guard = LoopGuard::Stop);
    let mut observations = Observations::new(1);
    let mut found_loop = false;
    // The machine's ROM starts again each time: it boots every 30 seconds for ten minutes.
    for second in (0..600).step_by(30) {
        match discover_at(&plan, &mut observations, &virtualbox(), second).as_str() {
            "undionly.kpxe" => found_loop |= downloads_loader(&mut observations, second + 2),
            script => assert_eq!(script, "tftp://192.0.2.10/boot.ipxe"),
        }
    }
    assert!(!found_loop);
}

#[test]
fn an_ipxe_receives_our_loader_from_another_tftp_server_at_most_once() {
    let plan = plan().with_offer(|offer| offer.tftp = Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))));
    let mut observations = Observations::new(1);
    assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), 0), "undionly.kpxe");
    assert_eq!(discover_at(&plan, &mut observations, &our_ipxe(), 10), "http://192.0.2.10:8080/boot.ipxe");
    assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), 20), "undionly.kpxe");
    // VirtualBox's iPXE cannot download our script, which the server sends only over HTTP.
    assert_eq!(discover_at(&plan, &mut observations, &virtualbox(), 60), "nothing:ipxe-lacks");
}

#[test]
fn an_ipxe_requires_the_features_of_its_script() {
    let menu = |entries| plan().with_offer(|offer| offer.menu = BootDirMenu { entries, ..BootDirMenu::default() });
    let starts = EntryTarget::Linux {
        kernel: "debian/linux".into(),
        initrds: Vec::new(),
        arguments: String::new(),
        arch: Arch::X64,
    };
    let kernel = BootDirEntry { title: String::new(), target: starts, problem: None };
    let ipxe_with = |features: &[u8]| {
        let list: Vec<u8> = features.iter().flat_map(|code| [*code, 1, 1]).collect();
        virtualbox().set(175, &list)
    };
    let script = "tftp://192.0.2.10/boot.ipxe";
    assert_eq!(offered(&menu(vec![]), &ipxe_with(&[0x15, 0x27])), script, "an empty menu starts no kernel");
    assert_eq!(offered(&menu(vec![kernel.clone()]), &ipxe_with(&[0x15, 0x27])), "undionly.kpxe");
    assert_eq!(offered(&menu(vec![kernel.clone()]), &ipxe_with(&[0x15, 0x18, 0x27])), script);
    let x64 = ipxe_with(&[0x15, 0x24, 0x27]).set(93, &[0, 7]);
    assert_eq!(offered(&menu(vec![kernel]), &x64), script, "under UEFI a kernel is an EFI program");
    assert_eq!(
        discover(&plan(), &ipxe_with(&[0x15]).set(93, &[0, 7])).client.unwrap().to_string(),
        "iPXE without menu on x64 UEFI"
    );

    let profile_script = "tftp://192.0.2.10/machine/boot.ipxe";
    assert_eq!(offered(&booting(linux("debian/linux")), &ipxe_with(&[0x15, 0x18])), profile_script, "it shows no menu");
    assert_eq!(offered(&booting(linux("debian/linux")), &ipxe_with(&[0x15, 0x27])), "undionly.kpxe");
    assert_eq!(offered(&booting(linux("http://192.0.2.7/linux")), &ipxe_with(&[0x15, 0x18])), "undionly.kpxe");
    assert_eq!(
        offered(&booting(BootTarget::Script("own.ipxe".into())), &virtualbox()),
        profile_script,
        "the operator's script"
    );
    assert_eq!(offered(&booting(BootTarget::LocalDisk), &virtualbox()), profile_script);
    let own = plan().with_offer(|offer| offer.menu = BootDirMenu { has_boot_script: true, ..BootDirMenu::default() });
    assert_eq!(offered(&own, &virtualbox()), script);
    let bare = Packet::discover().set(77, b"iPXE").set(93, &[0, 0]);
    assert_eq!(offered(&plan(), &bare), script, "it sends no list");
    assert_eq!(offered(&plan(), &bare.clone().set(175, &[0xeb, 3, 1, 21, 1])), script, "nor a feature here");
}

#[test]
fn only_an_ipxe_replaces_an_ipxe() {
    let grub = Loader { name: "core.0".into(), path: Some("/x".into()) };
    let plan = plan().with_offer(|offer| offer.loaders = [(Arch::BIOS, grub)].into());
    assert_eq!(offered(&plan, &virtualbox()), "tftp://192.0.2.10/boot.ipxe");
    assert_eq!(offered(&plan, &packet([2, 0, 0, 0, 0, 1], GPXE)), "core.0");
}

#[test]
fn an_ipxe_is_offered_no_url_that_it_cannot_download() {
    let (plain, own_script) = ("http://192.0.2.7/boot.php", "http://192.0.2.10:8080/machine/boot.ipxe");
    for (url, own_script) in [(plain, plain), ("https://192.0.2.7/boot.php", own_script)] {
        for (plan, unknown) in [
            (booting(BootTarget::Script(url.into())), own_script),
            (plan().with_policy(|policy| policy.ipxe = IpxeTarget::Configured(url.into())), url),
        ] {
            assert_eq!(offered(&plan, &virtualbox()), "undionly.kpxe", "our iPXE can");
            assert_eq!(
                offered(&plan.clone().with_offer(|offer| offer.tftp = None), &virtualbox()),
                "nothing:ipxe-lacks"
            );
            let unlisted = Packet::discover().set(77, b"iPXE");
            assert_eq!(
                offered(&plan.with_offer(|offer| offer.tftp = None), &unlisted),
                unknown,
                "its features are unknown"
            );
        }
    }
    let no_tftp = plan().with_offer(|offer| offer.tftp = None);
    assert_eq!(offered(&no_tftp, &virtualbox()), "nothing:ipxe-lacks");
    let reason = match discover(&no_tftp, &virtualbox()).reply {
        Err(silence) => silence.to_string(),
        Ok(response) => panic!("{response:?}"),
    };
    assert!(reason.starts_with("its iPXE does not list http, which it needs"), "{reason}");
}

// Raspberry Pi

#[test]
fn a_raspberry_pi_is_recognised_by_any_one_of_its_signs() {
    let unknown_maker = [2, 0, 0, 0, 0, 1];
    let new_maker = [0x88, 0xa2, 0x9e, 0, 0, 1];
    assert_eq!(offered(&plan(), &packet(new_maker, PI_WITH_SERIAL)), "raspberry-pi");
    assert_eq!(
        offered(&plan(), &packet(unknown_maker, PI_WITH_SERIAL)),
        "raspberry-pi",
        "by the four octets that occur four times"
    );
    let without_id = |chaddr| packet(chaddr, PI_WITH_SERIAL).without(97);
    assert_eq!(offered(&plan(), &without_id(new_maker)), "raspberry-pi", "by its maker's MAC prefix");
    assert_eq!(offered(&plan(), &without_id(unknown_maker)), "undionly.kpxe", "no sign");
    let with_id = |with_user_class: &[u8]| without_id(unknown_maker).set(97, &[&[0], with_user_class].concat());
    assert_eq!(offered(&plan(), &with_id(b"RPi5\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01")), "raspberry-pi");
    assert_eq!(
        offered(&plan(), &with_id(b"RPi6\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01")),
        "raspberry-pi",
        "the next model"
    );
    assert_eq!(offered(&plan(), &with_id(&[0x44; 16])), "raspberry-pi", "the Pi 3");
    for filler in [0, 0xff, 0x20] {
        assert_eq!(offered(&plan(), &with_id(&[filler; 16])), "undionly.kpxe", "a board without a UUID");
    }
    assert_eq!(
        offered(&plan(), &packet(unknown_maker, PI_WITH_SERIAL).set(60, b"PXEClient")),
        "undionly.kpxe",
        "the repeated octets alone are no sign"
    );
    let code_41 = without_id(unknown_maker).set(93, &[0, 41]).set(60, b"PXEClient:Arch:00041:UNDI:002001");
    assert_eq!(offered(&plan(), &code_41), "raspberry-pi");
}

#[test]
fn a_uefi_is_no_raspberry_pi_whatever_its_uuid_and_mac() {
    let x1 = packet([2, 0, 0, 0, 0, 1], BLUEFIELD);
    assert_eq!(offered(&plan(), &x1), "ipxe-arm64.efi");
    let x64 = Packet::discover().set(97, &[&[0][..], &[0x44; 16]].concat());
    assert_eq!(offered(&plan(), &x64), "ipxe.efi");
    // EDK2 on a Raspberry Pi 4. The packet has lost its option 93 on the way (garybowers/bootimus#118).
    let p10 = packet([0xdc, 0xa6, 0x32, 0, 0, 1], BLUEFIELD).without(97).without(93);
    assert_eq!(offered(&plan(), &p10), "ipxe-arm64.efi");
}

#[test]
fn a_rule_can_declare_a_machine_a_raspberry_pi() {
    let rule = Rule { as_dialect: Dialect::from_id("raspberry-pi"), when: Conditions::default(), ..Rule::default() };
    let declared = plan().with_policy(|policy| policy.rules = vec![rule]);
    let module = packet([2, 0, 0, 0, 0, 1], PI_WITH_SERIAL).without(97);
    assert_eq!(
        (offered(&plan(), &module), offered(&declared, &module)),
        ("undionly.kpxe".into(), "raspberry-pi".into())
    );
    assert_eq!(
        offered(&declared, &packet([2, 0, 0, 0, 0, 1], BLUEFIELD)),
        "ipxe-arm64.efi",
        "its UEFI is a UEFI machine"
    );
    assert_eq!(offered(&declared, &our_ipxe()), "http://192.0.2.10:8080/boot.ipxe", "its iPXE is an iPXE");
    let without_files = declared.with_offer(|offer| offer.dialects.clear());
    assert_eq!(offered(&without_files, &module), "nothing:raspberry-pi");
}

// Loaders by URL

#[test]
fn a_pxe_firmware_receives_our_ipxe_instead_of_a_url() {
    let by_url = |arch, url: &str, boots| {
        let plan = booting(boots);
        let mut profiles = plan.policy.profiles.to_vec();
        profiles[0].loaders = [(arch, Loader { name: url.into(), path: None })].into();
        plan.with_policy(|policy| policy.profiles = profiles.into())
    };
    let bios = packet([2, 0, 0, 0, 0, 1], PI_WITH_SERIAL).without(97);
    for (arch, firmware, our_ipxe) in [(Arch::BIOS, bios, "undionly.kpxe"), (Arch::X64, Packet::discover(), "ipxe.efi")]
    {
        for url in ["http://192.0.2.5/x", "https://192.0.2.5/x", "tftp://boot.example/x", "tftp://[2001:db8::5]/x"] {
            let plan = by_url(arch, url, BootTarget::Loader);
            assert_eq!(offered(&plan, &firmware), our_ipxe, "{url}");
            let code = arch.0.to_be_bytes();
            let ipxe = virtualbox().set(93, &code).set(175, &[0x13, 1, 1, 0x14, 1, 1, 0x15, 1, 1]);
            assert_eq!(offered(&plan, &ipxe), url, "our iPXE continues with the URL");
            let alone = plan.with_offer(|offer| offer.loaders = [].into());
            assert_eq!(offered(&alone, &firmware), "nothing:loader-url", "{url}");
            assert_eq!(
                offered(&by_url(arch, url, BootTarget::Loader).with_offer(|offer| offer.tftp = None), &firmware),
                "nothing:no-tftp"
            );
        }
        let with_script = by_url(arch, "http://192.0.2.5/x", linux("debian/linux"));
        assert_eq!(offered(&with_script, &firmware), our_ipxe, "the profile's loader was to be an iPXE");
    }
    let p08 = by_url(Arch::BIOS, "tftp://192.0.2.5/x", BootTarget::Loader);
    assert_eq!(offered(&p08, &Packet::discover().set(93, &[0, 0])), "x", "a TFTP server that it can reach");
}

// Other firmware

#[test]
fn a_u_boot_with_the_class_pxeclient_receives_its_file_at_once() {
    let class = |digits: &str| format!("PXEClient:Arch:{digits}:UNDI:003000");
    let loader = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let mut plan = plan().with_offer(|offer| offer.tftp = Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))));
    plan.offer_mut().loaders.insert(Arch(27), loader("ipxe-riscv64.efi"));
    // bootmeth_efi writes the digits of the architecture in hexadecimal (siderolabs/booter#12).
    for (code, digits, file) in [(11u8, "0000b", "ipxe-arm64.efi"), (27, "0001b", "ipxe-riscv64.efi")] {
        let p11 = Packet::discover().set(93, &[0, code]).set(94, &[1, 0, 0]).set(60, class(digits).as_bytes());
        for packet in [p11.clone(), p11.without(93)] {
            let Ok(response) = discover(&plan, &packet).reply else { panic!("silent") };
            assert_eq!(
                (response.boot.file.as_str(), response.shape),
                (file, ShapeName::Direct),
                "it never contacts 4011"
            );
            assert_eq!(response.boot.server.to_string(), "192.0.2.99");
        }
    }
}

#[test]
fn an_infiniband_card_is_identified_by_the_six_octets_that_it_sends() {
    // The packet of a Mellanox FlexBoot (warewulf/warewulf3#104).
    let mut p13 =
        packet([0x0c, 0x42, 0xa1, 0, 0, 1], PI_WITH_SERIAL).without(97).set(61, b"\xff\0\0\0\0\0\x02\0\0\x02\xc9\0");
    p13.header.htype = 32;
    assert_eq!(offered(&plan(), &p13), "undionly.kpxe");
}

#[test]
fn infiniband_hosts_without_a_hardware_address_are_ignored_and_not_one_machine() {
    let mut host = packet([0; 6], PI_WITH_SERIAL).without(97).set(61, b"\xff\0\0\0\0\0\x02\0\0\x02\xc9\0");
    (host.header.htype, host.header.hlen) = (32, 0);
    assert_eq!(offered(&plan(), &host), "ignored:no-hardware-address");
    // The operating system of the host requests an address, without a vendor class.
    assert_eq!(offered(&plan(), &host.clone().without(60)), "ignored:no-vendor-class");
    let mut observations = Observations::new(1);
    let request = host.clone().set(53, &[3]).set(50, &[192, 0, 2, 50]);
    discover_at(&plan(), &mut observations, &request, 0);
    assert_eq!(observations.address_owner(Ipv4Addr::new(192, 0, 2, 50)), None);
    host.header.htype = 1;
    assert_eq!(offered(&plan(), &host), "malformed");
}

#[test]
fn bootp_with_only_a_cookie_is_no_boot_client() {
    // The packet of a Lenze controller (eblot/pybootd#16).
    assert_eq!(offered(&plan(), &packet([0, 0x0a, 0x86, 0, 0, 1], "")), "ignored:bootp");
}
