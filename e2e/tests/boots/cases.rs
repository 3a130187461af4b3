//! The cases. A boot counts when the machine's console shows a word that only the script in our server's boot directory
//! holds.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::machine::{self, DiskOrder, Machine, BOOT_TIMEOUT};
use proxydhcpd_e2e::net::{Host, Segment};
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::site::{self, SharedHostSite, DHCP_SERVER, SERVER, Site};
use proxydhcpd_e2e::token::random_hex;
use proxydhcpd_e2e::{cache, server};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

cases![
    bios_with_an_ipxe_rom_boots_with_no_configuration,
    x64_of_2022_boots_with_no_configuration,
    x64_of_2025_boots_with_no_configuration,
    arm64_of_2022_boots_with_no_configuration,
    arm64_of_2025_boots_with_no_configuration,
    riscv64_ipxe_boots_with_no_configuration,
    loongarch64_ipxe_boots_with_no_configuration,
    x64_behind_a_relay_boots_from_a_network_that_we_are_not_in,
    x64_boots_with_the_primary_on_our_own_host,
    x64_boots_beside_a_primary_on_our_own_host_that_keeps_port_67,
    x64_boots_over_port_4011_alone_if_the_primary_on_our_host_says_so,
    an_old_proxy_ini_boots_x64_from_a_separate_tftp_server,
    an_old_proxy_ini_that_names_our_own_host_boots_x64_from_us,
    a_plain_client_does_not_hear_a_word_from_us,
    a_bios_machine_leaves_the_menu_for_its_disk_within_20_s,
    an_x64_machine_leaves_the_menu_for_its_disk_within_20_s,
    an_x64_machine_with_an_ipxe_of_2019_leaves_the_menu_for_its_disk_within_20_s,
    a_machine_that_nobody_attends_leaves_the_menu_for_its_disk,
    the_menu_starts_what_the_boot_dir_holds,
    an_entry_that_does_not_boot_says_why_and_starts_for_who_insists,
];

fn bios_with_an_ipxe_rom_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::bios())
}

fn x64_of_2022_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::x64_2022())
}

fn x64_of_2025_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::x64_2025())
}

fn arm64_of_2022_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::arm64_2022())
}

fn arm64_of_2025_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::arm64_2025())
}

fn riscv64_ipxe_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::riscv64_ipxe(lab)?)
}

fn loongarch64_ipxe_boots_with_no_configuration(lab: &WorkDir) -> Result<()> {
    boots_with_no_configuration(lab, &machine::loongarch64_ipxe(lab)?)
}

fn boots_with_no_configuration(lab: &WorkDir, machine: &Machine) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site.serve()?;
    site.boot(machine)
}

/// 10.77.0.0/24 holds the primary (.1), our server (.2) and the router (.254); the machine is in 10.78.0.0/24, where
/// only the router is. Everything after the OFFER is routed.
fn x64_behind_a_relay_boots_from_a_network_that_we_are_not_in(lab: &WorkDir) -> Result<()> {
    let near = Segment::new(lab, "near")?;
    let far = Segment::new(lab, "far")?;
    let _captures = [Capture::start(lab, &near, "near")?, Capture::start(lab, &far, "far")?];

    let router = Host::new(lab, "router")?;
    near.plug(&router, "near0", &["10.77.0.254/24"])?;
    far.plug(&router, "far0", &["10.78.0.1/24", "fd77::1/64"])?;
    router.forward()?;
    let primary = Host::new(lab, "primary")?;
    near.plug(&primary, "eth0", &["10.77.0.1/24"])?;
    primary.route("10.78.0.0/24", "10.77.0.254")?;
    let server = Host::new(lab, "server")?;
    near.plug(&server, "eth0", &["10.77.0.2/24"])?;
    server.route("10.78.0.0/24", "10.77.0.254")?;

    let _advertiser = peers::advertiser(lab, &router, "far0")?;
    let _primary = peers::dhcp_server(
        lab,
        &primary,
        "10.78.0.100,10.78.0.199,255.255.255.0",
        &["--dhcp-option=option:router,10.78.0.1"],
    )?;
    let _relay = peers::relay(lab, &router, "far0", "near0", &[DHCP_SERVER, SERVER])?;
    let _server = site::serve(lab, &server, site::boot_dir(lab, Some(&lab.token.script()))?)?;
    site::boot(lab, &far, &machine::x64_2025())
}

/// dnsmasq with bind-dynamic and our server share port 67 of one host (protocol.md 6.1).
fn x64_boots_with_the_primary_on_our_own_host(lab: &WorkDir) -> Result<()> {
    boots_with_the_primary_on_our_own_host(lab, &["--bind-dynamic", "--interface=eth0"], &[])
}

