//! Described machines on their way through a site.

use super::*;
use crate::cli::{Cli, CliCommand};
use crate::config::unresolved::UnresolvedPlan;
use crate::config::{Loaded, Settings};
use crate::site::OpenPorts;
use clap::Parser;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::machines::{Machines, Policy};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::profile::{FirmwareMenuItem, Linux, FirmwareMenu, Profile, ItemTarget};
use proxydhcpd_core::plan::rule::{Firmware, Rule, Conditions};
use proxydhcpd_core::plan::{Loader, StatelessOptions, TftpServer};
use proxydhcpd_core::wire::pxe::MachineId;

const DEBIAN: usize = 0;
const ASK: usize = 1;

fn site(plan: impl FnOnce(Plan) -> Plan) -> Site {
    let settings = Settings { boot_dir: std::env::temp_dir(), ..Settings::default() };
    let directory = settings.boot_dir.clone();
    let draft = UnresolvedPlan::default();
    let mut loaded =
        Loaded { file: None, directory, conf_d_files: 0, settings, plan: draft, legacy: None, diagnostics: Vec::new(), paths_unknown: false };
    let mut site = Site::build(
        &mut loaded,
        OpenPorts {
            tftp: true,
            tftp6: true,
            http: Some(8080),
            boot_server: true,
            boot_server6: true,
            relays: true,
            relays6: true,
        },
    )
    .unwrap();
    let profile = |name: &str, boots| Profile { name: name.into(), title: name.into(), boots, ..Profile::default() };
    let linux = Linux { kernel: "debian/linux".into(), initrds: vec!["debian/initrd.gz".into()], ..Linux::default() };
    let item = |kind, title: &str, to| FirmwareMenuItem { kind, title: title.into(), target: to };
    let menu = FirmwareMenu {
        prompt: "boot:".into(),
        timeout: 10,
        items: vec![
            item(0x8001, "Debian", ItemTarget::Profile(Some(DEBIAN))),
            item(0x8002, "WDS", ItemTarget::Server(Ipv4Addr::new(192, 0, 2, 99))),
        ],
    };
    let loader = |name: &str| Loader { name: name.into(), path: Some(format!("/usr/lib/ipxe/{name}")) };
    site.plan = plan(Plan {
        tftp: Some(TftpServer::Local),
        http: Some(8080),
        boot_server: true,
        http_clients: true,
        dhcp6: site.plan.dhcp6.clone(),
        loaders: [(Arch::BIOS, loader("undionly.kpxe")), (Arch::X64, loader("snponly.efi"))].into(),
        profiles: vec![profile("debian", BootTarget::Linux(linux)), profile("ask", BootTarget::Menu(menu))],
        ..Plan::default()
    });
    site
}

const WEB1: Machine<'static> = Machine {
    name: "web1",
    macs: &[[2, 0, 0, 0, 1, 1]],
    uuid: Some(0x11223344_5566_7788_99aa_bbccddeeff01_u128.to_be_bytes()),
    serial: None,
    profile: Some(DEBIAN),
    policy: Policy::Always,
    variables: "",
};
const WEB2: Machine<'static> = Machine {
    name: "web2",
    macs: &[[2, 0, 0, 0, 1, 2]],
    uuid: Some(0x11223344_5566_7788_99aa_bbccddeeff02_u128.to_be_bytes()),
    profile: Some(ASK),
    ..WEB1
};

