//! `check` on a machine of known interfaces: what it says is served, and what is wrong. Needs root.

mod netns;

use netns::Host;
use netns::loaders::boot_dir;
use serde_json::{Value, json};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn it_says_what_would_be_served() {
    let host = host();
    let boot = boot_dir();
    fs::write(boot.path().join("rescue.ipxe"), "#!ipxe\n").unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let path = |name: &str| boot.path().join(name).display().to_string();
    for line in [
        "configuration  none, and none is needed".to_owned(),
        "interfaces     eth0 (192.0.2.10)".to_owned(),
        "TFTP           our own, port 69".to_owned(),
        "HTTP           our own, port 8080".to_owned(),
        "iPXE gets      our menu, with one entry of the boot directory".to_owned(),
        format!("x86 BIOS           {}", path("undionly.kpxe")),
        format!("x64 UEFI           {}", path("ipxe.efi")),
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} in\n{said}");
    }
    assert!(
        said.ends_with(
            "\nNo loader for UEFI is signed. That matters only where Secure Boot is on: such machines refuse them.\n"
        ),
        "{said}"
    );
}

#[test]
fn it_names_each_entry_of_the_menu_and_what_is_left_out_of_it() {
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
    let said = String::from_utf8(output.stdout).unwrap();
    let menu = "
Entries of the menu:
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
  problem    it does not boot as it is: Ubuntu looks for the rest of its system on a disc: url= or netboot= is missing
  to do      write into u/casper/cmdline: ip=dhcp url={{ base }}NAME.iso cloud-config-url=/dev/null, with the ISO itself in the boot directory

Left out of the menu:
u/ubuntu.iso: ISO images are not booted yet: unpack it into a directory
";
    assert!(said.contains(menu), "{said}");
    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let menu = &json["served"]["menu"];
    assert_eq!(menu["entries"][0]["kernel"], "debian/linux");
    assert_eq!(menu["entries"][0]["arguments_from"], "debian/cmdline");
    assert_eq!(menu["left_out"][0]["path"], "u/ubuntu.iso");

    fs::write(boot.path().join("boot.ipxe"), "#!ipxe\n").unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("Entries of the menu"), "nobody is shown it: {said}");
}

#[test]
fn it_lists_scripts_by_host_name_looks_into_them_and_says_where_no_machine_runs_them() {
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
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap())
    };
    let names = "HOSTNAME-PC3.IPXE: PC3\nHOSTNAME-pc4.ipxe: pc4\nHOSTNAME-pc5.ipxe: pc5\nHOSTNAME-pc6.ipxe: pc6\n";
    let run = format!("\nRun before the menu, by the host name that the DHCP server assigns:\n{names}");
    let [said, told] = check("");
    assert!(said.contains(&run) && !said.contains("Left out of the menu"), "{said}");
    for part in ["iPXE has no command `chian`", "HOSTNAME-pc5.ipxe", "byte order mark"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("HOSTNAME-PC3.IPXE"), "{told}");

    let rule = "[[rule]]\nsubnet = [\"192.0.2.0/24\"]\nprofile = \"menu\"\n";
    assert!(check(&format!("default-profile = \"local-disk\"\n{rule}"))[0].contains(&run));
    let [said, told] = check("default-profile = \"local-disk\"\n");
    let not_run = format!("\nScripts by host name, which no machine runs: no profile in use shows the menu:\n{names}");
    assert!(said.contains(&not_run), "{said}");
    assert!(!told.contains("HOSTNAME-"), "{told}");
    fs::write(boot.path().join("boot.ipxe"), "#!ipxe\nshell\n").unwrap();
    let [said, _] = check("");
    assert!(said.contains("no machine runs: boot.ipxe replaces the menu:\nHOSTNAME-PC3.IPXE"), "{said}");
}

#[test]
fn a_wrong_cmdline_is_told_once_with_its_line_and_an_unreadable_duid_is_told() {
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
    let told = json["diagnostics"].as_array().unwrap();
    let of = |part: &str| -> Vec<&Value> {
        told.iter().filter(|told| told["message"].as_str().unwrap().contains(part)).collect()
    };
    let wrong = of("cannot be passed on by iPXE");
    assert_eq!(wrong.len(), 1, "{json:#}");
    assert_eq!(wrong[0]["file"], boot.path().join("two/cmdline").to_str().unwrap());
    assert_eq!(
        (&wrong[0]["line"], &wrong[0]["column"], &wrong[0]["severity"]),
        (&json!(2), &json!(8), &json!("warning"))
    );
    assert_eq!(json["served"]["menu"]["entries"].as_array().unwrap().len(), 2);
    assert_eq!(of("duid cannot be read: is a directory").len(), 1, "{json:#}");
}

