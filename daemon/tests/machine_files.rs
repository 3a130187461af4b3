//! Tests machine files that were written by hand or exported from other systems.

use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::load_from_dir;
use proxydhcpd::machine_files::{MachineFiles, MachineReader};
use proxydhcpd_core::plan::inventory::{BootMode, Inventory, Machine};
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn profile(name: &str) -> Result<(), (String, Option<String>)> {
    match name {
        "debian" => Ok(()),
        _ => Err((format!("there is no profile `{name}`"), Some("did you mean `debian`?".into()))),
    }
}

fn read(path: &Path) -> Result<MachineFiles, Vec<Diagnostic>> {
    let mut reader = MachineReader::new(&profile);
    reader.read_path(path);
    reader.finish(&["00:e0:4c:68:*".parse().unwrap()], false)
}

fn file(directory: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes a file with this name and text, and reads it as a machine file.
fn read_text(name: &str, text: &str) -> Result<MachineFiles, Vec<Diagnostic>> {
    let directory = TempDir::new().unwrap();
    read(&file(&directory, name, text))
}

/// Returns the errors of a file: line, column, width, and message with help.
fn errors(name: &str, text: &str) -> Vec<(usize, usize, usize, String)> {
    let parts = |error: Diagnostic| {
        let location = error.location.unwrap_or_else(|| panic!("{} has no location", error.message));
        let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
        (location.line, location.column, location.width, error.message + &help)
    };
    read_text(name, text).unwrap_err().into_iter().map(parts).collect()
}

fn assert_web1_and_db1(machines: &Inventory) {
    let web1 = Machine {
        name: "web1",
        macs: &[[0x52, 0x54, 0, 0x12, 0x34, 0x56], [0x52, 0x54, 0, 0x12, 0x34, 0x57]],
        uuid: Some([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0]),
        serial: Some("ABC123"),
        profile: Some("debian"),
        boot_mode: BootMode::Once,
        variables: "{\"role\":\"web\"}",
    };
    let db1 = Machine { name: "db1", serial: Some("say \"x\", y"), ..Machine::default() };
    let mut both: Vec<Machine<'_>> = machines.iter().collect();
    both.sort_by_key(|machine| machine.name == "db1");
    assert_eq!(both, [web1, db1]);
}

#[test]
fn csv_toml_and_json_describe_the_same_machines() {
    let uuid = "11223344-5566-7788-99aa-bbccddeeff00";
    let csv = format!(
        "\u{feff}Name,MAC,uuid,serial,profile,boot,role\r\n\
         web1,52:54:00:12:34:56 52-54-00-12-34-57,{uuid},ABC123,debian,once,web\r\n\r\n\
         db1,,,\"say \"\"x\"\", y\",,,\r\n,,,,,,\r\n"
    );
    let toml = format!(
        "[web1]\nmac = [\"52:54:00:12:34:56\", \"525400123457\"]\nuuid = \"{uuid}\"\nserial = \"ABC123\"\n\
         profile = \"debian\"\nboot = \"once\"\nvariables = {{ role = \"web\" }}\n\
         [machine.db1]\nserial = 'say \"x\", y'\n"
    );
    let web1 = format!(
        "\"mac\": [\"52:54:00:12:34:56\", \"5254.0012.3457\"], \"uuid\": \"{uuid}\", \"serial\": \"ABC123\",\n\
         \"profile\": \"debian\", \"boot\": \"once\", \"variables\": {{ \"role\" : \"web\" }}"
    );
    let list = format!(
        "[{{ \"name\": \"web1\", {web1} }}, {{ \"serial\": \"say \\\"x\\\", y\", \"name\": \"db1\", \"mac\": null }}]"
    );
    let by_name = format!("{{ \"web1\": {{ {web1} }}, \"db1\": {{ \"serial\": \"say \\\"x\\\", y\" }} }}");
    for (name, text) in [("a.csv", csv), ("a.toml", toml), ("a.json", list), ("b.json", by_name)] {
        let read = read_text(name, &text).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
        assert_web1_and_db1(&read.machines);
        assert_eq!((read.file_count, read.warnings), (1, vec![]), "{name}");
    }
}

#[test]
fn semicolons_may_separate_fields() {
    let read = read_text("a.csv", "name;mac;motto\nweb1;52:54:00:12:34:56;a, b\n").unwrap();
    assert_eq!(read.machines.iter().next().unwrap().variables, "{\"motto\":\"a, b\"}");
}

#[test]
fn every_error_in_csv_has_its_location_and_a_suggestion() {
    let text = "name,mac,uuid,profile,boot\n\
                web 1,52:54:00:12:34:56,,debian,\n\
                web2,52:54:00:12:34:5x,1122,debain,sometimes\n\
                \"küche\n1\",,,,onec\n\
                web3,\n\
                web4,\"52\" 54,,,\n\
                ,52:54:00:12:34:58,,,\n";
    let found = errors("a.csv", text);
    let locations: Vec<_> = found.iter().map(|(line, column, width, _)| (*line, *column, *width)).collect();
    assert_eq!(
        locations,
        [
            (2, 1, 5),
            (3, 6, 17),
            (3, 24, 4),
            (3, 29, 6),
            (3, 36, 9),
            (4, 1, 6),
            (5, 7, 4),
            (6, 1, 5),
            (7, 11, 1),
            (8, 1, 1)
        ]
    );
    assert_eq!(found[3].3, "there is no profile `debain` (did you mean `debian`?)");
    assert_eq!(found[6].3, "`boot` must be always, once or never, not \"onec\" (did you mean `once`?)");
    assert_eq!(found[7].3, "this line has 2 fields, but the header line has 5 columns");
    let printed = read_text("a.csv", text).unwrap_err()[1].to_string();
    assert!(printed.contains("3 | web2,52:54:00:12:34:5x,1122,debain,sometimes\n"), "{printed}");
    assert!(printed.contains("|      ^^^^^^^^^^^^^^^^^\n"), "{printed}");
}

#[test]
fn a_csv_file_without_a_header_line_is_an_error() {
    assert!(errors("a.csv", "web1,52:54:00:12:34:56\n")[0].3.starts_with("the column `name` is missing"));
    assert!(read_text("a.csv", "").unwrap_err()[0].message.contains("the file has no header line"));
    assert_eq!(errors("a.csv", "name,mac,name\n")[0], (1, 10, 4, "duplicate column \"name\"".to_owned()));
}

#[test]
fn a_column_whose_name_is_similar_to_a_key_is_a_warning() {
    let warnings = read_text("a.csv", "name,serail,role\nweb1,ABC,web\n").unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0]
            .one_line()
            .ends_with("a.csv:1:6: the column \"serail\" becomes a variable (did you mean `serial`?)")
    );
    assert!(warnings[1].message.contains("no MAC address, UUID or serial number"), "{warnings:?}");
    assert_eq!(warnings[1].severity, Severity::Warning);
}