fn with(machines: &[Machine<'_>]) -> Site {
    site(|plan| Plan { machines: Machines::new(machines, &[]), ..plan })
}

/// What is printed for these words of the command line.
fn told(site: &Site, words: &str) -> String {
    told_where(false, site, words)
}

/// The same, with `proxy-only` or without.
fn told_where(proxy_only: bool, site: &Site, words: &str) -> String {
    let words = format!("proxydhcpd explain {words}");
    let Ok((CliCommand::Explain(args), ..)) = Cli::try_parse_from(words.split(' ')).unwrap().into_command() else {
        panic!("{words}")
    };
    let links = context::example_links(None, None);
    let mut journey = BootSimulation {
        site,
        links: &links,
        proxy_only,
        memory: Observations::new(0),
        records_are_readable: true,
        now: 0,
        explanations: Vec::new(),
    };
    match &args.packet {
        Some(packet) => journey.explain_packet(&SimulatedPacket::from_octets(packet_octets(packet).unwrap(), &args, &links)),
        None => journey.simulate_boot(&args).unwrap(),
    }
    journey.explanations.iter().map(|told| told.tree.to_string()).collect()
}

/// A DISCOVER of 08:00:27:00:00:01 with these options, in hex.
fn discover(options: &str) -> String {
    format!("01010600{:0>48}080027000001{:0>404}63825363350101{options}ff", "", "")
}

fn has(told: &str, lines: &[&str]) {
    for line in lines {
        assert!(told.lines().any(|said| said.trim() == *line), "no line {line:?} in\n{told}");
    }
}

#[test]
fn an_ipxe_that_could_fetch_no_script_is_told_of_with_its_cure() {
    let site = site(|plan| Plan { tftp: None, http: None, ..plan });
    let told = told(&site, "--client ipxe-bios");
    has(
        &told,
        &[
            "silence: neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script",
            "cure: switch one of them on: `enabled = true` in [http] or [tftp], and neither --no-http nor --no-tftp",
        ],
    );
}

#[test]
fn with_proxy_only_nothing_hears_port_67_and_the_machine_comes_to_4011() {
    let site = site(|plan| Plan { ignores_relays: true, ..plan });
    for (client, file) in [("uefi-x64", "snponly.efi"), ("bios", "undionly.kpxe")] {
        for network in ["", " --relay 10.1.0.1"] {
            let told = told_where(true, &site, &format!("--client {client}{network}"));
            assert!(!told.contains("OFFER to"), "{told}");
            let silence = "silence: port 67 is not heard: `proxy-only` is set, so this machine gets no offer from here";
            let boot = format!("boot: {file}");
            has(&told, &[silence, "REQUEST on port 4011", &boot, "then, if that was an iPXE: REQUEST on port 4011"]);
        }
    }
    let http = told_where(true, &site, "--client http-x64");
    assert!(!http.contains("4011\n") && http.contains("port 67 is not heard"), "{http}");
    let v6 = told_where(true, &site, "--client uefi-x64 --ipv6");
    assert!(v6.contains("port 547 is not heard") && v6.contains("REQUEST on port 4011"), "{v6}");
}

#[test]
fn a_machine_is_told_with_its_identity_its_profile_and_its_whole_way() {
    let site = with(&[Machine { macs: &[], ..WEB1 }, WEB2]);
    let uuid = "11223344-5566-7788-99aa-bbccddeeff01";
    let told = told(&site, &format!("--client uefi-x64 --mac 02:00:00:00:01:02 --uuid {uuid}"));
    has(
        &told,
        &[
            "DISCOVER on port 67",
            "machine: web1 by its uuid",
            "also: web2 by its mac, which counts less",
            "profile: debian",
            "why: the machine's entry",
            "boots: the kernel debian/linux",
            "REQUEST on port 4011",
            "boot: snponly.efi",
            "then, if that was an iPXE: DISCOVER on port 67",
            "script: starts the kernel of profile debian",
            "initrd: debian/initrd.gz",
            "files from: http://192.0.2.10:8080/machine/name=web1/",
        ],
    );
}

#[test]
fn what_came_near_is_told() {
    let rule = |name: &str, when, profile| Rule { name: name.into(), when, profile, ..Rule::default() };
    let rules = vec![
        rule("pi", Conditions { firmware: vec![Firmware::RaspberryPi], archs: vec![Arch::BIOS], ..Conditions::default() }, None),
        rule(
            "lab",
            Conditions { archs: vec![Arch::X64], interfaces: vec![Glob("lab*".into())], ..Conditions::default() },
            Some(ASK),
        ),
        rule("all", Conditions { known: Some(false), ..Conditions::default() }, Some(DEBIAN)),
        rule("never", Conditions::default(), None),
    ];
    let site = site(|plan| Plan { machines: Machines::new(&[WEB1], &[]), rules, ..plan });
    has(
        &told(&site, "--client uefi-x64 --mac 02:00:00:00:01:11"),
        &[
            "machine: no entry has one of its identities",
            "near: web1 has 02:00:00:00:01:01: one octet differs",
            "rules: 3 (all) matches",
            "rule 1 (pi): arch, firmware do not hold",
            "rule 2 (lab): came near: only interface does not hold",
            "rule 3 (all): matches",
            "behind it: 1 rules, which are not looked at: the first that matches counts",
            "why: a rule",
        ],
    );
}

#[test]
fn a_rule_of_one_condition_that_does_not_hold_did_not_come_near() {
    let when = Conditions { firmware: vec![Firmware::RaspberryPi], ..Conditions::default() };
    let rule = Rule { name: "pis".into(), when, ..Rule::default() };
    let rules = |count| site(|plan| Plan { rules: vec![rule.clone(); count], ..plan });
    has(&told(&rules(1), "--client uefi-x64"), &["rule 1 (pis): firmware does not hold"]);
    has(&told(&rules(31), "--client uefi-x64"), &["others: 31 rules that do not match and did not come near"]);
}

#[test]
fn a_uuid_in_the_other_order_of_octets_is_near() {
    let uuid = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let site = with(&[Machine { uuid: Some(uuid), ..WEB1 }]);
    let told = told(&site, "--client uefi-x64 --uuid 00112233-4455-6677-8899-aabbccddeeff");
    has(&told, &["near: web1 has its UUID with the first three fields turned round"]);
}

#[test]
fn an_identity_that_several_entries_list_is_told_with_what_protects_one_of_them() {
    let words = "--client uefi-x64 --mac 02:00:00:00:01:01";
    let web2 = Machine { macs: WEB1.macs, ..WEB2 };
    let both = "in doubt: web1, web2 list its mac, too: what protects any of these entries holds for it";
    let none = "machine: several entries list one of its identities: it is none of them";
    has(&told(&with(&[WEB1, web2]), words), &[none, both]);
    let held = told(&with(&[WEB1, Machine { policy: Policy::Never, ..web2 }]), words);
    has(&held, &[none, "holds: what web2 is protected by: it may be that one by its mac", "profile: local-disk"]);
    let old = Machine { uuid: None, policy: Policy::Never, ..web2 };
    let known = told(&with(&[WEB1, old]), "--client uefi-x64 --machine web1");
    has(
        &known,
        &[
            "machine: web1 by its uuid",
            "in doubt: web2 lists its mac, too: what protects any of these entries holds for it",
        ],
    );
}

#[test]
fn an_address_that_is_an_adapters_is_told_to_be_nobodys() {
    let shared_macs = ["02:00:00:*".parse().unwrap()];
    let site = site(|plan| Plan { machines: Machines::new(&[WEB1], &shared_macs), ..plan });
    let told = told(&site, "--client uefi-x64 --mac 02:00:00:00:01:01");
    has(&told, &["near: web1 lists 02:00:00:00:01:01, which is one of `shared-macs` and so is nobody's"]);
}

#[test]
fn a_choice_from_the_menu_is_followed_to_the_script_that_it_leads_to() {
    let site = with(&[Machine { profile: Some(ASK), ..WEB1 }]);
    let asked = told(&site, "--client uefi-x64 --machine web1");
    has(
        &asked,
        &["item 0x8001: Debian: profile debian, the kernel debian/linux", "item 0x8002: WDS: asks 192.0.2.99 on 4011"],
    );
    assert!(!asked.contains("4011\n  packet"), "it waits for somebody to choose:\n{asked}");
    let chosen = told(&site, "--client uefi-x64 --machine web1 --item 0x8001");
    has(&chosen, &["REQUEST on port 4011", "chosen: item 0x8001", "script: starts the kernel of profile debian"]);
}

#[test]
fn what_only_a_packet_says_can_be_given() {
    let when = Conditions {
        user_classes: vec![Glob("lab-*".into())],
        circuit_ids: vec![Glob("sw1:12".into())],
        vendor_classes: vec![Glob("PXEClient:Arch:00007:mine".into())],
        ..Conditions::default()
    };
    let rules = vec![Rule { name: "port 12".into(), when, profile: Some(DEBIAN), ..Rule::default() }];
    let site = site(|plan| Plan { rules, ..plan });
    let told = told(
        &site,
        "--client uefi-x64 --port 67 --sends-user-class lab-7 --relay 10.1.0.1 --circuit-id sw1:12 --vendor-class PXEClient:Arch:00007:mine",
    );
    has(&told, &["rules: 1 (port 12) matches", "profile: debian"]);
}

#[test]
fn who_is_taken_for_firmware_is_followed_through_its_loader_to_its_script() {
    let rule = |archs: &[Arch]| {
        let when = Conditions { archs: archs.to_vec(), ..Conditions::default() };
        vec![Rule { name: "rom".into(), when, profile: Some(DEBIAN), as_firmware: true, ..Rule::default() }]
    };
    let way = [
        "boot: undionly.kpxe",
        "then, if that was an iPXE: DISCOVER on port 67",
        "script: starts the kernel of profile debian",
    ];
    for client in ["ipxe-bios", "bios"] {
        let site = site(|plan| Plan { rules: rule(&[Arch::BIOS]), ..plan });
        let told = told(&site, &format!("--client {client}"));
        has(&told, &way);
        assert_eq!(told.matches("boot: undionly.kpxe").count(), 1, "{told}");
    }
}

#[test]
fn a_machine_that_boots_once_or_never_is_told_so() {
    for (policy, line) in [
        (Policy::Once, "boots its profile: once (not used up yet)"),
        (Policy::Never, "boots its profile: never: its disk"),
    ] {
        let site = with(&[Machine { policy, ..WEB1 }]);
        has(&told(&site, "--client bios --machine web1"), &[line]);
    }
}

#[test]
fn a_machine_that_is_not_there_is_an_error() {
    let site = site(|plan| plan);
    let wrong = find_machine("web9", &site.plan).unwrap_err().to_string();
    assert!(wrong.contains("web9"), "{wrong}");
}

#[test]
fn a_boot_over_ipv6_is_told_to_the_script_beside_the_loader() {
    let site = with(&[WEB1]);
    has(
        &told(&site, "--client uefi-x64 --ipv6"),
        &[
            "SOLICIT on port 547",
            "shape: redirect: no URL: it asks the group again, on port 4011",
            "REQUEST on port 4011",
            "boot: tftp://[2001:db8::10]/snponly.efi",
            "script: ours, unless the boot directory has autoexec.ipxe",
        ],
    );
    has(
        &told(&site, "--client http-x64 --ipv6"),
        &["boot: http://[2001:db8::10]:8080/snponly.efi", "ifconf --configurator ipv6 || ifconf || goto give_up"],
    );
    has(
        &told(&site, "--client uefi-x64 --ipv6 --relay 2001:db8:1::1 --interface-id vlan10"),
        &[
            "shape: redirect: a URL of ours: that is where it asks again, on port 4011",
            "DHCPv6: RELAY-REPL",
            "from: [2001:db8:1::ff:fe00:1]:4011",
            "reply: once more, to [2001:db8:1::100]:4011",
        ],
    );
}

#[test]
fn an_ipxe_that_comes_with_its_script_is_told_so() {
    let site = site(|plan| Plan { ipxe_wrappers: [("snponly.efi".into(), Arch::X64)].into(), ..plan });
    let told = told(&site, "--client uefi-x64 --ipv6");
    has(
        &told,
        &[
            "boot: tftp://[2001:db8::10]/with-script/snponly.efi",
            "then: is started with what lies beside it: autoexec.ipxe",
            "ifconf --configurator ipv6 || ifconf || goto give_up",
        ],
    );
}

#[test]
fn a_boot_in_a_stateless_network_is_told_to_its_script() {
    let mut site = with(&[WEB1]);
    site.plan.dhcp6.stateless = Some(StatelessOptions::default());
    let way = [
        "INFORMATION-REQUEST on port 547",
        "option 59 (boot file URL): http://[2001:db8::10]:8080/boot.ipxe",
        "then it fetches its script: http://[2001:db8::10]:8080/boot.ipxe",
    ];
    has(&told(&site, "--client ipxe-x64 --ipv6"), &way);
    let told = told(&site, "--client uefi-x64 --ipv6");
    has(&told, &["REQUEST on port 4011", "then, if that was an iPXE: INFORMATION-REQUEST on port 547"]);
    has(&told, &way[1..]);
}

#[test]
fn an_ipxe_that_leases_its_address_is_told_why_it_is_not_answered() {
    let site = with(&[WEB1]);
    let silent = told(&site, "--client ipxe-x64 --ipv6");
    assert!(silent.contains("SOLICIT on port 547") && silent.contains("counted as: nothing:stateful-ipxe"), "{silent}");
    assert!(silent.contains("cure: the DHCPv6 server names it in option 59"), "{silent}");
}

#[test]
fn a_uuid_that_can_be_read_in_two_ways_means_neither_machine() {
    let uuid = MachineId([0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0, 0, 0, 1]);
    let stored = uuid.0[1..].try_into().unwrap();
    let site = with(&[
        Machine { uuid: Some(uuid.uuid()), macs: &[], ..WEB1 },
        Machine { uuid: Some(stored), macs: &[], ..WEB2 },
    ]);
    let words = format!("--client uefi-x64 --mac 02:00:00:00:07:07 --uuid {uuid}");
    has(&told(&site, &words), &["machine: web1 by its uuid"]);
    has(
        &told(&site, &format!("{words} --ipv6")),
        &["machine: its uuid can be read as that of web1 or of web2: it is neither"],
    );
}

#[test]
fn a_uuid_that_does_not_count_is_told_with_its_reason_and_with_what_holds_all_the_same() {
    let asked = "--client uefi-x64 --uuid 11223344-5566-7788-99aa-bbccddeeff01 --mac";
    let doubt = "in doubt: its uuid is that of web1, which lists addresses, and not this one: it does not count";
    let none = "machine: no entry has an identity of it that counts";
    has(&told(&with(&[WEB1]), &format!("{asked} 02:00:00:00:07:07")), &[none, doubt, "why: the default"]);
    let never = with(&[Machine { policy: Policy::Never, ..WEB1 }]);
    let holds = "holds: what web1 is protected by: it may be that one by its uuid";
    has(&told(&never, &format!("{asked} 02:00:00:00:07:07")), &[doubt, holds, "profile: local-disk"]);
    let moved = told(&with(&[WEB1, WEB2]), &format!("{asked} 02:00:00:00:01:02"));
    has(&moved, &["machine: web2 by its mac and web1 by its uuid: it is neither", doubt]);
    let known = told(&with(&[WEB1]), &format!("{asked} 02:00:00:00:01:01"));
    assert!(known.contains("machine: web1 by its uuid") && !known.contains("in doubt"), "{known}");
}

#[test]
fn a_uuid_that_many_machines_have_is_told_as_no_identity() {
    let told = told(&with(&[WEB1]), "--client uefi-x64 --uuid 03000200-0400-0500-0006-000700080009");
    has(&told, &["machine identifier: 03000200-0400-0500-0006-000700080009, which many machines have: no identity"]);
}

#[test]
fn what_is_of_the_other_family_is_refused_with_a_word() {
    for (words, said) in [
        ("--client bios --ipv6", "ipxe-bios may be what is meant"),
        ("--client bios --port 547", "add --ipv6"),
        ("--client uefi-x64 --ipv6 --port 67", "547 is"),
        ("--client bios --relay 2001:db8::1", "add --ipv6"),
        ("--client uefi-x64 --ipv6 --relay 192.0.2.1", "is an IPv6 address"),
        ("--client uefi-x64 --ipv6 --server 192.0.2.1/24", "--ipv6 chooses"),
        ("--client bios --server 2001:db8::1/64", "--ipv6 chooses"),
    ] {
        let words = format!("proxydhcpd explain {words}");
        let Ok((CliCommand::Explain(args), ..)) = Cli::try_parse_from(words.split(' ')).unwrap().into_command() else {
            panic!("{words}")
        };
        assert!(family_mismatch(&args).is_some_and(|told| told.contains(said)), "{words}");
    }
}

#[test]
fn a_packet_in_hex_is_told_down_to_the_script_that_this_very_ipxe_runs() {
    let class = "3c09505845436c69656e744d0469505845";
    let site = with(&[WEB1]);
    let full = discover(&format!("{class}af0c130101150101180101270101"));
    has(
        &told(&site, &full),
        &[
            "stage: iPXE, with a list of its features (option 175)",
            "then it fetches its script: http://192.0.2.10:8080/boot.ipxe",
            "which goes on to: machine/mac=08-00-27-00-00-01/uuid=/serial=/platform=pcbios/arch=i386/menu.ipxe",
        ],
    );
    // The one of VirtualBox.
    let poor = told(&site, &discover(&format!("{class}af06150101210101")));
    let stage = "stage: iPXE whose list of features (option 175) lacks menu: it is given our iPXE first, and only once";
    has(&poor, &["client: iPXE without menu on x86 BIOS", stage, "boot: undionly.kpxe"]);
    assert!(!poor.contains("then it fetches"), "{poor}");
    let gpxe = told(&site, &discover("3c09505845436c69656e744d0467505845"));
    let stage = "stage: gPXE (option 77), which runs no script of iPXE's and is given a loader as a firmware is";
    has(&gpxe, &[stage, "boot: undionly.kpxe"]);
}