/// dnsmasq as it is by default, and as Pi-hole has it: nobody else gets a socket on port 67, and neither side has a
/// word of configuration about the other (protocol.md 6.1).
fn x64_boots_beside_a_primary_on_our_own_host_that_keeps_port_67(lab: &WorkDir) -> Result<()> {
    boots_with_the_primary_on_our_own_host(lab, &[], &[])
}

/// dnsmasq keeps port 67 to itself, and its option 60 sends the machine to port 4011 (protocol.md 6.2). Our server is
/// started as the Python daemon was in this place, with `-p`.
fn x64_boots_over_port_4011_alone_if_the_primary_on_our_host_says_so(lab: &WorkDir) -> Result<()> {
    boots_with_the_primary_on_our_own_host(lab, &["--dhcp-option-force=option:vendor-class,PXEClient"], &["-p"])
}

fn boots_with_the_primary_on_our_own_host(lab: &WorkDir, of_primary: &[&str], of_ours: &[&str]) -> Result<()> {
    let site = SharedHostSite::new(lab, of_primary)?;
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    let mut arguments: Vec<&OsStr> = of_ours.iter().map(OsStr::new).collect();
    arguments.extend([OsStr::new("--boot-dir"), directory.as_os_str()]);
    let _server = server::start(lab, &site.host, &arguments)?;
    site::boot(lab, &site.segment, &machine::x64_2022())
}

/// The Python daemon's file, unchanged: loader and script lie on a TFTP server at another address. The script's name is
/// this run's own, so only our server's word can lead a machine to it.
fn an_old_proxy_ini_boots_x64_from_a_separate_tftp_server(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let tftp = Host::new(lab, "tftp")?;
    site.segment.plug(&tftp, "eth0", &["10.77.0.3/24"])?;
    let root = lab.new_directory("tftp-root")?;
    let script = format!("{}.ipxe", random_hex()?);
    fs::copy(cache::path("2022/snponly.efi")?, root.join("snponly.efi"))?;
    fs::write(root.join(&script), lab.token.script())?;
    let _tftp = peers::tftp_server(lab, &tftp, &root)?;

    let file = proxy_ini(lab, "10.77.0.3", &format!("tftp://10.77.0.3/{script}"))?;
    let _server = server::start(lab, &site.server, &[OsStr::new("-c"), file.as_os_str()])?;
    site.boot(&machine::x64_2025())
}

/// The file of a site whose TFTP server ran on the same host, and has gone with the Python daemon: we serve in its
/// place.
fn an_old_proxy_ini_that_names_our_own_host_boots_x64_from_us(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let file = proxy_ini(lab, SERVER, "boot.ipxe")?;
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    let arguments = [OsStr::new("-c"), file.as_os_str(), OsStr::new("--boot-dir"), directory.as_os_str()];
    let _server = server::start(lab, &site.server, &arguments)?;
    site.boot(&machine::x64_2022())
}

fn proxy_ini(lab: &WorkDir, tftpd: &str, chainload_url: &str) -> Result<PathBuf> {
    let file = lab.file("proxy.ini");
    let text = format!(
        "[proxy]\n\
         listen_address = {SERVER}\n\
         tftpd = {tftpd}\n\
         filename = pxelinux.0\n\
         vendor_specific_information = PXEClient\n\
         \n\
         [ipxe]\n\
         enabled = true\n\
         legacy_bootstrap = undionly.kpxe\n\
         efi_bootstrap = snponly.efi\n\
         chainload_url = {chainload_url}\n"
    );
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    Ok(file)
}

/// A laptop asks for an address, then a machine boots on the same wire: the boot proves that our server was listening
/// all the time, and had the laptop's packets before it answered the machine.
fn a_plain_client_does_not_hear_a_word_from_us(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site.serve()?;
    let laptop = Host::new(lab, "laptop")?;
    site.segment.plug(&laptop, "eth0", &[])?;
    let _client = peers::plain_client(lab, &laptop)?;
    let asked = format!("ether src {} and udp dst port 67", laptop.mac("eth0")?);
    let from_us = format!("ether src {} and udp", site.server.mac("eth0")?);
    ensure!(site.capture.packets(&asked)?.len() >= 2, "the capture lacks the client's DISCOVER and REQUEST");
    let heard = site.capture.packets(&from_us)?;
    ensure!(heard.is_empty(), "our server spoke to a plain client:\n{}", heard.join("\n"));

    site.boot(&machine::bios())?;
    let offers = site.capture.packets(&format!("{from_us} and src port 67"))?;
    ensure!(!offers.is_empty(), "the capture lacks what the machine was answered");
    // The first four octets of chaddr, 28 octets into a DHCP message and 8 of UDP.
    let chaddr = laptop.mac("eth0")?.split(':').take(4).collect::<String>();
    let late = site.capture.packets(&format!("{from_us} and src port 67 and udp[36:4] = 0x{chaddr}"))?;
    ensure!(late.is_empty(), "our server answered the plain client late:\n{}", late.join("\n"));
    Ok(())
}

