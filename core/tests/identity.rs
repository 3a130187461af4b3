//! Tests machines that share a UUID, network cards that move, and forged packets. In doubt, a machine boots what does
//! the least harm.

mod common;

use common::{Packet, SERVER, ask_again, mac, machine_at, plan};
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::decide::{DecidedBy, Decision};
use proxydhcpd_core::fetch::{Fetch, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::observations::shared_uuids::{MAX_SHARED_UUIDS, SharedUuid};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, DoubtReason, IdentityKind, Inventory, Machine, MatchedEntry};
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_core::wire::pxe::MachineId;
use std::net::Ipv4Addr;

type Mac = [u8; 6];
type Uuid = [u8; 16];

const A: Mac = [2, 0, 0, 0, 0, 0xa];
const B: Mac = [2, 0, 0, 0, 0, 0xb];
const C: Mac = [2, 0, 0, 0, 0, 0xc];
const DOCK: Mac = [0, 0xe0, 0x4c, 0x68, 0, 1];
const U1: Uuid = 0x8a95d199_7f46_11e5_bf8b_08002704d401_u128.to_be_bytes();
const U2: Uuid = 0x8a95d199_7f46_11e5_bf8b_08002704d402_u128.to_be_bytes();

const INSTALL: &str = "install";
const GRUB: &str = "grub";
const NOTHING: &str = "nothing";
const ASK: &str = "ask";
const IPXE: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];
const DISK: &str = "local-disk/uefi-x64.efi";

/// Returns a plan whose default profile is an installer: the server installs every machine that it does not identify.
fn site(machines: &[Machine<'_>]) -> Plan {
    let profile = |name: &str, boots| Profile { name: name.into(), title: name.into(), boots, ..Profile::default() };
    let linux = Linux { kernel: "debian/linux".into(), ..Linux::default() };
    let loader = |name: &str| Loader { name: name.into(), path: Some(format!("/srv/{name}")) };
    let own = |profile, name: &str| Profile { loaders: [(Arch::X64, loader(name))].into(), ..profile };
    let item = FirmwareMenuItem {
        server_type: 0x8001,
        title: "Debian".into(),
        target: ItemTarget::Profile(Some(INSTALL.into())),
    };
    let menu = FirmwareMenu { prompt: "boot:".into(), timeout: 10, items: vec![item] };
    Plan {
        inventory: Inventory::new(machines, &["00:e0:4c:68:*".parse().unwrap()]),
        ..plan()
            .with_policy(|policy| {
                policy.profiles = vec![
                    own(profile(INSTALL, BootTarget::Linux(linux)), "install.efi"),
                    own(profile(GRUB, BootTarget::Loader), "grub.efi"),
                    profile(NOTHING, BootTarget::Nothing),
                    profile(ASK, BootTarget::Menu(menu)),
                ]
                .into();
                policy.default_profile = Some(INSTALL.into());
            })
            .with_offer(|offer| offer.local_disk = vec![Arch::X64])
    }
}

fn entry<'a>(name: &'a str, macs: &'a [Mac], uuid: Uuid, boot_mode: BootMode, profile: &'a str) -> Machine<'a> {
    Machine { name, macs, uuid: Some(uuid), boot_mode, profile: Some(profile), ..Machine::default() }
}

fn stored(uuid: Uuid) -> [u8; 17] {
    MachineId::from_uuid(uuid).0
}

fn from(address: Mac, uuid: Uuid, packet: Packet) -> Packet {
    let mut packet = packet.set(97, &stored(uuid));
    packet.header.chaddr = mac(address);
    packet
}

fn discovers(plan: &Plan, observations: &mut Observations, address: Mac, uuid: Uuid) -> (String, Decision) {
    at_67(plan, observations, from(address, uuid, Packet::discover()), 0)
}

fn at_67(plan: &Plan, observations: &mut Observations, packet: Packet, now: u64) -> (String, Decision) {
    outcome(ask_again(plan, observations, &packet.octets(), Port::Dhcp, "0.0.0.0:68", "255.255.255.255", now).0)
}