#[test]
fn a_column_whose_name_is_invalid_for_a_variable_is_ignored() {
    let read = read_text("a.csv", "name,serial,Asset Tag,rack\nweb1,ABC,4711,r1\n").unwrap();
    assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
    assert!(read.warnings[0].message.starts_with("the column \"Asset Tag\" is ignored"));
    assert_eq!(read.machines.iter().next().unwrap().variables, "{\"rack\":\"r1\"}");
}

#[test]
fn a_machine_of_the_configuration_and_one_of_a_file_cannot_have_the_same_name() {
    let directory = TempDir::new().unwrap();
    let main = file(&directory, "proxydhcpd.toml", "# main\n\n[machine.web1]\n");
    let csv = file(&directory, "a.csv", "name,serial\nweb1,A\n");
    let mut reader = MachineReader::new(&profile);
    let web1 = Machine { name: "web1", ..Machine::default() };
    reader.add_machine(&web1, &main, 9, Diagnostic::error);
    reader.add_machine(&web1, &main, 9, Diagnostic::error);
    reader.read_path(&csv);
    let errors: Vec<String> = reader.finish(&[], false).unwrap_err().iter().map(Diagnostic::one_line).collect();
    let first = format!("duplicate machine `web1` ({}:3 has it first)", main.display());
    assert_eq!(errors, [first.clone(), format!("{}:2:1: {first}", csv.display())]);
}

