//! Executes README and the task pages: writes the files that the pages show and runs their commands, on a host with the
//! address 192.0.2.10.

mod common;

use common::server::{PROGRAM, one_network};
use proxydhcpd_testbed::{Host, Process, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn readme() {
    follow("../README", &[]);
}

#[test]
fn from_the_python_daemon() {
    follow("migrating-from-python", &[("import proxy.ini", ReaderHost::write_proxy_ini)]);
}

#[test]
fn from_dnsmasq() {
    follow("migrating-from-dnsmasq", &[("import dnsmasq.conf", ReaderHost::write_dnsmasq_conf)]);
}

/// On the reference page, each example is a separate file.
#[test]
fn every_example_of_the_configuration_is_valid_alone() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).unwrap();
    let examples: Vec<&str> = blocks(&text).iter().filter(|(kind, _)| *kind == "toml").map(|(_, text)| *text).collect();
    assert!(examples.len() >= 4, "{} examples", examples.len());
    for example in examples {
        let mut reader = ReaderHost::new();
        // The page assumes that these files exist.
        for system in ["debian", "bookworm", "trixie"] {
            reader.run(&format!("mkdir lib/boot/{system} && cp installer/* lib/boot/{system}"));
        }
        reader.run("mkdir etc/templates srv && touch srv/README && echo '#!ipxe' > etc/templates/rescue.ipxe");
        reader.run("cp lib/boot/snponly.efi lib/boot/bootmgfw.efi");
        reader.run("mkdir lib/boot/installers && cp etc/templates/rescue.ipxe lib/boot/installers/debian.ipxe");
        reader.run("cp etc/templates/rescue.ipxe lib/boot/thin-client.ipxe");
        reader.run("(umask 077; echo secret | proxydhcpd menu-password teacher > etc/menu-passwords)");
        let place = |path: &str| reader.directory.path().join(path).display().to_string();
        let example = example.replace("/srv/mirror/debian", &place("srv"));
        reader.write(&example.replace("/etc/proxydhcpd/menu-passwords", &place("etc/menu-passwords")));
        let (succeeded, output) = reader.run("proxydhcpd check");
        assert!(succeeded, "{example}\n{output}");
        for text in ["warning", "there is no"] {
            assert!(!output.contains(text), "{example}\n{output}");
        }
    }
}

#[test]
fn the_first_machine() {
    follow("first-machine", &[("rearm", ReaderHost::install_web1)]);
}

#[test]
fn one_profile_per_room() {
    follow("rooms", &[]);
}

#[test]
fn relays() {
    follow("relays", &[]);
}

#[test]
fn ipv6() {
    follow("ipv6", &[]);
}

#[test]
fn raspberry_pi() {
    follow("raspberry-pi", &[]);
}

#[test]
fn a_windows_loader() {
    follow("windows", &[]);
}

#[test]
fn secure_boot() {
    follow("secure-boot", &[("curl ", ReaderHost::start_server)]);
}

