//! Tests of simulated boots.

use super::arguments::Explain;
use crate::config::Loaded;
use crate::config::unresolved::UnresolvedPlan;
use crate::explain::client::PacketHex;
use crate::explain::simulate;
use crate::explain::simulation::BootSimulation;
use crate::preview;
use crate::settings::Settings;
use crate::site::{OpenPorts, Site};
use clap::{Args, FromArgMatches};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, Inventory, Machine};
use proxydhcpd_core::plan::offer::{Loader, Offer, TftpServer};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::{Policy, StatelessOptions};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Firmware, Rule};
use proxydhcpd_core::wire::pxe::MachineId;
use std::net::Ipv4Addr;

const DEBIAN: &str = "debian";
const ASK: &str = "ask";

fn site(plan: impl FnOnce(Plan) -> Plan) -> Site {
    let settings = Settings { boot_dir: std::env::temp_dir(), ..Settings::default() };
    let directory = settings.boot_dir.clone();
    let draft = UnresolvedPlan::default();
    let mut loaded = Loaded {
        file: None,
        directory,
        conf_d_files: 0,
        settings,
        plan: draft,
        legacy: None,
        diagnostics: Vec::new(),
        paths_unknown: false,
    };
    let mut site = Site::build(
        &mut loaded,
        OpenPorts {
            tftp: true,
            tftp6: true,
            http: Some(8080),
            syslog: None,
            boot_server: true,
            boot_server6: true,
            relays: true,
            relays6: true,
        },
    )
    .unwrap();
    let profile = |name: &str, boots| Profile { name: name.into(), title: name.into(), boots, ..Profile::default() };
    let linux = Linux { kernel: "debian/linux".into(), initrds: vec!["debian/initrd.gz".into()], ..Linux::default() };
    let item = |server_type, title: &str, target| FirmwareMenuItem { server_type, title: title.into(), target };
    let menu = FirmwareMenu {
        prompt: "boot:".into(),
        timeout: 10,
        items: vec![
            item(0x8001, "Debian", ItemTarget::Profile(Some(DEBIAN.into()))),
            item(0x8002, "WDS", ItemTarget::Server(Ipv4Addr::new(192, 0, 2, 99))),
        ],
    };
    let loader = |name: &str| Loader { name: name.into(), path: Some(format!("/usr/lib/ipxe/{name}")) };
    site.plan = plan(Plan {
        policy: Policy {
            http_clients: true,
            profiles: vec![profile(DEBIAN, BootTarget::Linux(linux)), profile(ASK, BootTarget::Menu(menu))].into(),
            ..Policy::default()
        }
        .into(),
        offer: Offer {
            tftp: Some(TftpServer::Local),
            http: Some(8080),
            boot_server: true,
            dhcp6: site.plan.offer.dhcp6.clone(),
            loaders: [(Arch::BIOS, loader("undionly.kpxe")), (Arch::X64, loader("snponly.efi"))].into(),
            ..Offer::default()
        }
        .into(),
        ..Plan::default()
    });
    site
}

const WEB1: Machine<'static> = Machine {
    name: "web1",
    macs: &[[2, 0, 0, 0, 1, 1]],
    uuid: Some(0x11223344_5566_7788_99aa_bbccddeeff01_u128.to_be_bytes()),
    serial: None,
    profile: Some("debian"),
    boot_mode: BootMode::Always,
    variables: "",
};
const WEB2: Machine<'static> = Machine {
    name: "web2",
    macs: &[[2, 0, 0, 0, 1, 2]],
    uuid: Some(0x11223344_5566_7788_99aa_bbccddeeff02_u128.to_be_bytes()),
    profile: Some("ask"),
    ..WEB1
};

