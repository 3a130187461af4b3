//! README and the pages of tasks are done as they stand: what they say to write is written, what they say to run is
//! run, on a host at 192.0.2.10.

mod netns;

use netns::server::{PROGRAM, one_network};
use netns::{Host, Peer, wait_for};
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
    follow("migrating-from-python", &[("import proxy.ini", House::has_a_proxy_ini)]);
}

#[test]
fn from_dnsmasq() {
    follow("migrating-from-dnsmasq", &[("import dnsmasq.conf", House::has_a_dnsmasq)]);
}

/// A page to look things up in: each of its examples is a file of its own.
#[test]
fn every_example_of_the_configuration_is_good_by_itself() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).unwrap();
    let examples: Vec<&str> = blocks(&text).iter().filter(|(kind, _)| *kind == "toml").map(|(_, text)| *text).collect();
    assert!(examples.len() >= 4, "{} examples", examples.len());
    for example in examples {
        let mut house = House::new();
        // The page supposes that the files are there.
        for system in ["debian", "bookworm", "trixie"] {
            house.run(&format!("mkdir lib/boot/{system} && cp installer/* lib/boot/{system}"));
        }
        house.run("mkdir etc/templates srv && touch srv/README && echo '#!ipxe' > etc/templates/rescue.ipxe");
        house.run("cp lib/boot/snponly.efi lib/boot/bootmgfw.efi");
        house.write(&example.replace("/srv/mirror/debian", &house.directory.path().join("srv").display().to_string()));
        let (done, said) = house.run("proxydhcpd check");
        assert!(done, "{example}\n{said}");
        for complaint in ["warning", "there is no"] {
            assert!(!said.contains(complaint), "{example}\n{said}");
        }
    }
}

#[test]
fn the_first_machine() {
    follow("first-machine", &[("rearm", House::installs_web1)]);
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
    follow("secure-boot", &[("curl ", House::serves)]);
}

