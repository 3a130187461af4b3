//! Commands and texts that several scripts share.

use crate::arch::Arch;
use crate::choose::{MACHINE_PREFIX, local_disk_name};
use crate::identity::MachineIdentity;
use crate::ipxe_error::ScriptCommand;
use crate::plan::Plan;
use crate::render_context::FAILED_PREFIX;
use crate::url::{is_url, percent_encode};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// How long the console shows a message before the script continues, in milliseconds.
pub(super) const MESSAGE_TIMEOUT: u32 = 10_000;

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sets `${sp}` to a space that iPXE keeps: it splits a line at its spaces before it expands settings.
pub(super) const SET_SPACE: &str = "set sp:hex 20 && set sp ${sp:string}";

/// The colours of the menu: grey on black, headings in cyan, and the selected item in black on cyan, instead of iPXE's
/// blue and red. They are the pairs 1, 2 and 3 of iPXE's config/colour.h. An iPXE that is built without `cpair` keeps
/// its colours.
pub(super) const COLOURS: &str = "\
cpair --foreground 7 --background 0 1 && cpair --foreground 0 --background 6 2 && \
cpair --foreground 6 --background 0 3 ||";

/// The commands that boot the machine's local disk.
///
/// On BIOS, the script boots the first disk. On UEFI, `exit` does not boot the disk directly, because the firmware
/// first tries its other network entries (PXE over IPv6, HTTP), with a timeout of a minute each. `sanboot` supports
/// local disks only since 2024 (iPXE b1c13cc43; not in Debian 12's iPXE), and starts only `\EFI\BOOT`. So a program of
/// this server does what the firmware would do with its entries for disks. Secure Boot may refuse this program, but not
/// `sanboot`.
pub(super) fn start_local_disk(script: &mut String, plan: &Plan, base: &str, machine: Option<Arch>) {
    match machine.and_then(Arch::info) {
        Some(row) if plan.offer.local_disk.contains(&Arch(row.code)) => {
            let program = local_disk_name(Arch(row.code));
            writeln!(script, "imgfree ||").ok();
            step(script, ScriptCommand::Chain, &program);
            writeln!(script, "chain --autofree {base}{program} || sanboot --no-describe || goto failed").ok();
        }
        Some(row) if row.code == Arch::BIOS.0 => {
            step(script, ScriptCommand::Sanboot, "");
            script.push_str("sanboot --no-describe --drive 0x80 || goto failed\n");
        }
        _ => script.push_str("sanboot --no-describe || exit 1\n"),
    }
}

/// The commands that boot a kernel.
pub(super) fn start_linux<'a>(
    script: &mut String,
    base: &str,
    kernel: &str,
    initrds: impl ExactSizeIterator<Item = &'a str>,
    arguments: &str,
) {
    script.push_str("imgfree ||\n");
    step(script, ScriptCommand::Kernel, kernel);
    write!(script, "kernel {}", file_url(base, kernel)).ok();
    // A kernel that runs as an EFI program finds its initrds by these names. Newer kernels query iPXE and do not need
    // the names. With the BIOS boot protocol, the kernel ignores them.
    for number in 0..initrds.len() {
        write!(script, " initrd=initrd{number}").ok();
    }
    if !arguments.is_empty() {
        write!(script, " {arguments}").ok();
    }
    script.push_str(" || goto failed\n");
    for (number, initrd) in initrds.enumerate() {
        step(script, ScriptCommand::Initrd, initrd);
        writeln!(script, "initrd --name initrd{number} {} || goto failed", file_url(base, initrd)).ok();
    }
    step(script, ScriptCommand::Boot, kernel);
    script.push_str("boot || goto failed\n");
}

/// The command that notes the next command that can fail, and its file, for [`report_failure`]. Only a failure changes
/// iPXE's `${errno}`, so this command may stand between the failed one and the report.
pub(super) fn step(script: &mut String, command: ScriptCommand, file: &str) {
    /// Octets of the name of a file that are kept. The URL of a report must fit into a TFTP request.
    const MAX_FILE: usize = 100;
    let mut octets = 0;
    let fits = |c: &char| {
        octets += c.len_utf8();
        octets <= MAX_FILE
    };
    let file: String = file.chars().take_while(fits).collect();
    let slash = if file.is_empty() { "" } else { "/" };
    writeln!(script, "set step {}{slash}{}", command.name(), percent_encode(&file)).ok();
}

/// The command that reports the failed command, by its error number. The server answers with a script that shows the
/// error in words, and that returns. If the server cannot be reached, iPXE gives up after 16 s (both in 2019 and in
/// 2025). `base` is the server's base URL for the machine.
pub(super) fn report_failure(script: &mut String, base: &str) {
    let machine = if base.contains(MACHINE_PREFIX) { "" } else { MACHINE_PREFIX };
    writeln!(
        script,
        "chain --autofree {base}{machine}mac=${{netX/mac:hexhyp}}/errno=${{errno}}/{FAILED_PREFIX}${{step}} ||"
    )
    .ok();
}

/// The URL of a file. The file is on this server, unless `path` is itself a URL.
pub(super) fn file_url(base: &str, path: &str) -> String {
    if is_url(path) { path.into() } else { format!("{base}{}", percent_encode(path)) }
}

pub(super) fn menu_heading(script: &mut String, text: &str) {
    writeln!(script, "item --gap\nitem --gap -- {text}").ok();
}

pub(super) fn menu_item(script: &mut String, label: &str, text: &str) {
    writeln!(script, "item {label} ${{sp}}${{sp}} {text}").ok();
}

/// Text that is safe in a script: without characters that iPXE expands, splits at or parses as an operator, and at
/// most 70 characters.
pub(super) fn sanitize(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " -._+:,()/@=~'".contains(c);
    text.chars().take(70).map(|c| if harmless(c) { c } else { '?' }).collect()
}

/// The commands that print a longer text, on at most four lines.
pub(super) fn echo_lines(script: &mut String, text: &str) {
    const MAX_WIDTH: usize = 70;
    let mut lines = Vec::from([String::new()]);
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, String::len);
        if line > 0 && line + 1 + word.len() > MAX_WIDTH {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        if !lines[last].is_empty() {
            lines[last].push(' ');
        }
        lines[last].push_str(word);
    }
    for line in lines.iter().take(4) {
        writeln!(script, "echo {}", sanitize(line)).ok();
    }
}

/// The MAC address, UUID and serial number as part of a URL, followed by the settings that iPXE replaces with its
/// platform and architecture.
pub(super) fn identity_path(machine: &MachineIdentity) -> String {
    let mac = machine.identifiers.macs[0];
    let uuid = machine.machine_id.map(|id| id.uuid());
    let mut parts = String::new();
    for (key, octets) in [
        ("mac", mac.as_ref().map(|mac| &mac[..])),
        ("uuid", uuid.as_ref().map(|uuid| &uuid[..])),
        ("serial", machine.serial.as_ref().map(|serial| serial.as_bytes())),
    ] {
        if let Some(octets) = octets {
            write!(parts, "{key}=").ok();
            octets.iter().for_each(|octet| _ = write!(parts, "{octet:02x}"));
            parts.push('/');
        }
    }
    parts + "platform=${platform}/arch=${buildarch}/"
}
