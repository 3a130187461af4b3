//! Tests how `check` reports the content of offered files, with the real files of Debian's installer and real iPXE
//! binaries, complete and truncated. Also tests how the log reports a refused request for an offered file. Needs root.

mod common;

use common::server::{Server, one_network, unprivileged_with};
use proxydhcpd_core::wire::tftp::{TftpOptions, TftpPacket, TftpRequest};
use proxydhcpd_testbed::Host;
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Returns the path of a file that e2e/setup unpacks.
fn cached(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache").join(name)
}

/// A boot directory with these loaders, and a directory for the configuration.
struct Site {
    host: Host,
    boot: TempDir,
    etc: TempDir,
}

impl Site {
    fn new(loaders: &[(&str, &str)]) -> Site {
        let (host, far) = (Host::new(), Host::new());
        host.cable("eth0", &far, "eth0");
        host.run("ip address add 192.0.2.10/24 dev eth0");
        // Dropping the host at the far end would remove the cable.
        std::mem::forget(far);
        let site = Site { host, boot: tempfile::tempdir().unwrap(), etc: tempfile::tempdir().unwrap() };
        for (from, to) in loaders {
            site.copy(from, to);
        }
        site
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.boot.path().join(name), content.as_ref());
    }

    fn copy(&self, from: &str, to: &str) {
        self.put(to, fs::read(cached(from)).expect("unpacked by e2e/setup"));
    }

    /// Runs `check` on this configuration. Returns the diagnostics and the served files, both from the JSON output.
    fn check(&self, config: &str) -> (Vec<String>, Value) {
        let file = self.etc.path().join("proxydhcpd.toml");
        write(&file, config.as_bytes());
        self.check_file(&file)
    }

    fn check_file(&self, file: &Path) -> (Vec<String>, Value) {
        let mut check = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
        check.args(["check", "--json", "-c"]).arg(file).arg("-b").arg(self.boot.path());
        check.env("STATE_DIRECTORY", self.etc.path().join("state"));
        let output = self.host.on(|| check.output().unwrap());
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(output.status.code(), Some(0), "problems that can be fixed at run time are warnings: {json:#}");
        let (boot, etc) = (self.boot.path().display().to_string(), self.etc.path().display().to_string());
        let diagnostics = json["diagnostics"].as_array().unwrap().iter().map(|diagnostic| {
            let of = |key: &str| diagnostic[key].as_str().unwrap_or_default().to_owned();
            let line = diagnostic["line"].as_u64().map(|line| format!(":{line}: ")).unwrap_or_default();
            format!("{}{line}{}; {}", of("file"), of("message"), of("help")).replace(&boot, "BOOT").replace(&etc, "ETC")
        });
        (diagnostics.collect(), json["served"].clone())
    }
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

const NEW_IPXE: [(&str, &str); 3] = [
    ("2025/undionly.kpxe", "undionly.kpxe"),
    ("2025/snponly.efi", "snponly.efi"),
    ("2025/ipxe-arm64.efi", "ipxe-arm64.efi"),
];

#[track_caller]
fn holds(diagnostics: &[String], expected: &[&str]) {
    for expected in expected {
        assert!(diagnostics.iter().any(|line| line.contains(expected)), "{expected:?} in\n{}", diagnostics.join("\n"));
    }
    assert_eq!(diagnostics.len(), expected.len(), "{diagnostics:#?}");
}

#[test]
fn the_real_files_of_debians_installer_and_the_scripts_of_the_documentation_have_no_diagnostics() {
    let site = Site::new(&NEW_IPXE);
    site.copy("2022/linux", "debian/linux");
    site.copy("2022/initrd.gz", "debian/initrd.gz");
    site.put(
        "rescue.ipxe",
        "#!ipxe\r\nkernel debian/linux initrd=initrd.gz quiet\r\ninitrd debian/initrd.gz\r\nboot\r\n",
    );
    let wim = "#!ipxe\nkernel {{ base }}debian/linux {% if \"efi\" in request.features | default([]) %}efi=runtime \
               {% endif %}ip=${net0/ip}\n\
               initrd {{ base }}debian/initrd.gz BCD\nboot\n";
    write(&site.etc.path().join("templates/rescue2.ipxe"), wim.as_bytes());
    let config =
        "default-profile = \"debian\"\n[profile.debian]\nkernel = \"debian/linux\"\ninitrd = \"debian/initrd.gz\"\n";
    for config in ["", config] {
        let (diagnostics, _) = site.check(config);
        assert_eq!(diagnostics, [""; 0]);
    }
}