fn with(machines: &[Machine<'_>]) -> Site {
    site(|plan| Plan { inventory: Inventory::new(machines, &[]), ..plan })
}

/// The output of `explain` with these arguments.
fn explain(site: &Site, words: &str) -> String {
    explain_with(false, site, words)
}

fn simulation<'a>(proxy_only: bool, site: &'a Site, links: &'a [Link]) -> BootSimulation<'a> {
    BootSimulation {
        site,
        links,
        proxy_only,
        observations: Observations::new(0),
        records_are_readable: true,
        now: 0,
        explanations: Vec::new(),
    }
}

/// The octets of the packet in these arguments.
fn octets(args: &Explain) -> Option<Vec<u8>> {
    match args.packet.as_ref()? {
        PacketHex::Octets(octets) => Some(octets.clone()),
        PacketHex::Stdin => None,
    }
}

/// The output of `explain` with these arguments, with or without `proxy-only`.
fn explain_with(proxy_only: bool, site: &Site, words: &str) -> String {
    let args = parse(words).unwrap();
    let links = preview::example_links(None, None);
    let mut simulation = simulation(proxy_only, site, &links);
    simulate(&mut simulation, &args.question(octets(&args))).unwrap();
    simulation.explanations.iter().map(|explanation| explanation.tree.to_string()).collect()
}

fn parse(words: &str) -> Result<Explain, clap::Error> {
    let command = Explain::augment_args(clap::Command::new("explain").no_binary_name(true));
    Explain::from_arg_matches(&command.try_get_matches_from(words.split_whitespace())?)
}

/// A DISCOVER of 08:00:27:00:00:01 with these options, in hexadecimal.
fn discover(options: &str) -> String {
    format!("01010600{:0>48}080027000001{:0>404}63825363350101{options}ff", "", "")
}

fn assert_lines(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(output.lines().any(|printed| printed.trim() == *line), "no line {line:?} in\n{output}");
    }
}

#[test]
fn silence_towards_an_ipxe_without_a_way_to_fetch_its_script_is_explained_with_a_fix() {
    let site = site(|plan| {
        plan.with_offer(|offer| {
            offer.tftp = None;
            offer.http = None;
        })
    });
    let output = explain(&site, "--client ipxe-bios");
    assert_lines(
        &output,
        &[
            "silence: neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script",
            "fix: enable one of them: `enabled = true` under [http] or [tftp], without --no-http and --no-tftp",
        ],
    );
}

#[test]
fn with_proxy_only_the_server_ignores_port_67_and_the_machine_contacts_4011() {
    let site = site(|plan| plan.with_offer(|offer| offer.ignores_relays = true));
    for (client, file) in [("uefi-x64", "snponly.efi"), ("bios", "undionly.kpxe")] {
        for network in ["", " --relay 10.1.0.1"] {
            let output = explain_with(true, &site, &format!("--client {client}{network}"));
            assert!(!output.contains("OFFER to"), "{output}");
            let silence = "silence: `proxy-only` is set: the server does not listen on port 67, and sends this machine \
                           no offer";
            let boot = format!("boot file: {file}");
            assert_lines(
                &output,
                &[silence, "REQUEST on port 4011", &boot, "then, if the loader is iPXE: REQUEST on port 4011"],
            );
        }
    }
    let http = explain_with(true, &site, "--client http-x64");
    assert!(!http.contains("4011\n") && http.contains("does not listen on port 67"), "{http}");
    let v6 = explain_with(true, &site, "--client uefi-x64 --ipv6");
    assert!(v6.contains("does not listen on port 547") && v6.contains("REQUEST on port 4011"), "{v6}");
}

#[test]
fn a_boot_is_explained_with_the_machines_identity_its_profile_and_each_step() {
    let site = with(&[Machine { macs: &[], ..WEB1 }, WEB2]);
    let uuid = "11223344-5566-7788-99aa-bbccddeeff01";
    let output = explain(&site, &format!("--client uefi-x64 --mac 02:00:00:00:01:02 --uuid {uuid}"));
    assert_lines(
        &output,
        &[
            "DISCOVER on port 67",
            "machine: web1 by uuid",
            "also matches: web2 by mac, which has lower precedence",
            "profile: debian",
            "why: the machine's entry",
            "boots: kernel debian/linux",
            "REQUEST on port 4011",
            "boot file: snponly.efi",
            "then, if the loader is iPXE: DISCOVER on port 67",
            "script: starts the kernel of profile debian",
            "initrd: debian/initrd.gz",
            "base URL: http://192.0.2.10:8080/machine/name=web1/",
        ],
    );
}

