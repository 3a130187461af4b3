//! Tests the settings of proxydhcpd.toml, and the choice of the configuration file.

use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{ConfigError, Loaded, load_from_dir};
use proxydhcpd::settings::keys::{self, ConfigKey, KEYS, Kind, Target, render};
use proxydhcpd::settings::location::SourceLocation;
use proxydhcpd::settings::raw::machine::RawMachine;
use proxydhcpd::settings::raw::menu::{RawMenu, RawMenuItem};
use proxydhcpd::settings::raw::profile::RawProfile;
use proxydhcpd::settings::raw::rule::RawRule;
use proxydhcpd::settings::raw::site::RawSite;
use proxydhcpd::settings::{Enabled, Settings};
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_reading::diagnostic::Source;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use toml::de::DeTable;

fn toml(text: &str) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    std::fs::write(&file, text).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    match load_from_dir(&flags, directory.path()) {
        Ok(loaded) => Ok(loaded.settings),
        Err(error) => {
            assert_eq!(error.exit_status(), 2);
            Err(error.to_string())
        }
    }
}

#[test]
fn an_empty_file_changes_no_setting() {
    assert_eq!(toml("# nothing\n"), Ok(Settings::default()));
}

/// The keys of settings whose example is the default.
const DEFAULT_EXAMPLES: [&str; 4] = ["state-dir", "http.enabled", "tftp.enabled", "tftp.single-port"];

#[test]
fn the_example_of_every_key_of_a_setting_changes_the_settings() {
    let mut unchanged = Vec::new();
    for key in KEYS {
        use Kind::*;
        let is_setting =
            matches!(key.kind, Boolean(_) | Integer { .. } | Choice(_) | Path(_) | Port(_) | Ports(_) | Setting { .. });
        if !is_setting {
            continue;
        }
        let header = if key.table.is_empty() { String::new() } else { format!("[{}]\n", key.table) };
        let settings = toml(&format!("{header}{} = {}\n", key.name, key.example));
        let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", key.name));
        if settings == Settings::default() {
            unchanged.push(if key.table.is_empty() {
                key.name.to_owned()
            } else {
                format!("{}.{}", key.table, key.name)
            });
        }
    }
    assert_eq!(unchanged, DEFAULT_EXAMPLES);
}

/// Sets a key to its example in this table, and checks that the table changes.
fn set_example<'a>(key: &ConfigKey, source: &'a Source, mut table: impl Target<'a> + Debug) {
    let document = DeTable::parse(&source.text).unwrap();
    let value = &document.get_ref()[key.name];
    let before = format!("{table:?}");
    let read = table.set(&key.kind, value, &SourceLocation { source, span: value.span() });
    let is_set = matches!(key.kind, Kind::Table | Kind::Tables) || format!("{table:?}") != before;
    assert!(read.is_ok() && is_set, "{}.{}: {read:?}", key.table, key.name);
}

#[test]
fn the_example_of_every_key_of_the_plan_changes_its_table() {
    for key in KEYS {
        let source = Source::new("example.toml", format!("{} = {}\n", key.name, key.example).into_bytes()).unwrap();
        let at = SourceLocation { source: &source, span: 0..0 };
        match key.table {
            "rule" => set_example(key, &source, RawRule::new("rule 1".to_owned(), at)),
            "profile" => set_example(key, &source, RawProfile::new(at)),
            "profile.menu" => {
                set_example(key, &source, RawMenu { prompt: String::new(), timeout: 0, ..RawMenu::new(at) })
            }
            "profile.menu.items" => set_example(key, &source, RawMenuItem::new(at)),
            "machine" => set_example(key, &source, RawMachine::default()),
            _ if matches!(key.kind, Kind::Site { .. }) => set_example(key, &source, RawSite::default()),
            _ => {}
        }
    }
}

