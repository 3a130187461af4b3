//! Tests a configuration with the files that it names: existing files become part of the plan, and a missing file is an
//! error or a warning at the location that names it.

mod common;

use common::loaders::boot_dir;
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{ConfigError, load_from_dir};
use proxydhcpd::site::{OpenPorts, Site};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::fetch::fetch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::offer::{BootDirEntry, EntryTarget, Loader};
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use tempfile::TempDir;

/// The directories of a site: a boot directory with loaders, one for a mirror, and one for the configuration.
struct SiteDirs {
    boot: TempDir,
    mirror: TempDir,
    etc: TempDir,
}

impl SiteDirs {
    fn new() -> SiteDirs {
        SiteDirs { boot: boot_dir(), mirror: tempfile::tempdir().unwrap(), etc: tempfile::tempdir().unwrap() }
    }

    fn site(&self, text: &str) -> Result<Site, ConfigError> {
        let [boot, mirror, etc] =
            [&self.boot, &self.mirror, &self.etc].map(|directory| directory.path().display().to_string());
        let text = text.replace("MIRROR", &mirror).replace("ETC", &etc);
        fs::write(self.etc.path().join("proxydhcpd.toml"), format!("boot-dir = \"{boot}\"\n{text}")).unwrap();
        let mut loaded = load_from_dir(&Flags::default(), self.etc.path())?;
        Site::build(&mut loaded, OpenPorts { tftp: true, http: Some(8080), boot_server: true, ..OpenPorts::default() })
    }

    /// Returns the diagnostics as lines, with placeholders for the temporary directories.
    fn lines(&self, diagnostics: &[Diagnostic]) -> Vec<String> {
        let plain = |line: String| {
            let line = line.replace(&format!("{}/proxydhcpd.toml:", self.etc.path().display()), "");
            let line = line.replace(&self.boot.path().display().to_string(), "BOOT");
            line.replace(&self.mirror.path().display().to_string(), "MIRROR")
        };
        diagnostics.iter().map(|diagnostic| plain(diagnostic.one_line())).collect()
    }

    fn errors(&self, text: &str) -> Vec<String> {
        let error = self.site(text).expect_err(text);
        assert_eq!(error.exit_status(), 1, "the configuration is valid, but not for this host");
        self.lines(&error.0)
    }
}

#[test]
fn only_scripts_by_host_name_are_served_regardless_of_case() {
    let dirs = SiteDirs::new();
    for name in ["hostname-PC3.IPXE", "HOSTNAME-bad name.ipxe", "HOSTNAME-pc4.ipxe", "HOSTNAME-PC4.ipxe", "Other.ipxe"]
    {
        fs::write(dirs.boot.path().join(name), format!("#!ipxe\n# {name}\n")).unwrap();
    }
    let site = dirs.site("").unwrap();
    let served_text = |name: &str| {
        let (server, client) = (IpAddr::V4(Ipv4Addr::LOCALHOST), SocketAddr::from((Ipv4Addr::LOCALHOST, 1024)));
        let request =
            FileRequest { protocol: Protocol::Http(8080), name: name.as_bytes(), server, client, interface: "" };
        let (opened, _) =
            site.open(fetch(&site.plan, &Observations::new(0), &request).answer.unwrap(), &request, |_, _| ()).ok()?;
        let mut text = vec![0; 100];
        let length = opened.read_at(&mut text, 0).unwrap();
        Some(String::from_utf8(text[..length].to_vec()).unwrap().replace("#!ipxe\n# ", "").trim_end().to_owned())
    };
    for (name, file) in [
        ("/HOSTNAME-pc3.ipxe", Some("hostname-PC3.IPXE")),
        ("/machine/name=web1/HOSTNAME-Pc3.ipxe", Some("hostname-PC3.IPXE")),
        ("/HOSTNAME-BAD name.ipxe", Some("HOSTNAME-bad name.ipxe")),
        ("/HOSTNAME-pc4.ipxe", Some("HOSTNAME-pc4.ipxe")),
        ("/HOSTNAME-PC4.ipxe", Some("HOSTNAME-PC4.ipxe")),
        ("/HOSTNAME-pc5.ipxe", None),
        ("/other.ipxe", None),
    ] {
        assert_eq!(served_text(name).as_deref(), file, "{name}");
    }
}

