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

/// `${sp}` is a space that counts: iPXE takes a line apart at its spaces before it fills in settings.
const SPACE: &str = "set sp:hex 20 && set sp ${sp:string}";

/// Grey on black, headings in cyan, the chosen item in black on cyan, in place of iPXE's blue and red; pairs 1, 2 and 3 of
/// its config/colour.h. A build without the command keeps its own colours.
const COLOURS: &str = "\
cpair --foreground 7 --background 0 1 && cpair --foreground 0 --background 6 2 && cpair --foreground 6 --background 0 3 ||";

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

    let mut script = format!(
        "#!ipxe
# proxydhcpd {VERSION}: a menu for {who}
{SPACE}
{COLOURS}

:menu
menu proxydhcpd {VERSION} at {server}
item --gap -- ${{manufacturer}} ${{product}}
item --gap -- ${{netX/mac}}${{sp}} ${{netX/ip}}${{sp}} {firmware}
item --gap -- ${{uuid}}
",
        who = plain(&machine.mac),
        firmware = firmware(machine.arch),
    );
    if !shown.is_empty() {
        heading(&mut script, "On this server");
        for (number, entry) in &shown {
            item(&mut script, &format!("entry{number}"), &plain(title(entry)));
        }
    }
    heading(&mut script, "On this machine");
    item(&mut script, "disk", "Boot from the local disk");
    item(&mut script, "shell", "iPXE shell");
    item(&mut script, "restart", "Restart");
    heading(&mut script, "On the Internet");
    item(&mut script, "netbootxyz", "netboot.xyz");
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

:restart
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

