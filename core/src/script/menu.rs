//! The menu of the boot folder.

use super::{COLOURS, PAUSE, SPACE, VERSION, heading, item, plain, start_linux, start_local_disk, url};
use crate::arch::Arch;
use crate::caller::Caller;
use crate::plan::{Entry, Plan};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

/// How long the menu waits before it starts the local disk, in milliseconds.
const MENU_TIMEOUT: u32 = 10_000;

/// The menu of this machine.
pub fn menu(plan: &Plan, base: &str, server: IpAddr, caller: &Caller) -> String {
    let shown: Vec<(usize, &Entry)> =
        plan.menu.entries.iter().enumerate().filter(|(_, entry)| suits(entry, caller.arch)).collect();

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
        who = caller.who(),
        firmware = firmware(caller.arch),
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
        start(&mut script, base, entry);
    }
    script.push_str("\n:disk\n");
    start_local_disk(&mut script, plan, base, caller.arch);
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
        "prompt --timeout {PAUSE} That did not work; the lines above say why. Press a key for the menu. ||"
    )
    .ok();
    script.push_str("goto menu\n");
    script
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

/// The commands that start an entry of the boot folder.
fn start(script: &mut String, base: &str, entry: &Entry) {
    match entry {
        Entry::Linux { kernel, initrds, arguments, .. } => {
            start_linux(script, base, kernel, initrds.iter().map(String::as_str), arguments);
        }
        Entry::Script { path, .. } | Entry::Efi { path, .. } => {
            writeln!(script, "imgfree ||\nchain --autofree {} || goto failed", url(base, path)).ok();
        }
    }
    script.push_str("goto menu\n");
}
