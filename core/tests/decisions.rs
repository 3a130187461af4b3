//! Tests profiles, rules and machines. Each case has a plan, a packet, one call and the expected file.

mod common;

use common::{Packet, ask, ask_again, mac, machine_at, plan};
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::decide::DecidedBy;
use proxydhcpd_core::fetch::{Fetch, Refusal, fetch};
use proxydhcpd_core::file_ticket::CompletedMachine;
use proxydhcpd_core::observations::{LoopCause, Observations};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, Inventory, Machine};
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::{LoopGuard, Policy};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Firmware, Rule};
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_core::shape::ShapeName;
use std::net::{Ipv4Addr, SocketAddr};

/// The address of the machine with the MAC address 02:00:00:00:01:07.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 107);
const DEBIAN: &str = "debian";
const GRUB: &str = "grub";
const DISK: &str = "disk";
const NOTHING: &str = "nothing";
const ASK: &str = "ask";
const IPXE: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];

fn site() -> Plan {
    let profile = |name: &str, boots| Profile { name: name.into(), title: name.into(), boots, ..Profile::default() };
    let linux =
        Linux { kernel: "debian/linux".into(), initrds: vec!["debian/initrd.gz".into()], arguments: String::new() };
    let grub = Loader { name: "grubx64.efi".into(), path: Some("/srv/boot/grubx64.efi".into()) };
    let item = |server_type, title: &str, profile: &str| FirmwareMenuItem {
        server_type,
        title: title.into(),
        target: ItemTarget::Profile(Some(profile.into())),
    };
    let menu = FirmwareMenu {
        prompt: "boot:".into(),
        timeout: 10,
        items: vec![item(0x8001, "Debian", DEBIAN), item(0x8002, "GRUB", GRUB), item(0x8003, "Disk", DISK)],
    };
    plan()
        .with_policy(|policy| {
            policy.profiles = vec![
                profile(DEBIAN, BootTarget::Linux(linux)),
                Profile { loaders: [(Arch::X64, grub)].into(), ..profile(GRUB, BootTarget::Loader) },
                profile(DISK, BootTarget::LocalDisk),
                profile(NOTHING, BootTarget::Nothing),
                profile(ASK, BootTarget::Menu(menu)),
            ]
            .into()
        })
        .with_offer(|offer| offer.local_disk = vec![Arch::X64])
}

fn with_rules(rules: Vec<Rule>) -> Plan {
    site().with_policy(|policy| policy.rules = rules)
}

fn machine(boot_mode: BootMode, profile: &str) -> Plan {
    let web1 =
        Machine { name: "web1", macs: &[[2, 0, 0, 0, 1, 7]], profile: Some(profile), boot_mode, ..Machine::default() };
    Plan { inventory: Inventory::new(&[web1], &[]), ..site() }
}

fn without_profile(boot_mode: BootMode) -> Plan {
    let web1 = Machine { name: "web1", macs: &[[2, 0, 0, 0, 1, 7]], boot_mode, ..Machine::default() };
    Plan { inventory: Inventory::new(&[web1], &[]), ..site() }
}

fn discover(plan: &Plan, packet: &Packet) -> (Answer, Vec<u8>) {
    let (answer, sent) = ask(plan, &packet.octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255");
    (answer, sent.into_iter().next().map(|(octets, _)| octets).unwrap_or_default())
}

/// Returns the offered file, or the label of the silence.
fn offered(plan: &Plan, packet: &Packet) -> String {
    outcome(discover(plan, packet).0)
}

fn outcome(answer: Answer) -> String {
    match answer.reply {
        Ok(response) => response.boot.file.to_string(),
        Err(silence) => silence.label().to_owned(),
    }
}

fn ipxe() -> Packet {
    Packet::discover().set(77, b"iPXE").set(175, IPXE)
}

/// Broadcasts a REQUEST of the machine to its DHCP server, so the server knows the owner of the address.
fn has_address(observations: &mut Observations) {
    let request = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).octets();
    ask_again(&plan(), observations, &request, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 0);
}