#[test]
fn near_matches_of_entries_and_rules_are_listed() {
    let rule = |name: &str, when, profile: Option<&str>| Rule {
        name: name.into(),
        when,
        profile: profile.map(str::to_owned),
        ..Rule::default()
    };
    let rules = vec![
        rule(
            "pi",
            Conditions {
                firmware: Dialect::all().map(Firmware::Dialect).collect(),
                archs: vec![Arch::BIOS],
                ..Conditions::default()
            },
            None,
        ),
        rule(
            "lab",
            Conditions { archs: vec![Arch::X64], interfaces: vec![Glob("lab*".into())], ..Conditions::default() },
            Some(ASK),
        ),
        rule("all", Conditions { known: Some(false), ..Conditions::default() }, Some(DEBIAN)),
        rule("never", Conditions::default(), None),
    ];
    let site = site(|plan| Plan {
        inventory: Inventory::new(&[WEB1], &[]),
        ..plan.with_policy(|policy| policy.rules = rules)
    });
    assert_lines(
        &explain(&site, "--client uefi-x64 --mac 02:00:00:00:01:11"),
        &[
            "machine: none: no entry has one of its identities",
            "near match: web1 has 02:00:00:00:01:01: one octet differs",
            "rules: rule 3 (all) matches",
            "rule 1 (pi): unmet: arch, firmware",
            "rule 2 (lab): nearly matches; unmet: interface",
            "rule 3 (all): matches",
            "later rules: 1 not evaluated, because the first rule that matches applies",
            "why: a rule",
        ],
    );
}

#[test]
fn a_rule_with_a_single_unmet_condition_is_no_near_match() {
    let when = Conditions { firmware: Dialect::all().map(Firmware::Dialect).collect(), ..Conditions::default() };
    let rule = Rule { name: "pis".into(), when, ..Rule::default() };
    let rules = |count| site(|plan| plan.with_policy(|policy| policy.rules = vec![rule.clone(); count]));
    assert_lines(&explain(&rules(1), "--client uefi-x64"), &["rule 1 (pis): unmet: firmware"]);
    assert_lines(&explain(&rules(31), "--client uefi-x64"), &["others: 31 more rules that do not match"]);
}

#[test]
fn a_uuid_in_the_other_octet_order_is_a_near_match() {
    let uuid = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let site = with(&[Machine { uuid: Some(uuid), ..WEB1 }]);
    let output = explain(&site, "--client uefi-x64 --uuid 00112233-4455-6677-8899-aabbccddeeff");
    assert_lines(&output, &["near match: web1 has its UUID with the first three fields byte-swapped"]);
}

#[test]
fn an_identity_that_several_entries_list_is_explained_with_the_protection_that_applies() {
    let words = "--client uefi-x64 --mac 02:00:00:00:01:01";
    let web2 = Machine { macs: WEB1.macs, ..WEB2 };
    let both = "in doubt: web1, web2 also list its mac: the protection of each entry applies to it";
    let none = "machine: none: several entries list one of its identities";
    assert_lines(&explain(&with(&[WEB1, web2]), words), &[none, both]);
    let held = explain(&with(&[WEB1, Machine { boot_mode: BootMode::Never, ..web2 }]), words);
    assert_lines(&held, &[none, "protected: as web2, which it may be by its mac", "profile: local-disk"]);
    let old = Machine { uuid: None, boot_mode: BootMode::Never, ..web2 };
    let known = explain(&with(&[WEB1, old]), "--client uefi-x64 --machine web1");
    assert_lines(
        &known,
        &["machine: web1 by uuid", "in doubt: web2 also lists its mac: the protection of each entry applies to it"],
    );
}

#[test]
fn a_mac_address_in_shared_macs_is_explained_as_no_identity() {
    let shared_macs = ["02:00:00:*".parse().unwrap()];
    let site = site(|plan| Plan { inventory: Inventory::new(&[WEB1], &shared_macs), ..plan });
    let output = explain(&site, "--client uefi-x64 --mac 02:00:00:00:01:01");
    assert_lines(
        &output,
        &["near match: web1 lists 02:00:00:00:01:01, but `shared-macs` has it: it identifies no machine"],
    );
}