/// Returns the offered file or the label of the silence, and the decision.
fn outcome(answer: Answer) -> (String, Decision) {
    let given = match answer.reply {
        Ok(response) => response.boot.file.to_string(),
        Err(silence) => silence.label().to_owned(),
    };
    (given, answer.decision.unwrap_or_default())
}

fn first(plan: &Plan, address: Mac, uuid: Uuid) -> (String, Decision) {
    discovers(plan, &mut Observations::new(1), address, uuid)
}

fn name<'a>(plan: &'a Plan, decision: &Decision) -> Option<&'a str> {
    decision.machine(plan).map(|entry| entry.name)
}

fn request(name: &str) -> FileRequest<'_> {
    let client = "192.0.2.107:1024".parse().unwrap();
    FileRequest {
        protocol: Protocol::Http(8080),
        name: name.as_bytes(),
        server: SERVER.into(),
        client,
        interface: "eth0",
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Returns what the iPXE of a machine receives as its script for its MAC address and UUID.
fn script(plan: &Plan, observations: &Observations, mac: &[u8], uuid: Uuid) -> String {
    let name = format!("machine/mac={}/uuid={}/platform=efi/arch=x86_64/menu.ipxe", hex(mac), hex(&uuid));
    match fetch(plan, observations, &request(&name)).answer.unwrap() {
        Fetch::Linux(context) => context.decision.target_name(plan).to_owned(),
        Fetch::Text(text) if text.contains(DISK) => DISK.to_owned(),
        Fetch::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_placeholder_uuid_identifies_no_machine() {
    // P01: the packet of another machine contains the UUID of an entry.
    let packet = hex::decode(include_str!("identity/p01.hex").trim()).unwrap();
    let placeholder = 0x03000200_0400_0500_0006_000700080009_u128.to_be_bytes();
    let entry = entry("a", &[A], placeholder, BootMode::Always, "install");
    let plan = site(&[entry]).with_policy(|policy| policy.unknown_machine_profile = Some(NOTHING.into()));
    let (given, decision) =
        outcome(ask_again(&plan, &mut Observations::new(1), &packet, Port::Dhcp, "0.0.0.0:68", "255.255.255.255", 0).0);
    assert_eq!((given.as_str(), decision.machine(&plan), decision.doubt(&plan)), ("nothing:profile", None, None));
    assert_eq!(first(&plan, A, placeholder).1.identified_by(), Some(IdentityKind::Mac));
}

#[test]
fn two_cards_of_one_machine_are_one_machine() {
    let plan = site(&[entry("web1", &[A, B], U1, BootMode::Always, "grub")]);
    let mut observations = Observations::new(1);
    for card in [A, B, A] {
        let (given, decision) = discovers(&plan, &mut observations, card, U1);
        assert_eq!((given.as_str(), decision.doubt(&plan), decision.shared_uuid), ("grub.efi", None, None));
    }
    assert_eq!(observations.uuid_claims.take_changed(), None);
    let (_, decision) = discovers(&plan, &mut observations, C, U1);
    assert_eq!(decision.shared_uuid, Some(SharedUuid { uuid: U1, macs: [A, C] }));
    assert_eq!(discovers(&plan, &mut observations, B, U1).0, "grub.efi", "and remains that machine");
}

#[test]
fn a_dock_that_machines_share_casts_no_doubt() {
    let plan =
        site(&[entry("web1", &[A], U1, BootMode::Always, "grub"), entry("web2", &[B], U2, BootMode::Never, "install")]);
    let mut observations = Observations::new(1);
    for (card, uuid, given) in [(DOCK, U1, "grub.efi"), (DOCK, U2, DISK), (A, U1, "grub.efi"), (B, U2, DISK)] {
        let (file, decision) = discovers(&plan, &mut observations, card, uuid);
        assert_eq!((file.as_str(), decision.doubt(&plan), decision.shared_uuid), (given, None, None));
    }
}

#[test]
fn clones_of_a_machine_are_not_that_machine() {
    let entry = entry("web1", &[A], U1, BootMode::Always, "install");
    let plan = site(&[entry]).with_policy(|policy| policy.default_profile = Some(GRUB.into()));
    let mut observations = Observations::new(1);
    for clone in [B, C] {
        let (given, decision) = discovers(&plan, &mut observations, clone, U1);
        assert_eq!(
            (given.as_str(), decision.decided_by, decision.machine(&plan)),
            ("grub.efi", DecidedBy::Default, None)
        );
        let by_uuid = MatchedEntry { name: "web1", by: IdentityKind::Uuid };
        assert_eq!(decision.doubt(&plan), Some((by_uuid, DoubtReason::OtherAddress)));
        assert!(
            script(&plan, &observations, &clone, U1).contains("grub.efi"),
            "the decision about its script is the same"
        );
    }
    let (given, decision) = discovers(&plan, &mut observations, A, U1);
    assert_eq!((given.as_str(), name(&plan, &decision)), ("install.efi", Some("web1")));
    assert_eq!(script(&plan, &observations, &A, U1), "install");
}

#[test]
fn an_entry_without_address_applies_to_all_machines_with_its_uuid() {
    let plan = site(&[entry("web1", &[], U1, BootMode::Always, "grub")]);
    let mut observations = Observations::new(1);
    assert_eq!(discovers(&plan, &mut observations, A, U1).1.shared_uuid, None);
    for _ in 0..2 {
        let (given, decision) = discovers(&plan, &mut observations, B, U1);
        assert_eq!((given.as_str(), name(&plan, &decision), decision.doubt(&plan)), ("grub.efi", Some("web1"), None));
        assert_eq!(decision.shared_uuid, Some(SharedUuid { uuid: U1, macs: [A, B] }), "for a warning");
    }
    assert_eq!(observations.uuid_claims.take_changed().map(|all| all.len()), Some(1));
    assert_eq!(observations.uuid_claims.take_changed(), None, "once");
}

#[test]
fn a_moved_card_leads_to_neither_machine() {
    let machines = |one, other| [entry("web1", &[A], U1, one, "grub"), entry("web2", &[B], U2, other, "grub")];
    let plan = site(&machines(BootMode::Always, BootMode::Always));
    let (given, decision) = first(&plan, A, U2);
    assert_eq!(
        (given.as_str(), decision.machine(&plan), decision.decided_by),
        ("install.efi", None, DecidedBy::Default)
    );
    let matched = |name, by| MatchedEntry { name, by };
    let both = [matched("web1", IdentityKind::Mac), matched("web2", IdentityKind::Uuid)];
    assert_eq!(decision.ambiguous(&plan), Some(both));
    for [one, other] in [[BootMode::Never, BootMode::Always], [BootMode::Always, BootMode::Never]] {
        let plan = site(&machines(one, other));
        let (given, decision) = first(&plan, A, U2);
        assert_eq!((given.as_str(), decision.decided_by), (DISK, DecidedBy::Never));
        assert_eq!(script(&plan, &Observations::new(1), &A, U2), DISK);
    }
}

#[test]
fn a_card_whose_entry_has_no_uuid_decides_where_the_uuid_is_in_doubt() {
    let web2 = Machine { name: "web2", macs: &[B], profile: Some("grub"), ..Machine::default() };
    let plan = site(&[entry("web1", &[A], U1, BootMode::Always, "install"), web2]);
    let (given, decision) = first(&plan, B, U1);
    assert_eq!((given.as_str(), name(&plan, &decision)), ("grub.efi", Some("web2")));
    assert_eq!(decision.doubt(&plan).unwrap().0.name, "web1");
}

#[test]
fn a_machine_that_never_boots_is_not_installed_because_of_a_new_card() {
    for macs in [&[][..], &[A]] {
        let plan = site(&[entry("web1", macs, U1, BootMode::Never, "install")]);
        let mut observations = Observations::new(1);
        for card in [A, B, C, A] {
            let (given, decision) = discovers(&plan, &mut observations, card, U1);
            assert_eq!((given.as_str(), decision.decided_by), (DISK, DecidedBy::Never));
            assert_eq!(script(&plan, &observations, &card, U1), DISK);
        }
    }
}

#[test]
fn the_protection_of_either_machine_applies_in_doubt() {
    let plan = |boot_mode, profile, rules| {
        site(&[entry("web1", &[A], U1, boot_mode, profile)]).with_policy(|boot_mode| boot_mode.rules = rules)
    };
    let deny = |known| Rule {
        deny: true,
        when: Conditions { known: Some(known), ..Conditions::default() },
        ..Rule::default()
    };
    let of_uuid = Rule { deny: true, when: Conditions { uuids: vec![U1], ..Conditions::default() }, ..Rule::default() };
    for (plan, given) in [
        (plan(BootMode::Always, "nothing", vec![]), "nothing:profile"),
        (plan(BootMode::Always, "grub", vec![deny(true)]), "nothing:denied"),
        (plan(BootMode::Always, "grub", vec![deny(false)]), "nothing:denied"),
        (plan(BootMode::Always, "grub", vec![of_uuid]), "nothing:denied"),
    ] {
        assert_eq!(first(&plan, B, U1).0, given);
    }
    let once = plan(BootMode::Once, "grub", vec![]);
    let mut observations = Observations::new(1);
    assert_eq!(discovers(&once, &mut observations, B, U1).0, "install.efi", "a pending boot-once is no protection");
    observations.boot_once.complete("web1", 0);
    let (given, decision) = discovers(&once, &mut observations, B, U1);
    assert_eq!((given.as_str(), decision.decided_by), (DISK, DecidedBy::Completed));
    let by_uuid = MatchedEntry { name: "web1", by: IdentityKind::Uuid };
    assert_eq!((decision.machine(&once), decision.protected_by(&once)), (None, Some(by_uuid)));
    assert_eq!(decision.own_profile(&once), None, "and the server renders no template of another profile for it");
}

/// The test identifies the machine by address, UUID and serial number, for every order of the entries, and with
/// unrelated entries.
#[test]
fn the_protection_of_each_entry_that_lists_an_identity_applies_to_its_machine() {
    let serial = |boot_mode, profile| Machine { serial: Some("S"), boot_mode, profile, ..Machine::default() };
    type With = fn(Machine<'static>) -> Machine<'static>;
    let kinds: [(&str, With); 3] = [
        ("mac", |entry| Machine { macs: &[A], serial: None, ..entry }),
        ("uuid", |entry| Machine { uuid: Some(U1), serial: None, ..entry }),
        ("serial", |entry| entry),
    ];
    let deny = Rule { deny: true, when: Conditions { known: Some(true), ..Conditions::default() }, ..Rule::default() };
    for (kind, with) in kinds {
        let given = |mut entries: Vec<Machine<'static>>, rules: &[Rule], completed: &[&str]| {
            let mut given = Vec::new();
            for _ in 0..entries.len() {
                entries.rotate_left(1);
                let plan = site(&entries).with_policy(|policy| policy.rules = rules.to_vec());
                let mut observations = Observations::new(1);
                for machine in completed {
                    observations.boot_once.complete(machine, 0);
                }
                if kind != "serial" {
                    let packet = from(A, U1, Packet::discover());
                    given.push(at_67(&plan, &mut observations, packet, 0).0);
                    let mut guid = from(A, U1, Packet::request_4011());
                    guid.header.hlen = 16;
                    guid.header.chaddr.copy_from_slice(&stored(U1)[1..]);
                    for packet in [from(A, U1, Packet::request_4011()), guid] {
                        let to = "192.0.2.107:4011";
                        let octets = packet.octets();
                        given.push(
                            outcome(
                                ask_again(&plan, &mut observations, &octets, Port::BootServer, to, "192.0.2.10", 1).0,
                            )
                            .0,
                        );
                    }
                }
                let asks = format!("machine/mac={}/uuid={}/serial=53/menu.ipxe", hex(&A), hex(&U1));
                given.push(match fetch(&plan, &observations, &request(&asks)).answer.unwrap() {
                    Fetch::Linux(context) => format!("{}.efi", context.decision.target_name(&plan)),
                    Fetch::Text(text) if text.contains("sanboot") => DISK.to_owned(),
                    _ => "nothing".to_owned(),
                });
            }
            given.iter_mut().filter(|given| given.starts_with("nothing:")).for_each(|given| given.truncate(7));
            given.dedup();
            given
        };
        let entry = |name, boot_mode, profile| with(Machine { name, ..serial(boot_mode, profile) });
        let web2 = entry("web2", BootMode::Always, Some("grub"));
        let web3 = entry("web3", BootMode::Unspecified, None);
        let never = entry("web1", BootMode::Never, None);
        assert_eq!(given(vec![never, web2], &[], &[]), [DISK], "{kind}");
        assert_eq!(given(vec![never, Machine { name: "web4", ..never }], &[], &[]), [DISK], "{kind}");
        assert_eq!(given(vec![web2, never, web3], &[], &[]), [DISK], "{kind}");
        let once = entry("web1", BootMode::Once, Some("install"));
        assert_eq!(given(vec![once, web2], &[], &["web1"]), [DISK], "{kind}");
        assert_eq!(given(vec![web3, web2], &[], &["web3"]), [DISK], "{kind}");
        assert_eq!(
            given(vec![web2, entry("web1", BootMode::Always, Some("nothing"))], &[], &[]),
            ["nothing"],
            "{kind}"
        );
        assert_eq!(given(vec![web2, web3], std::slice::from_ref(&deny), &[]), ["nothing"], "{kind}");
        assert_eq!(given(vec![once, web2], &[], &["web2"]), ["install.efi"], "{kind}: neither is protected");
    }
}

#[test]
fn a_shared_identity_that_fits_the_found_entry_does_not_lead_to_an_entry_with_other_identities() {
    let never = Machine { name: "web2", uuid: Some(U1), macs: &[B], boot_mode: BootMode::Never, ..Machine::default() };
    let plan = site(&[entry("web1", &[A], U1, BootMode::Always, "grub"), never]);
    assert_eq!((first(&plan, A, U1).0, first(&plan, B, U1).0), ("grub.efi".into(), DISK.into()));
    assert_eq!(first(&plan, C, U1).0, DISK, "it may be either");
    let old = Machine { uuid: None, macs: &[A], ..never };
    let plan = site(&[entry("web1", &[A], U1, BootMode::Always, "grub"), old]);
    let (given, decision) = first(&plan, A, U1);
    assert_eq!(
        (given.as_str(), decision.protected_by(&plan)),
        (DISK, Some(MatchedEntry { name: "web2", by: IdentityKind::Mac })),
        "it may be the machine of the old entry"
    );
    assert_eq!((first(&plan, B, U1).0, first(&plan, A, U2).0), ("install.efi".into(), DISK.into()));
}

/// A lookup examines a limited number of entries. It examines the entries that protect a machine first.
#[test]
fn a_lookup_of_an_identity_in_very_many_entries_takes_bounded_time() {
    let names: Vec<String> = (0..20_000).map(|number| format!("pc{number}")).collect();
    let mut entries: Vec<_> = names.iter().map(|name| entry(name, &[], U1, BootMode::Always, "grub")).collect();
    let plan = site(&entries);
    let observations = Observations::new(1);
    let began = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(script(&plan, &observations, &A, U1), "install");
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    entries[19_999].boot_mode = BootMode::Never;
    assert_eq!(script(&site(&entries), &observations, &A, U1), DISK);
}

#[test]
fn a_machine_in_doubt_completes_no_boot_once_of_another() {
    let plan = site(&[entry("web1", &[A], U1, BootMode::Once, "install")]);
    let kernel = |mac: Mac| format!("machine/mac={}/uuid={}/debian/linux", hex(&mac), hex(&U1));
    let ticket = |mac| fetch(&plan, &Observations::new(1), &request(&kernel(mac))).ticket;
    let completed = |mac| ticket(mac).completes.map(|machine| machine.name);
    assert_eq!((completed(A).as_deref(), completed(B)), (Some("web1"), None));
}

#[test]
fn a_rule_that_names_a_uuid_does_not_match_a_machine_whose_uuid_is_in_doubt() {
    let rule = Rule {
        profile: Some(GRUB.into()),
        when: Conditions { uuids: vec![U1], ..Conditions::default() },
        ..Rule::default()
    };
    let web1 = Machine { profile: None, ..entry("web1", &[A], U1, BootMode::Always, "install") };
    let plan = site(&[web1]).with_policy(|policy| policy.rules = vec![rule]);
    assert_eq!((first(&plan, A, U1).0, first(&plan, B, U1).0), ("grub.efi".into(), "install.efi".into()));
}

/// An iPXE that cannot name a network card sends only its UUID.
#[test]
fn a_request_with_a_uuid_only_receives_the_script_of_the_address_owner() {
    let plan = site(&[entry("web1", &[A], U1, BootMode::Always, "grub")]);
    let mut observations = Observations::new(1);
    let has_address = |observations: &mut Observations, card| {
        let packet = from(card, U1, Packet::discover().set(53, &[3]).set(50, &[192, 0, 2, 107]));
        at_67(&plan, observations, packet, 0);
    };
    has_address(&mut observations, A);
    assert!(script(&plan, &observations, &[], U1).contains("grub.efi"));
    has_address(&mut observations, B);
    assert_eq!(script(&plan, &observations, &[], U1), "install");
}

#[test]
fn one_forged_discover_starts_no_installation_and_lifts_no_protection() {
    let rule = |deny, profile| Rule {
        deny,
        profile,
        when: Conditions { uuids: vec![U1], ..Conditions::default() },
        ..Rule::default()
    };
    let plans = [&[][..], &[A]].into_iter().flat_map(|macs| {
        let once = site(&[entry("web1", macs, U1, BootMode::Once, "grub")]);
        let never = site(&[entry("web1", macs, U1, BootMode::Never, "install")]);
        let nothing = site(&[entry("web1", macs, U1, BootMode::Always, "nothing")]);
        [once, never, nothing, site(&[entry("web1", macs, U1, BootMode::Always, "grub")])]
    });
    let rules = [rule(true, None), rule(false, Some(NOTHING.into())), rule(false, Some(GRUB.into()))];
    let rules = rules.map(|rule| site(&[]).with_policy(|policy| policy.rules = vec![rule]));
    for plan in plans.chain(rules) {
        // The victim accepts its address, sends both forms of EDK2's request, and then that of iPXE.
        let victim = |observations: &mut Observations, now| {
            let takes = from(A, U1, Packet::discover().set(53, &[3]).set(50, &[192, 0, 2, 107]));
            let mut guid = from(A, U1, Packet::request_4011());
            guid.header.hlen = 16;
            guid.header.chaddr.copy_from_slice(&stored(U1)[1..]);
            let discovered = at_67(&plan, observations, from(A, U1, Packet::discover()), now).0;
            at_67(&plan, observations, takes, now);
            let mut on_4011 = |packet: Packet| {
                let octets = packet.octets();
                outcome(
                    ask_again(&plan, observations, &octets, Port::BootServer, "192.0.2.107:4011", "192.0.2.10", now).0,
                )
                .0
            };
            let asked = [on_4011(from(A, U1, Packet::request_4011())), on_4011(guid)];
            (discovered, asked, script(&plan, observations, &A, U1))
        };
        let mut observations = Observations::new(1);
        let before = victim(&mut observations, 0);
        assert_ne!(before.0, "install.efi");
        discovers(&plan, &mut observations, B, U1);
        assert_eq!(victim(&mut observations, 60_000), before);
        let mut observations = Observations::new(1);
        discovers(&plan, &mut observations, B, U1);
        assert_eq!(victim(&mut observations, 60_000), before, "nor one that arrived first");
    }
}

#[test]
fn a_shared_uuid_is_in_doubt_after_a_restart_until_the_configuration_explains_it() {
    let plan = site(&[entry("web1", &[A], U1, BootMode::Always, "grub")]);
    let mut observations = Observations::new(1);
    for card in [A, B] {
        discovers(&plan, &mut observations, card, U1);
    }
    let saved = observations.uuid_claims.take_changed().unwrap();
    let by_uuid = |plan: &Plan, saved: &[SharedUuid]| {
        let mut observations = Observations::new(2);
        observations.uuid_claims.set_shared(saved.iter().copied());
        assert_eq!(observations.uuid_claims.take_changed(), None, "nothing new");
        script(plan, &observations, &[], U1)
    };
    assert!(by_uuid(&plan, &[]).contains("grub.efi"));
    assert_eq!(by_uuid(&plan, &saved), "install");
    let both = site(&[entry("web1", &[A, B], U1, BootMode::Always, "grub")]);
    assert!(by_uuid(&both, &saved).contains("grub.efi"));
}

#[test]
fn the_table_of_shared_uuids_is_bounded_and_keeps_those_that_the_configuration_names() {
    let plan = site(&[entry("web1", &[], U1, BootMode::Always, "grub")]);
    let mut observations = Observations::new(1);
    let flood = |observations: &mut Observations, base: u128| {
        for number in 0..MAX_SHARED_UUIDS as u128 + 100 {
            let uuid = (base << 64 | number << 8 | 1).to_be_bytes();
            let card = |last| [2, base as u8, 0, (number >> 8) as u8, number as u8, last];
            for last in [1, 2] {
                discovers(&plan, observations, card(last), uuid);
            }
        }
    };
    flood(&mut observations, 7);
    assert_eq!(observations.uuid_claims.take_changed().unwrap().len(), MAX_SHARED_UUIDS);
    for card in [A, B] {
        discovers(&plan, &mut observations, card, U1);
    }
    flood(&mut observations, 8);
    let known = observations.uuid_claims.take_changed().unwrap();
    assert_eq!(known.len(), MAX_SHARED_UUIDS);
    assert!(known.iter().any(|shared| shared.uuid == U1));
}

/// P02: a classroom has boards with the same UUID.
#[test]
fn machines_with_the_same_uuid_are_not_a_boot_loop() {
    let plan = plan().with_policy(|policy| policy.loop_guard = LoopGuard::Stop);
    let mut observations = Observations::new(1);
    for number in 1..=4u8 {
        let (card, now) = ([2, 0, 0, 0, 0xa0, number], u64::from(number) * 1000);
        let address = Ipv4Addr::new(192, 0, 2, number);
        let packet =
            || from(card, U1, Packet::discover().set(93, &[0, 11]).set(60, b"PXEClient:Arch:00011:UNDI:003000"));
        assert_eq!(at_67(&plan, &mut observations, packet(), now).0, "ipxe-arm64.efi", "machine {number}");
        at_67(&plan, &mut observations, packet().set(53, &[3]).set(50, &address.octets()), now);
        let machine = machine_at(&observations, address);
        assert_eq!(observations.note_loader(&machine, "ipxe-arm64.efi", now), None, "machine {number}");
    }
}

fn chooses(plan: &Plan, observations: &mut Observations, packet: Packet) -> String {
    let packet = packet.set(43, &[71, 4, 0x80, 1, 0, 0, 255]).octets();
    outcome(ask_again(plan, observations, &packet, Port::BootServer, "192.0.2.107:4011", "192.0.2.10", 0).0).0
}

/// P03: one machine chooses from the firmware's menu, and another machine with the same UUID starts iPXE.
#[test]
fn the_choice_of_one_machine_is_not_that_of_another_with_the_same_uuid() {
    let plan = site(&[]).with_policy(|policy| policy.default_profile = Some(ASK.into()));
    let mut observations = Observations::new(1);
    chooses(&plan, &mut observations, from(A, U1, Packet::request_4011()));
    let ipxe = |card| from(card, U1, Packet::discover().set(77, b"iPXE").set(175, IPXE));
    let script = "http://192.0.2.10:8080/machine/boot.ipxe";
    assert_eq!(at_67(&plan, &mut observations, ipxe(B), 1000).0, script);
    assert_eq!(
        at_67(&plan, &mut observations, ipxe(A), 1000).0,
        "http://192.0.2.10:8080/machine/item=32769/boot.ipxe",
        "the same machine"
    );
}

/// P04: the ROM of one machine has received its loader, and that of the other machine has not.
#[test]
fn the_loader_of_one_machine_is_not_the_client_of_another_with_the_same_uuid() {
    let when = Conditions { user_classes: vec![Glob("iPXE".into())], ..Conditions::default() };
    let plan = plan().with_policy(|policy| policy.rules = vec![Rule { when, as_firmware: true, ..Rule::default() }]);
    let mut observations = Observations::new(1);
    let rom = |card| {
        let bios = Packet::discover().set(93, &[0, 0]).set(60, b"PXEClient:Arch:00000:UNDI:002001");
        from(card, U1, bios.set(77, b"iPXE").set(175, IPXE))
    };
    at_67(&plan, &mut observations, rom(A), 0);
    at_67(&plan, &mut observations, rom(A).set(53, &[3]).set(50, &[192, 0, 2, 107]), 0);
    observations.note_loader(&machine_at(&observations, Ipv4Addr::new(192, 0, 2, 107)), "undionly.kpxe", 1000);
    assert_eq!(at_67(&plan, &mut observations, rom(B), 2000).0, "undionly.kpxe");
    assert!(at_67(&plan, &mut observations, rom(A), 2000).0.ends_with("boot.ipxe"));
}

/// With EDK2's Mode.SendGUID, the DISCOVER contains the MAC address. The request to the boot server contains the UUID
/// instead.
#[test]
fn a_uuid_instead_of_the_address_identifies_a_machine_if_no_other_has_it() {
    let plan = site(&[]).with_policy(|policy| policy.default_profile = Some(ASK.into()));
    let guid = || {
        let mut packet = from(A, U1, Packet::request_4011());
        packet.header.hlen = 16;
        packet.header.chaddr.copy_from_slice(&stored(U1)[1..]);
        packet
    };
    let ipxe = || from(A, U1, Packet::discover().set(77, b"iPXE").set(175, IPXE));
    let chosen = |others: &[Mac]| {
        let mut observations = Observations::new(1);
        [A].iter().chain(others).for_each(|card| drop(discovers(&plan, &mut observations, *card, U1)));
        assert_eq!(chooses(&plan, &mut observations, guid()), "install.efi");
        at_67(&plan, &mut observations, ipxe(), 1000).0.contains("item=")
    };
    assert!(chosen(&[]), "the choice is that of the only machine");
    assert!(!chosen(&[B]), "the choice may be that of either machine");
}

/// If a rule matched the option 82 of one machine's relay, it does not apply to another machine with the same UUID.
#[test]
fn the_circuit_id_of_one_machine_is_not_that_of_another_with_the_same_uuid() {
    let when = Conditions { circuit_ids: vec![Glob("port 7".into())], ..Conditions::default() };
    let plan = site(&[])
        .with_policy(|policy| policy.rules = vec![Rule { when, profile: Some(GRUB.into()), ..Rule::default() }]);
    let mut observations = Observations::new(1);
    let mut relayed = from(A, U1, Packet::discover().set(82, b"\x01\x06port 7"));
    relayed.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    ask_again(&plan, &mut observations, &relayed.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    let mut on_4011 = |card, address: &str| {
        let mut packet = from(card, U1, Packet::request_4011());
        packet.header.ciaddr = address.parse().unwrap();
        let octets = packet.octets();
        outcome(
            ask_again(
                &plan,
                &mut observations,
                &octets,
                Port::BootServer,
                &format!("{address}:4011"),
                "192.0.2.10",
                1000,
            )
            .0,
        )
        .0
    };
    assert_eq!(on_4011(A, "198.51.100.7"), "grub.efi");
    assert_eq!(on_4011(B, "198.51.100.8"), "refused:unserved-network");
}
