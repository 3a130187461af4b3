//! `check` on a host with known interfaces: what it shows and what it reports. Needs root.

mod common;

use common::loaders::boot_dir;
use proxydhcpd_testbed::{Host, cache};
use serde_json::{Value, json};
use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Output};

#[test]
fn it_shows_what_the_server_would_serve() {
    let host = host();
    let boot = boot_dir();
    fs::write(boot.path().join("rescue.ipxe"), "#!ipxe\n").unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    let path = |name: &str| boot.path().join(name).display().to_string();
    for line in [
        "configuration   none (not required)".to_owned(),
        "interfaces      eth0 (192.0.2.10)".to_owned(),
        "TFTP            this server, port 69".to_owned(),
        "HTTP            this server, port 8080".to_owned(),
        "iPXE boots      the menu, with 1 entry from the boot directory".to_owned(),
        format!("x86 BIOS           {}", path("undionly.kpxe")),
        format!("x64 UEFI           {}", path("ipxe.efi")),
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "{line:?} in\n{stdout}");
    }
    assert!(
        stdout.ends_with(
            "\nNo UEFI loader is signed: machines with Secure Boot enabled refuse them all. Other machines are not \
             affected.\n"
        ),
        "{stdout}"
    );
}

#[test]
fn it_lists_each_menu_entry_and_each_file_that_is_not_in_the_menu() {
    let host = host();
    let boot = boot_dir();
    let mut kernel = vec![0; 1024];
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    kernel[0x236] = 1;
    for (name, content) in [
        ("debian/linux", &kernel[..]),
        ("debian/initrd.gz", b""),
        ("debian/cmdline", b"url={{ base }}preseed.cfg\nquiet\n"),
        ("u/casper/vmlinuz", &kernel),
        ("u/casper/initrd", b""),
        ("u/ubuntu.iso", b""),
        ("rescue.ipxe", b"#!ipxe\n"),
    ] {
        fs::create_dir_all(boot.path().join(name).parent().unwrap()).unwrap();
        fs::write(boot.path().join(name), content).unwrap();
    }
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let menu = "
Menu entries:
debian
  kernel     debian/linux (x64 UEFI, x86 BIOS)
  initrd     debian/initrd.gz
  arguments  url={{ base }}preseed.cfg quiet (from debian/cmdline)
rescue
  script     rescue.ipxe
u/casper
  kernel     u/casper/vmlinuz (x64 UEFI, x86 BIOS)
  initrd     u/casper/initrd
  arguments  none
  problem    this entry does not boot: Ubuntu looks for the rest of its system on a disc: url= or \
netboot= is missing
  fix        write into u/casper/cmdline: ip=dhcp url={{ base }}NAME.iso cloud-config-url=/dev/null, with the ISO \
itself in the boot directory

Not in the menu:
u/ubuntu.iso: an ISO image, which cannot be booted yet: unpack it into a directory
";
    assert!(stdout.contains(menu), "{stdout}");
    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let menu = &json["served"]["menu"];
    assert_eq!(menu["entries"][0]["kernel"], "debian/linux");
    assert_eq!(menu["entries"][0]["arguments_from"], "debian/cmdline");
    assert_eq!(menu["skipped"][0]["path"], "u/ubuntu.iso");

    fs::write(boot.path().join("boot.ipxe"), "#!ipxe\n").unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.contains("Menu entries"), "no machine is shown the menu: {stdout}");
}

