//! What machines boot, as our own files say it: profiles, rules, machines; and the words for what is wrong with it,
//! which are the program's face.

use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{Loaded, load_from_dir};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::Identifiers;
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_core::plan::LoopGuard;
use proxydhcpd_core::plan::machines::{Identity, Policy};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile, ItemTarget};
use proxydhcpd_core::plan::rule::{Firmware, Rule, Conditions};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Numbers of the profiles that are always there.
const MENU: usize = 0;
const LOCAL_DISK: usize = 1;
const NOTHING: usize = 2;

/// Reads these files, or says what is wrong with them: `FILE:LINE:COLUMN: message (help)`.
fn load(files: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let without_directory = |line: String| line.replace(&format!("{}/", directory.path().display()), "");
    load_from_dir(&Flags::default(), directory.path())
        .map_err(|error| error.0.iter().map(|told| without_directory(told.one_line())).collect())
        .map(|mut loaded| {
            for warning in &mut loaded.diagnostics {
                warning.file = warning.file.take().map(without_directory);
            }
            loaded
        })
}

fn read(text: &str) -> Loaded {
    load(&[("proxydhcpd.toml", text)]).unwrap_or_else(|told| panic!("{told:#?}"))
}

/// What is wrong with a file: `LINE:COLUMN: message (help)`.
fn told(text: &str) -> Vec<String> {
    let told = load(&[("proxydhcpd.toml", text)]).expect_err(text);
    told.iter().map(|line| line.trim_start_matches("proxydhcpd.toml:").to_owned()).collect()
}

fn warned(text: &str) -> Vec<String> {
    let warnings = read(text).diagnostics;
    warnings.iter().map(|told| told.one_line().trim_start_matches("proxydhcpd.toml:").to_owned()).collect()
}

fn profile(text: &str, name: &str) -> Profile {
    let drafted = read(text).plan.profiles.into_iter().find(|drafted| drafted.profile.name == name);
    drafted.unwrap_or_else(|| panic!("no {name}")).profile
}

fn linux(kernel: &str, initrds: &[&str], arguments: &str) -> BootTarget {
    let initrds = initrds.iter().map(|&name| name.into()).collect();
    BootTarget::Linux(Linux { kernel: kernel.into(), initrds, arguments: arguments.into() })
}

#[test]
fn what_a_profile_boots_is_what_its_key_says() {
    for (text, boots) in [
        ("kernel = \"/debian//linux\"\ninitrd = \"a\"\narguments = \"quiet\"", linux("debian/linux", &["a"], "quiet")),
        (
            "kernel = \"http://x/{{ a }}\"\ninitrd = [\"a\", \"{{ b }}\"]\narguments = \"\"\"\n  quiet\n  splash\n\"\"\"",
            linux("http://x/{{ a }}", &["a", "{{ b }}"], "quiet splash"),
        ),
        ("script = \"rescue.ipxe\"", BootTarget::Script("rescue.ipxe".into())),
        ("loaders = { uefi-x64 = \"shimx64.efi\" }", BootTarget::Loader),
        ("boot = \"local-disk\"", BootTarget::LocalDisk),
        ("boot = \"nothing\"", BootTarget::Nothing),
        ("boot = \"menu\"", BootTarget::BootDir),
        ("boot = \"menu\"\nloaders = { bios = \"a.0\" }", BootTarget::BootDir),
    ] {
        assert_eq!(profile(&format!("[profile.x]\n{text}\n"), "x").boots, boots, "{text}");
    }
}