#[test]
fn a_loader_of_a_profile_must_be_a_program_for_its_architecture() {
    let dirs = SiteDirs::new();
    let text = "[profile.grub.loaders]\nuefi-x64 = \"ipxe.efi\"\nbios = \"undionly.kpxe\"\n";
    let site = dirs.site(text).unwrap();
    let grub = site.plan.policy.profiles.iter().find(|profile| profile.name == "grub").unwrap();
    let path = dirs.boot.path().join("ipxe.efi").display().to_string();
    assert_eq!(grub.loaders[&Arch::X64], Loader { name: "ipxe.efi".into(), path: Some(path) });
    assert_eq!(grub.loaders.len(), 2);
    assert_eq!(
        dirs.errors(
            "[profile.grub.loaders]\nuefi-x64 = \"ipxe-arm64.efi\"\nbios = \"ipxe.efi\"\nuefi-arm64 = \"gone.efi\"\n"
        ),
        [
            "3:12: ipxe-arm64.efi cannot be offered for x64 UEFI: it is an EFI program for ARM 64 UEFI",
            "4:8: ipxe.efi cannot be offered for x86 BIOS: it is an EFI program for x64 UEFI",
            "5:14: gone.efi cannot be offered: BOOT/gone.efi: No such file or directory (os error 2)",
        ]
    );
}

#[test]
fn a_shim_needs_the_program_that_it_starts() {
    let dirs = SiteDirs::new();
    fs::copy(dirs.boot.path().join("ipxe.efi"), dirs.boot.path().join("shimx64.efi")).unwrap();
    let text = "[profile.grub.loaders]\nuefi-x64 = \"shimx64.efi\"\n";
    assert_eq!(
        dirs.errors(text),
        ["3:12: shimx64.efi cannot be offered for x64 UEFI: it is a shim that starts grubx64.efi, \
             which is missing in its directory"]
    );
    fs::copy(dirs.boot.path().join("ipxe.efi"), dirs.boot.path().join("grubx64.efi")).unwrap();
    dirs.site(text).unwrap();
}

#[test]
fn a_missing_kernel_is_a_warning_and_a_url_is_not_checked() {
    let dirs = SiteDirs::new();
    fs::write(dirs.boot.path().join("linux"), "").unwrap();
    let site = dirs
        .site(
            "[profile.a]\nkernel = \"debian/linux\"\ninitrd = [\"linux\", \"initrd\"]\n\
             [profile.b]\nkernel = \"http://x/linux\"\ninitrd = \"{{ suite }}/initrd\"\n",
        )
        .unwrap();
    assert_eq!(
        dirs.lines(&site.files.warnings),
        ["3:10: there is no file BOOT/debian/linux yet", "4:20: there is no file BOOT/initrd yet"]
    );
}

#[test]
fn a_script_must_be_an_existing_template() {
    let dirs = SiteDirs::new();
    fs::create_dir(dirs.etc.path().join("templates")).unwrap();
    fs::write(dirs.etc.path().join("templates/rescue.ipxe"), "#!ipxe\n").unwrap();
    let site = dirs.site("[profile.a]\nscript = \"rescue.ipxe\"\n").unwrap();
    assert!(site.plan.offer.templates.contains("rescue.ipxe"));
    assert_eq!(
        dirs.errors("[profile.a]\nscript = \"resuce.ipxe\"\n"),
        ["3:10: there is no template `resuce.ipxe` (did you mean `rescue.ipxe`?)"]
    );
    let errors = dirs.errors("template-dir = \"/nowhere/at/all\"\n");
    assert_eq!(errors, ["2:16: there is no directory /nowhere/at/all"]);
}

#[test]
fn a_directory_is_served_and_shown_under_its_name() {
    let dirs = SiteDirs::new();
    fs::write(dirs.mirror.path().join("rescue.ipxe"), "#!ipxe\n").unwrap();
    let site = dirs.site("[directories]\ndebian = \"MIRROR\"\n").unwrap();
    let target = EntryTarget::Script { path: "debian/rescue.ipxe".into() };
    let entry = BootDirEntry { title: "debian/rescue".into(), target, problem: None };
    assert_eq!(site.plan.offer.menu.entries, [entry]);
    let server = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let name = b"debian/rescue.ipxe";
    let client = SocketAddr::new(server, 1024);
    let request = FileRequest { protocol: Protocol::Tftp, name, server, client, interface: "" };
    let fetched = fetch(&site.plan, &Observations::new(0), &request).answer.unwrap();
    assert_eq!(site.open(fetched, &request, |failure, _| panic!("{failure:?}")).unwrap().0.size(), 7);
    assert_eq!(dirs.lines(&site.files.warnings), [""; 0]);

    fs::create_dir(dirs.boot.path().join("debian")).unwrap();
    let site = dirs.site("[directories]\ndebian = \"MIRROR\"\n").unwrap();
    assert_eq!(dirs.lines(&site.files.warnings), ["3:10: `debian` hides BOOT/debian"]);
    assert_eq!(
        dirs.errors("[directories]\ndebian = \"MIRROR/gone\"\n"),
        [
            "3:10: cannot serve the directory MIRROR/gone: No such file or directory (os error 2)",
            "3:10: `debian` hides BOOT/debian",
        ]
    );
}