fn bios() -> Packet {
    Packet::discover().set(93, &[0, 0]).set(60, b"PXEClient:Arch:00000:UNDI:002001")
}

#[test]
fn the_first_rule_that_matches_decides() {
    let class = Conditions { vendor_classes: vec![Glob("PXEClient:Arch:00007*".into())], ..Conditions::default() };
    let rules = vec![
        Rule { when: Conditions { archs: vec![Arch::BIOS], ..Conditions::default() }, deny: true, ..Rule::default() },
        Rule { when: class, profile: Some(GRUB.into()), ..Rule::default() },
        Rule { profile: Some(NOTHING.into()), ..Rule::default() },
    ];
    let plan = with_rules(rules);
    assert_eq!(offered(&plan, &bios()), "nothing:denied");
    assert_eq!(offered(&plan, &Packet::discover()), "grubx64.efi");
    assert_eq!(offered(&plan, &Packet::discover().set(93, &[0, 11]).set(60, b"PXEClient")), "nothing:profile");
    // The name of the script contains the rule, because only this packet shows that the rule matches.
    let relayed = Rule {
        when: Conditions { user_classes: vec![Glob("iPXE".into())], ..Conditions::default() },
        ..Rule::default()
    };
    let plan = with_rules(vec![Rule { profile: Some(DEBIAN.into()), ..relayed }]);
    assert_eq!(offered(&plan, &ipxe()), "http://192.0.2.10:8080/machine/rule=0/boot.ipxe");
}

#[test]
fn an_entry_takes_precedence_over_a_rule_but_not_over_one_that_denies() {
    let any = |deny, profile| vec![Rule { deny, profile, ..Rule::default() }];
    let plan = machine(BootMode::Always, "grub").with_policy(|policy| policy.rules = any(false, Some(NOTHING.into())));
    assert_eq!(offered(&plan, &Packet::discover()), "grubx64.efi");
    assert_eq!(
        offered(&plan.with_policy(|policy| policy.rules = any(true, None)), &Packet::discover()),
        "nothing:denied"
    );
}

#[test]
fn machines_without_an_entry_may_have_a_separate_profile() {
    let plan = machine(BootMode::Always, "grub").with_policy(|policy| {
        policy.unknown_machine_profile = Some(NOTHING.into());
        policy.default_profile = Some(GRUB.into());
    });
    assert_eq!(offered(&plan, &Packet::discover()), "grubx64.efi");
    let mut other = Packet::discover();
    other.header.chaddr = mac([2, 0, 0, 0, 9, 9]);
    assert_eq!(offered(&plan, &other), "nothing:profile");
}

#[test]
fn a_machine_that_boots_its_disk_receives_the_program_that_starts_it() {
    for plan in
        [machine(BootMode::Never, "grub"), site().with_policy(|policy| policy.default_profile = Some(DISK.into()))]
    {
        assert_eq!(offered(&plan, &Packet::discover()), "local-disk/uefi-x64.efi");
        assert_eq!(offered(&plan, &ipxe()), "http://192.0.2.10:8080/machine/boot.ipxe");
        let http = Packet::discover().set(93, &[0, 16]).set(60, b"HTTPClient");
        assert_eq!(offered(&plan, &http), "http://192.0.2.10:8080/local-disk/uefi-x64.efi");
    }
    // A BIOS machine receives iPXE, which starts the disk at once. Without a reply, the machine would wait for a
    // minute.
    assert_eq!(
        offered(&site().with_policy(|policy| policy.default_profile = Some(DISK.into())), &bios()),
        "undionly.kpxe"
    );
}

/// The machine whose boot-once the complete fetch of the file completes.
fn completes(plan: &Plan, observations: &Observations, request: &FileRequest<'_>) -> Option<String> {
    fetch(plan, observations, request).ticket.completes.map(|machine| machine.name)
}

