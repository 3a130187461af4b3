//! The Python daemon's proxy.ini: the files that machines get, the warnings, and the errors.

use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::TftpServer;
use proxydhcpd_core::plan::policy::{IpxeTarget, Policy};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::legacy::{self, LegacyConfig};
use std::net::Ipv4Addr;

/// The proxy.ini that the Python daemon 0.3.2 ships, without its comments.
const SHIPPED: &str = "[proxy]\nlisten_address=192.168.188.20\ntftpd=192.168.188.20\n#interface=\n\
                       filename=ipxe-snponly-x86_64.efi\n\
    vendor_specific_information=\"proxyDHCPd\"\n\n[ipxe]\nenabled=true\nlegacy_bootstrap=undionly.kpxe\n\
    efi_bootstrap=ipxe-snponly-x86_64.efi\nchainload_url=boot.ipxe\n";
const MINIMAL: &str = "[proxy]\nlisten_address=192.0.2.1\ntftpd=192.0.2.2\nfilename=pxelinux.0\n";

fn read(text: &str) -> Result<(LegacyConfig, Vec<Diagnostic>), Vec<Diagnostic>> {
    legacy::read(&Source::new("proxy.ini", text.into()).expect("UTF-8"))
}

fn accepted(text: &str) -> (Plan, Vec<String>) {
    let (legacy, warnings) = read(text).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    let mut plan = Plan { policy: Policy { http_clients: true, ..Policy::default() }.into(), ..Plan::default() };
    legacy.boot.apply(&mut plan);
    (plan, warnings.iter().map(Diagnostic::to_string).collect())
}

fn refused(text: &str) -> String {
    let errors = read(text).expect_err(text);
    errors.iter().map(|error| format!("{error}\n")).collect()
}

fn default_loader(plan: &Plan) -> &str {
    &plan.offer.default_loader.as_ref().unwrap().name
}

fn loader(plan: &Plan, code: u16) -> Option<&str> {
    plan.offer.loaders.get(&Arch(code).base()).map(|loader| loader.name.as_str())
}

#[test]
fn the_shipped_file_is_read_unchanged() {
    let (plan, warnings) = accepted(SHIPPED);
    assert_eq!(plan.offer.tftp, Some(TftpServer::Remote(Ipv4Addr::new(192, 168, 188, 20))));
    assert_eq!(plan.policy.ipxe, IpxeTarget::Configured("boot.ipxe".into()));
    assert_eq!(loader(&plan, 0), Some("undionly.kpxe"));
    assert_eq!(
        (loader(&plan, 7), loader(&plan, 9)),
        (Some("ipxe-snponly-x86_64.efi"), Some("ipxe-snponly-x86_64.efi"))
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("vendor_specific_information") && warnings[0].contains("proxy.ini:6:1"),
        "{warnings:?}"
    );
}

#[test]
fn http_clients_stay_unanswered_with_an_old_file() {
    assert!(!accepted(SHIPPED).0.policy.http_clients);
}

#[test]
fn ipxe_mode_serves_only_architectures_that_have_a_loader() {
    let (plan, _) = accepted("[proxy]\ntftpd=192.0.2.2\n[ipxe]\nenabled=TRUE\n");
    assert_eq!(plan.offer.loaders.keys().copied().collect::<Vec<_>>(), [Arch::BIOS, Arch::X64]);
    assert_eq!((loader(&plan, 0), loader(&plan, 7)), (Some("undionly.kpxe"), Some("ipxe.efi")));
    assert_eq!((&plan.offer.default_loader, &plan.policy.ipxe), (&None, &IpxeTarget::Configured("boot.ipxe".into())));
}

#[test]
fn a_key_for_each_other_architecture_adds_its_loader() {
    let keys = [("efi32", 6), ("arm32", 10), ("arm64", 11), ("riscv64", 27), ("loongarch64", 39)];
    for (name, code) in keys {
        let key = format!("{name}_bootstrap");
        assert_eq!(legacy::loader_key(Arch(code)), Some(key.as_str()));
        let (plan, _) = accepted(&format!("[proxy]\ntftpd=192.0.2.2\n[ipxe]\nenabled=true\n{key}=dir/{name}.efi\n"));
        assert_eq!(loader(&plan, code), Some(format!("dir/{name}.efi").as_str()));
        assert_eq!(plan.offer.loaders.len(), 3);
    }
    assert_eq!(legacy::loader_key(Arch(12)), None);
}

