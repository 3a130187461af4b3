//! Machine files, as operators write them and as other systems export them.

use proxydhcpd::config::diagnostic::{Diagnostic, Severity};
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::load_from_dir;
use proxydhcpd::config::machine_files::{MachineFiles, MachineReader};
use proxydhcpd_core::plan::machines::{Machine, Machines, Policy};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn profile(name: &str) -> Result<usize, (String, Option<String>)> {
    match name {
        "debian" => Ok(0),
        _ => Err((format!("there is no profile `{name}`"), Some("did you mean `debian`?".into()))),
    }
}

fn read(path: &Path) -> Result<MachineFiles, Vec<Diagnostic>> {
    let mut reading = MachineReader::new(&profile);
    reading.read_path(path);
    reading.finish(&["00:e0:4c:68:*".parse().unwrap()], false)
}

fn file(directory: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// One file of its own.
fn read_text(name: &str, text: &str) -> Result<MachineFiles, Vec<Diagnostic>> {
    let directory = TempDir::new().unwrap();
    read(&file(&directory, name, text))
}

/// Line, column, width and what is said.
fn told(name: &str, text: &str) -> Vec<(usize, usize, usize, String)> {
    let say = |error: Diagnostic| {
        let place = error.location.unwrap_or_else(|| panic!("{} has no place", error.message));
        let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
        (place.line, place.column, place.width, error.message + &help)
    };
    read_text(name, text).unwrap_err().into_iter().map(say).collect()
}

fn assert_the_two(machines: &Machines) {
    let web1 = Machine {
        name: "web1",
        macs: &[[0x52, 0x54, 0, 0x12, 0x34, 0x56], [0x52, 0x54, 0, 0x12, 0x34, 0x57]],
        uuid: Some([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0]),
        serial: Some("ABC123"),
        profile: Some(0),
        policy: Policy::Once,
        variables: "{\"role\":\"web\"}",
    };
    let db1 = Machine { name: "db1", serial: Some("say \"x\", y"), ..Machine::default() };
    let mut both: Vec<Machine<'_>> = machines.iter().collect();
    both.sort_by_key(|machine| machine.name == "db1");
    assert_eq!(both, [web1, db1]);
}

#[test]
fn csv_toml_and_json_say_the_same() {
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
        assert_the_two(&read.machines);
        assert_eq!((read.file_count, read.warnings), (1, vec![]), "{name}");
    }
}

#[test]
fn semicolons_separate_where_spreadsheets_write_them() {
    let read = read_text("a.csv", "name;mac;motto\nweb1;52:54:00:12:34:56;a, b\n").unwrap();
    assert_eq!(read.machines.get(0).variables, "{\"motto\":\"a, b\"}");
}

#[test]
fn every_error_of_a_csv_has_its_place_and_what_was_meant() {
    let text = "name,mac,uuid,profile,boot\n\
                web 1,52:54:00:12:34:56,,debian,\n\
                web2,52:54:00:12:34:5x,1122,debain,sometimes\n\
                \"küche\n1\",,,,onec\n\
                web3,\n\
                web4,\"52\" 54,,,\n\
                ,52:54:00:12:34:58,,,\n";
    let said = told("a.csv", text);
    let places: Vec<_> = said.iter().map(|(line, column, width, _)| (*line, *column, *width)).collect();
    assert_eq!(
        places,
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
    assert_eq!(said[3].3, "there is no profile `debain` (did you mean `debian`?)");
    assert_eq!(said[6].3, "`boot` is always, once or never, and not \"onec\" (did you mean `once`?)");
    assert_eq!(said[7].3, "this line has 2 fields, and the first line names 5 columns");
    let shown = read_text("a.csv", text).unwrap_err()[1].to_string();
    assert!(shown.contains("3 | web2,52:54:00:12:34:5x,1122,debain,sometimes\n"), "{shown}");
    assert!(shown.contains("|      ^^^^^^^^^^^^^^^^^\n"), "{shown}");
}

#[test]
fn a_csv_without_its_first_line_is_not_taken_for_one() {
    assert!(told("a.csv", "web1,52:54:00:12:34:56\n")[0].3.starts_with("no column is called `name`"));
    assert!(read_text("a.csv", "").unwrap_err()[0].message.contains("no line names the columns"));
    assert_eq!(told("a.csv", "name,mac,name\n")[0], (1, 10, 4, "there are two columns \"name\"".to_owned()));
}

#[test]
fn a_column_that_was_probably_another_is_a_warning() {
    let warnings = read_text("a.csv", "name,serail,role\nweb1,ABC,web\n").unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0]
            .one_line()
            .ends_with("a.csv:1:6: the column \"serail\" is taken for a variable (did you mean `serial`?)")
    );
    assert!(warnings[1].message.contains("neither MAC address nor UUID nor serial number"), "{warnings:?}");
    assert_eq!(warnings[1].severity, Severity::Warning);
}