/// Creates a kernel, its initrd, and its file `cmdline`.
fn linux(boot: &Path, cmdline: &str) {
    fs::create_dir_all(boot.join("debian")).unwrap();
    let mut kernel = vec![0; 1024];
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    kernel[0x236] = 1;
    fs::write(boot.join("debian/linux"), kernel).unwrap();
    fs::write(boot.join("debian/initrd.gz"), "").unwrap();
    fs::write(boot.join("debian/cmdline"), cmdline).unwrap();
}

/// Returns the menu that a machine receives, and the errors of the templates in it.
fn menu(site: &Site, machine: &str) -> (String, Vec<String>) {
    let name = format!("machine/{machine}/platform=efi/arch=x86_64/menu.ipxe");
    let client = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 50), 1024));
    let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
    let request = FileRequest { protocol: Protocol::Http(8080), name: name.as_bytes(), server, client, interface: "" };
    let fetched = fetch(&site.plan, &Observations::new(0), &request).answer.unwrap();
    let mut failed = Vec::new();
    let (opened, _) = site.open(fetched, &request, |failure, _| failed.push(failure.diagnostic.one_line())).unwrap();
    let mut text = vec![0; usize::try_from(opened.size()).unwrap()];
    opened.read_at(&mut text, 0).unwrap();
    (String::from_utf8(text).unwrap(), failed)
}

#[test]
fn a_cmdline_in_the_boot_dir_is_a_template_rendered_for_the_machine() {
    let dirs = SiteDirs::new();
    let cmdline = "# the installer\nurl={{ base }}preseed.cfg # ours\n\
                   {% if machine.name is defined %}hostname={{ machine.name }}{% endif %}\n";
    linux(dirs.boot.path(), cmdline);
    let site = dirs.site("[machine.web1]\nmac = \"52:54:00:12:34:56\"\n").unwrap();
    assert_eq!(dirs.lines(&site.files.warnings), [""; 0]);
    let (script, failed) = menu(&site, "mac=52-54-00-12-34-56");
    let arguments =
        "initrd=initrd0 url=http://192.0.2.10:8080/machine/name=web1/preseed.cfg hostname=web1 || goto failed\n";
    assert!(script.contains(arguments) && failed.is_empty(), "{script}{failed:?}");
    let (script, _) = menu(&site, "mac=52-54-00-12-34-57");
    assert!(script.contains("initrd=initrd0 url=http://192.0.2.10:8080/preseed.cfg || goto failed\n"), "{script}");
}

#[test]
fn a_cmdline_with_an_error_is_a_warning_with_its_location_and_marks_its_entry() {
    let dirs = SiteDirs::new();
    for (cmdline, expected) in [
        ("# x\na={{ base }", "BOOT/debian/cmdline:2:11: unexpected `}`, expected end of variable block"),
        ("a={{ base | bse64 }}", "BOOT/debian/cmdline:1:13: there is no filter `bse64`"),
        ("quiet || reboot", "BOOT/debian/cmdline:1:7: an iPXE script cannot contain \"||\""),
    ] {
        linux(dirs.boot.path(), cmdline);
        let site = dirs.site("").unwrap();
        let warnings = dirs.lines(&site.files.warnings);
        assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{warnings:?}");
        let (script, failed) = menu(&site, "mac=52-54-00-12-34-56");
        assert!(script.contains("item entry0 ${sp}${sp} debian${sp}${sp}(does not boot as it is)"), "{script}");
        assert_eq!(failed, [""; 0]);
    }
    // This template fails only when it is rendered for a machine.
    linux(dirs.boot.path(), "role={{ machine.role }}");
    let site = dirs.site("").unwrap();
    assert_eq!(dirs.lines(&site.files.warnings), [""; 0]);
    let (script, failed) = menu(&site, "mac=52-54-00-12-34-56");
    assert!(script.contains("echo its arguments cannot be rendered: machine.role is not defined"), "{script}");
    assert!(failed.len() == 1 && failed[0].contains("/debian/cmdline:1:9: machine.role is not defined"), "{failed:?}");
}

