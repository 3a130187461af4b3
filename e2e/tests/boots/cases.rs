//! Boots of each kind of machine. A boot succeeds if the machine's console shows a word that only the script in the
//! server's boot directory contains.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, DiskOrder, Machine};
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, DHCP_SERVER, SERVER, SharedHostSite, Site};
use proxydhcpd_e2e::token::random_hex;
use proxydhcpd_testbed::raw::format_mac;
use proxydhcpd_testbed::{Host, Segment, cache};
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
    x64_behind_a_relay_boots_in_a_network_without_this_server,
    x64_boots_with_the_dhcp_server_on_the_same_host,
    x64_boots_with_a_dhcp_server_on_the_same_host_that_binds_port_67_exclusively,
    x64_boots_over_port_4011_alone_if_the_dhcp_server_on_the_same_host_sends_option_60,
    a_proxy_ini_boots_x64_from_a_separate_tftp_server,
    a_proxy_ini_that_names_this_host_boots_x64_from_this_server,
    a_plain_client_receives_no_packet_from_this_server,
    a_bios_machine_leaves_the_menu_for_its_disk_within_20_s,
    an_x64_machine_leaves_the_menu_for_its_disk_within_20_s,
    an_x64_machine_with_an_ipxe_of_2019_leaves_the_menu_for_its_disk_within_20_s,
    an_unattended_machine_leaves_the_menu_for_its_disk,
    the_menu_starts_what_the_boot_dir_holds,
    an_entry_that_does_not_boot_shows_why_and_starts_after_a_confirmation,
];

fn bios_with_an_ipxe_rom_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::bios())
}

fn x64_of_2022_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::x64_2022())
}

fn x64_of_2025_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::x64_2025())
}

fn arm64_of_2022_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::arm64_2022())
}

fn arm64_of_2025_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::arm64_2025())
}

fn riscv64_ipxe_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::riscv64_ipxe(work)?)
}

fn loongarch64_ipxe_boots_with_no_configuration(work: &WorkDir) -> Result<()> {
    boots_with_no_configuration(work, &machine::loongarch64_ipxe(work)?)
}

fn boots_with_no_configuration(work: &WorkDir, machine: &Machine) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site.serve()?;
    site.boot(machine)
}

/// 10.77.0.0/24 contains the DHCP server (.1), the server under test (.2) and the router (.254); 10.78.0.0/24 contains
/// the machine and the router. All packets after the OFFER are routed.
fn x64_behind_a_relay_boots_in_a_network_without_this_server(work: &WorkDir) -> Result<()> {
    let near = Segment::new();
    let far = Segment::new();
    let _captures = [Capture::start(work, &near, "near")?, Capture::start(work, &far, "far")?];

    let router = Host::without_dad();
    near.plug(&router, "near0", &["10.77.0.254/24"]);
    far.plug(&router, "far0", &["10.78.0.1/24", "fd77::1/64"]);
    router.forward();
    let dhcp_host = Host::without_dad();
    near.plug(&dhcp_host, "eth0", &["10.77.0.1/24"]);
    dhcp_host.run("ip route add 10.78.0.0/24 via 10.77.0.254");
    let server = Host::without_dad();
    near.plug(&server, "eth0", &["10.77.0.2/24"]);
    server.run("ip route add 10.78.0.0/24 via 10.77.0.254");

    let _advertiser = peers::advertiser(work, &router, "far0")?;
    let _dhcp_server = peers::dhcp_server(
        work,
        &dhcp_host,
        "10.78.0.100,10.78.0.199,255.255.255.0",
        &["--dhcp-option=option:router,10.78.0.1"],
    )?;
    let _relay = peers::relay(work, &router, "far0", "near0", &[DHCP_SERVER, SERVER])?;
    let _server = site::serve(work, &server, site::boot_dir(work, Some(&work.token.script()))?)?;
    site::boot(work, &far, &machine::x64_2025())
}

/// dnsmasq with bind-dynamic and the server under test share port 67 of one host (protocol.md 6.1).
fn x64_boots_with_the_dhcp_server_on_the_same_host(work: &WorkDir) -> Result<()> {
    boots_with_dhcp_server_on_the_same_host(work, &["--bind-dynamic", "--interface=eth0"], &[])
}