#[test]
fn it_says_which_arguments_can_be_made_for_no_machine_or_only_for_listed_ones_and_where() {
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
    let told = json["diagnostics"].as_array().unwrap();
    let told: Vec<&Value> =
        told.iter().filter(|told| told["message"].as_str().unwrap().contains("entry of the menu")).collect();
    assert_eq!(told.len(), 2, "{json:#}");
    for (told, whom, variable, line) in
        [(told[0], "", "bogus", 2), (told[1], " for a machine without an entry in the configuration", "role", 1)]
    {
        let message = format!("this entry of the menu does not boot{whom}: {variable} is not defined");
        assert_eq!(told["message"], message);
        assert_eq!(told["file"], boot.path().join(variable).join("cmdline").to_str().unwrap());
        assert_eq!((&told["line"], &told["severity"]), (&json!(line), &json!("warning")));
    }
}

#[test]
fn it_says_how_many_machines_were_read_and_in_what_time() {
    let host = host();
    let boot = boot_dir();
    let path = |name: &str| boot.path().join(name);
    fs::write(path("machines.csv"), "name,mac\nweb1,52:54:00:00:00:01\nweb2,52:54:00:00:00:02\n").unwrap();
    let site = path("site.toml");
    fs::write(&site, format!("machine-files = [{:?}]\n", path("machines.csv"))).unwrap();
    let arguments = ["-b", boot.path().to_str().unwrap(), "-c", site.to_str().unwrap()];
    let said = String::from_utf8(check(&host, &arguments).stdout).unwrap();
    assert!(said.contains("\nmachines       2 machines in 1 file, read in "), "{said}");
    let json = check(&host, &[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let machines = &json["served"]["machines"];
    assert_eq!((&machines["count"], &machines["files"]), (&json!(2), &json!(1)));
    assert!(machines["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{machines}");
}

#[test]
fn where_a_loader_is_signed_it_says_which_machines_with_secure_boot_refuse() {
    let host = host();
    let boot = boot_dir();
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache/2022/shimx64.efi.signed");
    fs::copy(shim, boot.path().join("ipxe.efi")).expect("unpacked by e2e/setup");
    let microsoft = "Microsoft Corporation UEFI CA 2011";
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, said) = said.split_once("\nWhere Secure Boot is on, and only there:\n").expect(&said);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 8, "x86 BIOS is none of them: {said}");
    assert_eq!(lines[0], "x86 UEFI           ipxe-ia32.efi: refused: not signed");
    let shim =
        format!("x64 UEFI           ipxe.efi: signed by Microsoft ({microsoft}, Microsoft UEFI CA 2023); SBAT shim ");
    assert!(lines[1].starts_with(&shim), "{said}");

    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let loader = |id: &str| &told["served"]["loaders"][id]["secure_boot"];
    assert_eq!(loader("uefi-x64")["verdict"], "accepted");
    assert_eq!(loader("uefi-x64")["keys"][0], json!({ "of": "microsoft", "name": microsoft }));
    assert_eq!(loader("uefi-x64")["signatures"][0]["issuer"], microsoft);
    assert_eq!(loader("uefi-x64")["program"], "an EFI program for x64 UEFI");
    assert_eq!(loader("uefi-x64")["sbat"][1]["component"], "shim");
    assert_eq!(loader("uefi-arm64")["verdict"], "refused");
    assert_eq!(loader("bios"), &Value::Null);
}

#[test]
fn the_program_that_starts_the_disk_may_be_the_operators_and_is_told_where_it_is_refused() {
    let host = host();
    let boot = boot_dir();
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache/2022/shimx64.efi.signed");
    fs::copy(&shim, boot.path().join("ipxe.efi")).expect("unpacked by e2e/setup");
    let check = || {
        let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0));
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap())
    };
    let refused = "machines with Secure Boot that start ipxe.efi refuse local-disk/uefi-x64.efi";
    let [said, told] = check();
    assert!(told.contains(refused), "{told}");
    assert!(said.contains("local-disk/uefi-x64.efi: refused: not signed"), "{said}");
    assert!(!told.contains("local-disk/uefi-arm64.efi"), "no machine of it starts its loader: {told}");

    fs::create_dir(boot.path().join("local-disk")).unwrap();
    fs::copy(&shim, boot.path().join("local-disk/uefi-x64.efi")).unwrap();
    fs::copy(&shim, boot.path().join("local-disk/uefi-arm64.efi")).unwrap();
    let [said, told] = check();
    assert!(!told.contains(refused), "{told}");
    assert!(said.contains("local-disk/uefi-x64.efi: signed by Microsoft"), "{said}");
    assert!(said.contains("iPXE gets      our menu\n"), "it is no entry of the menu: {said}");
    assert!(told.contains("local-disk/uefi-arm64.efi is not sent: it is an EFI program for x64 UEFI"), "{told}");
}