#[test]
fn a_chosen_menu_item_is_followed_to_its_script() {
    let site = with(&[Machine { profile: Some("ask"), ..WEB1 }]);
    let asked = explain(&site, "--client uefi-x64 --machine web1");
    assert_lines(
        &asked,
        &[
            "item 0x8001: Debian: profile debian, kernel debian/linux",
            "item 0x8002: WDS: boot server 192.0.2.99, port 4011",
        ],
    );
    assert!(!asked.contains("4011\n  packet"), "it waits for a choice:\n{asked}");
    let chosen = explain(&site, "--client uefi-x64 --machine web1 --item 0x8001");
    assert_lines(
        &chosen,
        &["REQUEST on port 4011", "chosen: item 0x8001", "script: starts the kernel of profile debian"],
    );
}

#[test]
fn flags_set_the_options_that_only_a_packet_has() {
    let when = Conditions {
        user_classes: vec![Glob("lab-*".into())],
        circuit_ids: vec![Glob("sw1:12".into())],
        vendor_classes: vec![Glob("PXEClient:Arch:00007:mine".into())],
        ..Conditions::default()
    };
    let rules = vec![Rule { name: "port 12".into(), when, profile: Some(DEBIAN.into()), ..Rule::default() }];
    let site = site(|plan| plan.with_policy(|policy| policy.rules = rules));
    let output = explain(
        &site,
        "--client uefi-x64 --port 67 --sends-user-class lab-7 --relay 10.1.0.1 --circuit-id sw1:12 --vendor-class \
         PXEClient:Arch:00007:mine",
    );
    assert_lines(&output, &["rules: rule 1 (port 12) matches", "profile: debian"]);
}

#[test]
fn an_ipxe_that_a_rule_treats_as_firmware_is_followed_through_its_loader_to_its_script() {
    let rule = |archs: &[Arch]| {
        let when = Conditions { archs: archs.to_vec(), ..Conditions::default() };
        vec![Rule { name: "rom".into(), when, profile: Some(DEBIAN.into()), as_firmware: true, ..Rule::default() }]
    };
    let way = [
        "boot file: undionly.kpxe",
        "then, if the loader is iPXE: DISCOVER on port 67",
        "script: starts the kernel of profile debian",
    ];
    for client in ["ipxe-bios", "bios"] {
        let site = site(|plan| plan.with_policy(|policy| policy.rules = rule(&[Arch::BIOS])));
        let output = explain(&site, &format!("--client {client}"));
        assert_lines(&output, &way);
        assert_eq!(output.matches("boot file: undionly.kpxe").count(), 1, "{output}");
    }
}

#[test]
fn a_profile_that_does_not_exist_is_explained() {
    let explained = explain(&with(&[Machine { profile: Some("gone"), ..WEB1 }]), "--client uefi-x64 --machine web1");
    let why = "why: the machine's entry names the profile gone, which does not exist: it boots its disk";
    assert_lines(&explained, &["profile: local-disk", why]);
}

#[test]
fn boot_once_and_boot_never_are_explained() {
    for (boot_mode, line) in
        [(BootMode::Once, "boot: once, not completed"), (BootMode::Never, "boot: never: boots from disk")]
    {
        let site = with(&[Machine { boot_mode, ..WEB1 }]);
        assert_lines(&explain(&site, "--client bios --machine web1"), &[line]);
    }
}

#[test]
fn an_unknown_machine_is_an_error() {
    let site = with(&[WEB1]);
    let args = parse("--client bios --machine web9").unwrap();
    let links = preview::example_links(None, None);
    let mut simulation = simulation(false, &site, &links);
    let error = simulate(&mut simulation, &args.question(None)).unwrap_err();
    assert_eq!((error.name.as_str(), error.similar.as_deref()), ("web9", Some("web1")));
}

