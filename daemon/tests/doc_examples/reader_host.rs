//! The host of a reader, who writes the files of a page and runs its commands.

use super::blocks::Block;
use crate::common::server::{PROGRAM, one_network};
use proxydhcpd_testbed::{Host, Process, cache, wait_for};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const PRELUDE: &str = include_str!("prelude.sh");

/// The host of a reader. `directory` has the contents of /etc/proxydhcpd (`etc`), /var/lib/proxydhcpd (`lib`) and
/// /run/proxydhcpd.
pub struct ReaderHost {
    pub directory: TempDir,
    settings: String,
    pub host: Host,
    /// The host at the other end of the cable.
    pub machine: Host,
    server: Option<Process>,
    /// The environment variables that the page assumes.
    pub variables: Vec<(&'static str, String)>,
    /// Ends with the reader.
    at_end: Option<Box<dyn Fn()>>,
}

impl ReaderHost {
    pub fn new() -> ReaderHost {
        let directory = tempfile::tempdir().unwrap();
        for below in ["etc", "lib/boot", "installer", "journal"] {
            fs::create_dir_all(directory.path().join(below)).unwrap();
        }
        for name in ["linux", "initrd.gz"] {
            fs::write(directory.path().join("installer").join(name), name).unwrap();
        }
        // The boot directory contains these files if the iPXE package is installed.
        for loader in ["2022/snponly.efi", "2025/undionly.kpxe"] {
            let loader = cache::path(loader);
            fs::copy(&loader, directory.path().join("lib/boot").join(loader.file_name().unwrap())).unwrap();
        }
        fs::write(directory.path().join("etc/proxydhcpd.toml"), "").unwrap();
        let (host, machine) = one_network();
        let (settings, variables) = (String::new(), Vec::new());
        ReaderHost { directory, settings, host, machine, server: None, variables, at_end: None }
    }

    /// Sets what happens at the end of the test.
    pub fn at_end(&mut self, end: impl Fn() + 'static) {
        self.at_end = Some(Box::new(end));
    }