#[test]
fn what_is_not_said_comes_from_the_profile_that_is_extended() {
    let text = r#"
        [profile.base]
        arguments = "console=ttyS0"
        variables = { suite = "bookworm", mirror = "a" }
        loaders = { bios = "a.0", uefi-x64 = "a.efi" }
        [profile.debian]
        extends = "base"
        title = "Debian"
        kernel = "linux"
        boot-once-file = "initrd"
        variables = { mirror = "b" }
        [profile.test]
        extends = "debian"
        initrd = "initrd"
        loaders = { uefi-x64 = "b.efi" }
        [profile.rescue]
        extends = "test"
        script = "rescue.ipxe"
    "#;
    let loaded = read(text);
    let of = |name: &str| loaded.plan.profiles.iter().find(|drafted| drafted.profile.name == name).unwrap();
    let test = of("test");
    assert_eq!(test.profile.boots, linux("linux", &["initrd"], "console=ttyS0"));
    assert_eq!((test.profile.title.as_str(), test.profile.boot_once_file()), ("test", Some("initrd")));
    assert_eq!(
        serde_json::to_value(&test.variables).unwrap(),
        serde_json::json!({ "suite": "bookworm", "mirror": "b" })
    );
    let loaders: Vec<_> = test.loaders.iter().map(|(arch, (name, _))| (*arch, name.as_str())).collect();
    assert_eq!(loaders, [(Arch::BIOS, "a.0"), (Arch::X64, "b.efi")]);
    // Another kind of boot takes its place, with what belongs to it.
    let rescue = &of("rescue").profile;
    assert_eq!((&rescue.boots, rescue.boot_once_file()), (&BootTarget::Script("rescue.ipxe".into()), None));
    // What is there to be extended boots its loaders, and here it has some.
    assert_eq!(of("base").profile.boots, BootTarget::Loader);
}

#[test]
fn a_profile_boots_one_thing() {
    assert_eq!(
        told("[profile.x]\nkernel = \"a\"\nscript = \"b\"\nboot = \"menu\"\n"),
        [
            "3:10: `kernel` and `script` exclude each other: a profile boots one thing",
            "4:8: `kernel` and `boot` exclude each other: a profile boots one thing",
        ]
    );
    assert_eq!(
        told("[profile.x]\ntitle = \"X\"\n"),
        ["1:10: profile `x` does not say what it boots (one of `kernel`, `script`, `boot`, `menu` and `loaders` does)"]
    );
    assert_eq!(
        told("[profile.x]\nboot = \"menu\"\ninitrd = \"a\"\narguments = \"b\"\n"),
        [
            "3:10: `initrd` goes with `kernel`, and profile `x` has none",
            "4:13: `arguments` goes with `kernel`, and profile `x` has none",
        ]
    );
}

#[test]
fn a_profile_that_others_extend_may_leave_it_to_them_and_is_nobodys_boot() {
    let text = "default-profile = \"base\"\n[profile.base]\n[profile.x]\nextends = \"base\"\nboot = \"menu\"\n";
    assert_eq!(
        told(text),
        ["1:19: profile `base` boots nothing by itself (say in it what is booted, or name one that extends it)"]
    );
    assert!(load(&[("proxydhcpd.toml", &text.replace("\"base\"\n[p", "\"x\"\n[p"))]).is_ok());
}

#[test]
fn extending_leads_somewhere_and_not_in_a_circle() {
    assert_eq!(
        told(
            "[profile.a]\nextends = \"b\"\n[profile.b]\nextends = \"c\"\n[profile.c]\nextends = \"b\"\n\
             [profile.d]\nextends = \"d\"\n[profile.e]\nextends = \"dd\"\n[profile.f]\nextends = \"menu\"\n"
        ),
        [
            "4:11: profiles extend each other in a circle: b -> c -> b",
            "8:11: profiles extend each other in a circle: d -> d",
            "10:11: there is no profile `dd` (did you mean `d`?)",
            "12:11: `menu` is built in, and has nothing to extend",
        ]
    );
}

#[test]
fn names_are_short_and_plain_and_not_those_that_are_built_in() {
    let rule = "cannot be a name here: 1 to 63 letters, digits, dots, hyphens and underscores can";
    let long = "x".repeat(64);
    assert_eq!(
        told(&format!(
            "[profile.menu]\nboot = \"menu\"\n[profile.\"a b\"]\nboot = \"menu\"\n[machine.{long}]\nserial = \"1\"\n"
        )),
        [
            "1:10: `menu` is built in: call this profile otherwise".to_owned(),
            format!("3:10: `a b` {rule}"),
            format!("5:10: `{long}` {rule}"),
        ]
    );
}