#[test]
fn a_boot_over_ipv6_is_followed_to_the_script_next_to_the_loader() {
    let site = with(&[WEB1]);
    assert_lines(
        &explain(&site, "--client uefi-x64 --ipv6"),
        &[
            "SOLICIT on port 547",
            "shape: redirect: no URL: the client sends its next request to the multicast group, on port 4011",
            "REQUEST on port 4011",
            "boot file: tftp://[2001:db8::10]/snponly.efi",
            "script: built in, unless the boot directory has autoexec.ipxe",
        ],
    );
    assert_lines(
        &explain(&site, "--client http-x64 --ipv6"),
        &["boot file: http://[2001:db8::10]:8080/snponly.efi", "ifconf --configurator ipv6 || ifconf || goto give_up"],
    );
    assert_lines(
        &explain(&site, "--client uefi-x64 --ipv6 --relay 2001:db8:1::1 --interface-id vlan10"),
        &[
            "shape: redirect: a URL of this server, to which the client sends its next request, on port 4011",
            "DHCPv6: RELAY-REPL",
            "from: [2001:db8:1::ff:fe00:1]:4011",
            "reply: also to [2001:db8:1::100]:4011",
        ],
    );
}

#[test]
fn an_ipxe_in_a_wrapper_starts_with_its_script() {
    let site = site(|plan| plan.with_offer(|offer| offer.ipxe_wrappers = [("snponly.efi".into(), Arch::X64)].into()));
    let output = explain(&site, "--client uefi-x64 --ipv6");
    assert_lines(
        &output,
        &[
            "boot file: tftp://[2001:db8::10]/with-script/snponly.efi",
            "then: starts with the script next to the loader: autoexec.ipxe",
            "ifconf --configurator ipv6 || ifconf || goto give_up",
        ],
    );
}

#[test]
fn a_boot_with_stateless_dhcpv6_is_followed_to_its_script() {
    let mut site = with(&[WEB1]);
    site.plan.policy_mut().stateless_dhcp6 = Some(StatelessOptions::default());
    let way = [
        "INFORMATION-REQUEST on port 547",
        "option 59 (boot file URL): http://[2001:db8::10]:8080/boot.ipxe",
        "then iPXE fetches its script: http://[2001:db8::10]:8080/boot.ipxe",
    ];
    assert_lines(&explain(&site, "--client ipxe-x64 --ipv6"), &way);
    let output = explain(&site, "--client uefi-x64 --ipv6");
    assert_lines(&output, &["REQUEST on port 4011", "then, if the loader is iPXE: INFORMATION-REQUEST on port 547"]);
    assert_lines(&output, &way[1..]);
}

#[test]
fn the_quirks_that_applied_are_named_with_the_behaviour_of_the_firmware() {
    let site = site(|plan| plan);
    let named = [
        "quirks: edk2-drops-pxe-options",
        "edk2-drops-pxe-options: EDK2 before 2017-04-17 drops a proxy's offer with PXE sub-options",
    ];
    assert_lines(&explain(&site, "--client uefi-x64"), &named);
    let relayed = "--client uefi-x64 --ipv6 --relay 2001:db8:1::1";
    assert_lines(&explain(&site, relayed), &["quirks: edk2-ipv6-second-address, edk2-ipv6-late-socket"]);
    assert!(!explain(&site, "--client bios").contains("quirks:"));
}

#[test]
fn silence_towards_an_ipxe_that_leases_its_ipv6_address_is_explained() {
    let site = with(&[WEB1]);
    let silent = explain(&site, "--client ipxe-x64 --ipv6");
    assert!(silent.contains("SOLICIT on port 547") && silent.contains("counted as: nothing:stateful-ipxe"), "{silent}");
    assert!(silent.contains("fix: configure the DHCPv6 server to send the script's URL in option 59"), "{silent}");
}

#[test]
fn a_uuid_that_can_be_read_in_two_ways_identifies_neither_machine() {
    let uuid = MachineId([0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0, 0, 0, 1]);
    let stored = uuid.0[1..].try_into().unwrap();
    let site = with(&[
        Machine { uuid: Some(uuid.uuid()), macs: &[], ..WEB1 },
        Machine { uuid: Some(stored), macs: &[], ..WEB2 },
    ]);
    let words = format!("--client uefi-x64 --mac 02:00:00:00:07:07 --uuid {uuid}");
    assert_lines(&explain(&site, &words), &["machine: web1 by uuid"]);
    assert_lines(
        &explain(&site, &format!("{words} --ipv6")),
        &["machine: none: its uuid can be read as that of web1 or of web2"],
    );
}

