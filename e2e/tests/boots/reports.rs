//! Tests what machines report to the server about their boots.

use anyhow::Result;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, Machine};
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use std::ffi::OsStr;

cases![
    a_bios_ipxe_of_2019_reports_its_memory_and_a_kernel_that_is_missing,
    a_bios_ipxe_of_2019_reports_them_by_tftp_from_a_server_without_http,
    x64_of_2025_reports_its_memory_and_a_kernel_that_is_missing,
];

/// The ROM of the network card.
fn a_bios_ipxe_of_2019_reports_its_memory_and_a_kernel_that_is_missing(work: &WorkDir) -> Result<()> {
    reports_a_missing_kernel(work, &machine::bios(), 256, "", "(HTTP 404)")
}

fn a_bios_ipxe_of_2019_reports_them_by_tftp_from_a_server_without_http(work: &WorkDir) -> Result<()> {
    reports_a_missing_kernel(work, &machine::bios(), 256, "[http]\nenabled = false\n", "(TFTP)")
}

fn x64_of_2025_reports_its_memory_and_a_kernel_that_is_missing(work: &WorkDir) -> Result<()> {
    reports_a_missing_kernel(work, &machine::x64_2025(), 512, "", "(HTTP 404)")
}

/// The machine shows the error in words, and does then what it did without a report.
fn reports_a_missing_kernel(work: &WorkDir, machine: &Machine, memory: u32, more: &str, error: &str) -> Result<()> {
    let site = Site::new(work)?;
    let text = "default-profile = \"gone\"\n[profile.gone]\ntitle = \"Gone\"\nkernel = \"gone/linux\"\n";
    let file = site::write_config(work, &site::boot_dir(work, None)?, &format!("{text}{more}"), &[])?;
    let arguments = [OsStr::new("-v"), OsStr::new("-c"), file.as_os_str()];
    let mut server = server::start(work, &site.server, &arguments)?;
    let mut machine = machine.power_on(work, &site.segment, "machine")?;
    let sentence = format!("the server has no such file {error}");
    machine.wait_for(&format!("gone/linux: {sentence}"), BOOT_TIMEOUT)?;
    machine.wait_for("Gone did not start; the lines above say why.", BOOT_TIMEOUT)?;
    server.wait_for(&format!("has {memory} MiB of memory"), BOOT_TIMEOUT)?;
    let line = format!("the command `kernel` of its script failed for \"gone/linux\": {sentence}, iPXE error");
    server.wait_for(&line, BOOT_TIMEOUT)
}