#[test]
fn a_loader_is_for_an_architecture_that_has_loaders_and_its_name_fits_a_packet() {
    let long = format!("{}.efi", "x".repeat(124));
    let url = |octets: usize| format!("http://192.0.2.10/{}", "x".repeat(octets - 18));
    let (fits, longer) = (url(254), url(255));
    assert_eq!(
        told(&format!(
            "[profile.x.loaders]\nuefi-x46 = \"a\"\nhttp-x64 = \"a\"\nuefi-x64 = \"../a\"\nbios = \"{long}\"\nmips = \"a\"\n\
             uefi-arm32 = \"{fits}\"\nuefi-arm64 = \"{longer}\"\n"
        )),
        [
            "2:1: unknown architecture `uefi-x46` (did you mean `uefi-x64`?)",
            "3:1: x64 UEFI HTTP has no loaders of its own (it takes those of `uefi-x64`)",
            "4:12: `uefi-x64` must be a path in the boot directory, or a URL",
            "5:8: a name of 128 octets: firmware takes 127",
            "6:1: unknown architecture `mips` (the usual ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64)",
            "8:14: a URL of 255 octets: firmware takes 254",
        ]
    );
}

#[test]
fn values_of_a_profile_can_be_told_by_a_script() {
    assert_eq!(
        told(
            "[profile.x]\nkernel = \"../linux\"\ninitrd = [\"a\", 5]\narguments = \"a || b\"\nboot-once-file = \"\"\n\
             title = \"a\\nb\"\nvariables = { \"a-b\" = 1, base = 2 }\n"
        ),
        [
            "2:10: `kernel` must be a path in the boot directory, or a URL",
            "3:16: `initrd` must be a path in the boot directory or a URL, or a list of them",
            "4:13: `||` cannot be passed on by iPXE",
            "5:11: `boot-once-file` must be the name of a file as it is asked for",
            "6:9: `title` must be a text in quotes",
            "7:15: `a-b` cannot be the name of a variable: letters, digits and underscores can",
            "7:26: `base` cannot be the name of a variable: templates know something else by it",
        ]
    );
}

#[test]
fn a_menus_items_have_types_and_lead_to_profiles_or_servers() {
    let text = r#"
        [profile.ask.menu]
        timeout = 255
        items = [
          { title = "Menu", profile = "menu" },
          { title = "Old", profile = "disk", type = 1 },
          { title = "WDS", server = "192.0.2.99" },
          { title = "Taken", profile = "nothing", type = 0 },
        ]
        [profile.disk]
        boot = "local-disk"
    "#;
    let must = "8:58: `type` must be a PXE boot server type, 1 to 65535";
    assert_eq!(told(text), [must]);
    let loaded = read(&text.replace("type = 0", "type = 32769"));
    let BootTarget::Menu(menu) = &loaded.plan.profiles[3].profile.boots else { panic!() };
    assert_eq!((menu.prompt.as_str(), menu.timeout), ("Press F8 for the menu", 255));
    let items: Vec<_> = menu.items.iter().map(|item| (item.kind, item.title.as_str(), item.target)).collect();
    assert_eq!(
        items,
        [
            (0x8002, "Menu", ItemTarget::Profile(Some(MENU))),
            (1, "Old", ItemTarget::Profile(Some(4))),
            (0x8003, "WDS", ItemTarget::Server(Ipv4Addr::new(192, 0, 2, 99))),
            (0x8001, "Taken", ItemTarget::Profile(Some(NOTHING))),
        ]
    );
}

