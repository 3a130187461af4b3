//! The built-in iPXE scripts: the entry script, which makes the machine identify itself, and the scripts that follow.
//!
//! The scripts run on every iPXE since 2012, the first version with menus, so each newer command has a fallback.
//! Settings that an old iPXE lacks (`platform`, a serial number in hexadecimal) stay empty. iPXE scripts have no
//! quoting: `sanitize` makes text safe, and percent-encoding makes names in URLs safe.

mod commands;
mod menu;
mod profile;

pub use menu::{HOST_NAME_PREFIX, MenuItem, MenuSection, menu, menu_items, start_menu_item};
pub use profile::{boot_nothing, chain, chain_url, failure, linux, local_disk, profile_menu, template_error};

use crate::arch::Arch;
use crate::choose::BootChoice;
use crate::choose::MACHINE_PREFIX;
use crate::claimed_identity::MAX_MODULES;
use crate::ipxe_error::ScriptCommand;
use crate::request::Protocol;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use commands::{VERSION, report_failure, step};
use core::net::IpAddr;

/// The architecture whose program for the local disk has this name; `None` if it is not the name of such a program.
pub fn local_disk_arch(name: &str) -> Option<Arch> {
    Arch::from_id(name.strip_prefix("local-disk/")?.strip_suffix(".efi")?)
}

/// The script that an iPXE runs first. The script only fetches the menu, under a name that carries the machine's
/// identity, because no request of iPXE carries the identity otherwise. The identity is in the path because over TFTP
/// iPXE sends no query (tftp_send_rrq), and in `key=value` form because any of the settings may be empty. The MAC
/// address is that of the card from which iPXE booted (`netX`). It has hyphens because not every file system allows a
/// colon. The serial number may hold any text, so it is in hexadecimal. `choice` has the parts that the machine does
/// not know.
///
/// The machine also reports its memory: most iPXEs have no `memsize`, but all on a PC read the sizes of the memory
/// modules from the SMBIOS tables.
///
/// With `syslog`, the script makes iPXE send its console to this server by syslog. An iPXE that is built without that
/// ignores the setting.
pub fn entry_script(protocol: Protocol, server: IpAddr, choice: BootChoice, syslog: bool) -> String {
    begin(&set_syslog(server, syslog), &[protocol.base_url(server)], choice)
}

/// The command that makes iPXE send its console to this server.
fn set_syslog(server: IpAddr, syslog: bool) -> String {
    match server.to_canonical() {
        IpAddr::V4(server) if syslog => format!("set syslog {server} ||\n"),
        IpAddr::V6(server) if syslog => format!("set syslog6 {server} ||\n"),
        _ => String::new(),
    }
}

/// The script that an iPXE finds next to its own file over IPv6, where otherwise only its DHCPv6 server could name a
/// script. Since 2021, iPXE requests the script if the firmware loaded iPXE from a URL (efi_path_uri), as HTTP boot
/// does. With PXE, the wrapper program supplies the script
/// ([`IPXE_WRAPPER_PREFIX`](crate::choose::IPXE_WRAPPER_PREFIX)). The script runs before iPXE has an address.
///
/// `protocol` is the protocol over which the firmware loaded iPXE: TFTP with PXE. The script prefers HTTP, on the port
/// `http`, if this iPXE supports it.
pub fn autoexec(protocol: Protocol, http: Option<u16>, server: IpAddr, choice: BootChoice, syslog: bool) -> String {
    let faster = http.map(Protocol::Http).filter(|http| *http != protocol);
    let bases: Vec<String> = faster.into_iter().chain([protocol]).map(|protocol| protocol.base_url(server)).collect();
    let first = format!("ifconf --configurator ipv6 || ifconf || goto give_up\n{}", set_syslog(server, syslog));
    begin(&first, &bases, choice)
}