/// What has happened by the time that a block with this text is read.
type Before = (&'static str, fn(&mut House));

fn follow(page: &str, meanwhile: &[Before]) {
    let text = fs::read_to_string(Path::new(ROOT).join(format!("docs/{page}.md"))).unwrap();
    let mut house = House::new();
    let (mut ran, mut happened) = (0, 0);
    for (language, block) in blocks(&text) {
        match language {
            "toml" => house.write(block),
            "sh" => {
                for (_, happen) in meanwhile.iter().filter(|(text, _)| block.contains(text)) {
                    happen(&mut house);
                    happened += 1;
                }
                let (done, said) = house.run(block);
                assert!(done, "{page}:\n{block}\n{said}");
                ran += 1;
            }
            // A picture, or what goes over a wire.
            "text" => assert!(block.contains(['→', '─']), "{page}: this could be run: {block}"),
            // It builds, or changes the machine: tests/install.rs and e2e do that.
            "console" => assert!(block.lines().all(is_for_the_machine), "{page}: this could be run: {block}"),
            "ini" => {}
            other => panic!("{page}: a block in {other}"),
        }
    }
    assert!(ran > 0, "{page}: nothing to run");
    assert_eq!(happened, meanwhile.len(), "{page}");
}

fn is_for_the_machine(line: &str) -> bool {
    ["make ", "systemctl ", "rm -f /etc/"].iter().any(|begin| line.starts_with(begin))
}

fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

/// A reader's: /etc/proxydhcpd and /var/lib/proxydhcpd are directories in it.
struct House {
    directory: TempDir,
    settings: String,
    host: Host,
    /// Somebody to be connected with.
    _machine: Host,
    server: Option<Peer>,
}

impl House {
    fn new() -> House {
        let directory = tempfile::tempdir().unwrap();
        for below in ["etc", "lib/boot", "installer"] {
            fs::create_dir_all(directory.path().join(below)).unwrap();
        }
        for name in ["linux", "initrd.gz"] {
            fs::write(directory.path().join("installer").join(name), name).unwrap();
        }
        // As if iPXE's package were installed.
        for loader in ["2022/snponly.efi", "2025/undionly.kpxe"] {
            let loader = Path::new(ROOT).join("e2e/.cache").join(loader);
            fs::copy(&loader, directory.path().join("lib/boot").join(loader.file_name().unwrap()))
                .expect("by e2e/setup");
        }
        fs::write(directory.path().join("etc/proxydhcpd.toml"), "").unwrap();
        let (host, machine) = one_network();
        House { directory, settings: String::new(), host, _machine: machine, server: None }
    }

    fn write(&mut self, settings: &str) {
        self.settings.push_str(&self.at_home(settings));
        fs::write(self.directory.path().join("etc/proxydhcpd.toml"), &self.settings).unwrap();
    }

    fn at_home(&self, text: &str) -> String {
        let place = |name: &str| self.directory.path().join(name).display().to_string();
        text.replace("/etc/proxydhcpd", &place("etc")).replace("/var/lib/proxydhcpd", &place("lib"))
    }

    /// The flags that stand for the paths of an installed server.
    fn flags(&self) -> [String; 6] {
        let place = |name: &str| self.directory.path().join(name).display().to_string();
        [
            "-c".into(),
            place("etc/proxydhcpd.toml"),
            "-b".into(),
            place("lib/boot"),
            "--state-dir".into(),
            place("state"),
        ]
    }

    /// Whether every command ended well, or ill where the page says so (`!`); and what they said.
    fn run(&self, block: &str) -> (bool, String) {
        let mut script = format!(
            "set -eu\nproxydhcpd() {{ case \"$*\" in import*|*.toml) {PROGRAM} \"$@\";; *) {PROGRAM} {} \"$@\";; esac; }}\n\
             grub-mkimage() {{ {} -d {} \"$@\"; }}\n",
            self.flags().join(" "),
            cache("grub-mkimage").display(),
            cache("x86_64-efi").display()
        );
        for line in self.at_home(block).lines() {
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
            .env("INSTALLER", self.directory.path().join("installer"))
            .env("SHIM", cache("shimx64.efi.signed"))
            .env("GRUB", cache("grubnetx64.efi.signed"))
            .env("IPXE", cache("snponly.efi"));
        let output = self.host.on(|| bash.output().unwrap());
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        (output.status.success(), said)
    }

    fn has_a_proxy_ini(&mut self) {
        let file = "[proxy]\nlisten_address=192.0.2.10\ntftpd=192.0.2.10\nfilename=snponly.efi\n[pxe]\n[ipxe]\n";
        fs::write(self.directory.path().join("proxy.ini"), file).unwrap();
    }

    fn has_a_dnsmasq(&mut self) {
        let root = self.directory.path().join("lib/boot");
        let service = "pxe-service=X86-64_EFI,iPXE,snponly.efi";
        let file =
            format!("dhcp-range=192.0.2.0,255.255.255.0,proxy\nenable-tftp\ntftp-root={}\n{service}\n", root.display());
        fs::write(self.directory.path().join("dnsmasq.conf"), file).unwrap();
    }

    fn serves(&mut self) {
        let mut server = Command::new("setpriv");
        server.args(["--pdeathsig", "KILL", "--", PROGRAM]).args(self.flags()).arg("serve");
        let server = self.host.on(|| server.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        self.server = Some(Peer(server));
        let listens = "curl --silent --output /dev/null http://192.0.2.10:8080/";
        wait_for("the server", || self.run(listens).0.then_some(()));
    }

    /// The installed system calls the address that its answers name.
    fn installs_web1(&mut self) {
        self.serves();
        let (_, answers) = self.run("proxydhcpd render preseed.cfg --machine web1");
        let url = answers.split_whitespace().find(|word| word.starts_with("http")).expect("an address in the answers");
        let (called, said) = self.run(&format!("curl --silent --fail {url}"));
        assert!(called, "{said}");
        wait_for("the mark on the disk", || self.run("proxydhcpd rearm | grep web1").0.then_some(()));
    }
}

fn cache(file: &str) -> PathBuf {
    Path::new(ROOT).join("e2e/.cache/2022").join(file)
}