#[test]
fn a_menu_is_one_that_firmware_can_show() {
    let menu =
        |items: &str| format!("[profile.ask.menu]\nitems = [\n{items}]\n[profile.disk]\nboot = \"local-disk\"\n");
    let many = |count, title: &str| menu(&format!("{{ title = \"{title}\", profile = \"disk\" }},\n").repeat(count));
    assert_eq!(told(&menu("")), ["1:1: a menu without items"]);
    assert_eq!(told(&many(25, "x")), ["1:1: a menu of 25 items: firmware shows 24 at most"]);
    assert_eq!(
        told(&many(9, &"x".repeat(30))),
        ["1:1: the menu does not fit into the 255 octets that a reply has for it (each item takes 10 octets and its \
          title; make the titles shorter, or the items fewer)"]
    );
    // 5 octets before, 10 for each, and the prompt with its timeout: no octet is left.
    read(&many(9, &"x".repeat(13)));
    assert_eq!(
        told(&menu(&format!(
            "{{ title = \"{}\", profile = \"disk\" }},\n{{ title = \"B\u{fc}ro\", profile = \"disk\" }},\n\
             {{ title = \"a\" }},\n{{ profile = \"disk\" }},\n{{ title = \"a\", profile = \"disk\", server = \"192.0.2.1\" }},\n\
             {{ title = \"a\", server = \"224.0.0.1\" }},\n{{ title = \"a\", profile = \"disk\", type = 1 }},\n\
             {{ title = \"b\", profile = \"disk\", type = 1 }},\n{{ title = \"b\", profil = \"ask\" }},\n",
            "x".repeat(61)
        ))),
        [
            "3:11: `title` must be a text of 1 to 60 printable ASCII characters, which is what firmware shows",
            "4:11: `title` must be a text of 1 to 60 printable ASCII characters, which is what firmware shows",
            "5:1: an item without `profile`, `server` or `type`",
            "6:1: an item without `title`",
            "7:1: `profile` and `server` exclude each other: an item leads to one place",
            "8:25: `server` must be a unicast IPv4 address in quotes",
            "10:41: another item has the type 1",
            "11:16: unknown key `profil` (did you mean `profile`?)",
        ]
    );
    assert_eq!(
        told(&menu("{ title = \"a\", profile = \"ask\" },\n")),
        ["3:26: profile `ask` is a menu itself: firmware shows one"]
    );
}

#[test]
fn every_condition_of_a_rule_is_read() {
    let text = r#"
        [profile.x]
        boot = "local-disk"
        [[rule]]
        name = "all"
        mac = "52:54:00:*"
        uuid = ["11223344-5566-7788-99aa-bbccddeeff00"]
        serial = ["ABC*"]
        arch = ["uefi-x64", "bios"]
        firmware = ["bios", "uefi", "http", "ipxe", "raspberry-pi", "u-boot"]
        vendor-class = "PXEClient*"
        user-class = "iPXE"
        interface = "eth*"
        subnet = ["10.1.0.0/16", "0.0.0.0/0", "2001:db8:12::/48"]
        relay = ["10.1.0.1", "2001:db8:12::1"]
        circuit-id = "*:12"
        interface-id = "vlan12"
        known = false
        profile = "x"
        as-firmware = true
        [[rule]]
        deny = true
        known = true
        [[rule]]
        [[rule]]
        as-raspberry-pi = true
    "#;
    let rules = read(text).plan.rules;
    let when = Conditions {
        macs: vec!["52:54:00".parse().unwrap()],
        uuids: vec![0x11223344556677_8899aabbccddeeff00_u128.to_be_bytes()],
        serials: vec![Glob("ABC*".into())],
        archs: vec![Arch::X64, Arch::BIOS],
        firmware: Firmware::ALL.into(),
        vendor_classes: vec![Glob("PXEClient*".into())],
        user_classes: vec![Glob("iPXE".into())],
        interfaces: vec![Glob("eth*".into())],
        subnets: vec![
            Network::V4(Network4 { address: Ipv4Addr::new(10, 1, 0, 0), prefix: 16 }),
            Network::V4(Network4 { address: Ipv4Addr::UNSPECIFIED, prefix: 0 }),
            Network::V6(Network6 { address: "2001:db8:12::".parse().unwrap(), prefix: 48 }),
        ],
        relays: vec![Ipv4Addr::new(10, 1, 0, 1).into(), "2001:db8:12::1".parse().unwrap()],
        circuit_ids: vec![Glob("*:12".into())],
        interface_ids: vec![Glob("vlan12".into())],
        known: Some(false),
    };
    assert_eq!(rules[0], Rule { name: "all".into(), when, profile: Some(3), as_firmware: true, ..Rule::default() });
    let known = Conditions { known: Some(true), ..Conditions::default() };
    assert_eq!(rules[1], Rule { name: "rule 2".into(), when: known, deny: true, ..Rule::default() });
    assert_eq!(rules[2], Rule { name: "rule 3".into(), ..Rule::default() });
    assert_eq!(rules[3], Rule { name: "rule 4".into(), as_raspberry_pi: true, ..Rule::default() });
    assert_eq!(
        told("[[rule]]\nas-firmware = true\nas-raspberry-pi = true\n"),
        ["3:19: `as-raspberry-pi` and `as-firmware` exclude each other: a Raspberry Pi takes no loader"]
    );
}