#[test]
fn it_lists_and_checks_scripts_by_host_name_and_shows_if_no_machine_runs_them() {
    let host = host();
    let boot = boot_dir();
    for (name, text) in [
        ("HOSTNAME-PC3.IPXE", "#!ipxe\nshell\n"),
        ("HOSTNAME-pc4.ipxe", "#!ipxe\nchian x\n"),
        ("HOSTNAME-pc5.ipxe", ""),
        ("HOSTNAME-pc6.ipxe", "\u{feff}#!ipxe\n"),
    ] {
        fs::write(boot.path().join(name), text).unwrap();
    }
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("proxydhcpd.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let arguments = ["-b", boot.path().to_str().unwrap(), "-c", file.to_str().unwrap()];
        let output = check(&host, &arguments);
        [output.stdout, output.stderr].map(|printed| String::from_utf8(printed).unwrap())
    };
    let names = "HOSTNAME-PC3.IPXE: PC3\nHOSTNAME-pc4.ipxe: pc4\nHOSTNAME-pc5.ipxe: pc5\nHOSTNAME-pc6.ipxe: pc6\n";
    let run = format!("\nScripts by host name, run before the menu if the DHCP server assigns this name:\n{names}");
    let [stdout, stderr] = check("");
    assert!(stdout.contains(&run) && !stdout.contains("Not in the menu"), "{stdout}");
    for part in ["iPXE has no command `chian`", "HOSTNAME-pc5.ipxe", "byte order mark"] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    assert!(!stderr.contains("HOSTNAME-PC3.IPXE"), "{stderr}");

    let rule = "[[rule]]\nsubnet = [\"192.0.2.0/24\"]\nprofile = \"menu\"\n";
    assert!(check(&format!("default-profile = \"local-disk\"\n{rule}"))[0].contains(&run));
    let [stdout, stderr] = check("default-profile = \"local-disk\"\n");
    let not_run = format!("\nScripts by host name, not in use (no profile in use shows the menu):\n{names}");
    assert!(stdout.contains(&not_run), "{stdout}");
    assert!(!stderr.contains("HOSTNAME-"), "{stderr}");
    fs::write(boot.path().join("boot.ipxe"), "#!ipxe\nshell\n").unwrap();
    let [stdout, _] = check("");
    assert!(stdout.contains("not in use (boot.ipxe "), "{stdout}");
}

#[test]
fn an_invalid_cmdline_is_reported_once_with_its_line_and_so_is_an_unreadable_duid() {
    let host = host();
    let boot = boot_dir();
    let mut kernel = vec![0; 1024];
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    kernel[0x236] = 1;
    fs::create_dir(boot.path().join("two")).unwrap();
    for (name, content) in [
        ("vmlinuz-1", &kernel[..]),
        ("vmlinuz-2", &kernel),
        ("initrd-1", b""),
        ("initrd-2", b""),
        ("cmdline", b"quiet\nsplash || shell\n"),
    ] {
        fs::write(boot.path().join("two").join(name), content).unwrap();
    }
    let config = tempfile::tempdir().unwrap();
    let (file, state) = (config.path().join("proxydhcpd.toml"), config.path().join("state"));
    fs::create_dir_all(state.join("duid")).unwrap();
    fs::write(&file, format!("state-dir = {state:?}\n")).unwrap();
    let arguments = ["--json", "-b", boot.path().to_str().unwrap(), "-c", file.to_str().unwrap()];
    let json: Value = serde_json::from_slice(&check(&host, &arguments).stdout).unwrap();
    let diagnostics = json["diagnostics"].as_array().unwrap();
    let with_message = |part: &str| -> Vec<&Value> {
        diagnostics.iter().filter(|diagnostic| diagnostic["message"].as_str().unwrap().contains(part)).collect()
    };
    let errors = with_message("an iPXE script cannot contain");
    assert_eq!(errors.len(), 1, "{json:#}");
    assert_eq!(errors[0]["file"], boot.path().join("two/cmdline").to_str().unwrap());
    assert_eq!(
        (&errors[0]["line"], &errors[0]["column"], &errors[0]["severity"]),
        (&json!(2), &json!(8), &json!("warning"))
    );
    assert_eq!(json["served"]["menu"]["entries"].as_array().unwrap().len(), 2);
    assert_eq!(with_message("duid: is a directory").len(), 1, "{json:#}");
}

