//! Tests machines in the configuration: boot-once, boot-never, and boots while the file is edited.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, DiskOrder, Machine, TrustedKeys};
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::sign;
use proxydhcpd_e2e::site::{self, SERVER, Site};
use proxydhcpd_e2e::token::random_hex;
use proxydhcpd_testbed::Host;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

cases![
    a_bios_machine_boots_once_and_then_its_disk_although_the_server_was_killed,
    an_x64_machine_boots_once_and_then_its_disk_although_the_server_was_killed,
    a_bios_machine_that_never_boots_from_the_network_is_at_its_disk_within_20_s,
    x64_of_2022_known_by_its_uuid_is_at_its_disk_within_20_s,
    x64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s,
    arm64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s,
    ia32_that_never_boots_from_the_network_is_at_its_disk_within_20_s,
    arm32_that_never_boots_from_the_network_is_at_its_disk_within_20_s,
    x64_under_secure_boot_is_at_its_disk_within_20_s_by_a_program_with_the_sites_signature,
    a_broken_edit_disturbs_neither_transfers_nor_boots,
];

const MAC: &str = "52:54:00:12:34:56";
const UUID: &str = "11223344-5566-7788-99aa-bbccddeeff00";

/// A function that creates a disk, which prints a word when it boots.
type MakeDisk = fn(&WorkDir, &str) -> Result<Disk>;

fn a_bios_machine_boots_once_and_then_its_disk_although_the_server_was_killed(work: &WorkDir) -> Result<()> {
    boots_once(work, machine::bios(), Disk::bios_printing)
}

fn an_x64_machine_boots_once_and_then_its_disk_although_the_server_was_killed(work: &WorkDir) -> Result<()> {
    boots_once(work, machine::x64_2022(), Disk::x64_printing)
}

/// The script fetches a file before it prints the token. This download completes the boot-once.
fn boots_once(work: &WorkDir, machine: Machine, make_disk: MakeDisk) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::write(directory.join("used.img"), random(1 << 20)?)?;
    let text = format!(
        "unknown-machine-profile = \"nothing\"\n\
         [profile.install]\n\
         script = \"install.ipxe\"\n\
         boot-once-file = \"used.img\"\n\
         [machine.web1]\n\
         mac = \"{MAC}\"\n\
         profile = \"install\"\n\
         boot = \"once\"\n"
    );
    let script_start = "#!ipxe\nimgfetch --name used {{ base }}used.img || exit 1\n";
    let script = work.token.script().replacen("#!ipxe\n", script_start, 1);
    let file = site::write_config(work, &directory, &text, &[("install.ipxe", &script)])?;
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_mac(MAC).with_disk(make_disk(work, &word)?, DiskOrder::Last);

    let site = Site::new(work)?;
    let server = site.serve_with_config(&file)?;
    site.boot(&machine)?;
    // Dropping the process kills it with SIGKILL.
    drop(server);
    let _server = site.serve_with_config(&file)?;
    is_at_its_disk_within_20_s(&site, &machine, &word)
}

fn a_bios_machine_that_never_boots_from_the_network_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    boots_its_disk(work, machine::bios(), Disk::bios_printing, &never())
}

fn x64_of_2022_known_by_its_uuid_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    let entry = format!("uuid = \"{UUID}\"\nprofile = \"local-disk\"");
    boots_its_disk(work, machine::x64_2022().with_uuid(UUID), Disk::x64_printing, &entry)
}

fn x64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    boots_its_disk(work, machine::x64_2025(), Disk::x64_printing, &never())
}

fn arm64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    boots_its_disk(work, machine::arm64_2025(), Disk::arm64_printing, &never())
}

fn ia32_that_never_boots_from_the_network_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    boots_its_disk(work, machine::ia32_2022(), Disk::ia32_printing, &never())
}

fn arm32_that_never_boots_from_the_network_is_at_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    boots_its_disk(work, machine::arm32_2022(), Disk::arm32_printing, &never())
}

fn never() -> String {
    format!("mac = \"{MAC}\"\nboot = \"never\"")
}

/// The site signs the program, as docs/secure-boot.md describes, because the firmware would refuse the unsigned
/// program.
fn x64_under_secure_boot_is_at_its_disk_within_20_s_by_a_program_with_the_sites_signature(
    work: &WorkDir,
) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::create_dir(directory.join("local-disk"))?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/efi/built/local-disk-uefi-x64.efi");
    sign::sign(work, &program, &directory.join("local-disk/uefi-x64.efi"))?;
    let machine = machine::x64_2025_with_secure_boot(TrustedKeys::Site);
    boots_its_disk_by(work, &directory, machine, Disk::signed_x64_printing, &never())?;
    // Firmware that refuses every program may also boot its disk in time, so the console must show no refusal.
    let console = String::from_utf8_lossy(&fs::read(work.file("machine-with-disk.serial.log"))?).into_owned();
    ensure!(!console.contains("Access Denied"), "the firmware has refused the program");
    Ok(())
}