#[test]
fn what_a_rule_asks_for_can_be() {
    assert_eq!(
        told(
            "[[rule]]\nmac = [\"52:54:0\", \"52:54:00\", \"x\"]\nuuid = \"1122\"\narch = \"x64\"\nfirmware = [\"efi\"]\n\
             subnet = [\"10.0.0.0/33\", \"10.0.0.0\"]\nrelay = \"0.0.0.0\"\nknown = \"yes\"\nserial = []\nprofil = \"menu\"\n\
             deny = true\nprofile = \"menu\"\n"
        ),
        [
            "2:8: `mac` must be a list of MAC addresses, or parts of them: [\"52:54:00:*\"]",
            "2:31: `mac` must be a list of MAC addresses, or parts of them: [\"52:54:00:*\"]",
            "3:8: `uuid` must be a list of UUIDs",
            "4:8: unknown architecture `x64` (did you mean `uefi-x64`?)",
            "5:13: `firmware` must be a list of \"bios\", \"uefi\", \"http\", \"ipxe\", \"raspberry-pi\" or \"u-boot\" \
             (did you mean \"uefi\"?)",
            "6:11: `subnet` must be a list of networks: [\"10.1.0.0/16\", \"2001:db8:12::/48\"]",
            "6:26: `subnet` must be a list of networks: [\"10.1.0.0/16\", \"2001:db8:12::/48\"]",
            "7:9: `relay` must be a list of unicast addresses: [\"192.0.2.1\", \"2001:db8::1\"]",
            "8:9: `known` must be true or false",
            "9:10: `serial` must be a list of patterns: [\"eth*\"]",
            "10:1: unknown key `profil` (did you mean `profile`?)",
            "12:11: `profile` and `deny` exclude each other: what is denied boots nothing",
        ]
    );
    assert_eq!(told("[rule]\ndeny = true\n"), ["1:1: rules are a list of tables: each begins with [[rule]]"]);
    assert_eq!(
        told("[[rule]]\narch = \"mips\"\n[[rule]]\ninterface = \"eth[0-9]\"\n[[rule]]\ndeny = true\n"),
        [
            "2:8: unknown architecture `mips` (the usual ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64)",
            "4:13: no interface is called `eth[0-9]` (`*` stands for any characters, `?` for one; write several names as a list)",
        ],
        "neither matches every machine"
    );
    assert_eq!(
        warned("[[rule]]\nprofile = \"menu\"\n[[rule]]\ndeny = true\n"),
        ["1:1: this rule matches every machine: the rules behind it never decide (put it last)"]
    );
}