#[test]
fn the_kernel_and_the_loader_of_a_profile_may_be_in_an_additional_directory() {
    let dirs = SiteDirs::new();
    fs::write(dirs.mirror.path().join("linux"), "").unwrap();
    fs::copy(dirs.boot.path().join("ipxe.efi"), dirs.mirror.path().join("grubx64.efi")).unwrap();
    let text = "[directories]\nm = \"MIRROR\"\n[profile.a]\nkernel = \"m/linux\"\n\
                loaders = { uefi-x64 = \"m/grubx64.efi\" }\n";
    let site = dirs.site(text).unwrap();
    assert_eq!(dirs.lines(&site.files.warnings), [""; 0]);
    let loader = &site.plan.policy.profiles[3].loaders[&Arch::X64];
    assert_eq!(loader.name, "m/grubx64.efi");
    assert!(Path::new(loader.path.as_ref().unwrap()).starts_with(dirs.mirror.path()));
}

#[test]
fn every_setting_of_the_files_is_in_the_plan() {
    let dirs = SiteDirs::new();
    fs::write(dirs.boot.path().join("config.txt"), "").unwrap();
    let site = dirs
        .site(
            "default-profile = \"local-disk\"\nunknown-machine-profile = \"nothing\"\n[[rule]]\nname = \"r\"\n\
             deny = true\n[dhcp]\nloop-guard = \"stop\"\n[machine.a]\nserial = \"1\"\n",
        )
        .unwrap();
    let plan = &site.plan;
    assert_eq!(plan.offer.dialects, [Dialect::from_id("raspberry-pi").unwrap()]);
    assert_eq!(plan.policy.default_profile.as_deref(), Some("local-disk"));
    assert_eq!(plan.policy.unknown_machine_profile.as_deref(), Some("nothing"));
    assert_eq!((plan.policy.rules[0].name.as_str(), plan.inventory.len()), ("r", 1));
    assert_eq!(plan.policy.loop_guard, LoopGuard::Stop);
}

#[test]
fn all_errors_about_files_are_reported_at_once() {
    let dirs = SiteDirs::new();
    let errors = dirs.errors(
        "[directories]\nm = \"/nowhere/at/all\"\n[profile.a.loaders]\nbios = \"gone\"\n[profile.b]\n\
         script = \"gone\"\n",
    );
    assert_eq!(errors.len(), 3, "{errors:#?}");
}

#[test]
fn a_rule_that_sends_machines_to_a_disk_that_no_loader_starts_is_a_warning() {
    let dirs = SiteDirs::new();
    let rule = "[[rule]]\narch = [\"uefi-riscv32\", \"uefi-x64\"]\nprofile = \"local-disk\"\n";
    assert_eq!(
        dirs.lines(&dirs.site(rule).unwrap().files.warnings),
        ["rule 1 sends RISC-V 32 UEFI to the local disk, and there is no program that starts it (such a machine \
          tries each network entry for a minute first; to prevent this, put local-disk/uefi-riscv32.efi into the boot \
          directory)"]
    );
    let denied = rule.replace("profile = \"local-disk\"", "deny = true");
    assert_eq!(dirs.lines(&dirs.site(&denied).unwrap().files.warnings), [""; 0]);
    fs::copy(dirs.boot.path().join("ipxe.efi"), dirs.boot.path().join("own.efi")).unwrap();
    let own = "[profile.disk]\nboot = \"local-disk\"\nloaders = { default = \"own.efi\" }\n";
    let own = own.to_owned() + &rule.replace("local-disk", "disk");
    assert_eq!(dirs.lines(&dirs.site(&own).unwrap().files.warnings), [""; 0], "it gets a loader");
}

#[test]
fn the_version_of_rules_depends_on_their_contents_and_on_the_profiles_that_they_name() {
    let dirs = SiteDirs::new();
    let version = |text: &str| dirs.site(text).unwrap().plan.policy.rules_version;
    let rule = "[[rule]]\ncircuit-id = \"a\"\nprofile = \"local-disk\"\n";
    assert_eq!(version(""), 0);
    assert_eq!(version(rule), version(&format!("address = \"192.0.2.10\"\n{rule}")));
    assert_ne!(version(rule), version(&rule.replace("\"a\"", "\"b\"")));
    assert_ne!(version(rule), version(&rule.replace("local-disk", "menu")));
    assert_eq!(version(rule), version(&format!("{rule}[profile.x]\nboot = \"menu\"\n")));
}
