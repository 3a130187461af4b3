//! Any machine file in CSV, JSON or TOML is read to machines that a plan may contain, or to errors that point into it.

use crate::located::{assert_located, assert_shown};
use crate::seeds;
use proxydhcpd::machine_files::MachineReader;
use proxydhcpd_reading::diagnostic::{Severity, Source};
use proxydhcpd_reading::names::check_name;
use std::collections::BTreeSet;

/// The formats, by the names of their files.
const NAMES: [&str; 3] = ["a.csv", "a.json", "a.toml"];

/// Reads the choice of the format, and the file.
pub fn check(data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else { return };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    let profiles = |profile: &str| match profile {
        "debian" => Ok(()),
        other => Err((format!("no profile {}", other.escape_debug()), None)),
    };
    let mut reader = MachineReader::new(&profiles);
    reader.read_octets(name, octets);
    let text = String::from_utf8_lossy(octets).into_owned();
    let source = Source::new(name, text.clone().into()).expect("UTF-8");
    let diagnostics = match reader.finish(&[], true) {
        Err(diagnostics) => {
            assert!(diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error));
            diagnostics
        }
        Ok(read) => {
            let mut names = BTreeSet::new();
            for machine in read.machines.iter() {
                assert!(check_name(machine.name).is_ok() && names.insert(machine.name), "{machine:?}");
                assert!(machine.profile.is_none_or(|profile| profile == "debian"), "{machine:?}");
                let variables = machine.variables;
                assert!(variables.is_empty() || is_object(variables), "{variables}");
            }
            match name {
                "a.json" => assert!(serde_json::from_str::<serde::de::IgnoredAny>(&source.text).is_ok()),
                "a.toml" => assert!(source.text.parse::<toml::Table>().is_ok()),
                _ => {}
            }
            read.warnings
        }
    };
    for diagnostic in &diagnostics {
        assert_shown(diagnostic);
        // A record of CSV may contain line breaks; its location is in the line in which the record begins.
        if name != "a.csv" {
            assert_located(diagnostic, &source);
        }
    }
}

fn is_object(json: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_ok()
}

/// The files of pages, and exports of other systems.
pub fn seeds() -> Vec<Vec<u8>> {
    let files: [(u8, &str); 9] = [
        (0, "name,mac,uuid,serial,profile,boot,rack\nweb1,52:54:00:12:34:56,,X1,debian,once,\"a, \"\"b\"\"\"\n"),
        (0, "name;mac;motto\r\nweb1;52:54:00:12:34:56;a, b\r\n\"web2\";52-54-00-12-34-57;\r\n"),
        (0, "\u{feff}Hostname\tMAC Address\tip\nweb1\t525400123456\t192.0.2.7\n"),
        (
            1,
            "[{\"name\": \"web1\", \"mac\": [\"52:54:00:12:34:56\"], \"variables\": {\"a\": [1, null]}, \
             \"rack\": \"b\"}]",
        ),
        (1, "{\"web1\": {\"mac\": \"52:54:00:12:34:56\", \"profile\": \"debian\", \"boot\": \"once\"}}"),
        (1, "{\"count\": 1, \"next\": null, \"results\": [{\"name\": \"web1\", \"uuid\": null, \"serial\": \"X1\"}]}"),
        (2, "[web1]\nmac = \"52:54:00:12:34:56\"\nprofile = \"debian\"\nvariables = { a = 1 }\n"),
        (2, "[machine.web1]\nuuid = \"11223344-5566-7788-99aa-bbccddeeff00\"\nboot = \"never\"\n"),
        (2, "x = 1\n[machine]\nmacs = []\n"),
    ];
    let documented = [(0, "csv"), (1, "json"), (2, "toml")].into_iter().flat_map(|(choice, language)| {
        seeds::documented(language).into_iter().map(move |text| [vec![choice], text].concat())
    });
    files.into_iter().map(|(choice, text)| [&[choice], text.as_bytes()].concat()).chain(documented).collect()
}