#[test]
fn truncated_or_wrong_kernels_and_initrds_are_reported_with_a_fix() {
    let site = Site::new(&NEW_IPXE);
    let [linux, initrd] = ["2022/linux", "2022/initrd.gz"].map(|name| fs::read(cached(name)).unwrap());
    site.put("a/linux", &linux[..linux.len() - 100_000]);
    site.put("a/initrd.gz", &initrd);
    site.put("b/linux", &linux);
    site.put("b/initrd.gz", &initrd[..initrd.len() / 2]);
    site.put("b/page.gz", "<!DOCTYPE html><title>404 Not Found</title>");
    site.put("b/empty", "");
    site.put("c/packed", [&b"\x1f\x8b\x08"[..], &[7; 2000]].concat());
    let config = "[profile.b]\nkernel = \"b/linux\"\ninitrd = [\"b/page.gz\", \"b/empty\", \"b/linux\"]\n\
                  [profile.c]\nkernel = \"c/packed\"\n";
    let (diagnostics, _) = site.check(config);
    holds(
        &diagnostics,
        &[
            "BOOT/a/linux is truncated: it should have 8222656 octets and has 8122656; copy or download the file again",
            "BOOT/b/initrd.gz is truncated or damaged: the end of its archive is missing; copy",
            "BOOT/b/page.gz is a web page, perhaps the error message of a download",
            "BOOT/b/empty is empty",
            "BOOT/b/linux is a kernel, not an initrd; name the initrd",
        ],
    );
    // Only the iPXE for ARM 64 unpacks gzip. Without it, no offered iPXE can start the kernel.
    fs::remove_file(site.boot.path().join("ipxe-arm64.efi")).unwrap();
    let (diagnostics, _) = site.check(config);
    assert!(diagnostics.iter().any(|line| line.contains("BOOT/c/packed is compressed (gzip)")), "{diagnostics:#?}");
}

#[test]
fn a_kernel_that_a_rule_gives_to_machines_of_another_architecture_is_reported() {
    let site = Site::new(&NEW_IPXE);
    site.copy("2022/linux", "debian/linux");
    let config = |arch: &str| {
        format!("[profile.debian]\nkernel = \"debian/linux\"\n[[rule]]\narch = [\"{arch}\"]\nprofile = \"debian\"\n")
    };
    let (diagnostics, _) = site.check(&config("uefi-arm64"));
    let last = diagnostics.last().unwrap();
    assert!(
        last.contains("BOOT/debian/linux is a kernel for x64 UEFI, and ARM 64 UEFI cannot start it"),
        "{diagnostics:#?}"
    );
    let clean = |diagnostics: &[String]| diagnostics.iter().all(|line| !line.contains("cannot start it"));
    for arch in ["bios", "uefi-x64"] {
        assert!(clean(&site.check(&config(arch)).0), "{arch}");
    }
}

