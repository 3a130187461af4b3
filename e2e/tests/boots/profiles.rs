//! Tests profiles, rules and templates of the native configuration with real firmware.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, DiskOrder, Machine};
use proxydhcpd_e2e::running_machine::RunningMachine;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::token::{Token, random_hex};
use proxydhcpd_testbed::{Host, cache};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

cases![
    x64_of_2022_shows_a_menu_and_boots_its_first_item_after_the_timeout,
    x64_of_2025_shows_a_menu_and_boots_the_item_that_is_chosen,
    x64_of_2025_boots_its_disk_from_a_menu,
    x64_of_2025_boots_an_item_of_another_server,
    a_bios_ipxe_shows_the_menu_too_and_boots_the_item_that_is_chosen,
    a_bios_firmware_shows_a_menu_and_leaves_it_for_its_disk,
    a_bios_ipxe_that_a_rule_treats_as_firmware_boots_undionly_and_then_its_script,
    the_debian_installer_on_bios_receives_the_preseed_of_its_machine,
    the_debian_installer_on_x64_with_an_ipxe_of_2019_receives_the_preseed_of_its_machine,
];

const MAC: &str = "52:54:00:12:34:56";

/// The rule that the example file shows.
const AS_FIRMWARE: &str = "\
[[rule]]
name = \"the site's iPXE instead of the network card's\"
vendor-class = [\"PXEClient:Arch:00000*\"]
user-class = [\"iPXE\"]
as-firmware = true
";

/// The timeout of a Linux that unpacks its initrd and probes its hardware in an emulator.
const INSTALLER: Duration = Duration::from_secs(360);

fn x64_of_2022_shows_a_menu_and_boots_its_first_item_after_the_timeout(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let file = menu(work, 3, &work.token, &Token::random()?)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::x64_2022().power_on(work, &site.segment, "machine")?;
    machine.wait_for("A word before it", BOOT_TIMEOUT)?;
    work.log_progress("the firmware shows the prompt");
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)
}

fn x64_of_2025_shows_a_menu_and_boots_the_item_that_is_chosen(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let file = menu(work, 120, &Token::random()?, &work.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::x64_2025().with_screen().power_on(work, &site.segment, "machine")?;
    choose(work, &mut machine, 1)?;
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)
}

/// If the user chooses the disk, the firmware receives a program that starts it.
fn x64_of_2025_boots_its_disk_from_a_menu(work: &WorkDir) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine::x64_2025().with_disk(Disk::x64_printing(work, &word)?, DiskOrder::Last);
    let site = Site::new(work)?;
    let file = menu(work, 120, &work.token, &work.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine.with_screen().power_on(work, &site.segment, "machine")?;
    choose(work, &mut machine, 2)?;
    machine.wait_for(&word, BOOT_TIMEOUT)
}

/// The other server is a proxydhcpd that listens only on port 4011, so a machine reaches it only by this menu.
fn x64_of_2025_boots_an_item_of_another_server(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let text = "default-profile = \"ask\"\n[profile.ask.menu]\ntimeout = 3\n\
                items = [{ title = \"Elsewhere\", server = \"10.77.0.3\", type = 32769 }]\n";
    let _server = site.serve_with_config(&site::write_config(work, &site::boot_dir(work, None)?, text, &[])?)?;

    let directory = work.new_directory("other-boot")?;
    fs::copy(grub::image_printing(work, "x86_64-efi", &work.token.word())?, directory.join("grub.efi"))?;
    let text = format!(
        "boot-dir = {directory:?}\nstate-dir = {directory:?}\ndefault-profile = \"ask\"\n\
         [profile.grub.loaders]\nuefi-x64 = \"grub.efi\"\n\
         [profile.ask.menu]\nitems = [{{ title = \"GRUB\", profile = \"grub\" }}]\n"
    );
    let file = work.file("other.toml");
    fs::write(&file, text)?;
    let host = Host::without_dad();
    site.segment.plug(&host, "eth0", &["10.77.0.3/24"]);
    let _other = server::start(work, &host, &["-c".as_ref(), file.as_os_str(), "--proxy-only".as_ref()])?;
    site.boot(&machine::x64_2025())
}

/// Opens the firmware's menu from its prompt with F8 (EDK2 PxeBcSelectBootPrompt), and chooses an item.
fn choose(work: &WorkDir, machine: &mut RunningMachine, lines_down: usize) -> Result<()> {
    machine.wait_for("A word before it", BOOT_TIMEOUT)?;
    machine.press("f8")?;
    machine.wait_for("The third system", BOOT_TIMEOUT)?;
    work.log_progress("the firmware shows the menu");
    machine.screenshot(&work.file("menu.png"))?;
    for _ in 0..lines_down {
        machine.press("down")?;
    }
    machine.press("ret")
}

/// For iPXE, the server's script shows the menu.
fn a_bios_ipxe_shows_the_menu_too_and_boots_the_item_that_is_chosen(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let file = menu(work, 120, &Token::random()?, &work.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::bios().with_screen().power_on(work, &site.segment, "machine")?;
    machine.wait_for("The third system", BOOT_TIMEOUT)?;
    machine.screenshot(&work.file("menu.png"))?;
    machine.press("down")?;
    machine.press("ret")?;
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)
}

/// For an item of type 0, a BIOS machine sends no request. The firmware is an iPXE that a rule treats as firmware.
fn a_bios_firmware_shows_a_menu_and_leaves_it_for_its_disk(work: &WorkDir) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine::bios().with_disk(Disk::bios_printing(work, &word)?, DiskOrder::Last);
    let site = Site::new(work)?;
    let file = menu(work, 120, &work.token, &work.token)?;
    fs::write(&file, fs::read_to_string(&file)? + AS_FIRMWARE)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine.with_screen().power_on(work, &site.segment, "machine")?;
    choose(work, &mut machine, 2)?;
    machine.wait_for(&word, BOOT_TIMEOUT)?;
    // A failed menu also leads to the disk, so the capture must show no request.
    let chosen = site.capture.packets("udp dst port 4011")?;
    ensure!(chosen.is_empty(), "it sent a request for an item:\n{}", chosen.join("\n"));
    Ok(())
}

