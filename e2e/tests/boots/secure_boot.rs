//! Firmware that enforces Secure Boot.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, TrustedKeys};
use proxydhcpd_e2e::site::{self, SharedHostSite, SERVER, Site};
use proxydhcpd_e2e::{cache, grub, server, sign};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

cases![
    an_ipxe_with_the_sites_own_signature_boots_under_secure_boot,
    an_unsigned_ipxe_is_refused_under_secure_boot,
    shim_starts_the_signed_grub_of_2025_under_secure_boot,
    shim_starts_the_signed_grub_of_2025_over_http_under_secure_boot,
    shim_starts_the_signed_grub_of_2022_beside_the_primary_under_secure_boot,
    shim_starts_the_signed_grub_of_2022_if_the_primary_names_us_as_next_server_under_secure_boot,
];

fn an_ipxe_with_the_sites_own_signature_boots_under_secure_boot(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    sign::sign(lab, &cache::path("2025/snponly.efi")?, &directory.join("snponly.efi"))?;
    let text = format!("secure-boot-keys = [{:?}]\n", cache::path("2025/PkKek-1-snakeoil.pem")?);
    let file = site::write_config(lab, &directory, &text, &[])?;
    let site = Site::new(lab)?;
    let said = server::check(&site.server, &[OsStr::new("-c"), file.as_os_str()])?;
    ensure!(said.contains("snponly.efi: signed with the site's own key"), "check has not said it before:\n{said}");
    let _server = site.serve_with_config(&file)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Site))
}

/// `check` says so before. The firmware says so and goes on to its next boot entry.
fn an_unsigned_ipxe_is_refused_under_secure_boot(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let directory = site::boot_dir(lab, None)?;
    let said = server::check(&site.server, &[OsStr::new("--boot-dir"), directory.as_os_str()])?;
    let told = "No loader for UEFI is signed. That matters only where Secure Boot is on: such machines refuse them.";
    ensure!(said.contains(told), "check has not said it before:\n{said}");
    let _server = site::serve(lab, &site.server, directory)?;
    let machine = machine::x64_2025_with_secure_boot(TrustedKeys::Site);
    let mut machine = machine.power_on(lab, &site.segment, "machine")?;
    machine.wait_for("Access Denied", BOOT_TIMEOUT)?;
    lab.log_progress("the firmware has refused the loader");
    machine.wait_for("Start PXE over IPv6", BOOT_TIMEOUT)?;
    lab.log_progress("and has gone on to its next boot entry");
    Ok(())
}

/// GRUB 2.12 takes its configuration from where it came.
fn shim_starts_the_signed_grub_of_2025_under_secure_boot(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory_with_shim(lab, "2025")?)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Microsoft))
}

fn shim_starts_the_signed_grub_of_2025_over_http_under_secure_boot(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory_with_shim(lab, "2025")?)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Microsoft).with_http_boot_only())
}

/// GRUB 2.06 takes the primary for its TFTP server, so this host has to be ours (protocol.md 2.12).
fn shim_starts_the_signed_grub_of_2022_beside_the_primary_under_secure_boot(lab: &WorkDir) -> Result<()> {
    let site = SharedHostSite::new(lab, &["--bind-dynamic", "--interface=eth0"])?;
    let _server = site::serve(lab, &site.host, directory_with_shim(lab, "2022")?)?;
    site::boot(lab, &site.segment, &machine::x64_2022_with_secure_boot())
}

/// A next server alone, without a file, is no boot offer: the machine comes to us all the same.
fn shim_starts_the_signed_grub_of_2022_if_the_primary_names_us_as_next_server_under_secure_boot(
    lab: &WorkDir,
) -> Result<()> {
    let site = Site::with_dhcp_options(lab, &[&format!("--dhcp-boot=,,{SERVER}")])?;
    let _server = site::serve(lab, &site.server, directory_with_shim(lab, "2022")?)?;
    site.boot(&machine::x64_2022_with_secure_boot())
}

/// A boot directory in which Debian's shim and its GRUB for the network lie beside the other loaders.
fn directory_with_shim(lab: &WorkDir, year: &str) -> Result<PathBuf> {
    let directory = site::boot_dir(lab, None)?;
    fs::copy(cache::path(&format!("{year}/shimx64.efi.signed"))?, directory.join("shimx64.efi"))?;
    fs::copy(cache::path(&format!("{year}/grubnetx64.efi.signed"))?, directory.join("grubx64.efi"))?;
    grub::configure(lab, &directory)?;
    Ok(directory)
}