#[test]
fn a_machine_whose_profile_does_not_exist_boots_its_disk() {
    let plan = machine(BootMode::Always, "gone").with_policy(|policy| policy.default_profile = Some(DEBIAN.into()));
    let (answer, _) = discover(&plan, &Packet::discover());
    let decision = answer.decision.unwrap();
    assert_eq!((decision.decided_by, decision.profile(&plan)), (DecidedBy::UnknownProfile, None));
    assert_eq!((decision.target_name(&plan), decision.own_profile(&plan)), ("local-disk", None));
    assert_eq!(offered(&plan, &Packet::discover()), "local-disk/uefi-x64.efi");
    let changes: [fn(&mut Policy); 3] = [
        |policy| policy.default_profile = Some("gone".into()),
        |policy| policy.unknown_machine_profile = Some("gone".into()),
        |policy| policy.rules = vec![Rule { profile: Some("gone".into()), ..Rule::default() }],
    ];
    for change in changes {
        let plan = site().with_policy(change);
        let decision = discover(&plan, &Packet::discover()).0.decision.unwrap();
        assert_eq!((decision.decided_by, decision.profile(&plan)), (DecidedBy::UnknownProfile, None));
        assert_eq!(offered(&plan, &Packet::discover()), "local-disk/uefi-x64.efi");
    }
    let never = machine(BootMode::Never, "gone");
    let decision = discover(&never, &Packet::discover()).0.decision.unwrap();
    assert_eq!((decision.decided_by, decision.own_profile(&never)), (DecidedBy::Never, None));
}

#[test]
fn the_complete_fetch_of_the_kernel_completes_a_boot_once() {
    let plan = machine(BootMode::Once, "debian");
    let mut observations = Observations::new(1);
    let request = |name: &'static str| FileRequest {
        protocol: Protocol::Http(8080),
        name: name.as_bytes(),
        server: common::SERVER.into(),
        client: "192.0.2.107:1024".parse().unwrap(),
        interface: "eth0",
    };
    let script = request("machine/mac=02-00-00-00-01-07/uuid=/platform=efi/arch=x86_64/menu.ipxe");
    let Ok(Fetch::Linux(context)) = fetch(&plan, &observations, &script).answer else { panic!() };
    assert_eq!(context.base_url, "http://192.0.2.10:8080/machine/name=web1/");
    assert_eq!(context.decision.target_name(&plan), DEBIAN);

    for other in ["machine/name=web1/debian/initrd.gz", "debian/linux", "machine/name=web2/debian/linux"] {
        assert_eq!(completes(&plan, &observations, &request(other)), None, "{other}");
    }
    for done in ["machine/name=web1/debian/linux", "machine/name=web1/done"] {
        assert_eq!(completes(&plan, &observations, &request(done)).as_deref(), Some("web1"), "{done}");
    }
    let done = |observations: &Observations, name| match fetch(&plan, observations, &request(name)).answer {
        Ok(Fetch::Done(done)) => (done.machine, done.token, done.from_its_address),
        other => panic!("{other:?}"),
    };
    assert_eq!(done(&observations, "machine/name=web1/done"), ("web1".into(), None, false));
    assert_eq!(done(&observations, "machine/name=web1/token=1a/done"), ("web1".into(), Some("1a".into()), false));
    assert_eq!(
        fetch(&plan, &observations, &request("machine/name=web2/done")).answer,
        Err(Refusal::NotFound),
        "no machine has this name"
    );
    // The request of a booted GRUB names no machine, but the server knows the owner of the source address.
    has_address(&mut observations);
    assert_eq!(completes(&plan, &observations, &request("debian/linux")).as_deref(), Some("web1"));
    assert_eq!(done(&observations, "machine/name=web1/done"), ("web1".into(), None, true));

    assert_eq!(observations.boot_once.complete("web1", 0), Some(1));
    assert_eq!(completes(&plan, &observations, &request("machine/name=web1/debian/linux")), None);
    let Ok(Fetch::Text(text)) = fetch(&plan, &observations, &script).answer else { panic!() };
    assert!(text.contains("local-disk/uefi-x64.efi"), "{text}");
    let asked = Packet::discover().octets();
    let (answer, _) = ask_again(&plan, &mut observations, &asked, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 0);
    assert_eq!(outcome(answer), "local-disk/uefi-x64.efi");
}

