//! Stages further faults with real firmware: rival boot servers, firewalls, loaders that firmware refuses, memory, and
//! certificates. The boots of the other files, without a fault, end in no verdict.

use super::missed_offers::no_machine_is_reported;
use anyhow::{Result, ensure};
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, Machine};
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::terminal::read_text;
use proxydhcpd_e2e::{WorkDir, https, revoke, server};
use proxydhcpd_testbed::{Host, cache};
use std::ffi::OsStr;
use std::fs;
use std::thread;
use std::time::Duration;

cases![
    a_machine_that_runs_the_script_of_another_boot_server_is_the_verdict,
    a_firewall_that_drops_requests_to_4011_is_the_verdict_and_the_dhcp_server_is_not_blamed,
    a_firewall_that_drops_the_replies_of_4011_is_the_verdict,
    a_firewall_that_drops_the_script_is_the_verdict_and_the_dhcp_server_is_not_blamed,
    http_boot_without_an_address_is_the_verdict,
    a_shim_that_firmware_has_revoked_is_the_verdict,
    a_loader_that_was_cut_short_is_the_verdict,
    a_kernel_over_https_with_a_certificate_that_is_not_valid_is_the_verdict,
    a_script_over_https_is_the_verdict_if_its_certificate_is_not_valid,
    an_initrd_larger_than_the_memory_is_the_verdict_and_one_that_fits_boots,
];

/// The timeout exceeds the time that the server waits for a proof, because the emulator is slow.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(300);
/// How long after its boot a machine has no verdict.
const NO_VERDICT: Duration = Duration::from_secs(30);

/// The rival's offer names its loader, which EDK2 prefers, and its iPXE then takes the rival's script.
fn a_machine_that_runs_the_script_of_another_boot_server_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let rival = Host::without_dad();
    site.segment.plug(&rival, "eth0", &["10.77.0.3/24"]);
    let mut server = site.serve()?;
    let _rival = peers::boot_server(work, &rival, &work.file("boot"))?;
    let mut machine = machine::x64_2022().power_on(work, &site.segment, "machine")?;
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)?;
    let line = verdict(work, &mut server, "other-boot-server")?;
    ensure!(line.contains("Another boot server, 10.77.0.3, sent it an offer as well"), "{line}");
    ensure!(!line.contains("settings of 10.77.0.1"), "{line}");
    Ok(())
}

fn a_firewall_that_drops_requests_to_4011_is_the_verdict_and_the_dhcp_server_is_not_blamed(
    work: &WorkDir,
) -> Result<()> {
    let line = firewall_ends_in(work, "input", "udp dport 4011 drop", "not-contacted")?;
    ensure!(line.contains("The offer of 10.77.0.1 has neither option 60 nor a boot file"), "{line}");
    ensure!(line.contains("UDP port 4011: a firewall of this host") && !line.contains("remove option 60"), "{line}");
    Ok(())
}

/// Without HTTP, the firmware cannot go on by UEFI HTTP boot.
fn a_firewall_that_drops_the_replies_of_4011_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    let options = [OsStr::new("--boot-dir"), directory.as_os_str(), OsStr::new("--no-http")];
    let server = server::start(work, &site.server, &options)?;
    let line = ends_behind_firewall(&site, server, "output", "udp sport 4011 drop", "reply-blocked")?;
    ensure!(line.contains("A firewall of this host drops packets that leave UDP port 4011"), "{line}");
    Ok(())
}

fn a_firewall_that_drops_the_script_is_the_verdict_and_the_dhcp_server_is_not_blamed(work: &WorkDir) -> Result<()> {
    let line = firewall_ends_in(work, "input", "tcp dport 8080 drop", "not-contacted")?;
    ensure!(line.contains("TCP port 8080") && line.contains("a firewall of this host"), "{line}");
    ensure!(!line.contains("settings of 10.77.0.1"), "{line}");
    Ok(())
}

fn http_boot_without_an_address_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::with_dhcp_options(work, &["--dhcp-ignore=tag:!known"])?;
    let mut server = site.serve()?;
    let _machine = machine::x64_2022().with_http_boot_only().power_on(work, &site.segment, "machine")?;
    let line = verdict(work, &mut server, "no-address")?;
    ensure!(line.contains("and took no address") && line.contains("No offer of an address arrived here"), "{line}");
    Ok(())
}

/// The same shim starts on a firmware that has not revoked it (`secure_boot.rs`).
fn a_shim_that_firmware_has_revoked_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    let shim = cache::path("2022/shimx64.efi.signed");
    fs::copy(&shim, directory.join("shimx64.efi"))?;
    fs::copy(cache::path("2022/grubnetx64.efi.signed"), directory.join("grubx64.efi"))?;
    let mut server = site::serve(work, &site.server, directory)?;
    let variables = revoke::revoke(work, "2022/OVMF_VARS_4M.ms.fd", &shim)?;
    let machine = machine::x64_2022_with_secure_boot().with_variables(variables);
    let _machine = machine.power_on(work, &site.segment, "machine")?;
    let line = verdict(work, &mut server, "loader-not-started")?;
    ensure!(line.contains("loaded shimx64.efi completely") && line.contains("Security Violation"), "{line}");
    Ok(())
}