#[test]
fn each_key_sets_the_setting_of_its_name() {
    let machines = tempfile::tempdir().unwrap();
    let text = r#"
        interfaces = ["eth0", "eth1"]
        address = "192.0.2.10"
        boot-dir = "/srv/boot"
        state-dir = "/srv/state"
        template-dir = "/srv/templates"
        machine-files = "MACHINES"
        ignore-case = true
        secure-boot-certificates = ["/etc/site.pem"]
        [dhcp]
        proxy-only = true
        relays = ["192.0.2.1"]
        ipxe-user-classes = ["xNBA"]
        max-requests-per-second = 1_000
        loop-guard = "off"
        [http]
        enabled = false
        port = 80
        [tftp]
        enabled = true
        ports = "50000-50999"
        max-transfers = 512
        "#;
    let settings = toml(&text.replace("MACHINES", machines.path().to_str().unwrap())).unwrap();
    assert_eq!(settings.interfaces, ["eth0", "eth1"]);
    assert_eq!(settings.addresses, [Ipv4Addr::new(192, 0, 2, 10)]);
    assert_eq!(
        (settings.boot_dir.as_path(), settings.state_dir.as_path()),
        (Path::new("/srv/boot"), Path::new("/srv/state"))
    );
    assert_eq!(settings.template_dir.as_deref(), Some(Path::new("/srv/templates")));
    assert_eq!(settings.machine_files, Some(vec![machines.path().to_owned()]));
    assert!(settings.ignore_case);
    assert_eq!(settings.loop_guard, LoopGuard::Off);
    assert_eq!(settings.secure_boot_certificates, [Path::new("/etc/site.pem")]);
    assert!(settings.proxy_only);
    assert_eq!(settings.relays, [Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(settings.ipxe_user_classes, ["xNBA"]);
    assert_eq!(settings.max_requests_per_second.map(u32::from), Some(1000));
    assert_eq!((settings.http.enabled, settings.http.port), (Enabled::No, 80));
    assert_eq!((settings.tftp.enabled, settings.tftp.ports), (Enabled::Yes, Some(50000..=50999)));
    assert_eq!(settings.tftp.max_transfers, Some(512));
    assert!(toml("[tftp]\nsingle-port = true\n").unwrap().tftp.single_port);
}

/// Returns the settings of the example file, without the `#` before each. Comments have a space after the `#`, and
/// settings do not.
fn uncommented(example: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') || setting.starts_with("  {") => format!("{setting}\n"),
        _ => String::new(),
    };
    example.lines().map(line).collect()
}

#[test]
fn the_example_file_sets_nothing_and_is_valid_when_uncommented() {
    let example = render::example_file();
    assert_eq!(toml(&example), Ok(Settings::default()));
    let text = uncommented(&example);
    let machines = "machine-files = [\"/etc/proxydhcpd/machines\"]\n";
    assert!(text.contains(machines));
    // The directory of the example does not exist on this host.
    let settings = toml(&text.replace(machines, "")).unwrap();
    assert_eq!((settings.http.port, settings.loop_guard), (80, LoopGuard::Stop));
    assert!(example.lines().all(|line| line.len() < 120));
}

#[test]
fn the_example_of_every_key_is_a_valid_value() {
    for key in KEYS {
        let text = match key.table {
            "" => format!("{} = {}", key.name, key.example),
            "profile.menu.items" => format!("[profile.x.menu]\nitems = [{{ {} = {} }}]", key.name, key.example),
            "profile.menu" => format!("[profile.x.menu]\n{} = {}", key.name, key.example),
            "rule" => format!("[[rule]]\n{} = {}", key.name, key.example),
            "profile" | "machine" | "webhook" => format!("[{}.x]\n{} = {}", key.table, key.name, key.example),
            table => format!("[{table}]\n{} = {}", key.name, key.example),
        };
        // The names in the example refer to nothing, but the key is known and the value has the right form.
        let errors = toml(&text).err().unwrap_or_default();
        assert!(!errors.contains("unknown") && !errors.contains("must be"), "{text}\n{errors}");
        // If the value has another type, the error states the expected form.
        let result =
            toml(&text.replace(&format!("{} = {}", key.name, key.example), &format!("{} = 1979-05-27", key.name)));
        assert!(result.unwrap_err().contains(&format!("`{}` must be {}", key.name, key.expected())), "{text}");
    }
}

#[test]
fn every_configuration_in_the_documentation_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages =
        docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut blocks = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split_once("```").unwrap().0;
            toml(block).unwrap_or_else(|errors| panic!("{}:\n{block}\n{errors}", page.display()));
            blocks += 1;
        }
    }
    assert!(blocks >= 3, "{blocks}");
}