/// A reload that changes the entry before the transfer ends changes nothing: the ticket is a copy.
#[test]
fn the_ticket_of_a_request_has_the_machine_and_the_identities_of_its_entry() {
    let macs = [[2, 0, 0, 0, 1, 7], [2, 0, 0, 0, 1, 8]];
    let (uuid, serial) = (Some(*b"0123456789abcdef"), Some("S1"));
    let web1 = Machine {
        name: "web1",
        macs: &macs,
        uuid,
        serial,
        profile: Some("debian"),
        boot_mode: BootMode::Once,
        variables: "",
    };
    let plan = Plan { inventory: Inventory::new(&[web1], &[]), ..site() };
    let mut observations = Observations::new(1);
    has_address(&mut observations);
    let ticket = |name: &str| {
        let client = SocketAddr::from((ADDRESS, 1024));
        let (protocol, server) = (Protocol::Tftp, common::SERVER.into());
        let request = FileRequest { protocol, name: name.as_bytes(), server, client, interface: "eth0" };
        fetch(&plan, &observations, &request).ticket
    };
    let kernel = ticket("debian/linux");
    assert_eq!((kernel.entry.as_deref(), kernel.link.as_deref()), (Some("web1"), Some("eth0")));
    assert_eq!((kernel.profile.as_deref(), kernel.rule.as_deref()), (Some("debian"), None));
    assert_eq!(kernel.machine.hardware.unwrap().mac(), Some(macs[0]));
    assert!(!kernel.is_loader());
    let completed =
        CompletedMachine { name: "web1".into(), macs: macs.to_vec(), uuid, serial: Some("S1".into()), generation: 0 };
    assert_eq!(kernel.completes, Some(completed));

    let loader = ticket("ipxe.efi");
    assert!(loader.is_loader() && loader.completes.is_none() && loader.entry == kernel.entry, "{loader:?}");
    for refused in ["../linux", "", "a\u{1}b"] {
        let ticket = ticket(refused);
        assert!(
            (&ticket.machine, &ticket.link) == (&kernel.machine, &kernel.link) && ticket.completes.is_none(),
            "{refused:?}: {ticket:?}"
        );
    }
}