#[test]
fn what_is_named_must_be_there() {
    assert_eq!(
        told(
            "default-profile = \"debain\"\nunknown-machine-profile = \"local-dsk\"\n[profile.debian]\nkernel = \"linux\"\n\
             [profile.ask.menu]\nitems = [{ title = \"a\", profile = \"xxxxxxx\" }]\n[[rule]]\nprofile = \"ak\"\n\
             [machine.web1]\nserial = \"1\"\nprofile = \"debians\"\n"
        ),
        [
            "1:19: there is no profile `debain` (did you mean `debian`?)",
            "2:20: there is no profile `local-dsk` (did you mean `local-disk`?)",
            "6:35: there is no profile `xxxxxxx`",
            "8:11: there is no profile `ak` (did you mean `ask`?)",
            "11:11: there is no profile `debians` (did you mean `debian`?)",
        ]
    );
}

#[test]
fn a_machine_is_found_by_what_it_is_known_by() {
    let text = r#"
        unknown-machine-profile = "nothing"
        default-profile = "local-disk"
        shared-macs = ["00:e0:4c:*"]
        [machine.web1]
        mac = ["52-54-00-12-34-56", "00:e0:4c:00:00:01"]
        uuid = "11223344-5566-7788-99aa-bbccddeeff00"
        serial = " ABC123 "
        profile = "menu"
        boot = "once"
        variables = { role = "web", disks = [1, 2.5, true], since = 2026-01-01 }
        [machine.db]
        mac = "525400123457"
    "#;
    let draft = read(text).plan;
    assert_eq!((draft.default_profile, draft.unknown_machine_profile), (Some(LOCAL_DISK), Some(NOTHING)));
    let machines = &draft.machine_files.machines;
    let by = |identity: Identity<'_>| machines.find(&identity).found.map(|found| machines.get(found.machine).name);
    let mac = |mac| by(Identity { readings: Identifiers::new(Some(mac), None), ..Identity::default() });
    assert_eq!(mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]), Some("web1"));
    assert_eq!(mac([0x52, 0x54, 0, 0x12, 0x34, 0x57]), Some("db"));
    assert_eq!(mac([0, 0xe0, 0x4c, 0, 0, 1]), None, "a dock");
    assert_eq!(by(Identity { serial: Some("ABC123"), ..Identity::default() }), Some("web1"));
    let uuid = 0x11223344556677_8899aabbccddeeff00_u128.to_be_bytes();
    assert_eq!(by(Identity { readings: Identifiers::new(None, Some(uuid)), ..Identity::default() }), Some("web1"));
    let web1 = machines.iter().find(|machine| machine.name == "web1").unwrap();
    assert_eq!((web1.profile, web1.policy), (Some(MENU), Policy::Once));
    let variables: serde_json::Value = serde_json::from_str(web1.variables).unwrap();
    assert_eq!(variables, serde_json::json!({ "role": "web", "disks": [1, 2.5, true], "since": "2026-01-01" }));
}

#[test]
fn a_machines_values_are_its_own() {
    assert_eq!(
        told(
            "[machine.a]\nmac = [\"53:54:00:12:34:56\", \"52:54:00\"]\nuuid = \"00000000-0000-0000-0000-000000000000\"\n\
             serial = \"\"\nboot = \"onec\"\nvariables = { mac = 1 }\nowner = \"me\"\n[machine]\nb = 5\n"
        )[..6],
        [
            "2:8: `mac` must be a MAC address, or a list of them: \"52:54:00:12:34:56\"",
            "2:29: `mac` must be a MAC address, or a list of them: \"52:54:00:12:34:56\"",
            "3:8: this UUID is in many machines, whose makers gave them none of their own: it identifies none (leave \
             it \
             out, and say `mac`)",
            "4:10: `serial` must be a text in quotes",
            "5:8: `boot` must be \"always\", \"once\" or \"never\" (did you mean \"once\"?)",
            "6:15: `mac` is a machine's own, and no variable",
        ]
    );
    let vendor = "uuid = \"03000200-0400-0500-0006-000700080009\"\n";
    for table in ["[[rule]]\n", "[machine.a]\n"] {
        assert!(told(&format!("{table}{vendor}"))[0].starts_with("2:8: this UUID is in many machines"), "{table}");
    }
    assert_eq!(
        told("machine.b = 5\nprofile.c = \"x\"\n"),
        [
            "1:9: `b` is no machine, but a value (a machine is a table: [machine.b])",
            "2:9: `c` is no profile, but a value (a profile is a table: [profile.c])"
        ]
    );
    assert_eq!(
        warned("[machine.a]\nprofile = \"menu\"\n"),
        ["1:10: machine `a` has neither MAC address nor UUID nor serial number: it is never found"]
    );
}