fn a_bios_machine_leaves_the_menu_for_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    leaves_the_menu_for_its_disk(lab, machine::bios(), Disk::bios_printing, directory, Choice::OurKey)
}

fn an_x64_machine_leaves_the_menu_for_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    leaves_the_menu_for_its_disk(lab, machine::x64_2025(), Disk::x64_printing, directory, Choice::OurKey)
}

/// Debian 12's iPXE cannot start a disk under UEFI: a program of ours does it (`daemon/efi`; if this fails alone, the
/// toolchain lacks its target: `make toolchain`).
fn an_x64_machine_with_an_ipxe_of_2019_leaves_the_menu_for_its_disk_within_20_s(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    fs::copy(cache::path("2022/snponly.efi")?, directory.join("snponly.efi"))?;
    leaves_the_menu_for_its_disk(lab, machine::x64_2022(), Disk::x64_printing, directory, Choice::OurKey)
}

fn a_machine_that_nobody_attends_leaves_the_menu_for_its_disk(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    leaves_the_menu_for_its_disk(lab, machine::bios(), Disk::bios_printing, directory, Choice::Timeout)
}

/// A kernel with its initrd and, below it, a script are the entries above the local disk.
fn the_menu_starts_what_the_boot_dir_holds(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    fs::write(directory.join("rescue.ipxe"), lab.token.script())?;
    fs::create_dir(directory.join("debian"))?;
    fs::write(directory.join("debian/linux"), a_kernel())?;
    fs::write(directory.join("debian/initrd.gz"), "an initrd")?;
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory)?;
    let mut machine = machine::bios().with_screen().power_on(lab, &site.segment, "machine")?;
    machine.wait_for("debian", BOOT_TIMEOUT)?;
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)?;
    machine.screenshot(&lab.file("menu.png"))?;
    for key in ["up", "ret"] {
        machine.press(key)?;
    }
    machine.wait_for(&lab.token.word(), BOOT_TIMEOUT)
}

/// An installer that is not told where its second stage is.
fn an_entry_that_does_not_boot_says_why_and_starts_for_who_insists(lab: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(lab, None)?;
    let system = directory.join("fedora/images/pxeboot");
    fs::create_dir_all(&system)?;
    fs::write(system.join("vmlinuz"), a_kernel())?;
    fs::write(system.join("initrd.img"), "an initrd")?;
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory)?;
    let mut machine = machine::bios().with_screen().power_on(lab, &site.segment, "machine")?;
    machine.wait_for("(does not boot as it is)", BOOT_TIMEOUT)?;
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)?;
    for key in ["up", "ret"] {
        machine.press(key)?;
    }
    machine.wait_for("does not boot as it is:", BOOT_TIMEOUT)?;
    machine.wait_for("Press b to start it all the same", BOOT_TIMEOUT)?;
    machine.press("b")?;
    machine.wait_for("fedora/images/pxeboot/initrd.img... ok", BOOT_TIMEOUT)
}

/// As much of an x86 kernel as says that it is one (Documentation/arch/x86/boot.rst: boot_flag, header, version).
fn a_kernel() -> Vec<u8> {
    let mut kernel = vec![0; 2048];
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    kernel
}

#[derive(PartialEq, Eq)]
enum Choice {
    OurKey,
    Timeout,
}

/// Without a `boot.ipxe` the server makes a menu (a picture of it is left in `menu.png`), on which the local disk is
/// the choice that a machine wakes up with.
fn leaves_the_menu_for_its_disk(
    lab: &WorkDir,
    machine: Machine,
    disk_that_says: fn(&WorkDir, &str) -> Result<Disk>,
    directory: PathBuf,
    choice: Choice,
) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_disk(disk_that_says(lab, &word)?, DiskOrder::Last).with_screen();
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, directory)?;

    let mut machine = machine.power_on(lab, &site.segment, "machine")?;
    machine.wait_for("local disk", BOOT_TIMEOUT)?;
    lab.log_progress("the menu is on the console");
    machine.screenshot(&lab.file("menu.png"))?;
    if choice == Choice::OurKey {
        machine.press("ret")?;
        machine.wait_for(&word, Duration::from_secs(20))?;
    } else {
        machine.wait_for(&word, BOOT_TIMEOUT)?;
    }
    lab.log_progress("its disk has been reached");
    Ok(())
}
