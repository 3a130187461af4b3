//! Tests firmware for which no distribution has an iPXE, and firmware that fetches its loader over HTTP.

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

fn ia32_boots_the_removable_media_program_of_the_boot_dir(work: &WorkDir) -> Result<()> {
    boots_a_grub_image(work, &machine::ia32_2022(), "i386-efi", "bootia32.efi")
}

fn arm32_boots_the_removable_media_program_of_the_boot_dir(work: &WorkDir) -> Result<()> {
    boots_a_grub_image(work, &machine::arm32_2022(), "arm-efi", "bootarm.efi")
}

/// The boot directory contains GRUB under the name of a disk's program (UEFI 2.10 3.5.1.1). GRUB fetches a
/// configuration that prints the token from the server.
fn boots_a_grub_image(work: &WorkDir, machine: &Machine, target: &str, name: &str) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(grub::image(work, target, SERVER)?, directory.join(name))?;
    grub::configure(work, &directory)?;
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;
    site.boot(machine)
}

fn x64_of_2022_boots_over_http_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_over_http(work, machine::x64_2022())
}

fn x64_of_2025_boots_over_http_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_over_http(work, machine::x64_2025())
}

fn arm64_of_2025_boots_over_http_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_over_http(work, machine::arm64_2025())
}

/// The OFFER with a URL leads to iPXE and the script. The machine sends no TFTP request before iPXE runs.
fn boots_over_http(work: &WorkDir, machine: Machine) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site.serve()?;
    site.boot(&machine.with_http_boot_only())?;
    let requests = site.capture.fields("http.request", &["http.request.method", "http.request.uri"])?;
    let loader = requests.iter().filter(|line| line.ends_with(".efi")).collect::<Vec<_>>();
    ensure!(
        loader.len() == 2 && loader[0].starts_with("HEAD") && loader[1].starts_with("GET"),
        "requests: {requests:?}"
    );
    Ok(())
}