/// A script that tries these base URLs in their order, three times. The script repeats the commands, because an iPXE of
/// 2012 has no counter (`inc` exists since 2013).
fn begin(first: &str, bases: &[String], choice: BootChoice) -> String {
    let passed_on = choice.path();
    let modules: Vec<String> = (0..MAX_MODULES).map(|module| format!("${{smbios/{module}.17.12.2:hexraw}}")).collect();
    let menu = format!(
        "{MACHINE_PREFIX}{passed_on}mac=${{netX/mac:hexhyp}}/uuid=${{uuid}}/serial=${{serial:hexraw}}/platform=${{platform}}\
         /arch=${{buildarch}}/memsize=${{memsize}}/modules={}/menu.ipxe",
        modules.join(".")
    );
    let mut report = String::new();
    step(&mut report, ScriptCommand::Chain, "menu.ipxe");
    bases.last().into_iter().for_each(|base| report_failure(&mut report, base));
    let tries: String = bases.iter().map(|base| format!("chain --replace --autofree {base}{menu} ||\n")).collect();
    let again = format!("echo Cannot fetch the menu from {}, trying again\nsleep 3\n", bases.join(" or "));
    format!(
        "#!ipxe
# proxydhcpd {VERSION}: fetch the menu of this machine.
{first}{tries}{again}{tries}{again}{tries}{report}:give_up
echo The boot server does not answer: leaving the network boot
exit 1
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claimed_identity::ClaimedIdentity;
    use crate::observations::Observations;
    use crate::plan::Plan;
    use crate::plan::menu::MenuSettings;
    use crate::plan::offer::{BootDirEntry, BootDirMenu, EntryTarget, Offer};
    use crate::plan::pattern::Glob;
    use crate::render_context::RenderContext;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::{Ipv4Addr, Ipv6Addr};

    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn machine(platform: &str, build: &str) -> RenderContext {
        let name = format!("machine/mac=52-54-00-12-34-56/uuid=/platform={platform}/arch={build}/menu.ipxe");
        let (machine, firmware) = ClaimedIdentity::parse(&name).unwrap().0.resolve(&Observations::new(0), SERVER);
        RenderContext { machine, firmware, ..RenderContext::default() }
    }

    fn menu(plan: &Plan, protocol: Protocol, machine: &RenderContext) -> String {
        let context = RenderContext { base_url: protocol.base_url(SERVER), ..machine.clone() };
        super::menu(plan, &plan.offer.menu.entries, SERVER, &context)
    }

    fn entry(protocol: Protocol, server: IpAddr) -> String {
        super::entry_script(protocol, server, BootChoice::default(), false)
    }

    fn plan(entries: Vec<BootDirEntry>) -> Plan {
        Plan {
            offer: Offer {
                menu: BootDirMenu { entries, ..BootDirMenu::default() },
                local_disk: vec![Arch::X64],
                ..Offer::default()
            }
            .into(),
            ..Plan::default()
        }
    }

    fn new_entry(title: &str, target: EntryTarget) -> BootDirEntry {
        BootDirEntry { title: title.into(), target, problem: None }
    }

    fn linux(arch: Arch) -> BootDirEntry {
        let target = EntryTarget::Linux {
            kernel: "debian/linux".into(),
            initrds: vec!["debian/ucode.img".into(), "debian/initrd.gz".into()],
            arguments: "quiet ip=${netX/ip}".into(),
            arch,
        };
        new_entry("debian", target)
    }

    #[test]
    fn an_entry_that_does_not_boot_shows_why_before_it_is_started() {
        let mut entry = linux(Arch::X64);
        entry.problem = Some("the live system is looked for on a disc: fetch= does not say where it is".into());
        let script = menu(&plan(vec![entry]), Protocol::Http(8080), &machine("efi", "x86_64"));
        assert!(script.contains("item entry0 ${sp}${sp} debian${sp}${sp}(does not boot as it is)\n"), "{script}");
        let commands = part(&script, "entry0");
        assert!(
            commands.starts_with(
                "echo debian does not boot as it is:\n\
                 echo the live system is looked for on a disc: fetch= does not say where it\n\
                 echo is\n\
                 echo proxydhcpd check, on the server, says what to do.\n\
                 prompt --key b --timeout 30000 Press b to start it all the same, another key for the menu. \
                 || goto menu\nimgfree ||\nset step kernel/debian/linux\nkernel "
            ),
            "{commands}"
        );
    }

    #[test]
    fn a_kernel_for_bios_only_is_shown_there_only() {
        let shows = |machine: RenderContext| {
            menu(&plan(vec![linux(Arch::BIOS)]), Protocol::Tftp, &machine).contains("item entry0 ")
        };
        assert!(shows(machine("pcbios", "i386")) && !shows(machine("efi", "x86_64")));
    }

    /// The part of a script after a label.
    fn part<'a>(script: &'a str, label: &str) -> &'a str {
        let start = script.find(&format!("\n:{label}\n")).unwrap() + label.len() + 3;
        script[start..].split("\n\n").next().unwrap()
    }

    #[test]
    fn the_entry_script_continues_with_the_same_protocol() {
        let script = entry(Protocol::Http(8080), SERVER);
        let line = script.lines().find(|line| line.starts_with("chain ")).unwrap();
        assert_eq!(
            line,
            "chain --replace --autofree http://192.0.2.1:8080/machine/mac=${netX/mac:hexhyp}/uuid=${uuid}\
             /serial=${serial:hexraw}/platform=${platform}/arch=${buildarch}/memsize=${memsize}\
             /modules=${smbios/0.17.12.2:hexraw}.${smbios/1.17.12.2:hexraw}.${smbios/2.17.12.2:hexraw}\
             .${smbios/3.17.12.2:hexraw}.${smbios/4.17.12.2:hexraw}.${smbios/5.17.12.2:hexraw}\
             .${smbios/6.17.12.2:hexraw}.${smbios/7.17.12.2:hexraw}/menu.ipxe ||"
        );
        let report = "chain --autofree http://192.0.2.1:8080/machine/mac=${netX/mac:hexhyp}/errno=${errno}\
                      /failed/${step} ||\n:give_up\n";
        assert!(script.contains(report), "{script}");
        assert!(entry(Protocol::Tftp, SERVER).contains(" tftp://192.0.2.1/machine/"));
        assert!(entry(Protocol::Http(80), IpAddr::V6(Ipv6Addr::LOCALHOST)).contains(" http://[::1]:80/machine/"));
    }

    #[test]
    fn no_script_names_the_next_server() {
        let menu = menu(&plan(vec![linux(Arch::X64)]), Protocol::Tftp, &machine("efi", "x86_64"));
        assert!(!menu.contains("next-server") && !entry(Protocol::Tftp, SERVER).contains("next-server"));
    }

    /// XenServer and XCP-ng boot their BIOS guests with an iPXE of 2012 (xcp-ng/xcp#559). An unknown command ends the
    /// script, unless the line continues after a failure.
    #[test]
    fn every_command_is_known_to_an_ipxe_of_2012_or_can_fail() {
        const KNOWN: [&str; 17] = [
            "boot", "chain", "choose", "echo", "exit", "goto", "imgfree", "initrd", "item", "kernel", "menu", "prompt",
            "reboot", "sanboot", "set", "shell", "sleep",
        ];
        let odd = vec![linux(Arch::X64), new_entry("a", EntryTarget::Script { path: "a.ipxe".into() })];
        for script in [entry(Protocol::Tftp, SERVER), menu(&plan(odd), Protocol::Tftp, &machine("", ""))] {
            for line in script.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ':'])) {
                let commands = line.split(" && ").map(|command| command.split_whitespace().next().unwrap());
                assert!(line.ends_with("||") || commands.into_iter().all(|word| KNOWN.contains(&word)), "{line}");
            }
        }
    }

    #[test]
    fn the_menu_of_an_x64_machine() {
        let script = menu(&plan(vec![linux(Arch::X64)]), Protocol::Http(8080), &machine("efi", "x86_64"));
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
set step kernel/debian/linux
kernel http://192.0.2.1:8080/debian/linux initrd=initrd0 initrd=initrd1 quiet ip=${netX/ip} || goto failed
set step initrd/debian/ucode.img
initrd --name initrd0 http://192.0.2.1:8080/debian/ucode.img || goto failed
set step initrd/debian/initrd.gz
initrd --name initrd1 http://192.0.2.1:8080/debian/initrd.gz || goto failed
set step boot/debian/linux
boot || goto failed
goto menu"
        );
    }

    #[test]
    fn every_goto_has_its_label() {
        let entries = vec![linux(Arch::X64), new_entry("a", EntryTarget::Script { path: "a.ipxe".into() })];
        for machine in [machine("pcbios", "i386"), machine("efi", "x86_64"), RenderContext::default()] {
            let script = menu(&plan(entries.clone()), Protocol::Tftp, &machine);
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
        let disk = |machine: &RenderContext| {
            let script = menu(&plan(vec![]), Protocol::Http(8080), machine);
            part(&script, "disk").to_string()
        };
        assert_eq!(
            disk(&machine("pcbios", "i386")),
            "set step sanboot\nsanboot --no-describe --drive 0x80 || goto failed\ngoto menu"
        );
        assert_eq!(
            disk(&machine("efi", "x86_64")),
            "imgfree ||\nset step chain/local-disk/uefi-x64.efi\nchain --autofree http://192.0.2.1:8080/local-disk/uefi-x64.efi || sanboot --no-describe \
             || goto failed\ngoto menu"
        );
        assert_eq!(disk(&machine("efi", "riscv64")), "sanboot --no-describe || exit 1\ngoto menu");
    }

    #[test]
    fn the_menu_shows_only_entries_that_the_machine_can_start() {
        let program = new_entry("tool", EntryTarget::Efi { path: "tool.efi".into(), arch: Arch::X64 });
        let shows = |entry: &BootDirEntry, machine: RenderContext| {
            menu(&plan(vec![entry.clone()]), Protocol::Tftp, &machine).contains("item entry0 ")
        };
        assert!(shows(&program, machine("efi", "x86_64")));
        assert!(!shows(&program, machine("pcbios", "i386")) && !shows(&program, RenderContext::default()));
        assert!(
            shows(&linux(Arch::X64), machine("pcbios", "i386")) && shows(&linux(Arch::X64), RenderContext::default())
        );
        assert!(
            !shows(&linux(Arch::X64), machine("efi", "arm64")) && !shows(&linux(Arch::IA32), machine("efi", "x86_64"))
        );
    }

    fn with_menu(entries: Vec<BootDirEntry>, menu: MenuSettings) -> Plan {
        plan(entries).with_policy(|policy| policy.menu = menu).with_offer(|offer| offer.http = Some(8080))
    }

    #[test]
    fn a_protected_item_starts_only_from_its_own_script() {
        let settings = MenuSettings {
            protected_items: vec![Glob("debian/*".into()), Glob("shell".into())],
            ..MenuSettings::default()
        };
        let (plan, machine) = (with_menu(vec![linux(Arch::X64)], settings), machine("efi", "x86_64"));
        let script = menu(&plan, Protocol::Tftp, &machine);
        assert!(script.contains("item entry0 ${sp}${sp} debian${sp}${sp}(password)\n"), "{script}");
        assert!(!script.contains("debian/initrd.gz") && !script.contains("\nshell ||"), "{script}");
        assert_eq!(
            part(&script, "entry0"),
            "clear password ||
login || goto menu
chain --autofree http://${username:uristring}:${password:uristring}@192.0.2.1:8080/machine/mac=525400123456/\
             platform=${platform}/arch=${buildarch}/menu-item/debian/linux || goto refused
clear password ||
goto menu"
        );
        let context = RenderContext { base_url: "http://192.0.2.1:8080/".into(), ..machine };
        let of_item = |id| start_menu_item(&plan, &plan.offer.menu.entries, &context, id);
        let started = of_item("debian/linux").unwrap();
        assert!(started.contains("\nkernel http://192.0.2.1:8080/debian/linux ") && started.contains("\n:menu\n"));
        assert!(of_item("shell").unwrap().contains("\nshell ||\n") && of_item("debian/other").is_none());
    }

    #[test]
    fn a_hidden_item_is_in_no_script_of_the_machine() {
        let hidden_items = vec![Glob("debian/*".into()), Glob("netboot.xyz".into())];
        let plan = with_menu(vec![linux(Arch::X64)], MenuSettings { hidden_items, ..MenuSettings::default() });
        let context = machine("efi", "x86_64");
        let script = menu(&plan, Protocol::Http(8080), &context);
        assert!(!script.contains("debian") && !script.contains("On this server") && !script.contains("netboot.xyz"));
        assert_eq!(start_menu_item(&plan, &plan.offer.menu.entries, &context, "debian/linux"), None);
    }

    #[test]
    fn an_installer_and_a_protected_item_are_never_the_default() {
        let live = || new_entry("live", EntryTarget::Script { path: "live.ipxe".into() });
        let install = || new_entry("new", EntryTarget::Script { path: "install.ipxe".into() });
        let default = |default_item: &str, protected: &str, timeout| {
            let menu = MenuSettings {
                default_item: default_item.into(),
                protected_items: vec![Glob(protected.into())],
                timeout,
                ..MenuSettings::default()
            };
            let script = self::menu(&with_menu(vec![live(), install()], menu), Protocol::Tftp, &machine("efi", ""));
            script.lines().find(|line| line.starts_with("choose ")).unwrap().to_string()
        };
        assert_eq!(default("live.ipxe", "", 30), "choose --default entry0 --timeout 30000 chosen || goto menu");
        assert_eq!(default("live.ipxe", "", 0), "choose --default entry0 chosen || goto menu");
        for (item, protected) in [("install.ipxe", ""), ("live.ipxe", "live*"), ("gone.ipxe", ""), ("shell", "")] {
            assert!(default(item, protected, 10).starts_with("choose --default disk "), "{item}");
        }
    }

    #[test]
    fn names_cannot_break_out_of_their_line() {
        let odd = new_entry("a && b || ${net0/ip}\n;é", EntryTarget::Script { path: "x y/$\u{7b}a}%&&.ipxe".into() });
        let script = menu(&plan(vec![odd]), Protocol::Tftp, &machine("efi", "x86_64"));
        assert!(script.contains("item entry0 ${sp}${sp} a ?? b ?? ??net0/ip????\n"), "{script}");
        assert!(script.contains("chain --autofree tftp://192.0.2.1/x%20y/%24%7Ba%7D%25%26%26.ipxe || goto failed\n"));
    }
}