#[test]
fn every_error_in_toml_and_json_has_its_location() {
    let toml = "[web1]\nmac = \"52:54\"\nprofil = \"debian\"\n\n[machine.web2]\nboot = 1\nvariables = 2\n[\"a b\"]\n";
    let mut found = errors("a.toml", toml);
    found.sort();
    let locations: Vec<_> = found.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(locations, [(2, 7), (3, 1), (6, 8), (7, 13), (8, 2)]);
    assert_eq!(found[1].3, "unknown key `profil` (did you mean `profile`?)");

    let json = "[\n  { \"name\": \"web1\", \"mac\": \"52:54\" },\n  { \"role\": \"x\", \"boot\": 1 },\n  7,\n  { \
                \"name\": \"web1\", \"uuid\": [] }\n]";
    let found = errors("a.json", json);
    let locations: Vec<_> = found.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(locations, [(2, 28), (3, 26), (3, 3), (4, 3), (5, 29)]);
    let found = errors("a.json", "{ \"web1\": {\n \"mac\": }\n}");
    assert_eq!((found[0].0, found[0].1), (2, 9), "{found:?}");
    assert!(found[0].3.starts_with("invalid JSON: "), "{found:?}");
}

#[test]
fn other_keys_of_an_export_are_variables() {
    let json = r#"{ "count": 2, "next": null, "results": [
        { "id": 7, "name": "pc01", "mac": "52:54:00:12:34:56", "site": { "name": "lab" },
          "tags": ["a", "b"], "seat": "" },
        { "id": 8, "name": "pc02", "mac_address": "52:54:00:12:34:57", "uuid": null,
          "custom-field": 1, "serial": "X" } ] }"#;
    let read = read_text("a.json", json).unwrap();
    let variables: Vec<serde_json::Value> =
        read.machines.iter().map(|machine| serde_json::from_str(machine.variables).unwrap()).collect();
    assert_eq!(variables[0], serde_json::json!({ "id": 7, "site": { "name": "lab" }, "tags": ["a", "b"] }));
    assert_eq!(variables[1], serde_json::json!({ "id": 8, "mac_address": "52:54:00:12:34:57" }));
    let warnings: Vec<String> = read.warnings.iter().map(|warning| warning.one_line()).collect();
    let has = |text: &str| warnings.iter().any(|warning| warning.contains(text));
    assert!(has("the key `mac_address` becomes a variable (did you mean `mac`?)"), "{warnings:?}");
    assert!(has("a.json:5:11: the key `custom-field` is ignored"), "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(read_text("b.json", r#"{ "web1": 7 }"#).is_err());
}

#[test]
fn in_a_directory_extensions_may_be_in_upper_case_and_a_subdirectory_is_a_warning() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("A.CSV"), "name,mac\nweb1,52:54:00:12:34:56\n").unwrap();
    std::fs::create_dir(directory.path().join("room1")).unwrap();
    let read = read(directory.path()).unwrap();
    assert_eq!(read.machines.len(), 1);
    let warning = read.warnings[0].one_line();
    assert!(warning.contains("room1: a directory among machine files is not read"), "{warning}");
}

/// The same table may be in the configuration and in a machine file.
#[test]
fn errors_of_a_machine_are_the_same_in_the_configuration_and_in_machine_files() {
    let invalid_tables = [
        "mac = \"52:54:00\"",
        "mac = [\"52:54:00:12:34:56\", \"53:54:00:12:34:56\", 7]",
        "mac = \"52:54-00:12:34:56\"",
        "mac = 7",
        "uuid = \"1122\"",
        "uuid = \"00000000-0000-0000-0000-000000000000\"",
        "uuid = [\"11223344-5566-7788-99aa-bbccddeeff00\"]",
        "serial = \"\"",
        "serial = \"a\\nb\"",
        "serial = 4711",
        "profile = \"debain\"\nmac = \"x\"",
        "profile = \"\"",
        "profile = [\"debian\"]",
        "boot = \"onec\"",
        "boot = true",
        "variables = \"x\"",
        "variables = { server = 1, \"a b\" = 2, request = 3, mac = 4, fine = 5 }",
        "name = \"web2\"",
        "owner = \"me\"",
        "profil = \"debian\"",
        "serial = \"0\"\n[machine.\"a b\"]\nserial = \"1\"",
        "serial = \"0\"\n[machine.'..']\nserial = \"1\"",
    ];
    let long = format!("serial = \"{}\"", "x".repeat(256));
    let many = format!("mac = [{}]", "\"52:54:00:12:34:56\", ".repeat(65));
    for invalid in invalid_tables.into_iter().chain([&long[..], &many]) {
        let text = format!("[machine.web1]\n{invalid}\n");
        let directory = TempDir::new().unwrap();
        let load_errors = |name: &str| {
            std::fs::create_dir_all(directory.path().join("machines")).unwrap();
            file(&directory, "proxydhcpd.toml", "[profile.debian]\nkernel = \"linux\"\n");
            let path = file(&directory, name, &text);
            let errors = load_from_dir(&Flags::default(), directory.path()).expect_err(invalid);
            std::fs::remove_file(&path).unwrap();
            let path = path.display().to_string();
            let line = |error: &Diagnostic| format!("{:?} {}", error.severity, error.one_line().replace(&path, "FILE"));
            errors.0.iter().map(line).collect::<Vec<_>>()
        };
        std::fs::create_dir_all(directory.path().join("conf.d")).unwrap();
        assert_eq!(load_errors("conf.d/a.toml"), load_errors("machines/a.toml"), "{invalid}");
    }
}

