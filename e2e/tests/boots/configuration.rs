//! Machines that the configuration knows: once, never, and while somebody edits it.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::machine::{self, DiskOrder, Machine, BOOT_TIMEOUT, TrustedKeys};
use proxydhcpd_e2e::net::Host;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::sign;
use proxydhcpd_e2e::site::{self, SERVER, Site};
use proxydhcpd_e2e::token::random_hex;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
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

type DiskThatSays = fn(&WorkDir, &str) -> Result<Disk>;

fn a_bios_machine_boots_once_and_then_its_disk_although_the_server_was_killed(lab: &WorkDir) -> Result<()> {
    boots_once(lab, machine::bios(), Disk::bios_printing)
}

fn an_x64_machine_boots_once_and_then_its_disk_although_the_server_was_killed(lab: &WorkDir) -> Result<()> {
    boots_once(lab, machine::x64_2022(), Disk::x64_printing)
}

/// The boot is used up by a file that its script fetches before it says the token.
fn boots_once(lab: &WorkDir, machine: Machine, disk_that_says: DiskThatSays) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
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
    let fetch = "#!ipxe\nimgfetch --name used {{ base }}used.img || exit 1\n";
    let script = lab.token.script().replacen("#!ipxe\n", fetch, 1);
    let file = site::write_config(lab, &directory, &text, &[("install.ipxe", &script)])?;
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_mac(MAC).with_disk(disk_that_says(lab, &word)?, DiskOrder::Last);

    let site = Site::new(lab)?;
    let server = site.serve_with_config(&file)?;
    site.boot(&machine)?;
    // By SIGKILL.
    drop(server);
    let _server = site.serve_with_config(&file)?;
    is_at_its_disk_within_20_s(&site, &machine, &word)
}

fn a_bios_machine_that_never_boots_from_the_network_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    boots_its_disk(lab, machine::bios(), Disk::bios_printing, &never())
}

fn x64_of_2022_known_by_its_uuid_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    let entry = format!("uuid = \"{UUID}\"\nprofile = \"local-disk\"");
    boots_its_disk(lab, machine::x64_2022().with_uuid(UUID), Disk::x64_printing, &entry)
}

fn x64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    boots_its_disk(lab, machine::x64_2025(), Disk::x64_printing, &never())
}

fn arm64_of_2025_that_never_boots_from_the_network_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    boots_its_disk(lab, machine::arm64_2025(), Disk::arm64_printing, &never())
}

fn ia32_that_never_boots_from_the_network_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    boots_its_disk(lab, machine::ia32_2022(), Disk::ia32_printing, &never())
}

fn arm32_that_never_boots_from_the_network_is_at_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    boots_its_disk(lab, machine::arm32_2022(), Disk::arm32_printing, &never())
}

fn never() -> String {
    format!("mac = \"{MAC}\"\nboot = \"never\"")
}

/// As docs/secure-boot.md says. The firmware would refuse the program unsigned.
fn x64_under_secure_boot_is_at_its_disk_within_20_s_by_a_program_with_the_sites_signature(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    fs::create_dir(directory.join("local-disk"))?;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/efi/built/local-disk-uefi-x64.efi");
    sign::sign(lab, &ours, &directory.join("local-disk/uefi-x64.efi"))?;
    let machine = machine::x64_2025_with_secure_boot(TrustedKeys::Site);
    boots_its_disk_by(lab, &directory, machine, Disk::signed_x64_printing, &never())?;
    // Where nothing has an answer for it, a firmware that refuses all it is given may come to its disk in time as well.
    let console = String::from_utf8_lossy(&fs::read(lab.file("machine-with-disk.serial.log"))?).into_owned();
    ensure!(!console.contains("Access Denied"), "the firmware has refused the program");
    Ok(())
}

/// A machine that were not known by its entry would be given a script.
fn boots_its_disk(lab: &WorkDir, machine: Machine, disk_that_says: DiskThatSays, entry: &str) -> Result<()> {
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    boots_its_disk_by(lab, &directory, machine, disk_that_says, entry)
}

