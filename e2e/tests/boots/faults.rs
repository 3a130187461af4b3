//! Stages faults with real firmware: each boot ends in its verdict. The boots of the other files, without a fault, end
//! in none.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine::{self, Machine, TrustedKeys};
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::terminal::read_text;
use proxydhcpd_testbed::cache;
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

cases![
    a_firewall_that_drops_read_requests_is_the_verdict,
    a_firewall_that_drops_the_replies_of_tftp_is_the_verdict,
    a_path_that_loses_large_packets_is_the_verdict,
    an_unsigned_loader_under_secure_boot_is_the_verdict,
    a_script_with_an_unknown_command_is_the_verdict,
    a_script_without_its_first_line_is_the_verdict,
    a_script_that_names_a_missing_kernel_is_the_verdict,
    a_script_that_names_a_missing_initrd_is_the_verdict,
    a_script_that_names_a_missing_script_is_the_verdict,
    a_script_that_starts_itself_is_the_verdict,
    a_script_that_starts_ipxe_again_is_the_verdict,
    a_grub_that_asks_the_dhcp_server_is_the_verdict,
];

/// The timeout exceeds the time that the server waits for a proof, because the emulator is slow.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(300);

fn a_firewall_that_drops_read_requests_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let server = site.serve()?;
    firewall(&site, "input", "udp dport 69 drop");
    ends_in(&site, server, &machine::x64_2022(), "tftp-requests-blocked", "accepted the boot file snponly.efi")
}

fn a_firewall_that_drops_the_replies_of_tftp_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let server = site.serve()?;
    firewall(&site, "output", "udp sport 1024-65535 udp sport != 4011 drop");
    ends_in(&site, server, &machine::x64_2022(), "tftp-replies-blocked", "requested snponly.efi by TFTP")
}

fn a_path_that_loses_large_packets_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    // Without this, the kernel passes several blocks as one packet.
    site.server.run("ip link set eth0 gso_max_segs 1");
    let server = site.serve()?;
    firewall(&site, "output", "udp length > 1400 drop");
    ends_in(&site, server, &machine::x64_2022(), "tftp-blocks-lost", "blocks of 1468 octets do not arrive")
}

/// `check` reports the missing signature before the boot. The firmware reports it, too, and continues with its next
/// boot entry.
fn an_unsigned_loader_under_secure_boot_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    let report = server::check(&site.server, &[OsStr::new("--boot-dir"), directory.as_os_str()])?;
    let unsigned = "No UEFI loader is signed: machines with Secure Boot enabled refuse them all.";
    ensure!(report.contains(unsigned), "check does not report it:\n{report}");
    let server = site::serve(work, &site.server, directory)?;
    let machine = machine::x64_2025_with_secure_boot(TrustedKeys::Site);
    let mut machine = machine.power_on(work, &site.segment, "machine")?;
    verdict_is(&site, server, "loader-unsigned", "it has no signature")?;
    machine.wait_for("Access Denied", VERDICT_TIMEOUT)?;
    machine.wait_for("Start PXE over IPv6", VERDICT_TIMEOUT)
}

fn a_script_with_an_unknown_command_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#!ipxe\nkernl linux\n", "script-error", "boot.ipxe:2: iPXE has no command `kernl`")
}

fn a_script_without_its_first_line_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#ipxe\nshell\n", "script-error", "the first line is not `#!ipxe`")
}

fn a_script_that_names_a_missing_kernel_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#!ipxe\nkernel debian/linux quiet\nboot\n", "kernel-missing", "the kernel debian/linux")
}

fn a_script_that_names_a_missing_initrd_is_the_verdict(work: &WorkDir) -> Result<()> {
    let script = "#!ipxe\nkernel snponly.efi\ninitrd debian/initrd.gz\nboot\n";
    script_ends_in(work, script, "initrd-missing", "the initrd debian/initrd.gz")
}

fn a_script_that_names_a_missing_script_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#!ipxe\nchain rescue/menu.ipxe\n", "file-missing", "requested rescue/menu.ipxe")
}

fn a_script_that_starts_itself_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#!ipxe\nchain --replace boot.ipxe\n", "script-loop", "requested the script boot.ipxe")
}

fn a_script_that_starts_ipxe_again_is_the_verdict(work: &WorkDir) -> Result<()> {
    script_ends_in(work, "#!ipxe\nchain snponly.efi\n", "boot-loop", "the script loads iPXE again")
}

/// GRUB 2.06 requests its files from the DHCP server, which is another host.
fn a_grub_that_asks_the_dhcp_server_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path("2022/shimx64.efi.signed"), directory.join("shimx64.efi"))?;
    fs::copy(cache::path("2022/grubnetx64.efi.signed"), directory.join("grubx64.efi"))?;
    let server = site::serve(work, &site.server, directory)?;
    let machine = machine::x64_2022_with_secure_boot();
    ends_in(&site, server, &machine, "grub-asks-dhcp-server", "requested nothing from this server")
}

/// Starts a server whose boot directory has this `boot.ipxe`, and checks that the boot ends in this verdict.
fn script_ends_in(work: &WorkDir, script: &str, verdict: &str, text: &str) -> Result<()> {
    let site = Site::new(work)?;
    let server = site::serve(work, &site.server, site::boot_dir(work, Some(script))?)?;
    ends_in(&site, server, &machine::x64_2022(), verdict, text)
}

/// Switches the machine on, and checks that its boot ends in this verdict.
fn ends_in(site: &Site<'_>, server: Process, machine: &Machine, verdict: &str, text: &str) -> Result<()> {
    let _machine = machine.power_on(site.work, &site.segment, "machine")?;
    verdict_is(site, server, verdict, text)
}

/// Waits until the log contains this verdict, with this text, and checks that it contains no other.
fn verdict_is(site: &Site<'_>, mut server: Process, verdict: &str, text: &str) -> Result<()> {
    server.wait_for(&format!("VERDICT={verdict}"), VERDICT_TIMEOUT)?;
    let log = read_text(&site.work.file("proxydhcpd.log"))?;
    let verdicts: Vec<&str> = log.lines().filter(|line| line.contains("VERDICT=")).collect();
    ensure!(verdicts.len() == 1 && verdicts[0].contains(text), "the verdicts: {verdicts:#?}");
    Ok(())
}

fn firewall(site: &Site<'_>, hook: &str, rule: &str) {
    site.server.run("nft add table inet fault");
    site.server.run(&format!("nft add chain inet fault {hook} {{ type filter hook {hook} priority 0 ; }}"));
    site.server.run(&format!("nft add rule inet fault {hook} {rule}"));
}
