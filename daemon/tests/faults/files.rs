//! Loaders, scripts, kernels and templates that are missing, wrong or unreadable.

use super::network::{Network, SITE, mac};
use proxydhcpd_testbed::loaders::fake_loader;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

cases![
    no_loader_for_the_architecture_is_the_verdict,
    a_loader_for_another_firmware_is_the_verdict_with_its_file,
    a_loader_that_becomes_unreadable_is_the_verdict,
    a_loader_that_is_unreadable_at_the_start_is_the_verdict,
    a_script_that_becomes_unreadable_is_the_verdict,
    a_script_that_is_unreadable_at_the_start_is_a_warning_and_machines_see_the_menu,
    a_loader_that_is_removed_while_the_server_runs_is_the_verdict,
    a_kernel_or_an_initrd_of_a_profile_that_does_not_exist_is_the_verdict,
    a_kernel_of_a_script_that_does_not_exist_is_the_verdict,
];

const UNREADABLE: u32 = 0o000;
const READABLE: u32 = 0o644;

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

fn no_loader_for_the_architecture_is_the_verdict() {
    let network = Network::start(SITE);
    let loader = network.server.boot.path().join("ipxe-arm64.efi");
    fs::remove_file(&loader).unwrap();
    network.reload();
    assert!(!network.boots("uefi-arm64", 1));
    network.ends_in("loader-missing", &[&mac("uefi-arm64", 1), "no loader for ARM 64 UEFI"]);
    fs::write(&loader, [&fake_loader("arm64")[..], &[0; 50_000]].concat()).unwrap();
    network.reload();
    network.boots_again("uefi-arm64", 2);
}

/// The program of a BIOS under the name of the x64 loader.
fn a_loader_for_another_firmware_is_the_verdict_with_its_file() {
    let network = Network::start(SITE);
    let loader = network.server.boot.path().join("ipxe.efi");
    fs::write(&loader, fake_loader("bios")).unwrap();
    network.reload();
    assert!(!network.boots("uefi-x64", 1));
    let line = network.ends_in("loader-missing", &[&mac("uefi-x64", 1), "x64 UEFI", "ipxe.efi cannot be used"]);
    assert!(!line.contains("x86 UEFI"), "{line}");
    fs::write(&loader, [&fake_loader("x64")[..], &[0; 50_000]].concat()).unwrap();
    network.reload();
    network.boots_again("uefi-x64", 2);
}

fn a_loader_that_becomes_unreadable_is_the_verdict() {
    let network = Network::start_unprivileged(SITE);
    let loader = network.server.boot.path().join("ipxe.efi");
    set_mode(&loader, UNREADABLE);
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in("file-unreadable", &["ipxe.efi, which the server offers and cannot send", "permission denied"]);
    set_mode(&loader, READABLE);
    network.boots_again("uefi-x64", 2);
}

fn a_loader_that_is_unreadable_at_the_start_is_the_verdict() {
    let network = Network::start_unprivileged(SITE);
    let loader = network.server.boot.path().join("ipxe.efi");
    set_mode(&loader, UNREADABLE);
    network.reload();
    assert!(!network.boots("uefi-x64", 1));
    let line = network.ends_in("loader-missing", &[&mac("uefi-x64", 1), "x64 UEFI", "ipxe.efi cannot be used"]);
    assert!(line.contains("Permission denied") && line.contains("let the server read it: chmod a+r"), "{line}");
    set_mode(&loader, READABLE);
    network.reload();
    network.boots_again("uefi-x64", 2);
}

fn a_script_that_becomes_unreadable_is_the_verdict() {
    let network = Network::start_unprivileged("");
    let script = network.server.boot.path().join("boot.ipxe");
    fs::write(&script, "#!ipxe\nkernel linux\nboot\n").unwrap();
    network.reload();
    set_mode(&script, UNREADABLE);
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in("file-unreadable", &["boot.ipxe, which the server offers and cannot send", "permission denied"]);
    set_mode(&script, READABLE);
    network.boots_again("uefi-x64", 2);
}

/// The machines see the menu instead of the script, and the log says why.
fn a_script_that_is_unreadable_at_the_start_is_a_warning_and_machines_see_the_menu() {
    let network = Network::start_unprivileged("");
    let script = network.server.boot.path().join("boot.ipxe");
    fs::write(&script, "#!ipxe\nkernel linux\nboot\n").unwrap();
    set_mode(&script, UNREADABLE);
    network.reload();
    network.server.wait_for_line("boot.ipxe is not a regular file that this server may read: showing the menu instead");
    set_mode(&script, READABLE);
    network.reload();
    network.boots_again("uefi-x64", 1);
}

fn a_loader_that_is_removed_while_the_server_runs_is_the_verdict() {
    let network = Network::start(SITE);
    let (loader, away) = (network.server.boot.path().join("ipxe.efi"), network.server.directory.path().join("away"));
    fs::rename(&loader, &away).unwrap();
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in("file-unreadable", &["ipxe.efi, which the server offers and cannot send"]);
    fs::rename(&away, &loader).unwrap();
    network.boots_again("uefi-x64", 2);
}

/// The server offers the kernel and the initrd of a profile, so the line about the refused file is the verdict.
fn a_kernel_or_an_initrd_of_a_profile_that_does_not_exist_is_the_verdict() {
    for name in ["linux", "initrd"] {
        let network = Network::start(SITE);
        let (file, away) = (network.server.boot.path().join(name), network.server.directory.path().join("away"));
        fs::rename(&file, &away).unwrap();
        network.reload();
        network.boots("uefi-x64", 1);
        let offered =
            format!("requested {name}, which the server offers and cannot send. The reason: there is no file");
        network.ends_in("file-unreadable", &[&offered, &format!("{name} yet; put the file there")]);
        fs::rename(&away, &file).unwrap();
        network.reload();
        network.boots_again("uefi-x64", 2);
    }
}

/// A script may name a kernel that no profile knows.
fn a_kernel_of_a_script_that_does_not_exist_is_the_verdict() {
    let network = Network::start("");
    let (script, boot) = (network.server.boot.path().join("boot.ipxe"), network.server.boot.path().to_owned());
    fs::write(&script, "#!ipxe\nkernel gone/linux\ninitrd initrd\nboot\n").unwrap();
    network.reload();
    network.boots("uefi-x64", 1);
    network.ends_in("kernel-missing", &[&mac("uefi-x64", 1), "requested the kernel gone/linux"]);
    fs::create_dir(boot.join("gone")).unwrap();
    fs::copy(boot.join("linux"), boot.join("gone/linux")).unwrap();
    network.boots_again("uefi-x64", 2);
}
