//! Tests the plan of the native configuration: profiles, rules and machines, and the exact text of errors and warnings.

use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{Loaded, load_from_dir};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::identity::{Identifiers, ShownIdentities};
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_core::plan::inventory::BootMode;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::plan::profile::{BootTarget, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Firmware, Rule};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Loads a configuration of these files. Errors have the form `FILE:LINE:COLUMN: message (help)`.
fn load(files: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let without_directory = |line: String| line.replace(&format!("{}/", directory.path().display()), "");
    load_from_dir(&Flags::default(), directory.path())
        .map_err(|error| error.0.iter().map(|error| without_directory(error.one_line())).collect())
        .map(|mut loaded| {
            for warning in &mut loaded.diagnostics {
                warning.file = warning.file.take().map(without_directory);
            }
            loaded
        })
}

fn read(text: &str) -> Loaded {
    load(&[("proxydhcpd.toml", text)]).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Returns the errors of a configuration in the form `LINE:COLUMN: message (help)`.
fn errors(text: &str) -> Vec<String> {
    let errors = load(&[("proxydhcpd.toml", text)]).expect_err(text);
    errors.iter().map(|line| line.trim_start_matches("proxydhcpd.toml:").to_owned()).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let diagnostics = read(text).diagnostics;
    diagnostics.iter().map(|warning| warning.one_line().trim_start_matches("proxydhcpd.toml:").to_owned()).collect()
}

fn profile(text: &str, name: &str) -> Profile {
    let found = read(text).plan.profiles.into_iter().find(|unresolved| unresolved.profile.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).profile
}

fn linux(kernel: &str, initrds: &[&str], arguments: &str) -> BootTarget {
    let initrds = initrds.iter().map(|&name| name.into()).collect();
    BootTarget::Linux(Linux { kernel: kernel.into(), initrds, arguments: arguments.into() })
}

#[test]
fn each_key_sets_the_kind_of_boot() {
    for (text, boots) in [
        ("kernel = \"/debian//linux\"\ninitrd = \"a\"\narguments = \"quiet\"", linux("debian/linux", &["a"], "quiet")),
        (
            "kernel = \"http://x/{{ a }}\"\ninitrd = [\"a\", \"{{ b }}\"]\n\
             arguments = \"\"\"\n  quiet\n  splash\n\"\"\"",
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
fn a_key_that_is_not_set_is_inherited() {
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
    let of = |name: &str| loaded.plan.profiles.iter().find(|unresolved| unresolved.profile.name == name).unwrap();
    let test = of("test");
    assert_eq!(test.profile.boots, linux("linux", &["initrd"], "console=ttyS0"));
    assert_eq!((test.profile.title.as_str(), test.profile.boot_once_file()), ("test", Some("initrd")));
    assert_eq!(
        serde_json::to_value(&test.variables).unwrap(),
        serde_json::json!({ "suite": "bookworm", "mirror": "b" })
    );
    let loaders: Vec<_> = test.loaders.iter().map(|(arch, (name, _))| (*arch, name.as_str())).collect();
    assert_eq!(loaders, [(Arch::BIOS, "a.0"), (Arch::X64, "b.efi")]);
    // If a profile names a different kind of boot, this replaces the inherited boot together with its keys.
    let rescue = &of("rescue").profile;
    assert_eq!((&rescue.boots, rescue.boot_once_file()), (&BootTarget::Script("rescue.ipxe".into()), None));
    // The base profile boots its loaders.
    assert_eq!(of("base").profile.boots, BootTarget::Loader);
}

#[test]
fn a_profile_boots_one_thing() {
    assert_eq!(
        errors("[profile.x]\nkernel = \"a\"\nscript = \"b\"\nboot = \"menu\"\n"),
        [
            "3:10: `kernel` and `script` exclude each other: a profile boots one thing",
            "4:8: `kernel` and `boot` exclude each other: a profile boots one thing",
        ]
    );
    assert_eq!(
        errors("[profile.x]\ntitle = \"X\"\n"),
        ["1:10: profile `x` does not set what it boots (set one of `kernel`, `script`, `boot`, `menu` and `loaders`)"]
    );
    assert_eq!(
        errors("[profile.x]\nboot = \"menu\"\ninitrd = \"a\"\narguments = \"b\"\n"),
        [
            "3:10: `initrd` requires `kernel`, which profile `x` does not set",
            "4:13: `arguments` requires `kernel`, which profile `x` does not set",
        ]
    );
}

#[test]
fn a_profile_that_others_extend_need_not_boot_anything_but_then_no_machine_can_boot_it() {
    let text = "default-profile = \"base\"\n[profile.base]\n[profile.x]\nextends = \"base\"\nboot = \"menu\"\n";
    assert_eq!(
        errors(text),
        ["1:19: profile `base` does not set what it boots (set what it boots, or use a profile that extends it)"]
    );
    assert!(load(&[("proxydhcpd.toml", &text.replace("\"base\"\n[p", "\"x\"\n[p"))]).is_ok());
}

#[test]
fn a_circle_of_profiles_or_an_unknown_base_is_an_error() {
    assert_eq!(
        errors(
            "[profile.a]\nextends = \"b\"\n[profile.b]\nextends = \"c\"\n[profile.c]\nextends = \"b\"\n\
             [profile.d]\nextends = \"d\"\n[profile.e]\nextends = \"dd\"\n[profile.f]\nextends = \"menu\"\n"
        ),
        [
            "4:11: profiles extend each other in a circle: b -> c -> b",
            "8:11: profiles extend each other in a circle: d -> d",
            "10:11: there is no profile `dd` (did you mean `d`?)",
            "12:11: `menu` is built in and cannot be extended",
        ]
    );
}

#[test]
fn names_are_short_and_plain_and_not_those_of_built_in_profiles() {
    let rule = "is not a valid name: use 1 to 63 letters, digits, dots, hyphens and underscores";
    let long = "x".repeat(64);
    assert_eq!(
        errors(&format!(
            "[profile.menu]\nboot = \"menu\"\n[profile.\"a b\"]\nboot = \"menu\"\n[machine.{long}]\nserial = \"1\"\n"
        )),
        [
            "1:10: `menu` is a built-in profile: rename this one".to_owned(),
            format!("3:10: `a b` {rule}"),
            format!("5:10: `{long}` {rule}"),
        ]
    );
}

#[test]
fn a_loader_needs_a_known_architecture_and_a_name_that_fits_into_a_packet() {
    let long = format!("{}.efi", "x".repeat(124));
    let url = |octets: usize| format!("http://192.0.2.10/{}", "x".repeat(octets - 18));
    let (fits, longer) = (url(254), url(255));
    assert_eq!(
        errors(&format!(
            "[profile.x.loaders]\nuefi-x46 = \"a\"\nhttp-x64 = \"a\"\nuefi-x64 = \"../a\"\nbios = \"{long}\"\n\
             mips = \"a\"\n\
             uefi-arm32 = \"{fits}\"\nuefi-arm64 = \"{longer}\"\n"
        )),
        [
            "2:1: unknown architecture `uefi-x46` (did you mean `uefi-x64`?)",
            "3:1: x64 UEFI HTTP has no separate loader (it uses that of `uefi-x64`)",
            "4:12: `uefi-x64` must be a path in the boot directory, or a URL",
            "5:8: the name has 128 octets: firmware accepts at most 127",
            "6:1: unknown architecture `mips` (common ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64)",
            "8:14: the URL has 255 octets: firmware accepts at most 254",
        ]
    );
}

#[test]
fn invalid_values_of_a_profile_are_errors_at_the_value() {
    assert_eq!(
        errors(
            "[profile.x]\nkernel = \"../linux\"\ninitrd = [\"a\", 5]\narguments = \"a || b\"\nboot-once-file = \"\"\n\
             title = \"a\\nb\"\nvariables = { \"a-b\" = 1, base = 2 }\n"
        ),
        [
            "2:10: `kernel` must be a path in the boot directory, or a URL",
            "3:16: `initrd` must be a path in the boot directory or a URL, or a list of them",
            "4:13: iPXE cannot pass `||` to the kernel",
            "5:18: `boot-once-file` must be the name of a file, as machines request it",
            "6:9: `title` must be text in quotes, on one line",
            "7:15: `a-b` is not a valid name of a variable: use letters, digits and underscores",
            "7:26: `base` is not a valid name of a variable: templates define it already",
        ]
    );
}

#[test]
fn items_of_a_menu_have_types_and_lead_to_profiles_or_servers() {
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
    let error = "8:58: `type` must be a PXE boot server type, 1 to 65535";
    assert_eq!(errors(text), [error]);
    let loaded = read(&text.replace("type = 0", "type = 32769"));
    let BootTarget::Menu(menu) = &loaded.plan.profiles[3].profile.boots else { panic!() };
    assert_eq!((menu.prompt.as_str(), menu.timeout), ("Press F8 for the menu", 255));
    let items: Vec<_> =
        menu.items.iter().map(|item| (item.server_type, item.title.as_str(), item.target.clone())).collect();
    assert_eq!(
        items,
        [
            (0x8002, "Menu", ItemTarget::Profile(Some("menu".into()))),
            (1, "Old", ItemTarget::Profile(Some("disk".into()))),
            (0x8003, "WDS", ItemTarget::Server(Ipv4Addr::new(192, 0, 2, 99))),
            (0x8001, "Taken", ItemTarget::Profile(Some("nothing".into()))),
        ]
    );
}

#[test]
fn a_menu_that_firmware_cannot_show_is_an_error() {
    let menu =
        |items: &str| format!("[profile.ask.menu]\nitems = [\n{items}]\n[profile.disk]\nboot = \"local-disk\"\n");
    let many = |count, title: &str| menu(&format!("{{ title = \"{title}\", profile = \"disk\" }},\n").repeat(count));
    assert_eq!(errors(&menu("")), ["1:1: the menu has no items"]);
    assert_eq!(errors(&many(25, "x")), ["1:1: the menu has 25 items: firmware shows at most 24"]);
    assert_eq!(
        errors(&many(9, &"x".repeat(30))),
        ["1:1: the menu does not fit into the 255 octets that a reply has for it (each item takes 10 octets plus \
          its title: use shorter titles or fewer items)"]
    );
    // The menu has 5 octets at the start, 10 octets and the title for each item, and the prompt with its timeout. It
    // uses all 255 octets.
    read(&many(9, &"x".repeat(13)));
    assert_eq!(
        errors(&menu(&format!(
            "{{ title = \"{}\", profile = \"disk\" }},\n{{ title = \"B\u{fc}ro\", profile = \"disk\" }},\n\
             {{ title = \"a\" }},\n{{ profile = \"disk\" }},\n\
             {{ title = \"a\", profile = \"disk\", server = \"192.0.2.1\" }},\n\
             {{ title = \"a\", server = \"224.0.0.1\" }},\n{{ title = \"a\", profile = \"disk\", type = 1 }},\n\
             {{ title = \"b\", profile = \"disk\", type = 1 }},\n{{ title = \"b\", profil = \"ask\" }},\n",
            "x".repeat(61)
        ))),
        [
            "3:11: `title` must be 1 to 60 printable ASCII characters in quotes (firmware shows no others)",
            "4:11: `title` must be 1 to 60 printable ASCII characters in quotes (firmware shows no others)",
            "5:1: this item has no `profile`, `server` or `type`",
            "6:1: this item has no `title`",
            "7:1: `profile` and `server` exclude each other: an item leads to one of them",
            "8:25: `server` must be a unicast IPv4 address in quotes",
            "10:41: duplicate type 1: another item has it",
            "11:16: unknown key `profil` (did you mean `profile`?)",
        ]
    );
    assert_eq!(
        errors(&menu("{ title = \"a\", profile = \"ask\" },\n")),
        ["3:26: profile `ask` is a menu: firmware shows no submenus"]
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
        firmware: vec![
            Firmware::Bios,
            Firmware::Uefi,
            Firmware::Http,
            Firmware::Ipxe,
            Firmware::Dialect(Dialect::from_id("raspberry-pi").unwrap()),
            Firmware::UBoot,
        ],
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
    assert_eq!(
        rules[0],
        Rule { name: "all".into(), when, profile: Some("x".into()), as_firmware: true, ..Rule::default() }
    );
    let known = Conditions { known: Some(true), ..Conditions::default() };
    assert_eq!(rules[1], Rule { name: "rule 2".into(), when: known, deny: true, ..Rule::default() });
    assert_eq!(rules[2], Rule { name: "rule 3".into(), ..Rule::default() });
    assert_eq!(
        rules[3],
        Rule { name: "rule 4".into(), as_dialect: Dialect::from_id("raspberry-pi"), ..Rule::default() }
    );
    assert_eq!(
        errors("[[rule]]\nas-firmware = true\nas-raspberry-pi = true\n"),
        ["3:19: `as-raspberry-pi` and `as-firmware` exclude each other: a Raspberry Pi takes no loader"]
    );
}

#[test]
fn invalid_conditions_of_a_rule_are_errors() {
    assert_eq!(
        errors(
            "[[rule]]\nmac = [\"52:54:0\", \"52:54:00\", \"x\"]\nuuid = \"1122\"\narch = \"x64\"\n\
             firmware = [\"efi\"]\n\
             subnet = [\"10.0.0.0/33\", \"10.0.0.0\"]\nrelay = \"0.0.0.0\"\nknown = \"yes\"\nserial = []\n\
             profil = \"menu\"\n\
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
            "9:10: `serial` must be a list of patterns with `*` and `?`",
            "10:1: unknown key `profil` (did you mean `profile`?)",
            "12:11: `profile` and `deny` exclude each other: a denied machine boots nothing",
        ]
    );
    assert_eq!(
        errors("[rule]\ndeny = true\n"),
        ["1:1: `rule` must be a list of tables: begin each rule with [[rule]]"]
    );
    assert_eq!(
        errors("[[rule]]\narch = \"mips\"\n[[rule]]\ninterface = \"eth[0-9]\"\n[[rule]]\ndeny = true\n"),
        [
            "2:8: unknown architecture `mips` (common ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64)",
            "4:13: `eth[0-9]` matches no interface: patterns have no brackets \
             (`*` stands for any characters, `?` for one; for several names, write a list)",
        ],
        "neither rule matches every machine"
    );
    assert_eq!(
        warnings("[[rule]]\nprofile = \"menu\"\n[[rule]]\ndeny = true\n"),
        ["1:1: this rule matches every machine, so the rules after it never decide (put it last)"]
    );
}

#[test]
fn a_reference_to_an_unknown_profile_is_an_error() {
    assert_eq!(
        errors(
            "default-profile = \"debain\"\nunknown-machine-profile = \"local-dsk\"\n[profile.debian]\n\
             kernel = \"linux\"\n\
             [profile.ask.menu]\nitems = [{ title = \"a\", profile = \"xxxxxxx\" }]\n[[rule]]\nprofile = \"ak\"\n\
             [machine.web1]\nserial = \"1\"\nprofile = \"debians\"\n"
        ),
        [
            "1:19: there is no profile `debain` (did you mean `debian`?)",
            "2:27: there is no profile `local-dsk` (did you mean `local-disk`?)",
            "6:35: there is no profile `xxxxxxx`",
            "8:11: there is no profile `ak` (did you mean `ask`?)",
            "11:11: there is no profile `debians` (did you mean `debian`?)",
        ]
    );
}

#[test]
fn a_machine_is_found_by_each_of_its_identities() {
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
    let plan = read(text).plan;
    assert_eq!(
        (plan.default_profile.as_deref(), plan.unknown_machine_profile.as_deref()),
        (Some("local-disk"), Some("nothing"))
    );
    let machines = &plan.machine_files.machines;
    let find = |identity: ShownIdentities<'_>| machines.get_by_identity(&identity).map(|entry| entry.name);
    let mac =
        |mac| find(ShownIdentities { identifiers: Identifiers::new(Some(mac), None), ..ShownIdentities::default() });
    assert_eq!(mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]), Some("web1"));
    assert_eq!(mac([0x52, 0x54, 0, 0x12, 0x34, 0x57]), Some("db"));
    assert_eq!(mac([0, 0xe0, 0x4c, 0, 0, 1]), None, "a shared address");
    assert_eq!(find(ShownIdentities { serial: Some("ABC123"), ..ShownIdentities::default() }), Some("web1"));
    let uuid = 0x11223344556677_8899aabbccddeeff00_u128.to_be_bytes();
    assert_eq!(
        find(ShownIdentities { identifiers: Identifiers::new(None, Some(uuid)), ..ShownIdentities::default() }),
        Some("web1")
    );
    let web1 = machines.iter().find(|machine| machine.name == "web1").unwrap();
    assert_eq!((web1.profile, web1.boot_mode), (Some("menu"), BootMode::Once));
    let variables: serde_json::Value = serde_json::from_str(web1.variables).unwrap();
    assert_eq!(variables, serde_json::json!({ "role": "web", "disks": [1, 2.5, true], "since": "2026-01-01" }));
}

#[test]
fn invalid_values_of_a_machine_are_errors_at_the_value() {
    assert_eq!(
        errors(
            "[machine.a]\nmac = [\"53:54:00:12:34:56\", \"52:54:00\"]\n\
             uuid = \"00000000-0000-0000-0000-000000000000\"\n\
             serial = \"\"\nboot = \"onec\"\nvariables = { mac = 1 }\nowner = \"me\"\n[machine]\nb = 5\n"
        )[..6],
        [
            "2:8: `mac` must be a MAC address, or a list of them: \"52:54:00:12:34:56\"",
            "2:29: `mac` must be a MAC address, or a list of them: \"52:54:00:12:34:56\"",
            "3:8: this UUID is a placeholder that many machines have, so it identifies none (use `mac` instead)",
            "4:10: `serial` must be text in quotes, on one line",
            "5:8: `boot` must be \"always\", \"once\" or \"never\" (did you mean \"once\"?)",
            "6:15: `mac` is reserved for the machine itself: rename the variable",
        ]
    );
    let vendor = "uuid = \"03000200-0400-0500-0006-000700080009\"\n";
    for table in ["[[rule]]\n", "[machine.a]\n"] {
        assert!(errors(&format!("{table}{vendor}"))[0].starts_with("2:8: this UUID is a placeholder"), "{table}");
    }
    assert_eq!(
        errors("machine.b = 5\nprofile.c = \"x\"\n"),
        [
            "1:9: `b` is a value, not a machine (write a machine as a table: [machine.b])",
            "2:9: `c` is a value, not a profile (write a profile as a table: [profile.c])"
        ]
    );
    assert_eq!(
        warnings("[machine.a]\nprofile = \"menu\"\n"),
        ["1:10: machine `a` has no MAC address, UUID or serial number, so its entry never applies"]
    );
}

#[test]
fn a_boot_once_that_no_download_completes_is_a_warning() {
    let machine = |profile: &str| {
        format!("[profile.x]\n{profile}\n[machine.a]\nserial = \"1\"\nprofile = \"x\"\nboot = \"once\"\n")
    };
    let warning = |line: usize| {
        format!(
            "{line}:10: no download completes the boot-once of machine `a` (set `boot-once-file` in its profile, or \
             have the installed system request {{{{ done_url }}}})"
        )
    };
    for profile in ["script = \"a\"", "kernel = \"http://x/linux\"", "kernel = \"{{ x }}\"", "boot = \"local-disk\""] {
        assert_eq!(warnings(&machine(profile)), [warning(3)], "{profile}");
    }
    for profile in ["kernel = \"linux\"", "script = \"a\"\nboot-once-file = \"x\"", "boot = \"menu\""] {
        assert_eq!(warnings(&machine(profile)), [""; 0], "{profile}");
    }
}

#[test]
fn a_machine_without_a_usable_identity_is_a_warning() {
    let machines = "shared-macs = [\"00:e0:4c:68:*\"]\n[machine.a]\nmac = \"00:e0:4c:68:00:01\"\n[machine.b]\n\
                    serial = \"1\"\n\
                    [machine.c]\nserial = \"2\"\n[machine.d]\nserial = \"3\"\nmac = \"52:54:00:00:00:01\"\n";
    let only_shared = "2:10: machine `a` has no identity but addresses of `shared-macs`, so its entry never applies \
                       (add its UUID, or a MAC address that only this machine has)";
    assert_eq!(warnings(machines), [only_shared]);
    let only_serial = "5:10: machine `b` (and 1 more) has only a serial number, which firmware does not send: ";
    let both = warnings(&format!("unknown-machine-profile = \"nothing\"\n{machines}"));
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[1].starts_with(only_serial), "{both:?}");
}

#[test]
fn files_of_conf_d_are_read_with_the_main_file_as_one() {
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
    let plan = loaded.plan;
    assert_eq!(plan.default_profile.as_deref(), Some("debian"));
    assert_eq!(plan.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["first", "second", "third"]);
    assert_eq!(serde_json::to_value(&plan.variables).unwrap(), serde_json::json!({ "a": 1, "b": "x" }));
    assert_eq!(
        (plan.directories[0].name.as_str(), plan.directories[0].path.as_path()),
        ("mirror", Path::new("/srv/mirror"))
    );
    assert_eq!(plan.machine_files.machines.iter().next().map(|machine| machine.profile), Some(Some("debian")));
    assert_eq!(loaded.settings.loop_guard, LoopGuard::Stop);
}

#[test]
fn a_duplicate_is_an_error_with_both_locations() {
    let both = "[http]\nport = 80\n[tftp]\nsingle-port = true\n[profile.a]\nboot = \"menu\"\n[machine.m]\n\
                serial = \"1\"\n\
                [directories]\nf = \"/f\"\n[variables]\nv = 1\n";
    let errors = load(&[
        ("proxydhcpd.toml", both),
        ("conf.d/a.toml", &both.replace("single-port = true", "ports = \"5000-5001\"")),
    ])
    .unwrap_err();
    assert_eq!(
        errors,
        [
            "conf.d/a.toml:2:1: `port` is set twice (proxydhcpd.toml:2 sets it already; delete one of them)",
            "conf.d/a.toml:4:1: `single-port` and `ports` of [tftp] exclude each other (proxydhcpd.toml:4 sets the \
             other)",
            "conf.d/a.toml:5:10: duplicate profile `a` (proxydhcpd.toml:5 has it first)",
            "conf.d/a.toml:7:10: duplicate machine `m` (proxydhcpd.toml:7 has it first)",
            "conf.d/a.toml:10:1: duplicate directory `f` (proxydhcpd.toml:10 has it first)",
            "conf.d/a.toml:12:1: duplicate variable `v` (proxydhcpd.toml:12 has it first)",
        ]
    );
}

#[test]
fn the_errors_of_all_files_are_reported_at_once_in_their_order() {
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
    // If a file has a syntax error, unknown names in other files are not reported.
    let mut files = files.to_vec();
    files[2].1 = "[profile.x]\nboot = menu\n";
    let errors = load(&files).unwrap_err();
    assert_eq!(errors[0], "proxydhcpd.toml:2:1: unknown key `port` (did you mean `port` under [http]?)");
    assert!(errors[1].starts_with("conf.d/b.toml:2:"), "{errors:?}");
    assert!(errors[1..].iter().all(|line| line.starts_with("conf.d/b.toml")), "{errors:?}");
}

#[test]
fn conf_d_is_read_without_a_main_file_and_next_to_a_named_one_but_not_with_proxy_ini() {
    let loaded = load(&[("conf.d/a.toml", "default-profile = \"nothing\"\n")]).unwrap();
    assert_eq!((loaded.file, loaded.plan.default_profile.as_deref()), (None, Some("nothing")));
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
    assert_eq!((loaded.settings.http.port, loaded.plan.default_profile.as_deref()), (80, Some("nothing")));
    assert_eq!(loaded.template_dir(), directory.path().join("templates"));
}

#[test]
fn a_directory_conf_d_that_cannot_be_read_is_an_error() {
    let errors = load(&[("conf.d", "a file"), ("proxydhcpd.toml", "")]).unwrap_err();
    assert_eq!(errors, ["conf.d: cannot read the directory: Not a directory (os error 20)"]);
}