/// The server stores the boot-once of a machine in a file with the machine's name, which would be hidden.
#[test]
fn no_name_begins_with_a_dot_in_any_source() {
    for (name, text) in [
        ("a.toml", "[machine.\".dot\"]\nserial = \"1\"\n"),
        ("b.toml", "[\".dot\"]\nserial = \"1\"\n"),
        ("a.csv", "name,serial\n.dot,1\n"),
        ("a.json", "[{\"name\": \".dot\", \"serial\": \"1\"}]"),
        ("b.json", "{\".dot\": {\"serial\": \"1\"}}"),
    ] {
        let messages: Vec<String> = errors(name, text).into_iter().map(|(_, _, _, message)| message).collect();
        assert_eq!(messages, ["`.dot` is not a valid name: a name must not begin with a dot"], "{name}");
    }
}

#[test]
fn warnings_about_a_machine_are_the_same_in_the_configuration_and_in_machine_files() {
    let directory = TempDir::new().unwrap();
    let load_warnings = |name: &str| {
        std::fs::create_dir_all(directory.path().join(name).parent().unwrap()).unwrap();
        let path = file(&directory, name, "[machine.web1]\nprofile = \"menu\"\n");
        let warnings = load_from_dir(&Flags::default(), directory.path()).unwrap().diagnostics;
        std::fs::remove_file(&path).unwrap();
        warnings
            .iter()
            .map(|warning| warning.one_line().replace(&path.display().to_string(), "FILE"))
            .collect::<Vec<_>>()
    };
    let warning = "FILE:1:10: machine `web1` has no MAC address, UUID or serial number, so its entry never applies";
    assert_eq!(load_warnings("conf.d/a.toml"), [warning]);
    assert_eq!(load_warnings("machines/a.toml"), [warning]);
}

#[test]
fn boot_onces_that_no_download_completes_are_one_warning_for_each_profile() {
    let directory = TempDir::new().unwrap();
    let profiles = "default-profile = \"disk\"\n[profile.x]\nscript = \"http://x/y\"\n[profile.y]\nkernel = \"linux\"\n\
                    [profile.disk]\nboot = \"local-disk\"\n";
    file(&directory, "proxydhcpd.toml", profiles);
    std::fs::create_dir(directory.path().join("machines")).unwrap();
    let web1 = "[machine.web1]\nserial = \"A\"\nprofile = \"y\"\nboot = \"once\"\n";
    let web2 = "[web2]\nserial = \"B\"\nprofile = \"x\"\nboot = \"once\"\n";
    file(&directory, "machines/a.toml", format!("\u{feff}# comment\n{web1}{web2}"));
    let rows: String = (0..1000).map(|row| format!("pc{row},{row},x,once\nkiosk{row},k{row},,once\n")).collect();
    file(&directory, "machines/b.csv", format!("\u{feff}name,serial,profile,boot\n{rows}"));
    let load_warnings = || {
        let loaded = load_from_dir(&Flags::default(), directory.path()).unwrap_or_else(|errors| panic!("{errors}"));
        let path = directory.path().join("machines/").display().to_string();
        loaded.diagnostics.iter().map(|warning| warning.one_line().replace(&path, "")).collect::<Vec<_>>()
    };
    let help = "(set `boot-once-file` in its profile, or have the installed system request {{ done_url }})";
    let message = "no download completes the boot-once of machine";
    let with_profile_x = format!("a.toml:6:2: {message} `web2` and 1000 more with the profile `x` {help}");
    let by_default = format!("b.csv:3:1: {message} `kiosk0` and 999 more with the profile `disk` {help}");
    assert_eq!(load_warnings(), [by_default, with_profile_x.clone()]);

    // If the entry of a machine names no profile, a rule may choose another one, so `check` does not warn of the
    // default.
    file(&directory, "proxydhcpd.toml", format!("{profiles}[[rule]]\nsubnet = \"10.0.0.0/8\"\nprofile = \"y\"\n"));
    assert_eq!(load_warnings(), [with_profile_x]);
}

