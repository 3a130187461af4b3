//! What the documentation promises is there.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every row of docs/firmware.md names a test that is there, or gives the reason why there is none.
#[test]
fn every_quirk_is_held_by_a_test_or_says_why_not() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/firmware.md")).unwrap();
    let tests = tests();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [firmware, quirk, answer, evidence, held] = cells[..] else { panic!("five cells: {row}") };
        assert!(!firmware.is_empty() && !quirk.is_empty() && !evidence.is_empty(), "{row}");
        match held.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
            Some(name) => assert!(tests.contains(name) && !answer.is_empty(), "no test {name}"),
            None => assert!(held.contains(' '), "a reason, or a test in backticks: {row}"),
        }
    }
}

/// The names of all functions of tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for place in ["core", "daemon", "e2e"] {
        collect(&Path::new(ROOT).join(place), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("out") {
            collect(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

/// The pages of tasks are done as they stand: what they say to write is written, what they say to run is run.
mod tasks {
    use super::ROOT;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    #[test]
    fn the_first_machine() {
        follow("first-machine");
    }

    #[test]
    fn one_profile_per_room() {
        follow("rooms");
    }

    #[test]
    fn relays() {
        follow("relays");
    }

    #[test]
    fn ipv6() {
        follow("ipv6");
    }

    #[test]
    fn raspberry_pi() {
        follow("raspberry-pi");
    }

    #[test]
    fn a_windows_loader() {
        follow("windows");
    }

    #[test]
    fn secure_boot() {
        follow("secure-boot");
    }

    /// In a house of its own: /etc/proxydhcpd and /var/lib/proxydhcpd are folders of the test.
    fn follow(page: &str) {
        let text = fs::read_to_string(Path::new(ROOT).join(format!("docs/{page}.md"))).unwrap();
        let house = tempfile::tempdir().unwrap();
        let at_home = |text: &str| {
            let (etc, lib) = (house.path().join("etc"), house.path().join("lib"));
            text.replace("/etc/proxydhcpd", etc.to_str().unwrap()).replace("/var/lib/proxydhcpd", lib.to_str().unwrap())
        };
        fs::create_dir_all(house.path().join("etc")).unwrap();
        fs::create_dir_all(house.path().join("lib/boot")).unwrap();
        fs::create_dir(house.path().join("installer")).unwrap();
        for name in ["linux", "initrd.gz"] {
            fs::write(house.path().join("installer").join(name), name).unwrap();
        }
        // As if iPXE's package were installed.
        fs::copy(cache("snponly.efi"), house.path().join("lib/boot/snponly.efi")).expect("unpacked by e2e/setup");
        let mut settings = String::new();
        let mut ran = 0;
        for (language, block) in blocks(&text) {
            match language {
                "toml" => settings.push_str(&at_home(block)),
                "sh" => {
                    fs::write(house.path().join("etc/proxydhcpd.toml"), &settings).unwrap();
                    run(page, house.path(), &at_home(block));
                    ran += 1;
                }
                // What goes over a wire.
                "text" => {}
                other => panic!("{page}: a block in {other}"),
            }
        }
        assert!(ran > 0, "{page}: nothing to run");
    }

    fn cache(file: &str) -> PathBuf {
        Path::new(ROOT).join("e2e/.cache/2022").join(file)
    }

    fn blocks(text: &str) -> Vec<(&str, &str)> {
        let fenced = text.split("```").skip(1).step_by(2);
        fenced.map(|block| block.split_once('\n').unwrap()).collect()
    }

    fn run(page: &str, house: &Path, block: &str) {
        let program = env!("CARGO_BIN_EXE_proxydhcpd");
        let home = house.display();
        let mut script = format!(
            "set -eu\nproxydhcpd() {{ {program} -c {home}/etc/proxydhcpd.toml -b {home}/lib/boot --state-dir {home}/state \"$@\"; }}\n"
        );
        for line in block.lines() {
            match line.strip_prefix("! ") {
                Some(command) => {
                    script += &format!("if {command}; then echo 'not refused: {command}' >&2; exit 1; fi\n")
                }
                None => script += &format!("{line}\n"),
            }
        }
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(house)
            .env("INSTALLER", house.join("installer"))
            .env("SHIM", cache("shimx64.efi.signed"))
            .env("GRUB", cache("grubnetx64.efi.signed"))
            .env("IPXE", cache("snponly.efi"))
            .output()
            .unwrap();
        let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{page}:\n{block}\n{said}\n{told}");
    }
}