#[test]
fn a_column_that_no_template_can_name_is_passed_over() {
    let read = read_text("a.csv", "name,serial,Asset Tag,rack\nweb1,ABC,4711,r1\n").unwrap();
    assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
    assert!(read.warnings[0].message.starts_with("the column \"Asset Tag\" is passed over"));
    assert_eq!(read.machines.get(0).variables, "{\"rack\":\"r1\"}");
}

#[test]
fn machines_of_the_configuration_and_of_files_have_names_of_their_own() {
    let directory = TempDir::new().unwrap();
    let main = file(&directory, "proxydhcpd.toml", "# ours\n\n[machine.web1]\n");
    let csv = file(&directory, "a.csv", "name,serial\nweb1,A\n");
    let mut reading = MachineReader::new(&profile);
    let web1 = Machine { name: "web1", ..Machine::default() };
    reading.add_machine(&web1, &main, 9, Diagnostic::error);
    reading.add_machine(&web1, &main, 9, Diagnostic::error);
    reading.read_path(&csv);
    let errors: Vec<String> = reading.finish(&[], false).unwrap_err().iter().map(Diagnostic::one_line).collect();
    let first = format!("machine `web1` is given twice ({}:3 gives it first)", main.display());
    assert_eq!(errors, [first.clone(), format!("{}:2:1: {first}", csv.display())]);
}

#[test]
fn every_error_of_toml_and_json_has_its_place() {
    let toml = "[web1]\nmac = \"52:54\"\nprofil = \"debian\"\n\n[machine.web2]\nboot = 1\nvariables = 2\n[\"a b\"]\n";
    let mut said = told("a.toml", toml);
    said.sort();
    let places: Vec<_> = said.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(places, [(2, 7), (3, 1), (6, 8), (7, 13), (8, 2)]);
    assert_eq!(said[1].3, "unknown key `profil` (did you mean `profile`?)");

    let json = "[\n  { \"name\": \"web1\", \"mac\": \"52:54\" },\n  { \"role\": \"x\", \"boot\": 1 },\n  7,\n  { \"name\": \"web1\", \"uuid\": [] }\n]";
    let said = told("a.json", json);
    let places: Vec<_> = said.iter().map(|(line, column, ..)| (*line, *column)).collect();
    assert_eq!(places, [(2, 28), (3, 26), (3, 3), (4, 3), (5, 29)]);
    let said = told("a.json", "{ \"web1\": {\n \"mac\": }\n}");
    assert_eq!((said[0].0, said[0].1), (2, 9), "{said:?}");
    assert!(said[0].3.starts_with("this is no JSON: "), "{said:?}");
}

#[test]
fn what_else_an_export_says_of_a_machine_is_its_variables() {
    let json = r#"{ "count": 2, "next": null, "results": [
        { "id": 7, "name": "pc01", "mac": "52:54:00:12:34:56", "site": { "name": "lab" }, "tags": ["a", "b"], "seat": "" },
        { "id": 8, "name": "pc02", "mac_address": "52:54:00:12:34:57", "uuid": null, "custom-field": 1, "serial": "X" } ] }"#;
    let read = read_text("a.json", json).unwrap();
    let variables = |id| serde_json::from_str::<serde_json::Value>(read.machines.get(id).variables).unwrap();
    assert_eq!(variables(0), serde_json::json!({ "id": 7, "site": { "name": "lab" }, "tags": ["a", "b"] }));
    assert_eq!(variables(1), serde_json::json!({ "id": 8, "mac_address": "52:54:00:12:34:57" }));
    let warnings: Vec<String> = read.warnings.iter().map(|warning| warning.one_line()).collect();
    let told = |words: &str| warnings.iter().any(|warning| warning.contains(words));
    assert!(told("the key `mac_address` is taken for a variable (did you mean `mac`?)"), "{warnings:?}");
    assert!(told("a.json:3:86: the key `custom-field` is passed over"), "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(read_text("b.json", r#"{ "web1": 7 }"#).is_err());
}