/// The text of a block, and the action that the test takes before it runs this block.
type Action = (&'static str, fn(&mut ReaderHost));

fn follow(page: &str, actions: &[Action]) {
    let text = fs::read_to_string(Path::new(ROOT).join(format!("docs/{page}.md"))).unwrap();
    let mut reader = ReaderHost::new();
    let (mut ran, mut taken) = (0, 0);
    for (language, block) in blocks(&text) {
        match language {
            "toml" => reader.write(block),
            "sh" => {
                for (_, act) in actions.iter().filter(|(text, _)| block.contains(text)) {
                    act(&mut reader);
                    taken += 1;
                }
                let (succeeded, output) = reader.run(block);
                assert!(succeeded, "{page}:\n{block}\n{output}");
                ran += 1;
            }
            // A block of type `text` is a picture, shows packets, or is the story of a machine, which the test
            // `generated` compares.
            "text" => {
                let is_shown = block.contains(['→', '─']) || block.starts_with("$ proxydhcpd story ");
                assert!(is_shown, "{page}: the test could run this: {block}");
            }
            // A block of type `console` has commands that build the program or change the host: tests/install.rs and
            // e2e run them.
            "console" => assert!(block.lines().all(changes_host), "{page}: the test could run this: {block}"),
            "ini" => {}
            other => panic!("{page}: a block in {other}"),
        }
    }
    assert!(ran > 0, "{page}: nothing to run");
    assert_eq!(taken, actions.len(), "{page}");
}

fn changes_host(line: &str) -> bool {
    ["make ", "systemctl ", "rm -f /etc/"].iter().any(|begin| line.starts_with(begin))
}

fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

/// The host of a reader. `directory` has the contents of /etc/proxydhcpd and /var/lib/proxydhcpd.
struct ReaderHost {
    directory: TempDir,
    settings: String,
    host: Host,
    /// The host at the other end of the cable.
    _machine: Host,
    server: Option<Process>,
}

impl ReaderHost {
    fn new() -> ReaderHost {
        let directory = tempfile::tempdir().unwrap();
        for below in ["etc", "lib/boot", "installer"] {
            fs::create_dir_all(directory.path().join(below)).unwrap();
        }
        for name in ["linux", "initrd.gz"] {
            fs::write(directory.path().join("installer").join(name), name).unwrap();
        }
        // The boot directory contains these files if the iPXE package is installed.
        for loader in ["2022/snponly.efi", "2025/undionly.kpxe"] {
            let loader = proxydhcpd_testbed::cache::path(loader);
            fs::copy(&loader, directory.path().join("lib/boot").join(loader.file_name().unwrap())).unwrap();
        }
        fs::write(directory.path().join("etc/proxydhcpd.toml"), "").unwrap();
        let (host, machine) = one_network();
        ReaderHost { directory, settings: String::new(), host, _machine: machine, server: None }
    }

    fn write(&mut self, settings: &str) {
        self.settings.push_str(&self.replace_paths(settings));
        fs::write(self.directory.path().join("etc/proxydhcpd.toml"), &self.settings).unwrap();
    }

    fn replace_paths(&self, text: &str) -> String {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        text.replace("/etc/proxydhcpd", &path("etc")).replace("/var/lib/proxydhcpd", &path("lib"))
    }

    /// Returns flags that replace the paths of an installed server.
    fn flags(&self) -> [String; 6] {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        ["-c".into(), path("etc/proxydhcpd.toml"), "-b".into(), path("lib/boot"), "--state-dir".into(), path("state")]
    }

    /// Runs a block of commands. Returns their output, and whether every command ended as the page states: with failure
    /// if the page marks it with `!`, otherwise with success.
    fn run(&self, block: &str) -> (bool, String) {
        let mut script = format!(
            "set -eu\nproxydhcpd() {{ case \"$*\" in import*|*.toml) {PROGRAM} \"$@\";; \
             *) {PROGRAM} {} \"$@\";; esac; }}\n\
             grub-mkimage() {{ {} -d {} \"$@\"; }}\n",
            self.flags().join(" "),
            cache("grub-mkimage").display(),
            cache("x86_64-efi").display()
        );
        for line in self.replace_paths(block).lines() {
            match line.strip_prefix("! ") {
                Some(command) => {
                    script += &format!("if {command}; then echo 'not refused: {command}' >&2; exit 1; fi\n")
                }
                None => script += &format!("{line}\n"),
            }
        }
        let mut bash = Command::new("bash");
        bash.args(["-c", &script])
            .current_dir(self.directory.path())
            .env("RUNTIME_DIRECTORY", self.directory.path())
            .env("INSTALLER", self.directory.path().join("installer"))
            .env("SHIM", cache("shimx64.efi.signed"))
            .env("GRUB", cache("grubnetx64.efi.signed"))
            .env("IPXE", cache("snponly.efi"));
        let output = self.host.on(|| bash.output().unwrap());
        let printed =
            [output.stdout, output.stderr].map(|printed| String::from_utf8_lossy(&printed).into_owned()).concat();
        (output.status.success(), printed)
    }

    fn write_proxy_ini(&mut self) {
        let file = "[proxy]\nlisten_address=192.0.2.10\ntftpd=192.0.2.10\nfilename=snponly.efi\n[pxe]\n[ipxe]\n";
        fs::write(self.directory.path().join("proxy.ini"), file).unwrap();
    }

    fn write_dnsmasq_conf(&mut self) {
        let root = self.directory.path().join("lib/boot");
        let service = "pxe-service=X86-64_EFI,iPXE,snponly.efi";
        let file =
            format!("dhcp-range=192.0.2.0,255.255.255.0,proxy\nenable-tftp\ntftp-root={}\n{service}\n", root.display());
        fs::write(self.directory.path().join("dnsmasq.conf"), file).unwrap();
    }

    fn start_server(&mut self) {
        let mut server = Process::command(PROGRAM);
        server.env("RUNTIME_DIRECTORY", self.directory.path());
        server.args(self.flags()).arg("serve").stdin(Stdio::null()).stderr(Stdio::null());
        self.server = Some(self.host.on(|| Process::spawn(&mut server)));
        let poll = "curl --silent --output /dev/null http://192.0.2.10:8080/";
        wait_for("the server", || self.run(poll).0.then_some(()));
    }

    /// Acts as the installed system does: fetches the URL in its preseed file.
    fn install_web1(&mut self) {
        self.start_server();
        let (_, preseed) = self.run("proxydhcpd render preseed.cfg --machine web1");
        let url = preseed.split_whitespace().find(|word| word.starts_with("http")).expect("a URL in the preseed file");
        let (fetched, output) = self.run(&format!("curl --silent --fail {url}"));
        assert!(fetched, "{output}");
        wait_for("the boot-once state on the disk", || self.run("proxydhcpd rearm | grep web1").0.then_some(()));
    }
}

fn cache(file: &str) -> PathBuf {
    proxydhcpd_testbed::cache::path(&format!("2022/{file}"))
}