fn item(script: &mut String, label: &str, text: &str) {
    writeln!(script, "item {label} ${{sp}}${{sp}} {text}").ok();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Menu;
    use alloc::vec;
    use core::net::{Ipv4Addr, Ipv6Addr};

    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn machine(platform: &str, build: &str) -> Machine {
        let name = format!("machine/mac=52-54-00-12-34-56/uuid=/platform={platform}/arch={build}/menu.ipxe");
        Machine::of_menu(&name).unwrap()
    }

    fn plan(entries: Vec<Entry>) -> Plan {
        Plan { menu: Menu { own_script: false, entries }, local_disk: vec![Arch::X64], ..Plan::default() }
    }

    fn linux(arch: Arch) -> Entry {
        Entry::Linux {
            title: "debian".into(),
            kernel: "debian/linux".into(),
            initrds: vec!["debian/ucode.img".into(), "debian/initrd.gz".into()],
            arguments: "quiet ip=${netX/ip}".into(),
            arch,
        }
    }

    /// The part of a script behind a label.
    fn part<'a>(script: &'a str, label: &str) -> &'a str {
        let start = script.find(&format!("\n:{label}\n")).unwrap() + label.len() + 3;
        script[start..].split("\n\n").next().unwrap()
    }

    #[test]
    fn the_entry_script_leads_back_through_the_same_door() {
        let script = entry(Door::Http(8080), SERVER);
        let line = script.lines().find(|line| line.starts_with("chain ")).unwrap();
        assert_eq!(
            line,
            "chain --replace --autofree http://192.0.2.1:8080/machine/mac=${netX/mac:hexhyp}/uuid=${uuid}\
             /platform=${platform}/arch=${buildarch}/menu.ipxe ||"
        );
        assert!(entry(Door::Tftp, SERVER).contains(" tftp://192.0.2.1/machine/"));
        assert!(entry(Door::Http(80), IpAddr::V6(Ipv6Addr::LOCALHOST)).contains(" http://[::1]:80/machine/"));
    }

    #[test]
    fn no_script_names_the_next_server() {
        let menu = menu(&plan(vec![linux(Arch::X64)]), Door::Tftp, SERVER, &machine("efi", "x86_64"));
        assert!(!menu.contains("next-server") && !entry(Door::Tftp, SERVER).contains("next-server"));
    }

    #[test]
    fn a_machine_is_read_from_the_name_of_its_menu() {
        let machine = machine("efi", "arm64");
        assert_eq!((machine.mac.as_str(), machine.uuid.as_str()), ("52-54-00-12-34-56", ""));
        assert_eq!(machine.arch, Arch::by_id("uefi-arm64"));
        assert_eq!(Machine::of_menu("machine/menu.ipxe"), Some(Machine::default()));
        assert_eq!(Machine::of_menu("machine/platform=sbi/arch=riscv64/serial=1/menu.ipxe"), Some(Machine::default()));
        assert_eq!(Machine::of_menu("machine/readme/menu.ipxe"), None);
        assert_eq!(Machine::of_menu("machine/mac=1/other.ipxe"), None);
    }

    #[test]
    fn the_menu_of_an_x64_machine() {
        let script = menu(&plan(vec![linux(Arch::X64)]), Door::Http(8080), SERVER, &machine("efi", "x86_64"));
        let (head, _) = script.split_once("\n:entry0").unwrap();
        let (_, items) = head.split_once("\n\n:menu\n").unwrap();
        assert_eq!(
            items,
            format!(
                "menu proxydhcpd {VERSION} at 192.0.2.1
item --gap -- ${{manufacturer}} ${{product}}
item --gap -- ${{netX/mac}}${{sp}} ${{netX/ip}}${{sp}} x64 UEFI
item --gap -- ${{uuid}}
item --gap
item --gap -- On this server
item entry0 ${{sp}}${{sp}} debian
item --gap
item --gap -- On this machine
item disk ${{sp}}${{sp}} Boot from the local disk
item shell ${{sp}}${{sp}} iPXE shell
item restart ${{sp}}${{sp}} Restart
item --gap
item --gap -- On the Internet
item netbootxyz ${{sp}}${{sp}} netboot.xyz
choose --default disk --timeout 10000 chosen || goto menu
goto ${{chosen}}
"
            )
        );
        assert_eq!(
            part(&script, "entry0"),
            "imgfree ||
kernel http://192.0.2.1:8080/debian/linux initrd=initrd0 initrd=initrd1 quiet ip=${netX/ip} || goto failed
initrd --name initrd0 http://192.0.2.1:8080/debian/ucode.img || goto failed
initrd --name initrd1 http://192.0.2.1:8080/debian/initrd.gz || goto failed
boot || goto failed
goto menu"
        );
    }

    #[test]
    fn every_goto_has_its_label() {
        let entries = vec![linux(Arch::X64), Entry::Script { title: "a".into(), path: "a.ipxe".into() }];
        for machine in [machine("pcbios", "i386"), machine("efi", "x86_64"), Machine::default()] {
            let script = menu(&plan(entries.clone()), Door::Tftp, SERVER, &machine);
            let jumps = script.split_whitespace().collect::<Vec<_>>();
            let jumps = jumps.windows(2).filter(|pair| pair[0] == "goto").map(|pair| pair[1]);
            let items = script.lines().filter_map(|line| line.strip_prefix("item ")?.split(' ').next());
            for label in jumps.chain(items).filter(|label| !["--gap", "${chosen}"].contains(label)) {
                assert!(script.contains(&format!("\n:{label}\n")), "{label}");
            }
        }
    }

    #[test]
    fn each_firmware_starts_its_disk_in_its_own_way() {
        let disk = |machine: &Machine| {
            let script = menu(&plan(vec![]), Door::Http(8080), SERVER, machine);
            part(&script, "disk").to_string()
        };
        assert_eq!(disk(&machine("pcbios", "i386")), "sanboot --no-describe --drive 0x80 || goto failed\ngoto menu");
        assert_eq!(
            disk(&machine("efi", "x86_64")),
            "imgfree ||\nchain --autofree http://192.0.2.1:8080/local-disk/uefi-x64.efi || sanboot --no-describe || goto \
             failed\ngoto menu"
        );
        assert_eq!(disk(&machine("efi", "riscv64")), "sanboot --no-describe || exit 1\ngoto menu");
    }

    #[test]
    fn a_machine_is_shown_what_it_can_start() {
        let program = Entry::Efi { title: "tool".into(), path: "tool.efi".into(), arch: Arch::X64 };
        let shows = |entry: &Entry, machine: Machine| {
            menu(&plan(vec![entry.clone()]), Door::Tftp, SERVER, &machine).contains("item entry0 ")
        };
        assert!(shows(&program, machine("efi", "x86_64")));
        assert!(!shows(&program, machine("pcbios", "i386")) && !shows(&program, Machine::default()));
        assert!(shows(&linux(Arch::X64), machine("pcbios", "i386")) && shows(&linux(Arch::X64), Machine::default()));
        assert!(
            !shows(&linux(Arch::X64), machine("efi", "arm64")) && !shows(&linux(Arch::IA32), machine("efi", "x86_64"))
        );
    }

    #[test]
    fn names_cannot_break_out_of_their_line() {
        let odd = Entry::Script { title: "a && b || ${net0/ip}\n;é".into(), path: "x y/$\u{7b}a}%&&.ipxe".into() };
        let script = menu(&plan(vec![odd]), Door::Tftp, SERVER, &machine("efi", "x86_64"));
        assert!(script.contains("item entry0 ${sp}${sp} a ?? b ?? ??net0/ip????\n"), "{script}");
        assert!(script.contains("chain --autofree tftp://192.0.2.1/x%20y/%24%7Ba%7D%25%26%26.ipxe || goto failed\n"));
        let odd = Machine { mac: "1\n:menu\nreboot".into(), ..Machine::default() };
        assert!(!menu(&plan(vec![]), Door::Tftp, SERVER, &odd).contains("\nreboot\n:"));
    }
}