#[test]
fn in_a_directory_endings_are_read_as_windows_writes_them_and_directories_are_told_of() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("A.CSV"), "name,mac\nweb1,52:54:00:12:34:56\n").unwrap();
    std::fs::create_dir(directory.path().join("room1")).unwrap();
    let read = read(directory.path()).unwrap();
    assert_eq!(read.machines.len(), 1);
    let told = read.warnings[0].one_line();
    assert!(told.contains("room1: a directory among machine files is not looked into"), "{told}");
}

/// The same table may stand in the configuration itself and in a machine file: what is wrong with it is told alike.
#[test]
fn what_is_wrong_with_a_machine_is_told_alike_wherever_its_table_stands() {
    let wrongs = [
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
    for wrong in wrongs.into_iter().chain([&long[..], &many]) {
        let text = format!("[machine.web1]\n{wrong}\n");
        let directory = TempDir::new().unwrap();
        let told = |name: &str| {
            std::fs::create_dir_all(directory.path().join("machines")).unwrap();
            file(&directory, "proxydhcpd.toml", "[profile.debian]\nkernel = \"linux\"\n");
            let path = file(&directory, name, &text);
            let errors = load_from_dir(&Flags::default(), directory.path()).expect_err(wrong);
            std::fs::remove_file(&path).unwrap();
            let path = path.display().to_string();
            let say = |told: &Diagnostic| format!("{:?} {}", told.severity, told.one_line().replace(&path, "FILE"));
            errors.0.iter().map(say).collect::<Vec<_>>()
        };
        std::fs::create_dir_all(directory.path().join("conf.d")).unwrap();
        assert_eq!(told("conf.d/a.toml"), told("machines/a.toml"), "{wrong}");
    }
}

/// Its mark would be a hidden file.
#[test]
fn no_name_begins_with_a_dot_in_any_source() {
    for (name, text) in [
        ("a.toml", "[machine.\".dot\"]\nserial = \"1\"\n"),
        ("b.toml", "[\".dot\"]\nserial = \"1\"\n"),
        ("a.csv", "name,serial\n.dot,1\n"),
        ("a.json", "[{\"name\": \".dot\", \"serial\": \"1\"}]"),
        ("b.json", "{\".dot\": {\"serial\": \"1\"}}"),
    ] {
        let told: Vec<String> = told(name, text).into_iter().map(|(_, _, _, message)| message).collect();
        assert_eq!(told, ["`.dot` cannot be a name here: a name does not begin with a dot"], "{name}");
    }
}

#[test]
fn what_is_odd_about_a_machine_is_warned_of_alike_wherever_its_table_stands() {
    let directory = TempDir::new().unwrap();
    let warned = |name: &str| {
        std::fs::create_dir_all(directory.path().join(name).parent().unwrap()).unwrap();
        let path = file(&directory, name, "[machine.web1]\nprofile = \"menu\"\n");
        let warnings = load_from_dir(&Flags::default(), directory.path()).unwrap().diagnostics;
        std::fs::remove_file(&path).unwrap();
        warnings.iter().map(|told| told.one_line().replace(&path.display().to_string(), "FILE")).collect::<Vec<_>>()
    };
    let never = "FILE:1:10: machine `web1` has neither MAC address nor UUID nor serial number: it is never found";
    assert_eq!(warned("conf.d/a.toml"), [never]);
    assert_eq!(warned("machines/a.toml"), [never]);
}

#[test]
fn boots_once_that_no_file_uses_up_are_told_of_once_for_a_profile() {
    let directory = TempDir::new().unwrap();
    let profiles = "default-profile = \"disk\"\n[profile.x]\nscript = \"http://x/y\"\n[profile.y]\nkernel = \"linux\"\n\
                    [profile.disk]\nboot = \"local-disk\"\n";
    file(&directory, "proxydhcpd.toml", profiles);
    std::fs::create_dir(directory.path().join("machines")).unwrap();
    let web1 = "[machine.web1]\nserial = \"A\"\nprofile = \"y\"\nboot = \"once\"\n";
    let web2 = "[web2]\nserial = \"B\"\nprofile = \"x\"\nboot = \"once\"\n";
    file(&directory, "machines/a.toml", format!("\u{feff}# ours\n{web1}{web2}"));
    let rows: String = (0..1000).map(|row| format!("pc{row},{row},x,once\nkiosk{row},k{row},,once\n")).collect();
    file(&directory, "machines/b.csv", format!("\u{feff}name,serial,profile,boot\n{rows}"));
    let warned = || {
        let loaded = load_from_dir(&Flags::default(), directory.path()).unwrap_or_else(|errors| panic!("{errors}"));
        let path = directory.path().join("machines/").display().to_string();
        loaded.diagnostics.iter().map(|told| told.one_line().replace(&path, "")).collect::<Vec<_>>()
    };
    let help = "(name one with `boot-once-file` in its profile, or have the booted system ask for {{ done_url }})";
    let no_file = "no file that we send uses up the one boot of machine";
    let of_profile_x = format!("a.toml:6:2: {no_file} `web2` and of 1000 more with the profile `x` {help}");
    let by_default = format!("b.csv:3:1: {no_file} `kiosk0` and of 999 more with the profile `disk` {help}");
    assert_eq!(warned(), [by_default, of_profile_x.clone()]);

    // A rule may name another profile for those that have none of their own.
    file(&directory, "proxydhcpd.toml", format!("{profiles}[[rule]]\nsubnet = \"10.0.0.0/8\"\nprofile = \"y\"\n"));
    assert_eq!(warned(), [of_profile_x]);
}

#[test]
fn a_name_that_two_machines_have_is_told_with_both_places() {
    let directory = TempDir::new().unwrap();
    file(&directory, "a.toml", "# ours\n\n[web1]\nserial = \"A\"\n[web2]\nserial = \"B\"\n");
    file(&directory, "b.csv", "name,serial\nweb3,C\nweb2,D\nweb3,E\n");
    file(&directory, "c.json", "{ \"web1\": { \"serial\": \"F\" } }");
    let errors: Vec<String> = read(directory.path()).unwrap_err().iter().map(Diagnostic::one_line).collect();
    let path = directory.path().display();
    assert_eq!(
        errors,
        [
            format!("{path}/b.csv:3:1: machine `web2` is given twice ({path}/a.toml:5 gives it first)"),
            format!("{path}/b.csv:4:1: machine `web3` is given twice ({path}/b.csv:2 gives it first)"),
            format!("{path}/c.json:1:3: machine `web1` is given twice ({path}/a.toml:3 gives it first)"),
        ]
    );
}

#[test]
fn a_file_that_is_wrong_in_every_line_does_not_fill_the_screen() {
    let lines: String = (0..5000).map(|number| format!("web{number},nonsense\n")).collect();
    let errors = read_text("a.csv", &format!("name,mac\n{lines}")).unwrap_err();
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[20].message, "and 4980 more errors in descriptions of machines");
}