fn a_loader_that_was_cut_short_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    let loader = directory.join("snponly.efi");
    let octets = fs::read(&loader)?;
    fs::write(&loader, &octets[..20_000])?;
    let mut server = site::serve(work, &site.server, directory)?;
    let _machine = machine::x64_2022().power_on(work, &site.segment, "machine")?;
    let line = verdict(work, &mut server, "loader-missing")?;
    ensure!(line.contains("snponly.efi cannot be used"), "{line}");
    Ok(())
}

fn a_kernel_over_https_with_a_certificate_that_is_not_valid_is_the_verdict(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let web = Host::without_dad();
    site.segment.plug(&web, "eth0", &["10.77.0.3/24"]);
    let _web = https::https_server(work, &web, "10.77.0.3", &site::boot_dir(work, None)?)?;
    let text = "default-profile = \"web\"\n[profile.web]\nkernel = \"https://10.77.0.3/snponly.efi\"\n";
    let line = profile_ends_in(&site, &machine::x64_2025(), text, "ipxe-error")?;
    ensure!(line.contains("`kernel` failed") && line.contains("its certificate"), "{line}");
    Ok(())
}

/// This server names its own script, which reports that it cannot load the other.
fn a_script_over_https_is_the_verdict_if_its_certificate_is_not_valid(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let web = Host::without_dad();
    site.segment.plug(&web, "eth0", &["10.77.0.3/24"]);
    let directory = site::boot_dir(work, None)?;
    fs::write(directory.join("own.ipxe"), work.token.script())?;
    let _web = https::https_server(work, &web, "10.77.0.3", &directory)?;
    let text = |url: &str| format!("default-profile = \"web\"\n[profile.web]\nscript = \"{url}\"\n");
    profile_boots(&site, &machine::x64_2025(), &text("http://10.77.0.2:8080/own.ipxe"))?;
    let line = profile_ends_in(&site, &machine::x64_2025(), &text("https://10.77.0.3/own.ipxe"), "ipxe-error")?;
    ensure!(line.contains("`chain` failed") && line.contains("https://10.77.0.3/own.ipxe"), "{line}");
    ensure!(line.contains("does not trust the certificate"), "{line}");
    Ok(())
}

/// The kernel is a script, which iPXE starts as it starts a kernel.
fn an_initrd_larger_than_the_memory_is_the_verdict_and_one_that_fits_boots(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let directory = site::boot_dir(work, None)?;
    fs::write(directory.join("kernel"), work.token.script())?;
    fs::File::create(directory.join("large"))?.set_len(400 << 20)?;
    let text = "default-profile = \"large\"\n[profile.large]\nkernel = \"kernel\"\ninitrd = \"large\"\n";
    profile_boots(&site, &machine::x64_2025().with_memory(1536), text)?;
    let line = profile_ends_in(&site, &machine::x64_2025().with_memory(256), text, "too-little-memory")?;
    ensure!(line.contains("Give the machine more memory"), "{line}");
    Ok(())
}

/// Starts a server whose default profile is that of this configuration, and returns the verdict of the machine's boot.
/// The boot directory exists.
fn profile_ends_in(site: &Site<'_>, machine: &Machine, text: &str, code: &str) -> Result<String> {
    let file = site::write_config(site.work, &site.work.file("boot"), text, &[])?;
    let mut server = site.serve_with_config(&file)?;
    let _machine = machine.power_on(site.work, &site.segment, "machine")?;
    verdict(site.work, &mut server, code)
}

/// Starts a server whose default profile is that of this configuration, and checks that the machine boots without a
/// verdict.
fn profile_boots(site: &Site<'_>, machine: &Machine, text: &str) -> Result<()> {
    let file = site::write_config(site.work, &site.work.file("boot"), text, &[])?;
    let _server = site.serve_with_config(&file)?;
    site.boot(machine)?;
    thread::sleep(NO_VERDICT);
    no_machine_is_reported(site.work)
}

/// Starts a server with this rule in its firewall, and returns the verdict of a machine's boot.
fn firewall_ends_in(work: &WorkDir, hook: &str, rule: &str, code: &str) -> Result<String> {
    let site = Site::new(work)?;
    let server = site.serve()?;
    ends_behind_firewall(&site, server, hook, rule, code)
}

/// Adds this rule to the firewall of the server, and returns the verdict of a machine's boot.
fn ends_behind_firewall(site: &Site<'_>, mut server: Process, hook: &str, rule: &str, code: &str) -> Result<String> {
    site.server.run("nft add table inet fault");
    site.server.run(&format!("nft add chain inet fault {hook} {{ type filter hook {hook} priority 0 ; }}"));
    site.server.run(&format!("nft add rule inet fault {hook} {rule}"));
    let _machine = machine::x64_2022().power_on(site.work, &site.segment, "machine")?;
    verdict(site.work, &mut server, code)
}

/// Waits for this verdict, and returns its line, which must be the only one with a verdict.
fn verdict(work: &WorkDir, server: &mut Process, code: &str) -> Result<String> {
    server.wait_for(&format!("VERDICT={code}"), VERDICT_TIMEOUT)?;
    let log = read_text(&work.file("proxydhcpd.log"))?;
    let verdicts: Vec<&str> = log.lines().filter(|line| line.contains("VERDICT=")).collect();
    ensure!(verdicts.len() == 1, "the verdicts: {verdicts:#?}");
    Ok(verdicts[0].to_owned())
}