#[test]
fn without_ipxe_mode_every_client_gets_the_file_even_ipxe() {
    let (plan, warnings) = accepted(MINIMAL);
    assert_eq!(plan.offer.default_loader.as_ref().map(|loader| loader.name.as_str()), Some("pxelinux.0"));
    assert!(plan.offer.loaders.is_empty() && warnings.is_empty());
    assert_eq!(plan.policy.ipxe, IpxeTarget::AsFirmware);
}

#[test]
fn without_ipxe_mode_two_architectures_may_have_another_file() {
    let (plan, _) =
        accepted(&format!("{MINIMAL}filename_efi32=ia32.efi\nfilename_efi64=x64.efi\n[ipxe]\nenabled=false\n"));
    assert_eq!(
        (loader(&plan, 6), loader(&plan, 7), loader(&plan, 9)),
        (Some("ia32.efi"), Some("x64.efi"), Some("x64.efi"))
    );
    assert_eq!((loader(&plan, 0), loader(&plan, 11)), (None, None));
}

#[test]
fn only_true_enables_ipxe_mode_and_other_words_are_warnings() {
    for word in ["yes", "1", "on", "", "\"true\"", "true ; really"] {
        let (plan, warnings) = accepted(&format!("{MINIMAL}[ipxe]\nenabled = {word}\n"));
        assert_eq!(plan.policy.ipxe, IpxeTarget::AsFirmware, "{word}");
        assert_eq!(warnings.len(), 1, "{word}: {warnings:?}");
        assert!(warnings[0].contains("iPXE mode is off"), "{warnings:?}");
    }
    for (word, on) in [("true", true), ("True", true), ("FALSE", false)] {
        let (plan, warnings) = accepted(&format!("{MINIMAL}[ipxe]\nenabled = {word}\n"));
        assert_eq!((plan.policy.ipxe != IpxeTarget::AsFirmware, warnings.len()), (on, 0), "{word}");
    }
}

#[test]
fn a_key_in_another_section_has_no_effect_and_is_a_warning() {
    let (plan, warnings) = accepted(&format!("{MINIMAL}enabled=true\n[pxe]\nfilename=x\n[ipxe]\ntftpd=192.0.2.9\n"));
    assert_eq!(plan.policy.ipxe, IpxeTarget::AsFirmware);
    assert_eq!(plan.offer.tftp, Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 2))));
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

#[test]
fn defaults_reach_every_section() {
    let errors = refused("[DEFAULT]\ndir=boot\n[proxy]\n[ipxe]\n");
    assert_eq!(errors.matches("unknown key `dir`").count(), 1, "{errors}");
    let (plan, warnings) = accepted(
        "[DEFAULT]\ntftpd=192.0.2.2\nenabled=true\nchainload_url=http://%(tftpd)s/x%%20y\n[proxy]\ninterface=eth0\n\
         [ipxe]\n",
    );
    assert_eq!(plan.policy.ipxe, IpxeTarget::Configured("http://192.0.2.2/x%20y".into()));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn an_unknown_key_or_section_has_a_suggestion() {
    let errors = refused(&format!("{MINIMAL}filname_efi64=x\n"));
    assert!(errors.contains("proxy.ini:5:1") && errors.contains("did you mean `filename_efi64`?"), "{errors}");
    let errors = refused(&format!("{MINIMAL}[Ipxe]\nenabled=true\n"));
    assert!(errors.contains("proxy.ini:5:1") && errors.contains("did you mean [ipxe]?"), "{errors}");
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = refused("[proxy]\nlisten_address=here\ntftp=192.0.2.1\nfilename=\n[dhcp]\n");
    for location in [":2:16", ":3:1", ":4:1", ":5:1"] {
        assert!(errors.contains(&format!("proxy.ini{location}")), "{location} in {errors}");
    }
}

#[test]
fn values_that_crashed_the_python_daemon_are_errors_with_a_location() {
    for (line, message) in [
        ("tftpd=192.0.2.1.5", "IPv4"),
        ("tftpd=192.0.2.1 # mine", "IPv4"),
        ("tftpd=192.0.2.1:69", "IPv4"),
        ("tftpd=192.0.2.256", "IPv4"),
        ("tftpd=boot.example.org", "IPv4"),
        ("tftpd=", "IPv4"),
        ("tftpd=192.0.2.1\nfilename=küche.0", "ASCII"),
        ("tftpd=192.0.2.1\nfilename=%(nothing)s", "does not exist"),
        ("tftpd=192.0.2.1\nfilename=a%20b", "%%"),
        ("tftpd=192.0.2.1\nfilename=x\nvendor_specific_information=é", "ASCII"),
        ("tftpd=192.0.2.1", "`filename` is missing"),
        ("filename=x", "`tftpd` is missing"),
    ] {
        let errors = refused(&format!("[proxy]\nlisten_address=192.0.2.1\n{line}\n"));
        assert!(errors.contains(message) && errors.contains("proxy.ini:"), "{line}: {errors}");
        assert_eq!(errors.matches("error:").count(), 1, "{line}: {errors}");
    }
    assert!(refused("").contains("no section [proxy]"));
    assert!(refused("[ipxe]\nenabled=true\n").contains("no section [proxy]"));
}

#[test]
fn octets_with_leading_zeros_are_decimal() {
    let (plan, _) = accepted("[proxy]\ntftpd=192.000.02.010\nfilename=x\n");
    assert_eq!(plan.offer.tftp, Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 10))));
}