#[test]
fn a_name_of_two_machines_is_an_error_with_both_locations() {
    let directory = TempDir::new().unwrap();
    file(&directory, "a.toml", "# comment\n\n[web1]\nserial = \"A\"\n[web2]\nserial = \"B\"\n");
    file(&directory, "b.csv", "name,serial\nweb3,C\nweb2,D\nweb3,E\n");
    file(&directory, "c.json", "{ \"web1\": { \"serial\": \"F\" } }");
    let errors: Vec<String> = read(directory.path()).unwrap_err().iter().map(Diagnostic::one_line).collect();
    let path = directory.path().display();
    assert_eq!(
        errors,
        [
            format!("{path}/b.csv:3:1: duplicate machine `web2` ({path}/a.toml:5 has it first)"),
            format!("{path}/b.csv:4:1: duplicate machine `web3` ({path}/b.csv:2 has it first)"),
            format!("{path}/c.json:1:3: duplicate machine `web1` ({path}/a.toml:3 has it first)"),
        ]
    );
}

#[test]
fn a_file_with_an_error_in_every_line_does_not_fill_the_screen() {
    let lines: String = (0..5000).map(|number| format!("web{number},nonsense\n")).collect();
    let errors = read_text("a.csv", &format!("name,mac\n{lines}")).unwrap_err();
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[20].message, "and 4980 more errors about machines");
}

#[test]
fn an_identity_of_several_machines_is_a_warning_unless_it_is_a_shared_address() {
    let text = "name,mac,serial\na,52:54:00:00:00:01 00:e0:4c:68:00:01,X\nb,52:54:00:00:00:01 00:e0:4c:68:00:01,Y\n";
    let warnings = read_text("a.csv", text).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    let message = "2 machines list the mac 52:54:00:00:00:01 (a, b): it identifies none of them, but a setting that";
    assert!(warnings[0].message.starts_with(message), "{}", warnings[0].message);
    assert!(!warnings[0].help.as_ref().unwrap().contains("no other identity"));
}

#[test]
fn a_warning_about_an_identity_in_two_entries_has_both_locations_and_names_the_machine_without_another() {
    let json = "[{\"name\": \"a\", \"serial\": \"X\"},\n {\"name\": \"b\", \"mac\": \"52:54:00:00:00:01\", \
                \"serial\": \"x\"}]";
    let toml = "[a]\nserial = \"X\"\n\n[b]\nserial = \"x\"\nmac = \"52:54:00:00:00:01\"\n";
    for (name, text, [first, second]) in [
        ("a.csv", "name,mac,serial\na,,X\nb,52:54:00:00:00:01,x\n", [2, 3]),
        ("a.json", json, [1, 2]),
        ("a.toml", toml, [1, 4]),
    ] {
        let warnings = read_text(name, text).unwrap().warnings;
        let line = warnings[0].location.as_ref().map(|location| location.line);
        assert_eq!((warnings.len(), line), (1, Some(second)), "{name}: {warnings:?}");
        assert!(warnings[0].message.starts_with("2 machines list the serial X (a, b): "), "{name}: {warnings:?}");
        let help = warnings[0].help.as_ref().unwrap();
        assert!(help.starts_with("a has no other identity") && help.ends_with(&format!("{name}:{first}")), "{help}");
    }
}

#[test]
fn a_missing_file_and_one_that_is_not_a_machine_file_are_errors() {
    let directory = TempDir::new().unwrap();
    let missing = read(&directory.path().join("machines.csv")).unwrap_err();
    assert!(missing[0].one_line().contains("machines.csv: cannot read the machines: "), "{missing:?}");
    let unknown = read(&file(&directory, "machines.xlsx", "x")).unwrap_err();
    assert_eq!(unknown[0].help.as_deref(), Some("names of machine files end in .toml, .csv or .json"));
    let latin1 = read(&file(&directory, "latin.csv", b"name,role\nweb1,k\xfcche\n")).unwrap_err();
    assert_eq!(latin1[0].location.as_ref().map(|location| (location.line, location.column)), Some((2, 7)));
}