#[test]
fn a_boot_once_that_no_file_uses_up_is_warned_of() {
    let machine = |profile: &str| {
        format!("[profile.x]\n{profile}\n[machine.a]\nserial = \"1\"\nprofile = \"x\"\nboot = \"once\"\n")
    };
    let warning = |line: usize| {
        format!(
            "{line}:10: no file that we send uses up the one boot of machine `a` (name one with `boot-once-file` in its \
             profile, or \
             have the booted system ask for {{{{ done_url }}}})"
        )
    };
    for profile in ["script = \"a\"", "kernel = \"http://x/linux\"", "kernel = \"{{ x }}\"", "boot = \"local-disk\""] {
        assert_eq!(warned(&machine(profile)), [warning(3)], "{profile}");
    }
    for profile in ["kernel = \"linux\"", "script = \"a\"\nboot-once-file = \"x\"", "boot = \"menu\""] {
        assert_eq!(warned(&machine(profile)), [""; 0], "{profile}");
    }
}

#[test]
fn machines_that_are_never_found_by_what_they_are_known_by_are_warned_of() {
    let machines = "shared-macs = [\"00:e0:4c:68:*\"]\n[machine.a]\nmac = \"00:e0:4c:68:00:01\"\n[machine.b]\nserial = \"1\"\n\
                    [machine.c]\nserial = \"2\"\n[machine.d]\nserial = \"3\"\nmac = \"52:54:00:00:00:01\"\n";
    let dock = "2:10: machine `a` has no identity but addresses of `shared-macs`: it is never found (give it its UUID, or an address \
                of its own)";
    assert_eq!(warned(machines), [dock]);
    let serial = "5:10: machine `b`, as 1 more, is known by its serial number alone, ";
    let told = warned(&format!("unknown-machine-profile = \"nothing\"\n{machines}"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].starts_with(serial), "{told:?}");
}

#[test]
fn files_beside_the_main_one_are_read_with_it_as_one() {
    let loaded = load(&[
        (
            "proxydhcpd.toml",
            "default-profile = \"debian\"\n[[rule]]\nname = \"first\"\nknown = true\n[variables]\na = 1\n",
        ),
        (
            "conf.d/10-rooms.toml",
            "[[rule]]\nname = \"second\"\nknown = true\n[directories]\nmirror = \"/srv/mirror\"\n",
        ),
        ("conf.d/20-debian.toml", "[profile.debian]\nkernel = \"linux\"\n[dhcp]\nloop-guard = \"stop\"\n"),
        (
            "conf.d/30.toml",
            "[[rule]]\nname = \"third\"\n[variables]\nb = \"x\"\n[machine.a]\nserial = \"1\"\nprofile = \"debian\"\n",
        ),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/README", "nonsense"),
    ])
    .unwrap();
    let draft = loaded.plan;
    assert_eq!(draft.default_profile, Some(3));
    assert_eq!(draft.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["first", "second", "third"]);
    assert_eq!(serde_json::to_value(&draft.variables).unwrap(), serde_json::json!({ "a": 1, "b": "x" }));
    assert_eq!(
        (draft.directories[0].name.as_str(), draft.directories[0].path.as_path()),
        ("mirror", Path::new("/srv/mirror"))
    );
    assert_eq!(draft.machine_files.machines.iter().next().map(|machine| machine.profile), Some(Some(3)));
    assert_eq!(loaded.settings.loop_guard, LoopGuard::Stop);
}