#[test]
fn what_several_machines_list_is_a_warning_and_a_dock_is_none() {
    let text = "name,mac,serial\na,52:54:00:00:00:01 00:e0:4c:68:00:01,X\nb,52:54:00:00:00:01 00:e0:4c:68:00:01,Y\n";
    let warnings = read_text("a.csv", text).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    let message =
        "2 machines list the mac 52:54:00:00:00:01 (a, b): it leads to none of them, but what protects one of";
    assert!(warnings[0].message.starts_with(message), "{}", warnings[0].message);
    assert!(!warnings[0].help.as_ref().unwrap().contains("no other identity"));
}

#[test]
fn a_warning_of_an_identity_in_two_entries_says_where_both_are_and_which_has_no_other() {
    let json = "[{\"name\": \"a\", \"serial\": \"X\"},\n {\"name\": \"b\", \"mac\": \"52:54:00:00:00:01\", \"serial\": \"x\"}]";
    let toml = "[a]\nserial = \"X\"\n\n[b]\nserial = \"x\"\nmac = \"52:54:00:00:00:01\"\n";
    for (name, text, [first, second]) in [
        ("a.csv", "name,mac,serial\na,,X\nb,52:54:00:00:00:01,x\n", [2, 3]),
        ("a.json", json, [1, 2]),
        ("a.toml", toml, [1, 4]),
    ] {
        let warnings = read_text(name, text).unwrap().warnings;
        let at = warnings[0].location.as_ref().map(|place| place.line);
        assert_eq!((warnings.len(), at), (1, Some(second)), "{name}: {warnings:?}");
        assert!(warnings[0].message.starts_with("2 machines list the serial X (a, b): "), "{name}: {warnings:?}");
        let help = warnings[0].help.as_ref().unwrap();
        assert!(help.starts_with("a has no other identity") && help.ends_with(&format!("{name}:{first}")), "{help}");
    }
}