#[test]
fn an_ignored_uuid_is_explained_with_the_reason_and_the_protection_that_applies() {
    let asked = "--client uefi-x64 --uuid 11223344-5566-7788-99aa-bbccddeeff01 --mac";
    let doubt = "in doubt: its uuid is that of web1, but that entry lists other MAC addresses: ignored";
    let none = "machine: none: no entry has an identity of it that counts";
    assert_lines(&explain(&with(&[WEB1]), &format!("{asked} 02:00:00:00:07:07")), &[none, doubt, "why: the default"]);
    let never = with(&[Machine { boot_mode: BootMode::Never, ..WEB1 }]);
    let holds = "protected: as web1, which it may be by its uuid";
    assert_lines(&explain(&never, &format!("{asked} 02:00:00:00:07:07")), &[doubt, holds, "profile: local-disk"]);
    let moved = explain(&with(&[WEB1, WEB2]), &format!("{asked} 02:00:00:00:01:02"));
    assert_lines(&moved, &["machine: none: it matches web2 by mac and web1 by uuid", doubt]);
    let known = explain(&with(&[WEB1]), &format!("{asked} 02:00:00:00:01:01"));
    assert!(known.contains("machine: web1 by uuid") && !known.contains("in doubt"), "{known}");
}

#[test]
fn a_placeholder_uuid_is_explained_as_no_identity() {
    let output = explain(&with(&[WEB1]), "--client uefi-x64 --uuid 03000200-0400-0500-0006-000700080009");
    assert_lines(
        &output,
        &["UUID: 03000200-0400-0500-0006-000700080009, a placeholder that many machines have: not an identity"],
    );
}

#[test]
fn flags_of_the_other_address_family_are_refused_with_a_suggestion() {
    for (words, part) in [
        ("--client bios --ipv6", "did you mean `ipxe-bios`?"),
        ("--client bios --port 547", "add --ipv6"),
        ("--client uefi-x64 --ipv6 --port 67", "use 547"),
        ("--client bios --relay 2001:db8::1", "add --ipv6"),
        ("--client uefi-x64 --ipv6 --relay 192.0.2.1", "must be an IPv6 address"),
        ("--client uefi-x64 --ipv6 --server 192.0.2.1/24", "add or remove --ipv6"),
        ("--client bios --server 2001:db8::1/64", "add or remove --ipv6"),
    ] {
        let args = parse(words).unwrap();
        let flag = |name: &str| format!("--{name}");
        assert!(args.question(None).family_mismatch(flag).is_some_and(|message| message.contains(part)), "{words}");
    }
}

#[test]
fn a_packet_in_hex_is_followed_to_the_script_that_this_ipxe_runs() {
    let class = "3c09505845436c69656e744d0469505845";
    let site = with(&[WEB1]);
    let full = discover(&format!("{class}af0c130101150101180101270101"));
    assert_lines(
        &explain(&site, &full),
        &[
            "program: iPXE, with a list of its features (option 175)",
            "then iPXE fetches its script: http://192.0.2.10:8080/boot.ipxe",
            "chains to: machine/mac=08-00-27-00-00-01/uuid=/serial=/platform=pcbios/arch=i386/menu.ipxe",
        ],
    );
    // The iPXE in VirtualBox has no menu among its features.
    let poor = explain(&site, &discover(&format!("{class}af06150101210101")));
    let stage =
        "program: iPXE without menu in its list of features (option 175): it receives the site's iPXE first, once";
    assert_lines(&poor, &["client: iPXE without menu on x86 BIOS", stage, "boot file: undionly.kpxe"]);
    assert!(!poor.contains("then iPXE fetches"), "{poor}");
    let gpxe = explain(&site, &discover("3c09505845436c69656e744d0467505845"));
    let program = "program: gPXE (option 77), which cannot run iPXE scripts: it receives a loader, as firmware does";
    assert_lines(&gpxe, &[program, "boot file: undionly.kpxe"]);
}

#[test]
fn the_arguments_describe_a_packet_or_a_client() {
    for words in ["", "--client uefi-x64 --port 69", "--client bios 0101"] {
        assert!(parse(words).is_err(), "{words}");
    }
    let explain = parse("--client ipxe-x64 --port 4011").unwrap();
    assert_eq!(explain.question(None).port(), Some(Port::BootServer));
    assert!(explain.client.unwrap().ipxe);
}
