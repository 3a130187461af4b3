//! What profiles, rules and templates of the native configuration come to on real firmware.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::cache;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, DiskOrder, Machine, BOOT_TIMEOUT};
use proxydhcpd_e2e::net::Host;
use proxydhcpd_e2e::running_machine::RunningMachine;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::token::{Token, random_hex};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

cases![
    x64_of_2022_shows_a_menu_and_boots_its_first_item_if_nobody_attends_it,
    x64_of_2025_shows_a_menu_and_boots_the_item_that_is_chosen,
    x64_of_2025_boots_its_disk_from_a_menu,
    x64_of_2025_boots_an_item_of_another_server,
    a_bios_ipxe_shows_the_menu_too_and_boots_the_item_that_is_chosen,
    a_bios_firmware_shows_a_menu_and_leaves_it_for_its_disk,
    a_bios_ipxe_that_a_rule_takes_for_firmware_boots_undionly_and_then_its_script,
    the_debian_installer_on_bios_is_given_the_preseed_of_its_machine,
    the_debian_installer_on_x64_with_an_ipxe_of_2019_is_given_the_preseed_of_its_machine,
];

const MAC: &str = "52:54:00:12:34:56";

/// The rule of the example file.
const AS_FIRMWARE: &str = "\
[[rule]]
name = \"our iPXE in place of that of the network card\"
vendor-class = [\"PXEClient:Arch:00000*\"]
user-class = [\"iPXE\"]
as-firmware = true
";

/// A Linux is unpacked, and looks for its hardware, in an emulator.
const INSTALLER: Duration = Duration::from_secs(360);

fn x64_of_2022_shows_a_menu_and_boots_its_first_item_if_nobody_attends_it(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let file = menu(lab, 3, &lab.token, &Token::random()?)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::x64_2022().power_on(lab, &site.segment, "machine")?;
    machine.wait_for("A word before it", BOOT_TIMEOUT)?;
    lab.log_progress("the firmware shows the prompt");
    machine.wait_for(&lab.token.word(), BOOT_TIMEOUT)
}

fn x64_of_2025_shows_a_menu_and_boots_the_item_that_is_chosen(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let file = menu(lab, 120, &Token::random()?, &lab.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::x64_2025().with_screen().power_on(lab, &site.segment, "machine")?;
    choose(lab, &mut machine, 1)?;
    machine.wait_for(&lab.token.word(), BOOT_TIMEOUT)
}

/// By the program that the firmware is given for it.
fn x64_of_2025_boots_its_disk_from_a_menu(lab: &WorkDir) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine::x64_2025().with_disk(Disk::x64_printing(lab, &word)?, DiskOrder::Last);
    let site = Site::new(lab)?;
    let file = menu(lab, 120, &lab.token, &lab.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine.with_screen().power_on(lab, &site.segment, "machine")?;
    choose(lab, &mut machine, 2)?;
    machine.wait_for(&word, BOOT_TIMEOUT)
}

/// The other one is a server of ours that hears port 4011 only, as one that nobody but its menu's readers is to notice.
fn x64_of_2025_boots_an_item_of_another_server(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let text = "default-profile = \"ask\"\n[profile.ask.menu]\ntimeout = 3\n\
                items = [{ title = \"Elsewhere\", server = \"10.77.0.3\", type = 32769 }]\n";
    let _server = site.serve_with_config(&site::write_config(lab, &site::boot_dir(lab, None)?, text, &[])?)?;

    let directory = lab.new_directory("of-the-other")?;
    fs::copy(grub::image_printing(lab, "x86_64-efi", &lab.token.word())?, directory.join("grub.efi"))?;
    let text = format!(
        "boot-dir = {directory:?}\nstate-dir = {directory:?}\ndefault-profile = \"ask\"\n\
         [profile.grub.loaders]\nuefi-x64 = \"grub.efi\"\n\
         [profile.ask.menu]\nitems = [{{ title = \"GRUB\", profile = \"grub\" }}]\n"
    );
    let file = lab.file("other.toml");
    fs::write(&file, text)?;
    let host = Host::new(lab, "other")?;
    site.segment.plug(&host, "eth0", &["10.77.0.3/24"])?;
    let _other = server::start(lab, &host, &["-c".as_ref(), file.as_os_str(), "--proxy-only".as_ref()])?;
    site.boot(&machine::x64_2025())
}

/// F8 turns the firmware's prompt into the menu (EDK2 PxeBcSelectBootPrompt).
fn choose(lab: &WorkDir, machine: &mut RunningMachine, lines_down: usize) -> Result<()> {
    machine.wait_for("A word before it", BOOT_TIMEOUT)?;
    machine.press("f8")?;
    machine.wait_for("The third system", BOOT_TIMEOUT)?;
    lab.log_progress("the firmware shows the menu");
    machine.screenshot(&lab.file("menu.png"))?;
    for _ in 0..lines_down {
        machine.press("down")?;
    }
    machine.press("ret")
}

/// In a script of ours.
fn a_bios_ipxe_shows_the_menu_too_and_boots_the_item_that_is_chosen(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let file = menu(lab, 120, &Token::random()?, &lab.token)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine::bios().with_screen().power_on(lab, &site.segment, "machine")?;
    machine.wait_for("The third system", BOOT_TIMEOUT)?;
    machine.screenshot(&lab.file("menu.png"))?;
    machine.press("down")?;
    machine.press("ret")?;
    machine.wait_for(&lab.token.word(), BOOT_TIMEOUT)
}

/// An item of type 0 is one that a BIOS does not ask us for. The firmware is an iPXE that is taken for one.
fn a_bios_firmware_shows_a_menu_and_leaves_it_for_its_disk(lab: &WorkDir) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine::bios().with_disk(Disk::bios_printing(lab, &word)?, DiskOrder::Last);
    let site = Site::new(lab)?;
    let file = menu(lab, 120, &lab.token, &lab.token)?;
    fs::write(&file, fs::read_to_string(&file)? + AS_FIRMWARE)?;
    let _server = site.serve_with_config(&file)?;
    let mut machine = machine.with_screen().power_on(lab, &site.segment, "machine")?;
    choose(lab, &mut machine, 2)?;
    machine.wait_for(&word, BOOT_TIMEOUT)?;
    // A menu that fails leads to the disk as well.
    let chosen = site.capture.packets("udp dst port 4011")?;
    ensure!(chosen.is_empty(), "it asked us for an item:\n{}", chosen.join("\n"));
    Ok(())
}

/// A configuration in which every machine is shown a menu of two systems and its disk.
fn menu(lab: &WorkDir, timeout: u8, first: &Token, second: &Token) -> Result<PathBuf> {
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
    site::write_config(lab, &site::boot_dir(lab, None)?, &text, &templates)
}

fn a_bios_ipxe_that_a_rule_takes_for_firmware_boots_undionly_and_then_its_script(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    let loader = fs::metadata(directory.join("undionly.kpxe"))?.len();
    let site = Site::new(lab)?;
    let _server = site.serve_with_config(&site::write_config(lab, &directory, AS_FIRMWARE, &[])?)?;
    site.boot(&machine::bios())?;

    let asked = site.capture.fields("tftp.opcode == 1", &["tftp.source_file"])?;
    ensure!(!asked.is_empty() && asked.iter().all(|name| name == "undionly.kpxe"), "asked over TFTP: {asked:?}");
    // Each block once, however often it was sent; the length of UDP has 8 octets of its own, and 4 of TFTP.
    let mut blocks = BTreeMap::new();
    for line in site.capture.fields("tftp.opcode == 3", &["tftp.block", "udp.length"])? {
        let (block, length) = line.split_once(' ').context("a block without a length")?;
        blocks.insert(block.to_owned(), length.parse::<u64>()? - 12);
    }
    ensure!(blocks.values().sum::<u64>() == loader, "of {loader} octets these blocks were sent: {blocks:?}");
    let last = blocks.len();
    let had = site.capture.fields(&format!("tftp.opcode == 4 && tftp.block == {last}"), &["tftp.block"])?;
    ensure!(!had.is_empty(), "the machine has not acknowledged block {last}, the last");
    Ok(())
}

fn the_debian_installer_on_bios_is_given_the_preseed_of_its_machine(lab: &WorkDir) -> Result<()> {
    installs_debian(lab, machine::bios(), site::boot_dir(lab, None)?)
}

fn the_debian_installer_on_x64_with_an_ipxe_of_2019_is_given_the_preseed_of_its_machine(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    fs::copy(cache::path("2022/snponly.efi")?, directory.join("snponly.efi"))?;
    installs_debian(lab, machine::x64_2022(), directory)
}

/// The word is in two variables of the machine, and together only in what the template makes of them. It is on the
/// console because the installer has carried out what it was told.
fn installs_debian(lab: &WorkDir, machine: Machine, directory: PathBuf) -> Result<()> {
    fs::create_dir(directory.join("debian"))?;
    for name in ["linux", "initrd.gz"] {
        fs::copy(cache::path(&format!("2022/{name}"))?, directory.join("debian").join(name))?;
    }
    let [left, right] = lab.token.halves();
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
    // The installer asks for a name server where nobody has named one.
    let site = Site::with_dhcp_options(lab, &["--dhcp-option=option:dns-server,10.77.0.1"])?;
    let mut server = site.serve_with_config(&site::write_config(lab, &directory, &text, &[("preseed.cfg", preseed)])?)?;
    let machine = machine.with_memory(1024).with_mac(MAC);
    let mut machine = machine.power_on(lab, &site.segment, "machine")?;
    machine.wait_for("Linux version", BOOT_TIMEOUT)?;
    lab.log_progress("the kernel runs");
    // Its one boot is used up, and what the installer asks for is its own all the same.
    server.wait_for("web1 has used up its boot by /machine/name=web1/debian/linux: ", BOOT_TIMEOUT)?;
    machine.wait_for(&lab.token.word(), INSTALLER)?;
    lab.log_progress("the installer has carried out its preseed");

    // tshark of Debian 13 has the URI in the answer, too.
    let asked = site.capture.fields("http.request && http.request.uri contains \"preseed.cfg\"", &["http.user_agent"])?;
    ensure!(
        !asked.is_empty() && asked.iter().all(|by| by == "debian-installer"),
        "the preseed was asked for by {asked:?}"
    );
    let rendered = format!("tcp.srcport == 8080 && tcp.payload contains \"{}\"", lab.token.word());
    ensure!(!site.capture.fields(&rendered, &["ip.dst"])?.is_empty(), "our server did not send the word");
    Ok(())
}