#[test]
fn a_list_may_be_a_single_value_and_interfaces_may_be_patterns() {
    let settings = toml("interfaces = \"vlan*\"\naddress = [\"192.0.2.10\", \"198.51.100.1\"]\n").unwrap();
    assert_eq!(settings.interfaces, ["vlan*"]);
    assert_eq!(settings.addresses, [Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(198, 51, 100, 1)]);
}

#[test]
fn addresses_to_announce_and_interfaces_come_from_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("proxydhcpd.toml"), "interfaces = \"eth*\"\naddress = \"192.0.2.11\"\n")
        .unwrap();
    let served = load(directory.path(), None).unwrap().select_interfaces(&[]).unwrap();
    assert_eq!((served.interfaces, served.addresses), (vec!["eth*".to_owned()], vec![IpAddr::from([192, 0, 2, 11])]));
}

#[test]
fn listed_machine_files_must_exist() {
    let errors = toml("machine-files = [\"/nowhere/at/all\", \"/nowhere.csv\"]\n").unwrap_err();
    for (column, path) in [(18, "/nowhere/at/all"), (37, "/nowhere.csv")] {
        assert!(errors.contains(&format!("error: there is no file or directory {path}\n")), "{errors}");
        assert!(errors.contains(&format!("proxydhcpd.toml:1:{column}\n")), "{errors}");
    }
}

#[test]
fn addresses_must_be_unicast() {
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "x", "192.0.2.1/24"] {
        for (line, column) in [("address = ", 11), ("[dhcp]\nrelays = ", 10)] {
            let errors = toml(&format!("{line}\"{address}\"\n")).unwrap_err();
            assert!(errors.contains(&format!(":{column}\n")) && errors.contains("must be"), "{errors}");
        }
    }
}

#[test]
fn an_unknown_key_without_a_suggestion_lists_the_known_keys() {
    let errors = toml("[http]\nxxxxxxxxxxxx = 1\n").unwrap_err();
    assert!(errors.contains("the keys under [http] are enabled, port"), "{errors}");
    assert!(
        keys::suggestion("xxxxxxxxxxxx", "").contains("interfaces, address"),
        "{}",
        keys::suggestion("xxxxxxxxxxxx", "")
    );
}

#[test]
fn all_errors_are_reported_at_once_with_their_locations() {
    let errors = toml("interfaces = 5\nbootdir = \"/b\"\n[http]\nport = 65536\n[tftp]\nenabled = 1\nports = \"9-1\"\n")
        .unwrap_err();
    for (location, message) in [
        (":1:14", "`interfaces` must be a list"),
        (":2:1", "did you mean `boot-dir`?"),
        (":4:8", "`port` must be a port"),
        (":6:11", "`enabled` must be true or false"),
        (":7:9", "the lower one first"),
    ] {
        assert!(
            errors.contains(&format!("proxydhcpd.toml{location}")) && errors.contains(message),
            "{location} {message} in\n{errors}"
        );
    }
}

#[test]
fn a_key_of_another_table_is_suggested_with_its_table() {
    assert!(toml("max-transfers = 5\n").unwrap_err().contains("did you mean `max-transfers` under [tftp]?"));
    assert!(toml("[dhcp]\nsingle_port = true\n").unwrap_err().contains("did you mean `single-port` under [tftp]?"));
    assert!(toml("[htp]\nport = 80\n").unwrap_err().contains("did you mean [http]?"));
    assert!(toml("http = 80\n").unwrap_err().contains("`http` must be a table"));
    assert!(toml("[[machine]]\nmac = \"x\"\n").unwrap_err().contains("write it as [machine.NAME]"));
    assert!(toml("[[rule]]\nallow = true\n").unwrap_err().contains("a rule without `deny` allows"));
    assert!(toml("[profile.x]\nappend = \"x\"\n").unwrap_err().contains("did you mean `arguments`?"));
}

#[test]
fn several_syntax_errors_are_reported_at_once() {
    let errors = toml("interfaces = [\"eth0\nboot-dir = /srv\n").unwrap_err();
    assert!(errors.matches("error:").count() >= 2 && errors.contains("^"), "{errors}");
}