/// By default, machine files are in the directory `machines` next to the configuration. The key `machine-files`
/// replaces this directory.
#[test]
fn machine_files_replaces_the_default_directory() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("machines")).unwrap();
    file(&directory, "machines/a.toml", "[web1]\nserial = \"A\"\nprofile = \"disk\"\n");
    let csv = file(&directory, "b.csv", "name,serial,profile\nweb2,B,menu\nweb3,C,menu\n");
    let profiles = "[profile.disk]\nboot = \"local-disk\"\n[machine.db1]\nserial = \"D\"\n";
    let names = |text: &str| {
        file(&directory, "proxydhcpd.toml", text);
        let loaded = load_from_dir(&Flags::default(), directory.path()).unwrap_or_else(|errors| panic!("{errors}"));
        let names: Vec<String> = loaded.plan.machine_files.machines.iter().map(|machine| machine.name.into()).collect();
        (names.join(" "), loaded.plan.machine_files.file_count)
    };
    assert_eq!(names(profiles), ("db1 web1".into(), 2));
    let listed = format!("machine-files = [{csv:?}]\n{profiles}");
    assert_eq!(names(&listed), ("db1 web2 web3".into(), 2));
    assert_eq!(names("machine-files = []\n"), (String::new(), 0));

    file(&directory, "machines/b.toml", "[db1]\nserial = \"E\"\nprofile = \"dsik\"\n[web1]\nserial = \"F\"\n");
    file(&directory, "proxydhcpd.toml", profiles);
    let errors = load_from_dir(&Flags::default(), directory.path()).unwrap_err();
    let errors: Vec<String> = errors.0.iter().map(Diagnostic::one_line).collect();
    let path = directory.path().display();
    assert_eq!(
        errors,
        [
            format!("{path}/machines/b.toml:3:11: there is no profile `dsik` (did you mean `disk`?)"),
            format!("{path}/machines/b.toml:4:2: duplicate machine `web1` ({path}/machines/a.toml:1 has it first)"),
        ]
    );
}

/// The limit of 10 s is that for a release build on an idle host, although this may be a test build on a busy host.
#[test]
fn a_directory_of_ten_thousand_files_is_read_quickly_in_the_order_of_names() {
    let directory = TempDir::new().unwrap();
    for number in 0..10_000u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let text = format!("[pc{number}]\nmac = \"52:54:00:{a:02x}:{b:02x}:{c:02x}\"\nprofile = \"debian\"\n");
        file(&directory, &format!("{number:05}.toml"), text);
    }
    file(&directory, ".hidden.toml", "[");
    file(&directory, "00001.toml~", "[");
    let began = Instant::now();
    let read = read(directory.path()).unwrap();
    assert_eq!((read.machines.len(), read.file_count), (10_000, 10_000));
    assert!((0..10_000).zip(read.machines.iter()).all(|(number, machine)| machine.name == format!("pc{number}")));
    let took = began.elapsed();
    println!("{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn usual_names_of_columns_are_recognised() {
    for text in [
        "Hostname,MAC Address\nweb1,52:54:00:12:34:56\n",
        "name,mac_address,hostname\nweb1,52:54:00:12:34:56,other\n",
        "inventory_hostname,macaddress\nweb1,52:54:00:12:34:56\n",
        "Name,Serial number,MAC,IP Address\nweb1,,52:54:00:12:34:56,192.0.2.4\n",
    ] {
        let read = read_text("a.csv", text).unwrap_or_else(|errors| panic!("{text}: {}", errors[0]));
        let machine = read.machines.iter().next().unwrap();
        assert_eq!((machine.name, machine.macs), ("web1", &[[0x52, 0x54, 0, 0x12, 0x34, 0x56]][..]), "{text}");
        let help = read.warnings.iter().filter_map(|warning| warning.help.clone()).collect::<Vec<_>>();
        let expected: &[&str] = if text.contains("IP Address") { &["the DHCP server assigns addresses"] } else { &[] };
        assert_eq!(help, expected, "{text}");
    }
    let read = read_text("a.csv", "Name,Serial number\nweb1,ABC\n").unwrap();
    assert_eq!(read.machines.iter().next().unwrap().serial, Some("ABC"));
}

#[test]
fn a_list_of_interfaces_is_an_error() {
    let error = errors("a.csv", "device,name,mac_address\nweb1,eno1,52:54:00:12:34:56\n").remove(0);
    assert!(
        error.3.starts_with("each line of this file describes an interface, not a machine (`proxydhcpd import "),
        "{}",
        error.3
    );
}
