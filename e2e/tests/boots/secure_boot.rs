//! Tests firmware that enforces Secure Boot.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine::{self, TrustedKeys};
use proxydhcpd_e2e::site::{self, SERVER, SharedHostSite, Site};
use proxydhcpd_e2e::{grub, server, sign};
use proxydhcpd_testbed::cache;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

cases![
    an_ipxe_with_the_sites_signature_boots_under_secure_boot,
    shim_starts_the_signed_grub_of_2025_under_secure_boot,
    shim_starts_the_signed_grub_of_2025_over_http_under_secure_boot,
    shim_starts_the_signed_grub_of_2022_with_the_dhcp_server_on_the_same_host_under_secure_boot,
    shim_starts_the_signed_grub_of_2022_if_the_dhcp_server_names_this_server_as_next_server_under_secure_boot,
];

fn an_ipxe_with_the_sites_signature_boots_under_secure_boot(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    sign::sign(work, &cache::path("2025/snponly.efi"), &directory.join("snponly.efi"))?;
    let text = format!("secure-boot-certificates = [{:?}]\n", cache::path("2025/PkKek-1-snakeoil.pem"));
    let file = site::write_config(work, &directory, &text, &[])?;
    let site = Site::new(work)?;
    let report = server::check(&site.server, &[OsStr::new("-c"), file.as_os_str()])?;
    ensure!(report.contains("snponly.efi: signed with the site's own key"), "check does not report it:\n{report}");
    let _server = site.serve_with_config(&file)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Site))
}

/// GRUB 2.12 fetches its configuration from the server that sent GRUB.
fn shim_starts_the_signed_grub_of_2025_under_secure_boot(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory_with_shim(work, "2025")?)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Microsoft))
}

fn shim_starts_the_signed_grub_of_2025_over_http_under_secure_boot(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory_with_shim(work, "2025")?)?;
    site.boot(&machine::x64_2025_with_secure_boot(TrustedKeys::Microsoft).with_http_boot_only())
}

/// GRUB 2.06 uses the DHCP server as the TFTP server, so both servers run on one host (protocol.md 2.12).
fn shim_starts_the_signed_grub_of_2022_with_the_dhcp_server_on_the_same_host_under_secure_boot(
    work: &WorkDir,
) -> Result<()> {
    let site = SharedHostSite::new(work, &["--bind-dynamic", "--interface=eth0"])?;
    let _server = site::serve(work, &site.host, directory_with_shim(work, "2022")?)?;
    site::boot(work, &site.segment, &machine::x64_2022_with_secure_boot())
}

/// A next server without a file is no boot offer, so the machine still uses this server's offer.
fn shim_starts_the_signed_grub_of_2022_if_the_dhcp_server_names_this_server_as_next_server_under_secure_boot(
    work: &WorkDir,
) -> Result<()> {
    let site = Site::with_dhcp_options(work, &[&format!("--dhcp-boot=,,{SERVER}")])?;
    let _server = site::serve(work, &site.server, directory_with_shim(work, "2022")?)?;
    site.boot(&machine::x64_2022_with_secure_boot())
}

/// Creates a boot directory with Debian's shim and network GRUB in addition to the other loaders.
fn directory_with_shim(work: &WorkDir, year: &str) -> Result<PathBuf> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path(&format!("{year}/shimx64.efi.signed")), directory.join("shimx64.efi"))?;
    fs::copy(cache::path(&format!("{year}/grubnetx64.efi.signed")), directory.join("grubx64.efi"))?;
    grub::configure(work, &directory)?;
    Ok(directory)
}