/// Writes a configuration whose menu offers two systems and the local disk to every machine.
fn menu(work: &WorkDir, timeout: u8, first: &Token, second: &Token) -> Result<PathBuf> {
    let text = format!(
        "default-profile = \"ask\"\n\
         [profile.first]\n\
         script = \"first.ipxe\"\n\
         [profile.second]\n\
         script = \"second.ipxe\"\n\
         [profile.ask.menu]\n\
         prompt = \"A word before it\"\n\
         timeout = {timeout}\n\
         items = [\n\
         {{ title = \"The first system\", profile = \"first\" }},\n\
         {{ title = \"The second system\", profile = \"second\" }},\n\
         {{ title = \"The third system\", profile = \"local-disk\" }},\n\
         ]\n"
    );
    let templates = [("first.ipxe", first.script()), ("second.ipxe", second.script())];
    let templates = templates.each_ref().map(|(name, text)| (*name, text.as_str()));
    site::write_config(work, &site::boot_dir(work, None)?, &text, &templates)
}

fn a_bios_ipxe_that_a_rule_treats_as_firmware_boots_undionly_and_then_its_script(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    let loader = fs::metadata(directory.join("undionly.kpxe"))?.len();
    let site = Site::new(work)?;
    let _server = site.serve_with_config(&site::write_config(work, &directory, AS_FIRMWARE, &[])?)?;
    site.boot(&machine::bios())?;

    let requests = site.capture.fields("tftp.opcode == 1", &["tftp.source_file"])?;
    ensure!(!requests.is_empty() && requests.iter().all(|name| name == "undionly.kpxe"), "over TFTP: {requests:?}");
    // The map counts each block once, even if the server sent it again. The UDP length includes 8 octets of UDP header
    // and 4 of TFTP header.
    let mut blocks = BTreeMap::new();
    for line in site.capture.fields("tftp.opcode == 3", &["tftp.block", "udp.length"])? {
        let (block, length) = line.split_once(' ').context("a block without a length")?;
        blocks.insert(block.to_owned(), length.parse::<u64>()? - 12);
    }
    ensure!(
        blocks.values().sum::<u64>() == loader,
        "the loader has {loader} octets, and these blocks were sent: {blocks:?}"
    );
    let last = blocks.len();
    let acknowledged = site.capture.fields(&format!("tftp.opcode == 4 && tftp.block == {last}"), &["tftp.block"])?;
    ensure!(!acknowledged.is_empty(), "the machine has not acknowledged block {last}, the last");
    Ok(())
}