/// An entry may lack its last lines while its file is half written.
#[test]
fn a_machine_with_a_completed_boot_once_boots_its_disk_while_its_entry_has_no_boot_key() {
    let mut observations = Observations::new(1);
    observations.boot_once.complete("web1", 0);
    let boots = |plan: &Plan, observations: &mut Observations| {
        let asked = Packet::discover().octets();
        let (answer, _) = ask_again(plan, observations, &asked, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 0);
        let decided_by = answer.decision.unwrap().decided_by;
        let request = FileRequest {
            protocol: Protocol::Tftp,
            name: b"machine/mac=02-00-00-00-01-07/uuid=/platform=pcbios/arch=i386/menu.ipxe",
            server: common::SERVER.into(),
            client: "192.0.2.107:1024".parse().unwrap(),
            interface: "eth0",
        };
        let script = match fetch(plan, observations, &request).answer {
            Ok(Fetch::Text(script)) => script,
            other => format!("{other:?}"),
        };
        (outcome(answer), decided_by, script)
    };
    // If the entry also lacks its profile, the default profile does not apply.
    for plan in [
        machine(BootMode::Unspecified, "grub"),
        without_profile(BootMode::Unspecified).with_policy(|policy| policy.default_profile = Some(DEBIAN.into())),
    ] {
        let (file, decided_by, script) = boots(&plan, &mut observations);
        assert_eq!((&file[..], decided_by), ("local-disk/uefi-x64.efi", DecidedBy::CompletedUnspecified));
        assert!(script.contains("sanboot --no-describe --drive 0x80"), "{script}");
        assert!(
            script.contains("\necho web1 has completed its boot-once, and its entry sets no boot key.\n")
                && script.contains("\necho proxydhcpd rearm web1\n"),
            "{script}"
        );
    }
    let once = boots(&machine(BootMode::Once, "grub"), &mut observations);
    assert!(once.1 == DecidedBy::Completed && !once.2.contains("rearm"), "{once:?}");

    let unspecified = machine(BootMode::Unspecified, "grub");
    let others = boots(&unspecified, &mut Observations::new(1));
    assert_eq!((&others.0[..], others.1), ("grubx64.efi", DecidedBy::Machine), "without a completion");
    let mut unknown = Observations::new(1);
    unknown.boot_once.set_unknown(true);
    assert_eq!(boots(&unspecified, &mut unknown).0, "grubx64.efi", "most entries have no `boot` key");
    assert_eq!(
        boots(&machine(BootMode::Always, "grub"), &mut observations).0,
        "grubx64.efi",
        "its `boot` key has another value"
    );
}