fn boots_its_disk_by(
    lab: &WorkDir,
    directory: &Path,
    machine: Machine,
    disk_that_says: DiskThatSays,
    entry: &str,
) -> Result<()> {
    let file = site::write_config(lab, directory, &format!("[machine.web1]\n{entry}\n"), &[])?;
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_mac(MAC).with_disk(disk_that_says(lab, &word)?, DiskOrder::Last);
    let site = Site::new(lab)?;
    let _server = site.serve_with_config(&file)?;
    is_at_its_disk_within_20_s(&site, &machine, &word)
}

/// Counted from its first DISCOVER.
fn is_at_its_disk_within_20_s(site: &Site, machine: &Machine, word: &str) -> Result<()> {
    let switched_on = SystemTime::now();
    machine.power_on(site.lab, &site.segment, "machine-with-disk")?.wait_for(word, BOOT_TIMEOUT)?;
    let reached = SystemTime::now();
    let asked = site.capture.first_time(&format!("ether src {MAC} and udp dst port 67"), switched_on)?;
    let took = reached.duration_since(asked)?;
    site.lab.log_progress(&format!("its disk has been reached {:.1} s after its first DISCOVER", took.as_secs_f32()));
    ensure!(took < Duration::from_secs(20), "from its first DISCOVER to its disk it took {took:?}");
    Ok(())
}

/// The first edit is seen by itself, the second by SIGHUP, while two clients fetch over slow lines.
fn a_broken_edit_disturbs_neither_transfers_nor_boots(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    let over_http = random(8 << 20)?;
    let over_tftp = random(1 << 20)?;
    fs::write(directory.join("http.img"), &over_http)?;
    fs::write(directory.join("tftp.img"), &over_tftp)?;
    let good = "default-profile = \"old\"\n[profile.old]\nscript = \"old.ipxe\"\n";
    let file = site::write_config(lab, &directory, good, &[("old.ipxe", &lab.token.script())])?;
    let site = Site::new(lab)?;
    let mut server = site.serve_with_config(&file)?;
    let [http, tftp] = [lab.file("http.got"), lab.file("tftp.got")];
    let mut clients = [curl(&site, &http)?, atftp(&site, &tftp)?];
    for (client, file) in clients.iter_mut().zip([&http, &tftp]) {
        client.wait_until("octets", BOOT_TIMEOUT, || Ok(fs::metadata(file).is_ok_and(|file| file.len() > 0)))?;
    }

    edit(&file, "default-profile", "defualt-profile")?;
    server.wait_for("proxydhcpd.toml:3:1: ", BOOT_TIMEOUT)?;
    lab.log_progress("the first edit was refused");
    edit(&file, "defualt-profile", "default-profile")?;
    edit(&file, "old.ipxe", "gone.ipxe")?;
    server.signal("HUP")?;
    server.wait_for("proxydhcpd.toml:5:10: ", BOOT_TIMEOUT)?;
    lab.log_progress("the second edit was refused");
    for client in &mut clients {
        ensure!(client.is_running()?, "a transfer was over before the edits were");
    }

    site.boot(&machine::bios())?;
    for client in &mut clients {
        client.wait_for_success(BOOT_TIMEOUT)?;
    }
    ensure!(fs::read(http)? == over_http, "what came over HTTP is not what is served");
    ensure!(fs::read(tftp)? == over_tftp, "what came over TFTP is not what is served");
    Ok(())
}

fn curl(site: &Site, to: &Path) -> Result<Process> {
    let host = Host::new(site.lab, "curl")?;
    site.segment.plug_with_rate(&host, "eth0", &["10.77.0.3/24"], "4mbit")?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--output"]).arg(to).arg(format!("http://{SERVER}:8080/http.img"));
    Process::start(site.lab, &host.namespace, "curl", &curl)
}

fn atftp(site: &Site, to: &Path) -> Result<Process> {
    let host = Host::new(site.lab, "atftp")?;
    site.segment.plug_with_rate(&host, "eth0", &["10.77.0.4/24"], "512kbit")?;
    let mut atftp = Command::new("atftp");
    atftp.args(["--get", "--remote-file", "tftp.img", "--local-file"]).arg(to).arg(SERVER);
    Process::start(site.lab, &host.namespace, "atftp", &atftp)
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