#[test]
fn it_reports_arguments_that_render_for_no_machine_or_only_for_listed_ones_with_their_location() {
    let host = host();
    let boot = boot_dir();
    let mut kernel = vec![0; 1024];
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    for (directory, arguments) in [
        ("bogus", "quiet\na=1 {{ bogus }}\n"),
        ("role", "{{ role }}\n"),
        ("good", "{{ machine.mac }} {{ machine.uuid }} {{ machine.serial }} {{ request.interface }} {{ base }}\n"),
    ] {
        fs::create_dir(boot.path().join(directory)).unwrap();
        for (name, content) in [("linux", &kernel[..]), ("initrd", b""), ("cmdline", arguments.as_bytes())] {
            fs::write(boot.path().join(directory).join(name), content).unwrap();
        }
    }
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("proxydhcpd.toml");
    fs::write(&file, "[machine.web1]\nmac = \"52:54:00:00:00:01\"\nvariables = { role = \"web\" }\n").unwrap();
    let arguments = ["--json", "-b", boot.path().to_str().unwrap(), "-c", file.to_str().unwrap()];
    let json: Value = serde_json::from_slice(&check(&host, &arguments).stdout).unwrap();
    let diagnostics = json["diagnostics"].as_array().unwrap();
    let warnings: Vec<&Value> =
        diagnostics.iter().filter(|warning| warning["message"].as_str().unwrap().contains("menu entry")).collect();
    assert_eq!(warnings.len(), 2, "{json:#}");
    for (warning, machines, variable, line) in [
        (warnings[0], "", "bogus", 2),
        (warnings[1], " for a machine without an entry in the configuration", "role", 1),
    ] {
        let message = format!("this menu entry does not boot{machines}: {variable} is not defined");
        assert_eq!(warning["message"], message);
        assert_eq!(warning["file"], boot.path().join(variable).join("cmdline").to_str().unwrap());
        assert_eq!((&warning["line"], &warning["severity"]), (&json!(line), &json!("warning")));
    }
}