#[test]
fn what_can_be_only_once_is_told_with_both_places() {
    let both = "[http]\nport = 80\n[tftp]\nsingle-port = true\n[profile.a]\nboot = \"menu\"\n[machine.m]\nserial = \"1\"\n\
                [directories]\nf = \"/f\"\n[variables]\nv = 1\n";
    let told = load(&[
        ("proxydhcpd.toml", both),
        ("conf.d/a.toml", &both.replace("single-port = true", "ports = \"5000-5001\"")),
    ])
    .unwrap_err();
    assert_eq!(
        told,
        [
            "conf.d/a.toml:2:1: `port` is set a second time (proxydhcpd.toml:2 sets it, and only one file can)",
            "conf.d/a.toml:4:1: `single-port` and `ports` of [tftp] exclude each other (proxydhcpd.toml:4 sets the other)",
            "conf.d/a.toml:5:10: profile `a` is given twice (proxydhcpd.toml:5 gives it first)",
            "conf.d/a.toml:7:10: machine `m` is given twice (proxydhcpd.toml:7 gives it first)",
            "conf.d/a.toml:10:1: directory `f` is given twice (proxydhcpd.toml:10 gives it first)",
            "conf.d/a.toml:12:1: variable `v` is given twice (proxydhcpd.toml:12 gives it first)",
        ]
    );
}

#[test]
fn the_errors_of_all_files_are_told_at_once_in_their_order() {
    let files = [
        ("proxydhcpd.toml", "default-profile = \"x\"\nport = 80\n"),
        ("conf.d/a.toml", "[[rule]]\nprofile = \"y\"\n"),
        ("conf.d/b.toml", "[http]\nport = 0\n"),
    ];
    assert_eq!(
        load(&files).unwrap_err(),
        [
            "proxydhcpd.toml:1:19: there is no profile `x`",
            "proxydhcpd.toml:2:1: unknown key `port` (did you mean `port` under [http]?)",
            "conf.d/a.toml:2:11: there is no profile `y`",
            "conf.d/b.toml:2:8: `port` must be a port, 1 to 65535",
        ]
    );
    // What is missing may stand where nothing could be read.
    let mut files = files.to_vec();
    files[2].1 = "[profile.x]\nboot = menu\n";
    let told = load(&files).unwrap_err();
    assert_eq!(told[0], "proxydhcpd.toml:2:1: unknown key `port` (did you mean `port` under [http]?)");
    assert!(told[1].starts_with("conf.d/b.toml:2:"), "{told:?}");
    assert!(told[1..].iter().all(|line| line.starts_with("conf.d/b.toml")), "{told:?}");
}

#[test]
fn conf_d_is_read_without_a_main_file_and_beside_the_one_that_is_named_but_not_beside_an_old_one() {
    let loaded = load(&[("conf.d/a.toml", "default-profile = \"nothing\"\n")]).unwrap();
    assert_eq!((loaded.file, loaded.plan.default_profile), (None, Some(NOTHING)));
    let old = "[proxy]\nlisten_address=192.0.2.1\ntftpd=192.0.2.2\nfilename=x\n";
    let loaded = load(&[("proxy.ini", old), ("conf.d/a.toml", "default-profile = \"nothing\"\n")]).unwrap();
    assert_eq!(loaded.plan.default_profile, None);

    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("conf.d")).unwrap();
    fs::write(directory.path().join("conf.d/a.toml"), "default-profile = \"nothing\"\n").unwrap();
    let file = directory.path().join("other.toml");
    fs::write(&file, "[http]\nport = 80\n").unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let loaded = load_from_dir(&flags, Path::new("/nowhere")).unwrap();
    assert_eq!((loaded.settings.http.port, loaded.plan.default_profile), (80, Some(NOTHING)));
    assert_eq!(loaded.template_dir(), directory.path().join("templates"));
}

#[test]
fn a_directory_conf_d_that_cannot_be_read_is_an_error() {
    let told = load(&[("conf.d", "a file"), ("proxydhcpd.toml", "")]).unwrap_err();
    assert_eq!(told, ["conf.d: unable to read the directory: Not a directory (os error 20)"]);
}