/// By default, and in Pi-hole, dnsmasq binds port 67 exclusively. Neither server is configured for the other
/// (protocol.md 6.1).
fn x64_boots_with_a_dhcp_server_on_the_same_host_that_binds_port_67_exclusively(work: &WorkDir) -> Result<()> {
    boots_with_dhcp_server_on_the_same_host(work, &[], &[])
}

/// dnsmasq binds port 67 exclusively, and its option 60 directs the machine to port 4011 (protocol.md 6.2). The server
/// runs with `-p`, as the Python daemon did on such hosts.
fn x64_boots_over_port_4011_alone_if_the_dhcp_server_on_the_same_host_sends_option_60(work: &WorkDir) -> Result<()> {
    boots_with_dhcp_server_on_the_same_host(work, &["--dhcp-option-force=option:vendor-class,PXEClient"], &["-p"])
}

fn boots_with_dhcp_server_on_the_same_host(work: &WorkDir, dhcp_options: &[&str], server_flags: &[&str]) -> Result<()> {
    let site = SharedHostSite::new(work, dhcp_options)?;
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    let mut arguments: Vec<&OsStr> = server_flags.iter().map(OsStr::new).collect();
    arguments.extend([OsStr::new("--boot-dir"), directory.as_os_str()]);
    let _server = server::start(work, &site.host, &arguments)?;
    site::boot(work, &site.segment, &machine::x64_2022())
}

/// The file is that of the Python daemon, unchanged. Loader and script are on a TFTP server with another address. The
/// script has a random name, so only a reply of the server under test can lead a machine to it.
fn a_proxy_ini_boots_x64_from_a_separate_tftp_server(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let tftp = Host::without_dad();
    site.segment.plug(&tftp, "eth0", &["10.77.0.3/24"]);
    let root = work.new_directory("tftp-root")?;
    let script = format!("{}.ipxe", random_hex()?);
    fs::copy(cache::path("2022/snponly.efi"), root.join("snponly.efi"))?;
    fs::write(root.join(&script), work.token.script())?;
    let _tftp = peers::tftp_server(work, &tftp, &root)?;

    let file = proxy_ini(work, "10.77.0.3", &format!("tftp://10.77.0.3/{script}"))?;
    let _server = server::start(work, &site.server, &[OsStr::new("-c"), file.as_os_str()])?;
    site.boot(&machine::x64_2025())
}

/// The file is from a site whose TFTP server ran on the same host. The administrator removed that TFTP server together
/// with the Python daemon, and the server under test replaces it.
fn a_proxy_ini_that_names_this_host_boots_x64_from_this_server(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let file = proxy_ini(work, SERVER, "boot.ipxe")?;
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    let arguments = [OsStr::new("-c"), file.as_os_str(), OsStr::new("--boot-dir"), directory.as_os_str()];
    let _server = server::start(work, &site.server, &arguments)?;
    site.boot(&machine::x64_2022())
}

fn proxy_ini(work: &WorkDir, tftpd: &str, chainload_url: &str) -> Result<PathBuf> {
    let file = work.file("proxy.ini");
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

/// A laptop requests an address, and then a machine boots on the same segment. The boot proves that the server was
/// listening all the time, and received the laptop's packets before it answered the machine.
fn a_plain_client_receives_no_packet_from_this_server(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site.serve()?;
    let laptop = Host::without_dad();
    site.segment.plug(&laptop, "eth0", &[]);
    let _client = peers::plain_client(work, &laptop)?;
    let from_laptop = format!("ether src {} and udp dst port 67", format_mac(laptop.mac("eth0")));
    let from_server = format!("ether src {} and udp", format_mac(site.server.mac("eth0")));
    ensure!(site.capture.packets(&from_laptop)?.len() >= 2, "the capture lacks the client's DISCOVER and REQUEST");
    let sent = site.capture.packets(&from_server)?;
    ensure!(sent.is_empty(), "the server sent packets to a plain client:\n{}", sent.join("\n"));

    site.boot(&machine::bios())?;
    let offers = site.capture.packets(&format!("{from_server} and src port 67"))?;
    ensure!(!offers.is_empty(), "the capture lacks the replies to the machine");
    // The filter compares the first four octets of chaddr. They are at offset 28 of the DHCP message, after 8 octets of
    // UDP header.
    let chaddr = format_mac(laptop.mac("eth0")).split(':').take(4).collect::<String>();
    let late_replies = site.capture.packets(&format!("{from_server} and src port 67 and udp[36:4] = 0x{chaddr}"))?;
    ensure!(late_replies.is_empty(), "the server answered the plain client late:\n{}", late_replies.join("\n"));
    Ok(())
}

fn a_bios_machine_leaves_the_menu_for_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    leaves_the_menu_for_its_disk(work, machine::bios(), Disk::bios_printing, directory, Choice::Key)
}