#[test]
fn a_firmware_receives_the_menu_then_its_choice_then_its_script() {
    let plan = site().with_policy(|policy| policy.default_profile = Some(ASK.into()));
    let (answer, offer) = discover(&plan, &Packet::discover());
    assert!(matches!(answer.reply, Ok(response) if response.shape == ShapeName::Menu));
    let option = b"\x06\x01\x03\x08\x15\x80\x01\x01\xc0\0\x02\x0a\x80\x02\x01\xc0\0\x02\x0a\x80\x03\x01\xc0\0\x02\x0a\
                   \x09\x17\x80\x01\x06Debian\x80\x02\x04GRUB\x80\x03\x04Disk\x0a\x06\x0aboot:\xff";
    assert!(offer.windows(option.len()).any(|part| part == option), "{}", hex::encode(&offer));
    assert_eq!(offer[108], 0, "no file: the firmware would load it without the menu");

    let mut observations = Observations::new(1);
    let mut chosen = |server_type: [u8; 2], layer: [u8; 2], now| {
        let item = [71, 4, server_type[0], server_type[1], layer[0], layer[1], 255];
        let packet = Packet::request_4011().set(43, &item).octets();
        ask_again(&plan, &mut observations, &packet, Port::BootServer, "192.0.2.107:4011", "192.0.2.10", now)
    };
    assert_eq!(outcome(chosen([0x80, 2], [0, 0], 0).0), "grubx64.efi");
    assert_eq!(outcome(chosen([0x80, 9], [0, 0], 0).0), "nothing:boot-item");
    assert_eq!(outcome(chosen([0x80, 1], [0x80, 0], 0).0), "nothing:credentials");
    assert_eq!(outcome(chosen([0x80, 1], [0, 0], 0).0), "ipxe.efi");
    let asked = |observations: &mut Observations, now| {
        outcome(ask_again(&plan, observations, &ipxe().octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255", now).0)
    };
    assert_eq!(asked(&mut observations, 30_000), "http://192.0.2.10:8080/machine/item=32769/boot.ipxe");
    assert_eq!(asked(&mut observations, 300_000), "http://192.0.2.10:8080/machine/boot.ipxe", "another boot");
}

#[test]
fn a_bios_starts_its_disk_from_the_menu_without_a_server() {
    let plan = site().with_policy(|policy| policy.default_profile = Some(ASK.into()));
    let offer = discover(&plan, &bios()).1;
    let line = b"\0\0\x04Disk";
    assert!(offer.windows(line.len()).any(|part| part == line), "type 0 is the local disk");
    assert!(!offer.windows(4).any(|part| part == b"GRUB"), "no loader for BIOS in that profile");
}

#[test]
fn u_boot_receives_a_reply_only_if_a_rule_names_it() {
    let u_boot = Packet::discover().set(60, b"U-Boot.armv8").set(93, &[0, 22]);
    let named = Conditions { firmware: vec![Firmware::UBoot], ..Conditions::default() };
    let loader = Loader { name: "ipxe-arm64.efi".into(), path: Some("/x".into()) };
    let opted = with_rules(vec![Rule { when: named, ..Rule::default() }])
        .with_offer(|offer| offer.loaders = [(Arch(22), loader)].into());
    assert_eq!(offered(&site(), &u_boot), "ignored:other-vendor-class");
    assert_eq!(offered(&opted, &u_boot), "ipxe-arm64.efi");
    let elsewhere =
        Conditions { firmware: vec![Firmware::UBoot], interfaces: vec![Glob("eth9".into())], ..Conditions::default() };
    let opted = opted.with_policy(|policy| policy.rules = vec![Rule { when: elsewhere, ..Rule::default() }]);
    assert_eq!(offered(&opted, &u_boot), "ignored:other-vendor-class");
}

#[test]
fn an_ipxe_that_counts_as_firmware_receives_its_loader_once_and_then_its_script() {
    let rule = Rule { as_firmware: true, profile: Some(DEBIAN.into()), ..Rule::default() };
    let plan = with_rules(vec![rule]);
    let mut observations = Observations::new(1);
    let packet = bios().set(77, b"iPXE").set(175, IPXE).octets();
    let asked = |observations: &mut Observations, now| {
        outcome(ask_again(&plan, observations, &packet, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", now).0)
    };
    assert_eq!(asked(&mut observations, 0), "undionly.kpxe");
    assert_eq!(asked(&mut observations, 1000), "undionly.kpxe", "the same program repeats its request");
    has_address(&mut observations);
    observations.note_loader(&machine_at(&observations, ADDRESS), "undionly.kpxe", 2000);
    assert_eq!(asked(&mut observations, 5000), "http://192.0.2.10:8080/machine/boot.ipxe");
    assert_eq!(asked(&mut observations, 500_000), "undionly.kpxe", "the next boot");
}

#[test]
fn a_loader_counts_for_the_machine_that_requested_it_even_if_its_address_has_another_owner_by_then() {
    let (plan, mut observations) = (site(), Observations::new(1));
    has_address(&mut observations);
    let (protocol, client) = (Protocol::Tftp, SocketAddr::from((ADDRESS, 1024)));
    let request = FileRequest { protocol, name: b"ipxe.efi", server: common::SERVER.into(), client, interface: "eth0" };
    let ticket = fetch(&plan, &observations, &request).ticket;
    let mut other = Packet::discover();
    other.header.chaddr = mac([2, 0, 0, 0, 9, 9]);
    let receive = |observations: &mut Observations, packet: &Packet| {
        ask_again(&plan, observations, &packet.octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 1000).0.client
    };
    receive(&mut observations, &other.clone().set(53, &[3]).set(50, &ADDRESS.octets()));
    assert_ne!(machine_at(&observations, ADDRESS).key, ticket.machine.key, "the address has another owner now");
    observations.note_loader(&ticket.machine, "ipxe.efi", 2000);
    let loaded_at = [Packet::discover(), other].map(|packet| {
        let client = receive(&mut observations, &packet).unwrap();
        observations.loaded_at(&client, 3000)
    });
    assert_eq!(loaded_at, [Some(2000), None]);
}

#[test]
fn with_loop_guard_stop_the_server_ignores_a_machine_in_a_boot_loop_for_a_while() {
    for (guard, answer) in [(LoopGuard::Warn, "ipxe.efi"), (LoopGuard::Stop, "refused:boot-loop")] {
        let plan = plan().with_policy(|policy| policy.loop_guard = guard);
        let mut observations = Observations::new(1);
        has_address(&mut observations);
        let machine = machine_at(&observations, ADDRESS);
        assert_eq!(machine.hardware.and_then(|hardware| hardware.mac()), Some([2, 0, 0, 0, 1, 7]));
        let reported = (0..3).filter_map(|time| observations.note_loader(&machine, "ipxe.efi", time * 20_000));
        assert_eq!(reported.collect::<Vec<_>>(), [LoopCause::NoIpxe]);
        let asked = |observations: &mut Observations, now| {
            let discover = Packet::discover().octets();
            outcome(ask_again(&plan, observations, &discover, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", now).0)
        };
        assert_eq!(asked(&mut observations, 50_000), answer);
        assert_eq!(asked(&mut observations, 400_000), "ipxe.efi");
    }
}

#[test]
fn facts_from_the_firmware_are_known_when_the_booted_system_requests_a_template() {
    let templates = ["preseed.cfg".to_owned()].into();
    let plan = machine(BootMode::Once, "debian").with_offer(|offer| offer.templates = templates);
    let mut observations = Observations::new(1);
    let request = ipxe().set(53, &[3]).set(50, &[192, 0, 2, 107]).octets();
    ask_again(&plan, &mut observations, &request, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 0);
    observations.boot_once.complete("web1", 0);
    let asks = |name: &str, client: &str| {
        let client = format!("{client}:1024").parse().unwrap();
        let server = common::SERVER.into();
        let name = name.as_bytes();
        let asked = FileRequest { protocol: Protocol::Http(8080), name, server, client, interface: "eth0" };
        match fetch(&plan, &observations, &asked).answer {
            Ok(Fetch::Template(_, context)) => context,
            other => panic!("{other:?}"),
        }
    };
    for name in ["preseed.cfg", "machine/name=web1/preseed.cfg", "machine/mac=02-00-00-00-01-07/preseed.cfg"] {
        let context = asks(name, "192.0.2.107");
        assert_eq!(context.firmware.arch, Some(Arch::X64), "{name}");
        assert_eq!(
            context.firmware.features.unwrap().names().collect::<Vec<_>>(),
            ["http", "tftp", "bzimage", "menu"],
            "{name}"
        );
        assert_eq!(context.decision.profile(&plan), None, "its boot-once is completed");
        let own = context.decision.own_profile(&plan).map(|profile| profile.name.as_str());
        assert_eq!(own, Some(DEBIAN), "but it is installing this profile");
    }
    // The server uses no observation for another machine at the same address, or for a machine that it has not
    // observed.
    assert_eq!(asks("machine/mac=02-00-00-00-09-09/preseed.cfg", "192.0.2.107").firmware.arch, None);
    assert_eq!(asks("machine/name=web1/preseed.cfg", "192.0.2.108").firmware.features, None);
}

#[test]
fn a_machine_that_a_rule_denies_receives_no_template() {
    let rules = vec![Rule { deny: true, ..Rule::default() }];
    let plan = machine(BootMode::Always, "debian")
        .with_policy(|policy| policy.rules = rules)
        .with_offer(|offer| offer.templates = ["preseed.cfg".to_owned()].into());
    let asked = FileRequest {
        protocol: Protocol::Tftp,
        name: b"machine/name=web1/preseed.cfg",
        server: common::SERVER.into(),
        client: "192.0.2.107:1024".parse().unwrap(),
        interface: "eth0",
    };
    assert_eq!(fetch(&plan, &Observations::new(1), &asked).answer, Err(Refusal::Denied));
}

#[test]
fn the_offer_of_a_loader_or_script_on_another_server_names_that_server() {
    let loader = |name: &str| Loader { name: name.into(), path: None };
    let grub = Profile {
        name: "elsewhere".into(),
        boots: BootTarget::Loader,
        loaders: [(Arch::X64, loader("tftp://192.0.2.5//srv/grubx64.efi"))].into(),
        default_loader: Some(loader("http://192.0.2.6/x.kpxe")),
        ..Profile::default()
    };
    let script = Profile {
        name: "script".into(),
        boots: BootTarget::Script("http://192.0.2.7/boot.php?x=1".into()),
        ..Profile::default()
    };
    let plan = site()
        .with_policy(|policy| {
            policy.profiles = vec![grub, script].into();
            policy.default_profile = Some("elsewhere".into());
        })
        .with_offer(|offer| {
            offer.tftp = None;
            offer.http = None;
        });
    let boot = |plan: &Plan, packet: &Packet| match discover(plan, packet).0.reply {
        Ok(response) => (response.boot.file.to_string(), response.boot.server.to_string()),
        Err(silence) => (silence.label().into(), String::new()),
    };
    assert_eq!(boot(&plan, &Packet::discover()), ("/srv/grubx64.efi".into(), "192.0.2.5".into()));
    assert_eq!(boot(&plan, &bios()).0, "nothing:no-tftp", "and this server cannot send it a file");
    let http = Packet::discover().set(93, &[0, 16]).set(60, b"HTTPClient");
    assert_eq!(boot(&plan, &http).0, "nothing:no-http", "it fetches nothing from a TFTP server");
    let mut on_web = plan.clone();
    for url in ["http://192.0.2.6/x.efi", "https://boot.example/x.efi"] {
        let mut profiles = plan.policy.profiles.to_vec();
        profiles[0].loaders = [(Arch::X64, loader(url))].into();
        on_web.policy_mut().profiles = profiles.into();
        assert_eq!(boot(&on_web, &http).0, url);
    }
    let old = on_web.with_policy(|policy| policy.http_clients = false);
    assert_eq!(boot(&old, &http).0, "nothing:no-http", "with an old proxy.ini HTTP boot receives no reply");
    let plan = plan
        .with_policy(|policy| policy.default_profile = Some("script".into()))
        .with_offer(|offer| offer.tftp = site().offer.tftp);
    assert_eq!(boot(&plan, &ipxe()).0, "http://192.0.2.7/boot.php?x=1");
    assert_eq!(boot(&plan, &Packet::discover()).0, "ipxe.efi", "the firmware receives its iPXE first");
}

#[test]
fn a_boot_server_of_unknown_address_is_discovered_by_broadcast() {
    let item = |server_type, title: &str, target| FirmwareMenuItem { server_type, title: title.into(), target };
    let menu = FirmwareMenu {
        prompt: "boot:".into(),
        timeout: 10,
        items: vec![
            item(1, "RIS", ItemTarget::Broadcast),
            item(0x8001, "GRUB", ItemTarget::Profile(Some(GRUB.into()))),
        ],
    };
    let mut plan = site().with_policy(|policy| policy.default_profile = Some(ASK.into()));
    let mut profiles = plan.policy.profiles.to_vec();
    profiles.last_mut().unwrap().boots = BootTarget::Menu(menu);
    plan.policy_mut().profiles = profiles.into();
    let offer = discover(&plan, &Packet::discover()).1;
    let option =
        b"\x06\x01\x02\x08\x07\x80\x01\x01\xc0\0\x02\x0a\x09\x0d\0\x01\x03RIS\x80\x01\x04GRUB\x0a\x06\x0aboot:\xff";
    assert!(offer.windows(option.len()).any(|part| part == option), "{}", hex::encode(&offer));
    let packet = Packet::request_4011().set(43, &[71, 4, 0, 1, 0, 0, 255]).octets();
    let (answer, _) = ask(&plan, &packet, Port::BootServer, "192.0.2.107:4011", "192.0.2.10");
    assert_eq!(outcome(answer), "nothing:boot-item", "the other boot server replies to that");
}
