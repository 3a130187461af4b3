//! The iPXE scripts that we make: the entry script, which has the machine say who it is, and the machine's menu.
//!
//! They run on every iPXE since 2019 (Debian 12's), so they use no newer command without a way round. An iPXE script
//! knows no quoting: text is made safe by [`plain`], names in URLs by percent-encoding.

use crate::arch::Arch;
use crate::plan::{Entry, Plan};
use crate::request::Door;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

/// How long the menu waits before it starts the local disk, in milliseconds.
const MENU_TIMEOUT: u32 = 10_000;

/// How long a message stands before the menu returns, in milliseconds.
const PAUSE: u32 = 10_000;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a machine said about itself in the name of its menu. Its own word: good for choosing what to show, no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    pub mac: String,
    pub uuid: String,
    /// The kind of firmware that its iPXE runs on, if it is one that we know.
    pub arch: Option<Arch>,
}

impl Machine {
    /// Reads `machine/mac=.../uuid=.../platform=.../arch=.../menu.ipxe`. Every part may be empty or missing, and parts
    /// that are not known are passed over.
    pub fn of_menu(name: &str) -> Option<Machine> {
        let parts = name.strip_prefix("machine/")?.strip_suffix("menu.ipxe")?;
        let mut machine = Machine::default();
        let (mut platform, mut build) = ("", "");
        for part in parts.split('/').filter(|part| !part.is_empty()) {
            match part.split_once('=')? {
                ("mac", mac) => machine.mac = mac.to_string(),
                ("uuid", uuid) => machine.uuid = uuid.to_string(),
                ("platform", word) => platform = word,
                ("arch", word) => build = word,
                _ => {}
            }
        }
        machine.arch = arch_of_build(platform, build);
        Some(machine)
    }
}

/// The architecture of an iPXE by its settings `platform` and `buildarch`. A BIOS iPXE says `i386` on every processor.
fn arch_of_build(platform: &str, build: &str) -> Option<Arch> {
    let id = match (platform, build) {
        ("pcbios", _) => "bios",
        ("efi", "i386") => "uefi-ia32",
        ("efi", "x86_64") => "uefi-x64",
        ("efi", "arm32") => "uefi-arm32",
        ("efi", "arm64") => "uefi-arm64",
        ("efi", "riscv32") => "uefi-riscv32",
        ("efi", "riscv64") => "uefi-riscv64",
        ("efi", "loong64") => "uefi-loongarch64",
        _ => return None,
    };
    Arch::by_id(id)
}

/// The architecture whose disk starter goes by this name.
pub fn local_disk_arch(name: &str) -> Option<Arch> {
    Arch::by_id(name.strip_prefix("local-disk/")?.strip_suffix(".efi")?)
}

/// The script that an iPXE runs first. It only goes on to the menu, under a name that carries the machine's identity:
/// nothing that iPXE sends by itself does. The identity is in the path because over TFTP iPXE sends no query
/// (tftp_send_rrq), as `key=value` because any of the settings may be empty, and the MAC address, that of the card
/// iPXE booted from (`netX`), with hyphens because a colon is not at home in every file system.
pub fn entry(door: Door, server: IpAddr) -> String {
    let base = base(door, server);
    format!(
        "#!ipxe
# proxydhcpd {VERSION}: fetch the menu in the machine's own name.
set failures:int32 0
:fetch
chain --replace --autofree {base}machine/mac=${{netX/mac:hexhyp}}/uuid=${{uuid}}/platform=${{platform}}/arch=${{buildarch}}/menu.ipxe ||
inc failures
iseq ${{failures}} 3 && goto give_up ||
echo The menu did not come from {base}, trying again
sleep 3
goto fetch
:give_up
echo The boot server does not answer: leaving the network boot
exit 1
"
    )
}

/// The menu of this machine.
pub fn menu(plan: &Plan, door: Door, server: IpAddr, machine: &Machine) -> String {
    let base = base(door, server);
    let shown: Vec<(usize, &Entry)> =
        plan.menu.entries.iter().enumerate().filter(|(_, entry)| suits(entry, machine.arch)).collect();

    let mut script = String::new();
    writeln!(script, "#!ipxe").ok();
    writeln!(script, "# proxydhcpd {VERSION}: a menu for {}", plain(&machine.mac)).ok();
    script.push_str(":menu\n");
    writeln!(script, "menu proxydhcpd {VERSION}").ok();
    writeln!(script, "item --gap -- ${{manufacturer}} ${{product}}").ok();
    writeln!(script, "item --gap -- ${{netX/mac}}  ${{netX/ip}}  {}", firmware(machine.arch)).ok();
    if !shown.is_empty() {
        heading(&mut script, "From this server");
        for (number, entry) in &shown {
            writeln!(script, "item entry{number}   {}", plain(title(entry))).ok();
        }
    }
    heading(&mut script, "This machine");
    script.push_str("item disk   Boot from the local disk\n");
    script.push_str("item shell   iPXE shell\n");
    script.push_str("item reboot   Restart\n");
    heading(&mut script, "Internet");
    script.push_str("item netbootxyz   netboot.xyz\n");
    writeln!(script, "choose --default disk --timeout {MENU_TIMEOUT} chosen || goto menu").ok();
    script.push_str("goto ${chosen}\n");

    for (number, entry) in &shown {
        writeln!(script, "\n:entry{number}").ok();
        start(&mut script, &base, entry);
    }
    script.push_str("\n:disk\n");
    local_disk(&mut script, plan, &base, machine.arch);
    script.push_str(
        "
:shell
echo Type 'exit' to return to the menu.
shell ||
goto menu

:reboot
reboot

:netbootxyz
echo netboot.xyz comes from the Internet
chain --autofree https://boot.netboot.xyz || chain --autofree http://boot.netboot.xyz || goto failed
goto menu

:failed
imgfree ||
",
    );
    writeln!(
        script,
        "prompt --timeout {PAUSE} That did not work; the lines above say why. Press a key for the menu. ||"
    )
    .ok();
    script.push_str("goto menu\n");
    script
}