#[test]
fn a_script_is_read_as_the_ipxe_that_is_offered_reads_it() {
    let site = Site::new(&[("2025/undionly.kpxe", "undionly.kpxe"), ("2022/snponly.efi", "snponly.efi")]);
    let script = "#!ipxe\nkernell linux\nshim foo\nparams ||\nkernel debian/linux quiet || goto failed\n\
                  initrd tftp://${next-server}/initrd.gz\nkernel http://192.0.2.10:8080/debian/gone\n\
                  chain https://boot.example.org/x.ipxe\nchain http://192.0.2.99/x\nchain other.ipxe\n\
                  chain custom.ipxe ||\nkernel ${base}/x\n:failed\nshell\n";
    site.put("boot.ipxe", script);
    site.put("other.ipxe", "#ipxe\nshell\n");
    let (diagnostics, served) = site.check("");
    holds(
        &diagnostics,
        &[
            "BOOT/boot.ipxe:2: iPXE has no command `kernell`; did you mean `kernel`?",
            "BOOT/boot.ipxe:3: the offered snponly.efi (iPXE 1.0.0+git-20190125.36a4c85-5.1) has no command `shim` \
             (new in 2023)",
            "BOOT/boot.ipxe:3: there is no file BOOT/foo yet",
            "BOOT/boot.ipxe:5: there is no file BOOT/debian/linux yet",
            "BOOT/boot.ipxe:6: `${next-server}` may be the DHCP server's address",
            "BOOT/boot.ipxe:7: there is no file BOOT/debian/gone yet",
            "BOOT/boot.ipxe:8: the offered snponly.efi (iPXE 1.0.0+git-20190125.36a4c85-5.1) was built without HTTPS",
            "BOOT/other.ipxe:1: the first line is not `#!ipxe`",
        ],
    );
    let depends = served["depends_on"].to_string();
    assert!(
        depends.contains("a DNS server that resolves boot.example.org") && depends.contains("boot.ipxe:8"),
        "{depends}"
    );
    assert!(depends.contains("the correct date in each machine") && !depends.contains("192.0.2.99"), "{depends}");
    for (text, part) in [("\u{feff}#!ipxe\nshell\n", "byte order mark"), ("#!ipxe\rshell\r", "CR only")] {
        site.put("boot.ipxe", text);
        holds(&site.check("").0, &[part]);
    }
}

#[test]
fn files_that_are_offered_from_an_address_of_this_host_must_exist() {
    let site = Site::new(&NEW_IPXE);
    site.put("efi/arm.efi", fs::read(cached("2025/ipxe-arm64.efi")).unwrap());
    let config = "default-profile = \"grub\"\n[profile.grub.loaders]\nbios = \"tftp://192.0.2.10//bios/lpxelinux.0\"\n\
                  uefi-x64 = \"tftp://192.0.2.10/efi/arm.efi\"\nuefi-arm64 = \"tftp://192.0.2.10/efi/arm.efi\"\n\
                  uefi-ia32 = \"tftp://192.0.2.66/elsewhere.efi\"\n\
                  [profile.script]\nscript = \"http://192.0.2.10:8080/gone.ipxe\"\n\
                  [profile.linux]\nkernel = \"http://192.0.2.10:8080/none/linux\"\n\
                  initrd = [\"tftp://192.0.2.10/none/i2\", \"http://192.0.2.10:8080/{{ machine.name }}/i3\", \
                  \"http://192.0.2.66/i4\"]\n";
    let (diagnostics, _) = site.check(config);
    holds(
        &diagnostics,
        &[
            "tftp://192.0.2.10//bios/lpxelinux.0 leads to this server, which cannot send it: there is no file \
             BOOT/bios/lpxelinux.0 yet; put the file there",
            "tftp://192.0.2.10/efi/arm.efi leads to BOOT/efi/arm.efi, which x64 UEFI cannot start: it is an EFI \
             program for ARM 64 UEFI",
            "http://192.0.2.10:8080/gone.ipxe leads to this server, which cannot send it: there is no file",
            "http://192.0.2.10:8080/none/linux leads to this server, which cannot send it: there is no file",
            "tftp://192.0.2.10/none/i2 leads to this server, which cannot send it: there is no file",
        ],
    );
    let ini = site.etc.path().join("proxy.ini");
    let text = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.10\nfilename = pxelinux.0\n";
    write(&ini, text.as_bytes());
    let (diagnostics, _) = site.check_file(&ini);
    holds(
        &diagnostics,
        &["pxelinux.0 leads to this server, which cannot send it: there is no file BOOT/pxelinux.0 yet"],
    );
    write(&ini, text.replace("192.0.2.10", "192.0.2.99").as_bytes());
    assert!(site.check_file(&ini).0.iter().all(|line| !line.contains("leads to this server")));
}