fn the_debian_installer_on_bios_receives_the_preseed_of_its_machine(work: &WorkDir) -> Result<()> {
    installs_debian(work, machine::bios(), site::boot_dir(work, None)?)
}

fn the_debian_installer_on_x64_with_an_ipxe_of_2019_receives_the_preseed_of_its_machine(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path("2022/snponly.efi"), directory.join("snponly.efi"))?;
    installs_debian(work, machine::x64_2022(), directory)
}

/// The halves of the word are in two variables of the machine, and only the rendered template joins them. So the word
/// on the console proves that the installer has executed its preseed.
fn installs_debian(work: &WorkDir, machine: Machine, directory: PathBuf) -> Result<()> {
    fs::create_dir(directory.join("debian"))?;
    for name in ["linux", "initrd.gz"] {
        fs::copy(cache::path(&format!("2022/{name}")), directory.join("debian").join(name))?;
    }
    let [left, right] = work.token.halves();
    let text = format!(
        "unknown-machine-profile = \"nothing\"\n\
         [profile.debian]\n\
         title = \"Debian 12 installer\"\n\
         kernel = \"debian/linux\"\n\
         initrd = \"debian/initrd.gz\"\n\
         arguments = \"auto=true priority=critical url={{{{ base }}}}preseed.cfg interface=auto console=ttyS0 \
         no_timer_check DEBIAN_FRONTEND=text\"\n\
         [machine.web1]\n\
         mac = \"{MAC}\"\n\
         profile = \"debian\"\n\
         boot = \"once\"\n\
         variables = {{ left = \"{left}\", right = \"{right}\" }}\n"
    );
    let preseed = "d-i preseed/early_command string echo {{ machine.left }}-{{ machine.right }} >/dev/console\n";
    // If the lease had no name server, the installer would prompt for one.
    let site = Site::with_dhcp_options(work, &["--dhcp-option=option:dns-server,10.77.0.1"])?;
    let mut server =
        site.serve_with_config(&site::write_config(work, &directory, &text, &[("preseed.cfg", preseed)])?)?;
    let machine = machine.with_memory(1024).with_mac(MAC);
    let mut machine = machine.power_on(work, &site.segment, "machine")?;
    machine.wait_for("Linux version", BOOT_TIMEOUT)?;
    work.log_progress("the kernel runs");
    // The boot-once is completed, but the installer still receives the files of its machine.
    server.wait_for("web1 completed its boot-once (/machine/name=web1/debian/linux); ", BOOT_TIMEOUT)?;
    machine.wait_for(&work.token.word(), INSTALLER)?;
    work.log_progress("the installer has executed its preseed");

    // tshark of Debian 13 shows the URI in the response, too.
    let user_agents =
        site.capture.fields("http.request && http.request.uri contains \"preseed.cfg\"", &["http.user_agent"])?;
    ensure!(
        !user_agents.is_empty() && user_agents.iter().all(|name| name == "debian-installer"),
        "the preseed was requested by {user_agents:?}"
    );
    let rendered = format!("tcp.srcport == 8080 && tcp.payload contains \"{}\"", work.token.word());
    ensure!(!site.capture.fields(&rendered, &["ip.dst"])?.is_empty(), "the server did not send the word");
    Ok(())
}
