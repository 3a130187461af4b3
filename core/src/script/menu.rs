//! The script with the menu of the boot directory.

use super::commands::{
    COLOURS, MESSAGE_TIMEOUT, SET_SPACE, VERSION, echo_lines, file_url, menu_heading, menu_item, sanitize, start_linux,
    start_local_disk,
};
use crate::arch::Arch;
use crate::identity::HardwareAddress;
use crate::plan::Plan;
use crate::plan::offer::{BootDirEntry, EntryTarget};
use crate::render_context::RenderContext;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

/// The prefix of scripts named after a host name, as netboot.xyz names them. The server ignores the case of such
/// names.
pub const HOST_NAME_PREFIX: &str = "HOSTNAME-";

/// How long the menu waits before it starts the local disk, in milliseconds.
const MENU_TIMEOUT: u32 = 10_000;

/// How long the menu shows why an entry does not boot, in milliseconds.
const PROBLEM_TIMEOUT: u32 = 30_000;

/// The script that shows the menu on this machine. `entries` are the entries of the plan, with all template expressions
/// rendered.
pub fn menu(plan: &Plan, entries: &[BootDirEntry], server: IpAddr, context: &RenderContext) -> String {
    let (base, arch) = (&context.base_url, context.firmware.arch);
    let mac = context.machine.identifiers.macs[0].map(HardwareAddress::from_mac);
    let shown: Vec<(usize, &BootDirEntry)> =
        entries.iter().enumerate().filter(|(_, entry)| can_boot(&entry.target, arch)).collect();

    let mut script = format!(
        "#!ipxe
# proxydhcpd {VERSION}: a menu for {machine}
{SET_SPACE}
{COLOURS}
{by_name}
:menu
menu proxydhcpd {VERSION} at {server}
item --gap -- ${{manufacturer}} ${{product}}
item --gap -- ${{netX/mac}}${{sp}} ${{netX/ip}}${{sp}} {firmware}
item --gap -- ${{uuid}}
",
        machine = mac.map_or_else(|| "a machine".to_string(), |mac| mac.to_string()),
        firmware = firmware(arch),
        by_name = if plan.offer.menu.has_host_name_scripts { by_host_name(base) } else { String::new() },
    );
    if !shown.is_empty() {
        menu_heading(&mut script, "On this server");
        for (number, entry) in &shown {
            let mark = if entry.problem.is_some() { "${sp}${sp}(does not boot as it is)" } else { "" };
            menu_item(&mut script, &format!("entry{number}"), &(sanitize(&entry.title) + mark));
        }
    }
    menu_heading(&mut script, "On this machine");
    menu_item(&mut script, "disk", "Boot from the local disk");
    menu_item(&mut script, "shell", "iPXE shell");
    menu_item(&mut script, "restart", "Restart");
    menu_heading(&mut script, "On the Internet");
    menu_item(&mut script, "netbootxyz", "netboot.xyz");
    writeln!(script, "choose --default disk --timeout {MENU_TIMEOUT} chosen || goto menu").ok();
    script.push_str("goto ${chosen}\n");

    for (number, entry) in &shown {
        writeln!(script, "\n:entry{number}").ok();
        start(&mut script, base, entry);
    }
    script.push_str("\n:disk\n");
    start_local_disk(&mut script, plan, base, arch);
    script.push_str("goto menu\n");
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
        "prompt --timeout {MESSAGE_TIMEOUT} That did not work; the lines above say why. Press a key for the menu. ||"
    )
    .ok();
    script.push_str("goto menu\n");
    script
}

/// The command that runs the script for the machine's host name, if there is one, before the menu.
fn by_host_name(base: &str) -> String {
    format!("isset ${{hostname}} && chain --autofree {base}{HOST_NAME_PREFIX}${{hostname:uristring}}.ipxe ||\n")
}

/// Whether the machine can boot the entry. A machine of unknown architecture sees all entries but EFI programs.
fn can_boot(target: &EntryTarget, machine: Option<Arch>) -> bool {
    match (target, machine) {
        (EntryTarget::Script { .. }, _) | (EntryTarget::Linux { .. }, None) => true,
        (EntryTarget::Linux { arch, .. }, Some(machine)) => machine.starts_kernel_of(*arch),
        (EntryTarget::Efi { arch, .. }, machine) => machine == Some(*arch),
    }
}

fn firmware(arch: Option<Arch>) -> String {
    arch.map_or_else(|| "${platform} ${buildarch}".to_string(), |arch| arch.to_string())
}

/// Adds the commands that boot an entry of the boot directory. If a problem prevents the boot, the script shows the
/// problem first.
fn start(script: &mut String, base: &str, entry: &BootDirEntry) {
    if let Some(problem) = &entry.problem {
        writeln!(script, "echo {} does not boot as it is:", sanitize(&entry.title)).ok();
        echo_lines(script, problem);
        script.push_str("echo proxydhcpd check, on the server, says what to do.\n");
        let question = "Press b to start it all the same, another key for the menu.";
        writeln!(script, "prompt --key b --timeout {PROBLEM_TIMEOUT} {question} || goto menu").ok();
    }
    match &entry.target {
        EntryTarget::Linux { kernel, initrds, arguments, .. } => {
            start_linux(script, base, kernel, initrds.iter().map(String::as_str), arguments);
        }
        EntryTarget::Script { path } | EntryTarget::Efi { path, .. } => {
            writeln!(script, "imgfree ||\nchain --autofree {} || goto failed", file_url(base, path)).ok();
        }
    }
    script.push_str("goto menu\n");
}