#[test]
fn unread_files_of_the_configuration_directories_and_empty_directories_are_reported() {
    let site = Site::new(&NEW_IPXE);
    for name in ["conf.d/lab.conf", "conf.d/.swp", "machines/web.ini", "machines/a.csv", "templates/x.cfg~"] {
        write(&site.etc.path().join(name), b"name,mac\n");
    }
    let mirror = tempfile::tempdir().unwrap();
    let (diagnostics, served) = site.check(&format!("[directories]\nmirror = {:?}\n", mirror.path()));
    holds(&diagnostics, &["is empty, so nothing is served from it; put files there, or mount the file system"]);
    let unread: Vec<&str> = served["not_read"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(unread.len(), 3, "{unread:#?}");
    for (line, part) in unread.iter().zip(["conf.d/lab.conf: ", "machines/web.ini: ", "templates/x.cfg~: "]) {
        assert!(line.contains(part), "{unread:#?}");
    }
}

#[test]
fn a_refused_request_for_an_offered_file_is_one_warning_with_a_fix() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let config =
        "[profile.debian]\nkernel = \"debian/linux\"\n[profile.url]\nkernel = \"tftp://192.0.2.10/none/linux\"\n";
    let server = Server::start_configured(&host, directory, config);
    server.wait_for_line("tftp://192.0.2.10/none/linux leads to this server, which cannot send it: there is no file");
    server.wait_for_line("ready");
    fs::remove_file(server.boot.path().join("ipxe.efi")).unwrap();
    for name in ["ipxe.efi", "//ipxe.efi", "not/offered/here", "debian/linux", "none/linux"] {
        is_refused(&machine, name);
    }
    let warnings =
        |part: &str| server.log().lines().filter(|line| line.contains("WARN") && line.contains(part)).count();
    for name in ["debian/linux", "none/linux"] {
        server.wait_for_line(&format!("requested {name}, which this server offers, and was refused: there is no file"));
    }
    assert_eq!(
        warnings("192.0.2.107 requested ipxe.efi, which this server offers, and was refused"),
        1,
        "{}",
        server.log()
    );
    assert_eq!((warnings("yet; put the file there"), warnings("not/offered/here")), (3, 0), "{}", server.log());
}

#[test]
fn a_file_that_becomes_unreadable_is_reported_when_a_machine_requests_it() {
    let (host, machine) = one_network();
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let loader = server.boot.path().join("ipxe.efi");
    fs::set_permissions(&loader, fs::Permissions::from_mode(0o000)).unwrap();
    is_refused(&machine, "ipxe.efi");
    let why = format!(
        "this server may not read {}: permission denied; let this server read it (chmod a+r)",
        loader.display()
    );
    server.wait_for_line(&format!("192.0.2.107 requested ipxe.efi, which this server offers, and was refused: {why}"));

    fs::remove_file(server.boot.path().join("ipxe-arm64.efi")).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--max-time", "10", "http://192.0.2.10:8080/ipxe-arm64.efi"]);
    assert!(!machine.on(|| curl.status().expect("curl is missing: run e2e/setup")).success());
    server.wait_for_line("requested ipxe-arm64.efi, which this server offers, and was refused: there is no file");
}

/// Requests this file over TFTP, and checks that the server refuses it.
fn is_refused(machine: &Host, name: &str) {
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = Vec::new();
    let read_request = TftpRequest { name: name.as_bytes(), mode: b"octet", options: TftpOptions::default() };
    TftpPacket::Read(read_request).write(&mut request);
    socket.send_to(&request, "192.0.2.10:69").unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).unwrap();
    assert!(matches!(TftpPacket::read(&answer[..length]), Ok(TftpPacket::Error { .. })), "{name}");
}