#[test]
fn it_shows_how_many_machines_were_read_and_how_long_that_took() {
    let host = host();
    let boot = boot_dir();
    let path = |name: &str| boot.path().join(name);
    fs::write(path("machines.csv"), "name,mac\nweb1,52:54:00:00:00:01\nweb2,52:54:00:00:00:02\n").unwrap();
    let site = path("site.toml");
    fs::write(&site, format!("machine-files = [{:?}]\n", path("machines.csv"))).unwrap();
    let arguments = ["-b", boot.path().to_str().unwrap(), "-c", site.to_str().unwrap()];
    let stdout = String::from_utf8(check(&host, &arguments).stdout).unwrap();
    assert!(stdout.contains("\nmachines        2 machines in 1 file, read in "), "{stdout}");
    let json = check(&host, &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let machines = &json["served"]["machines"];
    assert_eq!((&machines["count"], &machines["files"]), (&json!(2), &json!(1)));
    assert!(machines["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{machines}");
}

#[test]
fn if_a_loader_is_signed_it_lists_the_loaders_that_machines_with_secure_boot_refuse() {
    let host = host();
    let boot = boot_dir();
    let shim = cache::path("2022/shimx64.efi.signed");
    fs::copy(shim, boot.path().join("ipxe.efi")).unwrap();
    let microsoft = "Microsoft Corporation UEFI CA 2011";
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (_, stdout) = stdout.split_once("\nWith Secure Boot enabled:\n").expect(&stdout);
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 8, "x86 BIOS is not listed: {stdout}");
    assert_eq!(lines[0], "x86 UEFI           ipxe-ia32.efi: refused: not signed");
    let shim =
        format!("x64 UEFI           ipxe.efi: signed by Microsoft ({microsoft}, Microsoft UEFI CA 2023); SBAT shim ");
    assert!(lines[1].starts_with(&shim), "{stdout}");

    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let loader = |id: &str| &json["served"]["loaders"][id]["secure_boot"];
    assert_eq!(loader("uefi-x64")["verdict"], "accepted");
    assert_eq!(loader("uefi-x64")["keys"][0], json!({ "source": "microsoft", "name": microsoft }));
    assert_eq!(loader("uefi-x64")["signatures"][0]["issuer"], microsoft);
    assert_eq!(loader("uefi-x64")["program"], "an EFI program for x64 UEFI");
    assert_eq!(loader("uefi-x64")["sbat"][1]["component"], "shim");
    assert_eq!(loader("uefi-arm64")["verdict"], "refused");
    assert_eq!(loader("bios"), &Value::Null);
}

#[test]
fn the_program_that_starts_the_disk_may_be_replaced_and_is_reported_if_machines_refuse_it() {
    let host = host();
    let boot = boot_dir();
    let shim = cache::path("2022/shimx64.efi.signed");
    fs::copy(&shim, boot.path().join("ipxe.efi")).unwrap();
    let check = || {
        let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0));
        [output.stdout, output.stderr].map(|printed| String::from_utf8(printed).unwrap())
    };
    let refused = "machines with Secure Boot start ipxe.efi but refuse local-disk/uefi-x64.efi";
    let [stdout, stderr] = check();
    assert!(stderr.contains(refused), "{stderr}");
    assert!(stdout.contains("local-disk/uefi-x64.efi: refused: not signed"), "{stdout}");
    assert!(!stderr.contains("local-disk/uefi-arm64.efi"), "these machines refuse their loader: {stderr}");

    fs::create_dir(boot.path().join("local-disk")).unwrap();
    fs::copy(&shim, boot.path().join("local-disk/uefi-x64.efi")).unwrap();
    fs::copy(&shim, boot.path().join("local-disk/uefi-arm64.efi")).unwrap();
    let [stdout, stderr] = check();
    assert!(!stderr.contains(refused), "{stderr}");
    assert!(stdout.contains("local-disk/uefi-x64.efi: signed by Microsoft"), "{stdout}");
    assert!(stdout.contains("iPXE boots      the menu\n"), "the program is no menu entry: {stdout}");
    assert!(stderr.contains("local-disk/uefi-arm64.efi is not sent: it is an EFI program for x64 UEFI"), "{stderr}");
}