#[test]
fn a_grub_that_asks_the_dhcp_server_for_its_configuration_is_told_of() {
    let host = host();
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache");
    for (year, told_of) in [("2022", true), ("2025", false)] {
        let boot = boot_dir();
        for (from, to) in [("shimx64.efi.signed", "shimx64.efi"), ("grubnetx64.efi.signed", "grubx64.efi")] {
            fs::copy(cache.join(year).join(from), boot.path().join(to)).expect("unpacked by e2e/setup");
        }
        let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(
            told.contains("grubx64.efi is GRUB 2.06, which requests its configuration from the DHCP server"),
            told_of,
            "{told}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_read_is_told_and_left_out() {
    let host = host();
    let boot = boot_dir();
    let (file, key) = (boot.path().join("proxydhcpd.toml"), boot.path().join("site.key"));
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    fs::write(&file, format!("boot-dir = {:?}\nsecure-boot-keys = [{key:?}]\n", boot.path())).unwrap();
    let output = check(&host, &[file.to_str().unwrap()]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("site.key of `secure-boot-keys` is left out: it contains no certificate"), "{told}");
}

#[test]
fn a_file_of_an_old_configuration_is_held_against_its_machine() {
    let host = host();
    let boot = boot_dir();
    let file = boot.path().join("proxy.ini");
    let text = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.10\nfilename = undionly.kpxe\n\
                [ipxe]\nenabled = true\nchainload_url = x\nefi_bootstrap = ipxe-arm64.efi\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap(), file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let line = "ipxe-arm64.efi: refused, with Secure Boot or without: it is an EFI program for ARM 64 UEFI";
    assert!(said.contains(line), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_that_is_no_loader_is_named_with_what_it_is_and_never_offered() {
    let host = host();
    let boot = boot_dir();
    fs::copy(boot.path().join("ipxe-arm64.efi"), boot.path().join("snponly-x64.efi")).unwrap();
    let output = check(&host, &["-b", boot.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("snponly-x64.efi is not offered for x64 UEFI: it is an EFI program for ARM 64 UEFI"),
        "{told}"
    );
    assert!(told.contains("rename it to ipxe-arm64.efi"), "{told}");
    assert!(said.lines().any(|line| line.starts_with("x64 UEFI") && line.ends_with("/ipxe.efi")), "{said}");
}

#[test]
fn json_has_the_same_for_scripts_and_a_port_in_use_is_a_warning() {
    let host = host();
    let boot = boot_dir();
    let _tftp = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let output = check(&host, &["--json", "-b", boot.path().to_str().unwrap()]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], true);
    assert_eq!(told["served"]["interfaces"][0]["address"], "192.0.2.10");
    assert_eq!(told["served"]["loaders"]["uefi-x64"]["name"], "ipxe.efi");
    let warning = &told["diagnostics"][0];
    assert_eq!(warning["severity"], "warning");
    assert!(warning["message"].as_str().unwrap().starts_with("the TFTP port 69 is in use: "), "{warning}");
}

#[test]
fn a_port_of_a_family_that_is_switched_off_may_be_in_use() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    let _theirs = host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    for (line, told) in [("", true), ("ipv4-interfaces = []\n", false)] {
        fs::write(&file, format!("{line}boot-dir = {:?}\n", boot.path())).unwrap();
        let output = check(&host, &["-c", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.contains("the boot server's port 4011 is in use"), told, "{said}");
    }
}

#[test]
fn it_says_which_profile_decides_and_reads_the_loaders_of_profiles() {
    let host = host();
    let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
    fs::copy(boot.path().join("ipxe.efi"), boot.path().join("grub.efi")).unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    let text =
        "default-profile = \"grub\"\naddress = \"192.0.2.99\"\n[profile.grub]\nloaders = { uefi-x64 = \"grub.efi\" }\n";
    fs::write(&file, text).unwrap();
    let arguments = [file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()];
    let output = check(&host, &arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let line = "iPXE gets      what profile grub says, unless a rule or its entry says otherwise";
    assert!(said.lines().any(|said| said == line), "{said}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("warning: no interface that is served has the address 192.0.2.99 now"), "{told}");

    // A file that is right, and does not fit what there is to boot.
    fs::remove_file(boot.path().join("grub.efi")).unwrap();
    let output = check(&host, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.starts_with("CRITICAL: grub.efi cannot be offered: ") && told.contains("proxydhcpd.toml:4:24"),
        "{told}"
    );
}

#[test]
fn loaders_of_profiles_are_told_beside_those_of_the_site_and_what_a_profile_lacks() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    fs::write(&file, "default-profile = \"own\"\n[profile.own.loaders]\nuefi-x64 = \"ipxe.efi\"\ndefault = \"x\"\n")
        .unwrap();
    let arguments = [file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()];
    let said = String::from_utf8(check(&host, &arguments).stdout).unwrap();
    let own = "\nProfiles with loaders of their own:\nown: ipxe.efi for x64 UEFI, x for every other\n";
    assert!(said.contains(own), "{said}");

    fs::write(&file, "default-profile = \"own\"\n[profile.own.loaders]\nuefi-x64 = \"ipxe.efi\"\n").unwrap();
    let mut explain = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    explain.args(["explain", "--client", "bios", "-c", file.to_str().unwrap(), "-b", boot.path().to_str().unwrap()]);
    let said = String::from_utf8(host.on(|| explain.output().unwrap()).stdout).unwrap();
    let cure = "cure: profile own has no loader for x86 BIOS: set `bios` in [profile.own.loaders]";
    assert!(said.contains(cure), "{said}");
}

#[test]
fn a_loader_by_url_that_pxe_firmware_cannot_fetch_is_warned_of_where_no_ipxe_of_ours_could() {
    let (host, boot, directory) = (host(), boot_dir(), tempfile::tempdir().unwrap());
    let file = directory.path().join("proxydhcpd.toml");
    let text =
        "[profile.x.loaders]\nuefi-riscv32 = \"http://192.0.2.5/a.efi\"\nuefi-x64 = \"http://192.0.2.5/b.efi\"\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &[file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let lost = "profile x names http://192.0.2.5/a.efi for RISC-V 32 UEFI, which PXE firmware cannot fetch: such \
                machines get no reply; only UEFI HTTP boot gets it";
    assert!(told.contains(lost) && !told.contains("b.efi"), "{told}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("http://192.0.2.5/b.efi for x64 UEFI") && !said.contains("not to be read"), "{said}");

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
    let said = explain("uefi-x64");
    let way = ["boot: ipxe.efi", "then, if that was an iPXE: DISCOVER on port 67", "boot: http://192.0.2.5/b.efi"];
    let places = way.map(|step| said.find(step));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{said}");
    let said = explain("uefi-riscv32");
    assert!(said.contains("counted as: nothing:loader-url") && said.contains("cure: put ipxe-riscv32.efi"), "{said}");
}

/// What is wrong with a configuration of these files, by place.
fn wrong(host: &Host, files: &[(&str, &[u8])]) -> Vec<String> {
    let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let file = directory.path().join("proxydhcpd.toml");
    let output = check(host, &["--json", file.to_str().unwrap(), "--boot-dir", boot.path().to_str().unwrap()]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], false);
    let line = |told: &Value| {
        let [message, line] = ["message", "line"].map(|key| told[key].to_string().replace('"', ""));
        let file = told["file"].as_str().map(|file| file.rsplit('/').next().unwrap().to_owned());
        format!("{}:{line} {message}", file.unwrap_or_default())
    };
    told["diagnostics"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn what_does_not_fit_the_files_is_told_beside_what_is_wrong_in_the_text() {
    let host = host();
    let main = "[profile.grub]\nloaders = { uefi-x64 = \"gone.efi\" }\n[[rule]]\nprofil = \"grub\"\n";
    let beside = "[profile.linux]\nkernel = \"k\"\n[directories]\nmirror = \"/nowhere/at/all\"\n\
                  [profile.of-mirror]\nloaders = { uefi-x64 = \"mirror/x.efi\" }\n";
    let told = wrong(&host, &[("proxydhcpd.toml", main.as_bytes()), ("conf.d/a.toml", beside.as_bytes())]);
    let begins = |told: &[String], expected: &[&str]| {
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        told.iter().zip(expected).for_each(|(told, expected)| assert!(told.starts_with(expected), "{told:#?}"));
    };
    begins(
        &told,
        &[
            "proxydhcpd.toml:2 gone.efi cannot be offered: ",
            "proxydhcpd.toml:4 unknown key `profil`",
            "a.toml:2 there is no file ",
            "a.toml:4 cannot serve the directory /nowhere/at/all: ",
        ],
    );

    // What a profile is to say is told with the rest, and so is a name that would use up nothing.
    let linux = "[profile.linux]\nkernel = \"k\"\nboot-once-file = \"initdr.gz\"\narguments = \"x={{ \"\n[profile.other]\nkernle = \"k\"\n";
    begins(
        &wrong(&host, &[("proxydhcpd.toml", linux.as_bytes())]),
        &[
            "proxydhcpd.toml:2 there is no file ",
            "proxydhcpd.toml:3 there is no file ",
            "proxydhcpd.toml:4 unexpected end of input",
            "proxydhcpd.toml:6 unknown key `kernle`",
        ],
    );

    // The boot directory that is not there, where it is named.
    let text = "state-dir = \"/x\"\nboot-dir = \"/nowhere/at/all\"\n";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    fs::write(&file, text).unwrap();
    let output = check(&host, &["--json", file.to_str().unwrap()]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["diagnostics"][0]["line"], 2, "{told}");

    // What is wrong with a profile is told once, however many extend it.
    let base = "[profile.base]\nloaders = { uefi-x64 = \"gone.efi\" }\n[profile.a]\nextends = \"base\"\n[profile.b]\nextends = \"base\"\n";
    begins(&wrong(&host, &[("proxydhcpd.toml", base.as_bytes())]), &["proxydhcpd.toml:2 gone.efi cannot be offered: "]);

    // Where files lie may have been what is wrong: then nothing is said of them.
    let misplaced = format!("boot-dri = \"/x\"\n{main}");
    begins(
        &wrong(&host, &[("proxydhcpd.toml", misplaced.as_bytes())]),
        &["proxydhcpd.toml:1 unknown key `boot-dri`", "proxydhcpd.toml:5 unknown key `profil`"],
    );

    // A boot-once whose kernel nobody could read is not one that nothing uses up.
    let once = "[profile.linux]\nkernle = \"k\"\n[machine.web1]\nmac = \"52:54:00:00:00:01\"\nprofile = \"linux\"\n\
                boot = \"once\"\n";
    begins(&wrong(&host, &[("proxydhcpd.toml", once.as_bytes())]), &["proxydhcpd.toml:2 unknown key `kernle`"]);

    // One that cannot be read hides nothing of the others.
    let files: [(&str, &[u8]); 3] =
        [("proxydhcpd.toml", main.as_bytes()), ("conf.d/a.toml", b"\xff"), ("conf.d/b.toml", b"[dhcp]\nrelay = 1\n")];
    begins(
        &wrong(&host, &files),
        &["proxydhcpd.toml:4 unknown key `profil`", "a.toml:1 ", "b.toml:2 unknown key `relay`"],
    );
}

#[test]
fn the_keys_are_told_without_looking_at_a_configuration() {
    let host = host();
    let output = check(&host, &["--keys", "loop-guard", "-c", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout).unwrap().starts_with("[dhcp]: Which requests are answered.\n  loop-guard =")
    );
    let output = check(&host, &["--keys", "lop-guard"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "error: no key or table is called `lop-guard`; did you mean `loop-guard`?\n");
}

#[test]
fn an_old_file_shows_its_routing() {
    let host = host();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.ini");
    let text = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.99\nfilename = pxelinux.0\n\
                vendor_specific_information = x\n[pxe]\n[ipxe]\nenabled = true\nchainload_url = http://192.0.2.50/x\n";
    fs::write(&file, text).unwrap();
    let output = check(&host, &[file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    for line in ["TFTP           at 192.0.2.99", "HTTP           none", "iPXE gets      http://192.0.2.50/x"] {
        assert!(said.lines().any(|said| said == line), "{line:?} in\n{said}");
    }
    assert!(said.lines().any(|line| line.starts_with("x86 BIOS") && line.ends_with(" undionly.kpxe")), "{said}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning"), "the value that is not sent");
}

/// A machine at 192.0.2.10.
fn host() -> Host {
    let (host, far) = (Host::new(), Host::new());
    host.cable("eth0", &far, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    // The cable is gone with its far end.
    std::mem::forget(far);
    host
}

fn check(host: &Host, arguments: &[&str]) -> Output {
    host.on(|| Command::new(env!("CARGO_BIN_EXE_proxydhcpd")).arg("check").args(arguments).output().unwrap())
}
