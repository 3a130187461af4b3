//! Firmware for which no distribution has an iPXE, and firmware that fetches its loader over HTTP.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, Machine};
use proxydhcpd_e2e::site::{self, SERVER, Site};
use std::fs;

cases![
    ia32_boots_the_removable_media_program_of_the_boot_dir,
    arm32_boots_the_removable_media_program_of_the_boot_dir,
    x64_of_2022_boots_over_http_with_no_configuration,
    x64_of_2025_boots_over_http_with_no_configuration,
    arm64_of_2025_boots_over_http_with_no_configuration,
];

fn ia32_boots_the_removable_media_program_of_the_boot_dir(lab: &WorkDir) -> Result<()> {
    boots_a_grub_image(lab, &machine::ia32_2022(), "i386-efi", "bootia32.efi")
}

fn arm32_boots_the_removable_media_program_of_the_boot_dir(lab: &WorkDir) -> Result<()> {
    boots_a_grub_image(lab, &machine::arm32_2022(), "arm-efi", "bootarm.efi")
}

/// The program is a GRUB, put into the boot directory under the name that a disk would have it by (UEFI 2.10 3.5.1.1). It
/// prints the token from a configuration that it fetches from us.
fn boots_a_grub_image(lab: &WorkDir, machine: &Machine, target: &str, name: &str) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    fs::copy(grub::image(lab, target, SERVER)?, directory.join(name))?;
    grub::configure(lab, &directory)?;
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory)?;
    site.boot(machine)
}

fn x64_of_2022_boots_over_http_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_over_http(lab, machine::x64_2022())
}

fn x64_of_2025_boots_over_http_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_over_http(lab, machine::x64_2025())
}

fn arm64_of_2025_boots_over_http_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_over_http(lab, machine::arm64_2025())
}

/// From the OFFER with a URL to iPXE and our script, without a TFTP request before iPXE runs.
fn boots_over_http(lab: &WorkDir, machine: Machine) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site.serve()?;
    site.boot(&machine.with_http_boot_only())?;
    let asked = site.capture.fields("http.request", &["http.request.method", "http.request.uri"])?;
    let loader = asked.iter().filter(|line| line.ends_with(".efi")).collect::<Vec<_>>();
    ensure!(loader.len() == 2 && loader[0].starts_with("HEAD") && loader[1].starts_with("GET"), "asked: {asked:?}");
    Ok(())
}