#[test]
fn a_file_that_is_not_there_or_no_machine_file_is_told() {
    let directory = TempDir::new().unwrap();
    let missing = read(&directory.path().join("machines.csv")).unwrap_err();
    assert!(missing[0].one_line().contains("machines.csv: unable to read the machines: "), "{missing:?}");
    let odd = read(&file(&directory, "machines.xlsx", "x")).unwrap_err();
    assert_eq!(odd[0].help.as_deref(), Some("names of machine files end in .toml, .csv or .json"));
    let latin = read(&file(&directory, "latin.csv", b"name,role\nweb1,k\xfcche\n")).unwrap_err();
    assert_eq!(latin[0].location.as_ref().map(|place| (place.line, place.column)), Some((2, 7)));
}

/// The directory beside the configuration needs no setting; what is named takes its place.
#[test]
fn the_configuration_says_which_files_are_read() {
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
    let named = format!("machine-files = [{csv:?}]\n{profiles}");
    assert_eq!(names(&named), ("db1 web2 web3".into(), 2));
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
            format!(
                "{path}/machines/b.toml:4:2: machine `web1` is given twice \
                 ({path}/machines/a.toml:1 gives it first)"
            ),
        ]
    );
}

/// The bound is the issue's for a release build on a quiet machine; here neither holds.
#[test]
fn a_directory_of_ten_thousand_files_is_read_in_name_order_and_soon() {
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
fn columns_are_known_by_their_usual_names() {
    for text in [
        "Hostname,MAC Address\nweb1,52:54:00:12:34:56\n",
        "name,mac_address,hostname\nweb1,52:54:00:12:34:56,other\n",
        "inventory_hostname,macaddress\nweb1,52:54:00:12:34:56\n",
        "Name,Serial number,MAC,IP Address\nweb1,,52:54:00:12:34:56,192.0.2.4\n",
    ] {
        let read = read_text("a.csv", text).unwrap_or_else(|told| panic!("{text}: {}", told[0]));
        let machine = read.machines.iter().next().unwrap();
        assert_eq!((machine.name, machine.macs), ("web1", &[[0x52, 0x54, 0, 0x12, 0x34, 0x56]][..]), "{text}");
        let said = read.warnings.iter().filter_map(|warning| warning.help.clone()).collect::<Vec<_>>();
        let expected: &[&str] =
            if text.contains("IP Address") { &["addresses come from the DHCP server"] } else { &[] };
        assert_eq!(said, expected, "{text}");
    }
    let read = read_text("a.csv", "Name,Serial number\nweb1,ABC\n").unwrap();
    assert_eq!(read.machines.iter().next().unwrap().serial, Some("ABC"));
}

#[test]
fn a_list_of_interfaces_is_not_taken_for_machines() {
    let told = told("a.csv", "device,name,mac_address\nweb1,eno1,52:54:00:12:34:56\n").remove(0);
    assert!(
        told.3.starts_with("each line of this list is an interface, not a machine (`proxydhcpd import "),
        "{}",
        told.3
    );
}