fn an_x64_machine_leaves_the_menu_for_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    leaves_the_menu_for_its_disk(work, machine::x64_2025(), Disk::x64_printing, directory, Choice::Key)
}

/// Debian 12's iPXE cannot start a disk under UEFI, so the program in `daemon/efi` starts it. If only this case fails,
/// the toolchain lacks the target: run `make toolchain`.
fn an_x64_machine_with_an_ipxe_of_2019_leaves_the_menu_for_its_disk_within_20_s(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path("2022/snponly.efi"), directory.join("snponly.efi"))?;
    leaves_the_menu_for_its_disk(work, machine::x64_2022(), Disk::x64_printing, directory, Choice::Key)
}

fn an_unattended_machine_leaves_the_menu_for_its_disk(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    leaves_the_menu_for_its_disk(work, machine::bios(), Disk::bios_printing, directory, Choice::Timeout)
}

/// Above the local disk, the menu has a kernel with its initrd and, below the kernel, a script.
fn the_menu_starts_what_the_boot_dir_holds(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::write(directory.join("rescue.ipxe"), work.token.script())?;
    fs::create_dir(directory.join("debian"))?;
    fs::write(directory.join("debian/linux"), kernel_header())?;
    fs::write(directory.join("debian/initrd.gz"), "an initrd")?;
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;
    let mut machine = machine::bios().with_screen().power_on(work, &site.segment, "machine")?;
    machine.wait_for("debian", BOOT_TIMEOUT)?;
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)?;
    machine.screenshot(&work.file("menu.png"))?;
    for key in ["up", "ret"] {
        machine.press(key)?;
    }
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)
}

/// The boot directory has an installer without the location of its second stage.
fn an_entry_that_does_not_boot_shows_why_and_starts_after_a_confirmation(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    let system = directory.join("fedora/images/pxeboot");
    fs::create_dir_all(&system)?;
    fs::write(system.join("vmlinuz"), kernel_header())?;
    fs::write(system.join("initrd.img"), "an initrd")?;
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;
    let mut machine = machine::bios().with_screen().power_on(work, &site.segment, "machine")?;
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

/// Returns the part of an x86 kernel that identifies it (Documentation/arch/x86/boot.rst: boot_flag, header, version).
fn kernel_header() -> Vec<u8> {
    let mut kernel = vec![0; 2048];
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    kernel
}

#[derive(PartialEq, Eq)]
enum Choice {
    Key,
    Timeout,
}

/// The boot directory has no `boot.ipxe`, so the server generates a menu, in which the local disk is preselected.
/// `menu.png` is a screenshot of the menu.
fn leaves_the_menu_for_its_disk(
    work: &WorkDir,
    machine: Machine,
    make_disk: fn(&WorkDir, &str) -> Result<Disk>,
    directory: PathBuf,
    choice: Choice,
) -> Result<()> {
    let word = format!("disk-{}", random_hex()?);
    let machine = machine.with_disk(make_disk(work, &word)?, DiskOrder::Last).with_screen();
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;

    let mut machine = machine.power_on(work, &site.segment, "machine")?;
    machine.wait_for("local disk", BOOT_TIMEOUT)?;
    work.log_progress("the menu is on the console");
    machine.screenshot(&work.file("menu.png"))?;
    if choice == Choice::Key {
        machine.press("ret")?;
        machine.wait_for(&word, Duration::from_secs(20))?;
    } else {
        machine.wait_for(&word, BOOT_TIMEOUT)?;
    }
    work.log_progress("the machine has booted its disk");
    Ok(())
}