/// Where our files are for who came through this door.
fn base(door: Door, server: IpAddr) -> String {
    let host = match server {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match door {
        Door::Tftp => format!("tftp://{host}/"),
        Door::Http(port) => format!("http://{host}:{port}/"),
    }
}

/// Whether the machine can start it. One that does not say what it is is shown all but EFI programs.
fn suits(entry: &Entry, machine: Option<Arch>) -> bool {
    match (entry, machine) {
        (Entry::Script { .. }, _) | (Entry::Linux { .. }, None) => true,
        (Entry::Linux { arch: Arch::X64 | Arch::IA32, .. }, Some(Arch::BIOS)) => true,
        (Entry::Linux { arch, .. } | Entry::Efi { arch, .. }, machine) => machine == Some(*arch),
    }
}

fn title(entry: &Entry) -> &str {
    match entry {
        Entry::Linux { title, .. } | Entry::Script { title, .. } | Entry::Efi { title, .. } => title,
    }
}

fn firmware(arch: Option<Arch>) -> String {
    arch.map_or_else(|| "${platform} ${buildarch}".to_string(), |arch| arch.to_string())
}

fn heading(script: &mut String, text: &str) {
    writeln!(script, "item --gap\nitem --gap -- {text}").ok();
}

/// The commands that start an entry of the boot folder.
fn start(script: &mut String, base: &str, entry: &Entry) {
    match entry {
        Entry::Linux { kernel, initrds, arguments, .. } => {
            script.push_str("imgfree ||\n");
            write!(script, "kernel {base}{}", encoded(kernel)).ok();
            // A kernel started as an EFI program finds its initrds by these names, unless it is a newer one and asks
            // iPXE itself; started the BIOS way it does not look.
            for number in 0..initrds.len() {
                write!(script, " initrd=initrd{number}").ok();
            }
            if !arguments.is_empty() {
                write!(script, " {arguments}").ok();
            }
            script.push_str(" || goto failed\n");
            for (number, initrd) in initrds.iter().enumerate() {
                writeln!(script, "initrd --name initrd{number} {base}{} || goto failed", encoded(initrd)).ok();
            }
            script.push_str("boot || goto failed\n");
        }
        Entry::Script { path, .. } | Entry::Efi { path, .. } => {
            writeln!(script, "imgfree ||\nchain --autofree {base}{} || goto failed", encoded(path)).ok();
        }
    }
    script.push_str("goto menu\n");
}

/// The commands that start the machine's own disk.
///
/// BIOS: its first disk. UEFI: `exit` would be no answer there, because the firmware then tries its other network
/// entries (PXE over IPv6, HTTP), each with a minute's patience, before it comes to the disk; and `sanboot` knows local
/// disks only since 2024 (iPXE b1c13cc43), which Debian 12's does not, and starts `\EFI\BOOT` only. So a program of
/// ours does what the firmware would do with its entries for disks. Under Secure Boot it may be refused, `sanboot` is not.
fn local_disk(script: &mut String, plan: &Plan, base: &str, machine: Option<Arch>) {
    match machine.and_then(Arch::row) {
        Some(row) if plan.local_disk.contains(&Arch(row.code)) => {
            writeln!(script, "imgfree ||").ok();
            writeln!(
                script,
                "chain --autofree {base}local-disk/{}.efi || sanboot --no-describe || goto failed",
                row.id
            )
            .ok();
        }
        Some(row) if row.code == Arch::BIOS.0 => {
            script.push_str("sanboot --no-describe --drive 0x80 || goto failed\n");
        }
        _ => script.push_str("sanboot --no-describe || exit 1\n"),
    }
    script.push_str("goto menu\n");
}

/// Text that a script may show: nothing that iPXE expands, splits at or takes for an operator, and one line of it.
fn plain(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " -._+:,()/@=~'".contains(c);
    text.chars().take(70).map(|c| if harmless(c) { c } else { '?' }).collect()
}

/// A path as a URL has it.
fn encoded(path: &str) -> String {
    let mut url = String::new();
    for octet in path.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => url.push(char::from(octet)),
            _ => drop(write!(url, "%{octet:02X}")),
        }
    }
    url
}