#[test]
fn a_name_that_does_not_fit_into_a_reply_is_an_error_and_the_longest_that_fits_is_not() {
    let file = |key: &str, octets: usize| {
        format!("[proxy]\ntftpd=192.0.2.2\nfilename=x\n[ipxe]\nenabled=true\n{key}={}\n", "n".repeat(octets))
    };
    for (key, max) in [("legacy_bootstrap", 127), ("arm64_bootstrap", 127), ("chainload_url", 254)] {
        accepted(&file(key, max));
        let errors = refused(&file(key, max + 1));
        assert!(errors.contains(&format!("room for {max}")) && errors.contains("proxy.ini:6:"), "{errors}");
    }
    let name = "n".repeat(128);
    assert!(refused(&format!("[proxy]\ntftpd=192.0.2.2\nfilename={name}\n")).contains("127"));
    // In iPXE mode, the server does not use `filename`, and the Python daemon accepted any value.
    accepted(&format!("[proxy]\ntftpd=192.0.2.2\nfilename={name}\n[ipxe]\nenabled=true\n"));
}

#[test]
fn an_indented_line_that_continues_a_file_name_is_a_warning() {
    let (plan, warnings) = accepted(&format!("{MINIMAL}  filename_efi64=x64.efi\n"));
    assert_eq!(default_loader(&plan), "pxelinux.0\nfilename_efi64=x64.efi");
    assert!(warnings[0].contains("proxy.ini:4:10") && warnings[0].contains("indented"), "{warnings:?}");
}

#[test]
fn a_comment_after_a_value_is_an_error_or_a_warning() {
    let errors = refused(&MINIMAL.replace("192.0.2.1", "192.0.2.1 ; this machine"));
    assert!(errors.contains("a comment needs a separate line; here it is part of the value"), "{errors}");
    let (plan, warnings) = accepted(&MINIMAL.replace("pxelinux.0", "pxelinux.0 # the loader"));
    assert_eq!(default_loader(&plan), "pxelinux.0 # the loader");
    assert!(warnings[0].contains("`# the loader` is part of `filename`"), "{warnings:?}");
}

#[test]
fn quotes_around_a_name_are_a_warning() {
    let (plan, warnings) = accepted(&MINIMAL.replace("pxelinux.0", "\"pxelinux.0\""));
    assert_eq!(default_loader(&plan), "\"pxelinux.0\"");
    assert!(warnings[0].contains("the quotes are part of `filename`: machines request \"pxelinux.0\""), "{warnings:?}");
    assert!(warnings[0].contains("write `filename = pxelinux.0`"), "{warnings:?}");
}

#[test]
fn the_file_of_the_python_daemons_packages_is_found_in_etc() {
    let etc = tempfile::tempdir().unwrap();
    let directory = etc.path().join("proxydhcpd");
    let load = || proxydhcpd::config::load_from_dir(&proxydhcpd::config::flags::Flags::default(), &directory).unwrap();
    assert_eq!(load().file, None);
    let python_directory = etc.path().join("proxyDHCPd");
    std::fs::create_dir(&python_directory).unwrap();
    std::fs::write(python_directory.join("proxy.ini"), MINIMAL).unwrap();
    assert_eq!(load().file, Some(python_directory.join("proxy.ini")));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("proxydhcpd.toml"), "").unwrap();
    assert_eq!(load().file, Some(directory.join("proxydhcpd.toml")));
}