#[test]
fn a_grub_that_requests_its_configuration_from_the_dhcp_server_causes_a_warning() {
    let host = host();
    for (year, has_warning) in [("2022", true), ("2025", false)] {
        let boot = boot_dir();
        for (from, to) in [("shimx64.efi.signed", "shimx64.efi"), ("grubnetx64.efi.signed", "grubx64.efi")] {
            fs::copy(cache::path(&format!("{year}/{from}")), boot.path().join(to)).unwrap();
        }
        let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert_eq!(
            stderr.contains("grubx64.efi is GRUB 2.06, which requests its configuration from the DHCP server"),
            has_warning,
            "{stderr}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_read_is_reported_and_ignored() {
    let host = host();
    let boot = boot_dir();
    let (file, key) = (boot.path().join("proxydhcpd.toml"), boot.path().join("site.key"));
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    fs::write(&file, format!("boot-dir = {:?}\nsecure-boot-certificates = [{key:?}]\n", boot.path())).unwrap();
    let output = check(&host, &[file.to_str().unwrap()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("site.key of `secure-boot-certificates`: it contains no certificate"), "{stderr}");
}

#[test]
fn a_loader_of_a_proxy_ini_is_checked_against_its_architecture() {
    let host = host();
    let boot = boot_dir();
    let file = boot.path().join("proxy.ini");
    let text = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.10\nfilename = undionly.kpxe\n\
                [ipxe]\nenabled = true\nchainload_url = x\nefi_bootstrap = ipxe-arm64.efi\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap(), file.to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let line = "ipxe-arm64.efi: refused, even without Secure Boot: it is an EFI program for ARM 64 UEFI";
    assert!(stdout.contains(line), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_that_is_no_loader_is_reported_and_never_offered() {
    let host = host();
    let boot = boot_dir();
    fs::copy(boot.path().join("ipxe-arm64.efi"), boot.path().join("snponly-x64.efi")).unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("snponly-x64.efi is not offered for x64 UEFI: it is an EFI program for ARM 64 UEFI"),
        "{stderr}"
    );
    assert!(stderr.contains("rename it to ipxe-arm64.efi"), "{stderr}");
    assert!(stdout.lines().any(|line| line.starts_with("x64 UEFI") && line.ends_with("/ipxe.efi")), "{stdout}");
}

#[test]
fn json_has_the_same_content_and_a_port_in_use_is_a_warning() {
    let host = host();
    let boot = boot_dir();
    let _tftp = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["served"]["interfaces"][0]["address"], "192.0.2.10");
    assert_eq!(json["served"]["loaders"]["uefi-x64"]["name"], "ipxe.efi");
    let warning = &json["diagnostics"][0];
    assert_eq!(warning["severity"], "warning");
    assert!(warning["message"].as_str().unwrap().starts_with("TFTP port 69 is in use by "), "{warning}");
}

#[test]
fn a_port_of_a_disabled_address_family_may_be_in_use() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    let _socket = host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    for (line, has_warning) in [("", true), ("ipv4-interfaces = []\n", false)] {
        fs::write(&file, format!("{line}boot-dir = {:?}\n", boot.path())).unwrap();
        let output = check(&host, &["-c", file.to_str().unwrap()]);
        let printed = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(printed.contains("boot server port 4011 is in use"), has_warning, "{printed}");
    }
}

#[test]
fn it_shows_the_default_profile_and_reads_the_loaders_of_profiles() {
    let host = host();
    let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
    fs::copy(boot.path().join("ipxe.efi"), boot.path().join("grub.efi")).unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    let text =
        "default-profile = \"grub\"\naddress = \"192.0.2.99\"\n[profile.grub]\nloaders = { uefi-x64 = \"grub.efi\" }\n";
    fs::write(&file, text).unwrap();
    let arguments = [file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()];
    let output = check(&host, &arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let line = "iPXE boots      profile grub, unless a rule or the machine's entry selects another";
    assert!(stdout.lines().any(|printed| printed == line), "{stdout}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("warning: no served interface has the address 192.0.2.99 at the moment"), "{stderr}");

    // A valid configuration that names a file missing from the boot directory.
    fs::remove_file(boot.path().join("grub.efi")).unwrap();
    let output = check(&host, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.starts_with("CRITICAL: grub.efi cannot be offered: ") && stderr.contains("proxydhcpd.toml:4:24"),
        "{stderr}"
    );
}

#[test]
fn loaders_of_profiles_are_listed_after_the_sites_and_explain_names_a_missing_one() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    fs::write(&file, "default-profile = \"own\"\n[profile.own.loaders]\nuefi-x64 = \"ipxe.efi\"\ndefault = \"x\"\n")
        .unwrap();
    let arguments = [file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()];
    let stdout = String::from_utf8(check(&host, &arguments).stdout).unwrap();
    let own = "\nLoaders of profiles:\nown: ipxe.efi for x64 UEFI, x for all others\n";
    assert!(stdout.contains(own), "{stdout}");

    fs::write(&file, "default-profile = \"own\"\n[profile.own.loaders]\nuefi-x64 = \"ipxe.efi\"\n").unwrap();
    let mut explain = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    explain.args(["explain", "--client", "bios", "-c", file.to_str().unwrap(), "-b", boot.path().to_str().unwrap()]);
    let stdout = String::from_utf8(host.on(|| explain.output().unwrap()).stdout).unwrap();
    let fix = "fix: profile own has no loader for x86 BIOS: set `bios` in [profile.own.loaders]";
    assert!(stdout.contains(fix), "{stdout}");
}

#[test]
fn a_loader_url_that_pxe_firmware_cannot_fetch_causes_a_warning_if_no_ipxe_can_fetch_it() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    let text =
        "[profile.x.loaders]\nuefi-riscv32 = \"http://192.0.2.5/a.efi\"\nuefi-x64 = \"http://192.0.2.5/b.efi\"\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &[file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let warning = "profile x names http://192.0.2.5/a.efi for RISC-V 32 UEFI, which PXE firmware cannot fetch: such \
                machines get no reply; only UEFI HTTP boot gets it";
    assert!(stderr.contains(warning) && !stderr.contains("b.efi"), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("http://192.0.2.5/b.efi for x64 UEFI") && !stdout.contains("cannot be read"), "{stdout}");

    let explain = |client: &str| {
        let mut explain = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
        explain.args([
            "explain",
            "--client",
            client,
            "-b",
            boot.path().to_str().unwrap(),
            "-c",
            file.to_str().unwrap(),
        ]);
        String::from_utf8(host.on(|| explain.output().unwrap()).stdout).unwrap()
    };
    fs::write(&file, format!("default-profile = \"x\"\n{text}")).unwrap();
    let stdout = explain("uefi-x64");
    let steps = [
        "boot file: ipxe.efi",
        "then, if the loader is iPXE: DISCOVER on port 67",
        "boot file: http://192.0.2.5/b.efi",
    ];
    let positions = steps.map(|step| stdout.find(step));
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{stdout}");
    let stdout = explain("uefi-riscv32");
    assert!(
        stdout.contains("counted as: nothing:loader-url") && stdout.contains("fix: put ipxe-riscv32.efi"),
        "{stdout}"
    );
}

/// Returns the diagnostics of `check` for a configuration of these files, each with file and line.
fn diagnostics(host: &Host, files: &[(&str, &[u8])]) -> Vec<String> {
    let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let file = directory.path().join("proxydhcpd.toml");
    let output = check(host, &["--json", file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["ok"], false);
    let line = |diagnostic: &Value| {
        let [message, line] = ["message", "line"].map(|key| diagnostic[key].to_string().replace('"', ""));
        let file = diagnostic["file"].as_str().map(|file| file.rsplit('/').next().unwrap().to_owned());
        format!("{}:{line} {message}", file.unwrap_or_default())
    };
    json["diagnostics"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn errors_about_files_are_reported_together_with_errors_in_the_text() {
    let host = host();
    let main = "[profile.grub]\nloaders = { uefi-x64 = \"gone.efi\" }\n[[rule]]\nprofil = \"grub\"\n";
    let other = "[profile.linux]\nkernel = \"k\"\n[directories]\nmirror = \"/nowhere/at/all\"\n\
                  [profile.of-mirror]\nloaders = { uefi-x64 = \"mirror/x.efi\" }\n";
    let found = diagnostics(&host, &[("proxydhcpd.toml", main.as_bytes()), ("conf.d/a.toml", other.as_bytes())]);
    let assert_starts = |found: &[String], expected: &[&str]| {
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        found.iter().zip(expected).for_each(|(line, expected)| assert!(line.starts_with(expected), "{found:#?}"));
    };
    assert_starts(
        &found,
        &[
            "proxydhcpd.toml:2 gone.efi cannot be offered: ",
            "proxydhcpd.toml:4 unknown key `profil`",
            "a.toml:2 there is no file ",
            "a.toml:4 cannot serve the directory /nowhere/at/all: ",
        ],
    );

    // `check` reports errors in a profile's templates, and a missing boot-once-file, together with the other errors.
    let linux = "[profile.linux]\nkernel = \"k\"\nboot-once-file = \"initdr.gz\"\narguments = \"x={{ \"\n\
                 [profile.other]\nkernle = \"k\"\n";
    assert_starts(
        &diagnostics(&host, &[("proxydhcpd.toml", linux.as_bytes())]),
        &[
            "proxydhcpd.toml:2 there is no file ",
            "proxydhcpd.toml:3 there is no file ",
            "proxydhcpd.toml:4 unexpected end of input",
            "proxydhcpd.toml:6 unknown key `kernle`",
        ],
    );

    // The diagnostic of a missing boot directory has the location of the key `boot-dir`.
    let text = "state-dir = \"/x\"\nboot-dir = \"/nowhere/at/all\"\n";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    fs::write(&file, text).unwrap();
    let output = check(&host, &["--json", file.to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["diagnostics"][0]["line"], 2, "{json}");

    // `check` reports an error in a profile once, even if several profiles extend this profile.
    let base = "[profile.base]\nloaders = { uefi-x64 = \"gone.efi\" }\n[profile.a]\nextends = \"base\"\n\
                [profile.b]\nextends = \"base\"\n";
    assert_starts(
        &diagnostics(&host, &[("proxydhcpd.toml", base.as_bytes())]),
        &["proxydhcpd.toml:2 gone.efi cannot be offered: "],
    );

    // If a directory key may be misspelt, `check` reports no missing files.
    let misplaced = format!("boot-dri = \"/x\"\n{main}");
    assert_starts(
        &diagnostics(&host, &[("proxydhcpd.toml", misplaced.as_bytes())]),
        &["proxydhcpd.toml:1 unknown key `boot-dri`", "proxydhcpd.toml:5 unknown key `profil`"],
    );

    // If the key `kernel` is misspelt, `check` does not also report that no file completes the boot-once.
    let once = "[profile.linux]\nkernle = \"k\"\n[machine.web1]\nmac = \"52:54:00:00:00:01\"\nprofile = \"linux\"\n\
                boot = \"once\"\n";
    assert_starts(
        &diagnostics(&host, &[("proxydhcpd.toml", once.as_bytes())]),
        &["proxydhcpd.toml:2 unknown key `kernle`"],
    );

    // If one file cannot be read, `check` still reports the errors of the other files.
    let files: [(&str, &[u8]); 3] =
        [("proxydhcpd.toml", main.as_bytes()), ("conf.d/a.toml", b"\xff"), ("conf.d/b.toml", b"[dhcp]\nrelay = 1\n")];
    assert_starts(
        &diagnostics(&host, &files),
        &["proxydhcpd.toml:4 unknown key `profil`", "a.toml:1 ", "b.toml:2 unknown key `relay`"],
    );
}

#[test]
fn the_keys_are_listed_without_reading_a_configuration() {
    let host = host();
    let output = check(&host, &["--keys", "loop-guard", "-c", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("[dhcp]: DHCP, over IPv4 and IPv6.\n  loop-guard ="));
    let output = check(&host, &["--keys", "lop-guard"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: there is no key or table `lop-guard`; did you mean `loop-guard`?\n");
}

#[test]
fn a_proxy_ini_shows_its_routing() {
    let host = host();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.ini");
    let text = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.99\nfilename = pxelinux.0\n\
                vendor_specific_information = x\n[pxe]\n[ipxe]\nenabled = true\nchainload_url = http://192.0.2.50/x\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &[file.to_str().unwrap()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    for line in ["TFTP            server 192.0.2.99", "HTTP            off", "iPXE boots      http://192.0.2.50/x"] {
        assert!(stdout.lines().any(|printed| printed == line), "{line:?} in\n{stdout}");
    }
    assert!(
        stdout
            .lines()
            .any(|line| line.starts_with("x86 BIOS") && line.ends_with(" undionly.kpxe (from the other TFTP server)")),
        "{stdout}"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning"), "the value that the server does not send");
}

/// Creates a host with the address 192.0.2.10.
fn host() -> Host {
    let (host, peer) = (Host::new(), Host::new());
    host.cable("eth0", &peer, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    // Dropping the peer would remove the cable, so the peer stays for the whole test run.
    std::mem::forget(peer);
    host
}

fn check(host: &Host, arguments: &[&str]) -> Output {
    host.on(|| Command::new(env!("CARGO_BIN_EXE_proxydhcpd")).arg("check").args(arguments).output().unwrap())
}