/// Boots a machine with this entry from its disk. If the entry did not match, the machine would run the script.
fn boots_its_disk(work: &WorkDir, machine: Machine, make_disk: MakeDisk, entry: &str) -> Result<()> {
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    boots_its_disk_by(work, &directory, machine, make_disk, entry)
}

fn boots_its_disk_by(
    work: &WorkDir,
    directory: &Path,
    machine: Machine,
    make_disk: MakeDisk,
    entry: &str,
) -> Result<()> {
    let file = site::write_config(work, directory, &format!("[machine.web1]\n{entry}\n"), &[])?;
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_mac(MAC).with_disk(make_disk(work, &word)?, DiskOrder::Last);
    let site = Site::new(work)?;
    let _server = site.serve_with_config(&file)?;
    is_at_its_disk_within_20_s(&site, &machine, &word)
}

/// Checks that the machine boots its disk within 20 s after its first DISCOVER.
fn is_at_its_disk_within_20_s(site: &Site, machine: &Machine, word: &str) -> Result<()> {
    let switched_on = SystemTime::now();
    machine.power_on(site.work, &site.segment, "machine-with-disk")?.wait_for(word, BOOT_TIMEOUT)?;
    let booted_at = SystemTime::now();
    let requested_at = site.capture.first_time(&format!("ether src {MAC} and udp dst port 67"), switched_on)?;
    let took = booted_at.duration_since(requested_at)?;
    site.work
        .log_progress(&format!("the machine has booted its disk {:.1} s after its first DISCOVER", took.as_secs_f32()));
    ensure!(took < Duration::from_secs(20), "from its first DISCOVER to its disk, the machine took {took:?}");
    Ok(())
}

/// The server notices the first edit itself, and SIGHUP announces the second edit. Meanwhile, two clients fetch files
/// at a low rate.
fn a_broken_edit_disturbs_neither_transfers_nor_boots(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    let over_http = random(8 << 20)?;
    let over_tftp = random(1 << 20)?;
    fs::write(directory.join("http.img"), &over_http)?;
    fs::write(directory.join("tftp.img"), &over_tftp)?;
    let good = "default-profile = \"old\"\n[profile.old]\nscript = \"old.ipxe\"\n";
    let file = site::write_config(work, &directory, good, &[("old.ipxe", &work.token.script())])?;
    let site = Site::new(work)?;
    let mut server = site.serve_with_config(&file)?;
    let [http, tftp] = [work.file("http.got"), work.file("tftp.got")];
    let mut clients = [curl(&site, &http)?, atftp(&site, &tftp)?];
    for (client, file) in clients.iter_mut().zip([&http, &tftp]) {
        client.wait_until("octets", BOOT_TIMEOUT, || Ok(fs::metadata(file).is_ok_and(|file| file.len() > 0)))?;
    }

    edit(&file, "default-profile", "defualt-profile")?;
    server.wait_for("proxydhcpd.toml:3:1: ", BOOT_TIMEOUT)?;
    work.log_progress("the first edit was refused");
    edit(&file, "defualt-profile", "default-profile")?;
    edit(&file, "old.ipxe", "gone.ipxe")?;
    server.signal(Signal::SIGHUP);
    server.wait_for("proxydhcpd.toml:5:10: ", BOOT_TIMEOUT)?;
    work.log_progress("the second edit was refused");
    for client in &mut clients {
        ensure!(client.is_running(), "a transfer ended before the edits");
    }

    site.boot(&machine::bios())?;
    for client in &mut clients {
        client.wait_for_success(BOOT_TIMEOUT)?;
    }
    ensure!(fs::read(http)? == over_http, "the file over HTTP differs from the served file");
    ensure!(fs::read(tftp)? == over_tftp, "the file over TFTP differs from the served file");
    Ok(())
}

fn curl(site: &Site, to: &Path) -> Result<Process> {
    let host = Host::without_dad();
    site.segment.plug_with_rate(&host, "eth0", &["10.77.0.3/24"], "4mbit");
    let mut curl = Process::command("curl");
    curl.args(["--silent", "--fail", "--output"]).arg(to).arg(format!("http://{SERVER}:8080/http.img"));
    Process::start(site.work, &host, "curl", &mut curl)
}

fn atftp(site: &Site, to: &Path) -> Result<Process> {
    let host = Host::without_dad();
    site.segment.plug_with_rate(&host, "eth0", &["10.77.0.4/24"], "512kbit");
    let mut atftp = Process::command("atftp");
    atftp.args(["--get", "--remote-file", "tftp.img", "--local-file"]).arg(to).arg(SERVER);
    Process::start(site.work, &host, "atftp", &mut atftp)
}

fn edit(file: &Path, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    Ok(fs::write(file, text.replace(from, to))?)
}

fn random(octets: u64) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    File::open("/dev/urandom")?.take(octets).read_to_end(&mut read)?;
    Ok(read)
}