    /// Appends settings to the configuration.
    pub fn write(&mut self, settings: &str) {
        self.settings.push_str(&self.replace_paths(settings));
        fs::write(self.path("etc/proxydhcpd.toml"), &self.settings).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn replace_paths(&self, text: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        text.replace("/etc/proxydhcpd", &path("etc"))
            .replace("/var/lib/proxydhcpd", &path("lib"))
            .replace("/run/proxydhcpd", &path(""))
    }

    /// Returns flags that replace the paths of an installed server.
    fn flags(&self) -> [String; 6] {
        let path = |name: &str| self.path(name).display().to_string();
        let (config, boot, state) = (path("etc/proxydhcpd.toml"), path("lib/boot"), path("lib/state"));
        ["-c".into(), config, "-b".into(), boot, "--state-dir".into(), state]
    }

    /// Runs a block of commands. Returns their output, and whether every command ended as the page states: with failure
    /// if the page marks it with `!`, otherwise with success.
    pub fn run(&self, block: &str) -> (bool, String) {
        let mut script = String::from(PRELUDE);
        for line in self.replace_paths(block).lines() {
            match line.strip_prefix("! ") {
                Some(command) => {
                    script += &format!("if {command}; then echo 'not refused: {command}' >&2; exit 1; fi\n")
                }
                None => script += &format!("{line}\n"),
            }
        }
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(self.directory.path());
        bash.env("PROXYDHCPD", PROGRAM).env("FLAGS", self.flags().join(" "));
        bash.env("RUNTIME_DIRECTORY", self.directory.path());
        bash.env("JOURNAL", self.path("journal")).env("INSTALLER", self.path("installer"));
        bash.env("GRUB_TOOLS", cache::path("2022"));
        for (name, file) in [("SHIM", "shimx64.efi.signed"), ("GRUB", "grubnetx64.efi.signed"), ("IPXE", "snponly.efi")]
        {
            bash.env(name, cache::path("2022").join(file));
        }
        bash.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let output = self.host.on(|| bash.output().unwrap());
        (output.status.success(), text_of(output))
    }

    /// Runs one command, which must succeed. Returns its output.
    pub fn run_well(&self, command: &str) -> String {
        let (succeeded, output) = self.run(command);
        assert!(succeeded, "{command}: {output}");
        output
    }

    /// Starts the server as its unit does, with a log in the file `log`.
    pub fn start_server(&mut self) {
        let mut server = Process::command(PROGRAM);
        server.env("RUNTIME_DIRECTORY", self.directory.path());
        server.args(self.flags()).arg("serve").stdin(Stdio::null()).stderr(File::create(self.path("log")).unwrap());
        self.server = Some(self.host.on(|| Process::spawn(&mut server)));
        wait_for("the server", || self.run("curl --output /dev/null http://192.0.2.10:8080/").0.then_some(()));
        wait_for("the control socket", || UnixStream::connect(self.path("control.sock")).ok());
    }

    /// Puts the new version next to the files of the old one.
    pub fn unpack_new_version(&mut self) {
        symlink(PROGRAM, self.path("proxydhcpd")).unwrap();
        let settings = format!("boot-dir = {:?}\nstate-dir = {:?}\n", self.path("lib/boot"), self.path("lib/state"));
        self.write(&settings);
    }

    /// Checks a part of an INI file: a drop-in of the unit, or keys of `[ipxe]` in proxy.ini.
    pub fn check_ini(&self, block: &Block) {
        match block.text.starts_with("[Service]") {
            true => self.check_drop_in(&block.text),
            false => {
                let head = "[proxy]\nlisten_address=192.0.2.10\ntftpd=192.0.2.10\nfilename=snponly.efi\n";
                fs::write(self.path("proxy.ini"), format!("{head}[ipxe]\nenabled=true\n{}", block.text)).unwrap();
                let output = Command::new(PROGRAM).arg("check").arg(self.path("proxy.ini")).output().unwrap();
                let text = text_of(output);
                assert!(!text.contains("unknown") && !text.contains("error"), "{text}");
            }
        }
    }

    fn check_drop_in(&self, text: &str) {
        let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/systemd/proxydhcpd.service");
        let unit = fs::read_to_string(unit).unwrap().replace("/usr/sbin/proxydhcpd", "/bin/true");
        // This host need not have the manual page.
        let unit: String =
            unit.lines().filter(|line| !line.starts_with("Documentation=")).map(|l| l.to_owned() + "\n").collect();
        let drop_ins = self.path("units/proxydhcpd.service.d");
        fs::create_dir_all(&drop_ins).unwrap();
        fs::write(self.path("units/proxydhcpd.service"), unit).unwrap();
        fs::write(drop_ins.join("override.conf"), text).unwrap();
        let output = Command::new("systemd-analyze").arg("verify").arg(self.path("units/proxydhcpd.service")).output();
        let output = output.expect("systemd-analyze is missing: run e2e/setup");
        assert!(output.status.success() && output.stderr.is_empty(), "{text}{}", text_of(output));
    }

    /// Checks a query for Prometheus.
    pub fn check_query(&self, query: &str) {
        let query = serde_json::to_string(query.trim()).unwrap();
        fs::write(
            self.path("rules.yml"),
            format!("groups: [{{name: x, rules: [{{record: 'x:y', expr: {query}}}]}}]\n"),
        )
        .unwrap();
        let mut promtool = Command::new(cache::path("tools/promtool"));
        let output = promtool.args(["check", "rules"]).arg(self.path("rules.yml")).output().unwrap();
        assert!(output.status.success(), "{query}: {}", text_of(output));
    }

    /// Checks a part of a script for iPXE.
    pub fn check_script(&self, script: &str) {
        fs::write(self.path("lib/boot/part.ipxe"), format!("#!ipxe\n{script}")).unwrap();
        fs::create_dir_all(self.path("lib/boot/debian")).unwrap();
        fs::copy(self.path("installer/linux"), self.path("lib/boot/debian/linux")).unwrap();
        let output = self.run_well("proxydhcpd check");
        assert!(output.contains("part.ipxe") && !output.contains("part.ipxe:"), "{output}");
    }
}

fn text_of(output: Output) -> String {
    [output.stdout, output.stderr].map(|printed| String::from_utf8_lossy(&printed).into_owned()).concat()
}

impl Drop for ReaderHost {
    /// Shows the log of the server if the test fails.
    fn drop(&mut self) {
        self.at_end.iter().for_each(|end| end());
        if std::thread::panicking() && Path::new(&self.path("log")).exists() {
            eprintln!("{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
    }
}