#[test]
fn a_syntax_error_hides_no_error_of_another_line_unless_it_is_in_a_header() {
    let text = "boot-dir = \ndefualt-profle = \"menu\"\n[profile.a]\nkernel = \"linux\nargments = \"x\"\n[machine.b]\n\
                mac = x\n";
    let errors = toml(text).unwrap_err();
    for location in [":1:12", ":2:1", ":4:16", ":5:1", ":7:7"] {
        assert!(errors.contains(location), "{location}: {errors}");
    }
    assert_eq!(errors.matches("error: ").count(), 5, "{errors}");
    let errors = toml("[profile.a\nkernal = \"x\"\n").unwrap_err();
    assert!(!errors.contains("kernal`") && errors.contains(":1:11"), "{errors}");
}

#[test]
fn numbers_and_ports_out_of_range_are_errors() {
    for line in [
        "[http]\nport = 0",
        "[http]\nport = -1",
        "[dhcp]\nmax-requests-per-second = 0",
        "[tftp]\nmax-transfers = 1.5",
        "[tftp]\nmax-transfers = 0",
        "[tftp]\nmax-transfers = 1048577",
        "[http]\nport = 0x50",
    ] {
        assert!(toml(line).is_err(), "{line}");
    }
    assert!(toml("secure-boot-certificates = [\"/a\", \"site.pem\"]").unwrap_err().contains(":1:35"));
    assert!(toml("boot-dir = \"relative\"").unwrap_err().contains("absolute"));
    assert!(toml("[tftp]\nsingle-port = true\nports = \"1-2\"").unwrap_err().contains("exclude"));
    assert!(toml("[dhcp]\nrelays = [\"192.0.2.1\", \"x\"]").unwrap_err().contains(":2:24"));
}

const PROXY_INI: &str = "[proxy]\nlisten_address=192.0.2.1\ntftpd=192.0.2.2\nfilename=x\n";

fn load(directory: &Path, config: Option<&str>) -> Result<Loaded, ConfigError> {
    load_from_dir(&Flags { config: config.map(|name| directory.join(name)), ..Flags::default() }, directory)
}

#[test]
fn proxydhcpd_toml_takes_precedence_over_proxy_ini_and_no_file_is_required() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert_eq!(load(directory, None).unwrap().file, None);
    std::fs::write(directory.join("proxy.ini"), PROXY_INI).unwrap();
    let loaded = load(directory, None).unwrap();
    assert_eq!(loaded.file, Some(directory.join("proxy.ini")));
    assert_eq!(loaded.settings.tftp.enabled, Enabled::IfLocal(Ipv4Addr::new(192, 0, 2, 2)));
    assert_eq!(loaded.settings.http.enabled, Enabled::IfLocal(Ipv4Addr::new(192, 0, 2, 2)));
    std::fs::write(directory.join("proxydhcpd.toml"), "boot-dir = \"/b\"\n").unwrap();
    let loaded = load(directory, None).unwrap();
    assert_eq!(loaded.file, Some(directory.join("proxydhcpd.toml")));
    assert!(loaded.legacy.is_none());
}

#[test]
fn a_missing_file_that_the_flags_name_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = load(directory.path(), Some("missing.ini")).unwrap_err();
    assert_eq!(error.exit_status(), 2);
    assert!(error.to_string().contains("missing.ini"));
    assert_eq!(load(directory.path(), Some(".")).unwrap_err().exit_status(), 2);
}

#[test]
fn the_format_is_detected_by_extension_or_content() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    std::fs::write(directory.join("old.conf"), PROXY_INI).unwrap();
    std::fs::write(directory.join("new.conf"), "[http]\nport = 80\n").unwrap();
    assert!(load(directory, Some("old.conf")).unwrap().legacy.is_some());
    assert_eq!(load(directory, Some("new.conf")).unwrap().settings.http.port, 80);
}

#[test]
fn a_proxy_ini_for_another_host_exits_with_1() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("proxy.ini"), PROXY_INI).unwrap();
    let mut loaded = load(directory.path(), None).unwrap();
    let error = loaded.select_interfaces(&[]).unwrap_err();
    assert_eq!(error.exit_status(), 1);
    assert!(error.to_string().starts_with("CRITICAL: "), "{error}");
    // If a flag names the interface, it overrides the interfaces in the file.
    loaded.settings.interfaces = vec!["eth5".into()];
    assert_eq!(loaded.select_interfaces(&[]).unwrap().interfaces, ["eth5"]);
}
