//! The scripts of profiles.

use super::commands::{
    COLOURS, MESSAGE_TIMEOUT, SET_SPACE, VERSION, echo_lines, identity_path, menu_heading, menu_item, report_failure,
    sanitize, start_linux, start_local_disk, step,
};
use crate::arch::Arch;
use crate::choose::BootChoice;
use crate::choose::MACHINE_PREFIX;
use crate::identity::MachineIdentity;
use crate::ipxe_error::{IpxeError, ScriptCommand};
use crate::plan::Plan;
use crate::plan::profile::{FirmwareMenu, Linux};
use crate::url::percent_encode;
use alloc::format;
use alloc::string::String;
use core::fmt::Write;

/// The script that boots a kernel with its initrds and command line, in which all template expressions are rendered.
pub fn linux(base: &str, title: &str, linux: &Linux) -> String {
    let mut script = head(title);
    let initrds = linux.initrds.iter().map(String::as_str);
    start_linux(&mut script, base, &linux.kernel, initrds, &linux.arguments);
    script + &failed(base, title)
}

/// The script that starts the profile's loader, a file of this server.
pub fn chain(base: &str, title: &str, program: &str) -> String {
    chain_file(base, title, program, &format!("{base}{}", percent_encode(program)))
}

/// The script that starts a script or a program on another server.
pub fn chain_url(base: &str, title: &str, url: &str) -> String {
    chain_file(base, title, url, url)
}

fn chain_file(base: &str, title: &str, file: &str, url: &str) -> String {
    let mut script = head(title);
    step(&mut script, ScriptCommand::Chain, file);
    format!("{script}chain --autofree {url} || goto failed\nexit 0\n{}", failed(base, title))
}

/// The script that boots the local disk. `completed` is the name of the machine, if its boot-once is completed and its
/// entry has no `boot` key.
pub fn local_disk(plan: &Plan, base: &str, arch: Option<Arch>, completed: Option<&str>) -> String {
    let mut script = head("the local disk");
    if let Some(name) = completed {
        echo_lines(&mut script, &format!("{name} has completed its boot-once, and its entry sets no boot key."));
        echo_lines(&mut script, "So it boots its disk. To boot its profile again, on the server:");
        echo_lines(&mut script, &format!("proxydhcpd rearm {name}"));
    }
    start_local_disk(&mut script, plan, base, arch);
    script + "exit 1\n" + &failed(base, "the local disk")
}

/// The script that boots nothing.
pub fn boot_nothing() -> String {
    format!("{}echo This machine boots nothing from the network\nexit 1\n", head("nothing"))
}

/// The script with the menu that firmware shows without a script.
pub fn profile_menu(base: &str, menu: &FirmwareMenu, machine: &MachineIdentity, choice: BootChoice) -> String {
    let mut script = format!("{}{SET_SPACE}\n{COLOURS}\n\n:menu\nmenu proxydhcpd {VERSION}\n", head("a menu"));
    menu_heading(&mut script, &sanitize(&menu.prompt));
    for item in &menu.items {
        menu_item(&mut script, &format!("item{}", item.server_type), &sanitize(&item.title));
    }
    let first = menu.items.first().map_or(0, |item| item.server_type);
    let timeout = match menu.timeout {
        // iPXE boots the first item at once and without a prompt, as the firmware does.
        0 => format!("goto item{first}\n"),
        255 => "choose chosen || goto menu\ngoto ${chosen}\n".into(),
        seconds => format!(
            "choose --default item{first} --timeout {} chosen || goto menu\ngoto ${{chosen}}\n",
            u32::from(seconds) * 1000
        ),
    };
    script.push_str(&timeout);
    let identity = identity_path(machine);
    for item in &menu.items {
        let chosen = BootChoice { item: Some(item.server_type), ..choice }.path();
        let script_of_item = format!("{base}{MACHINE_PREFIX}{chosen}{identity}menu.ipxe");
        writeln!(script, "\n:item{}", item.server_type).ok();
        step(&mut script, ScriptCommand::Chain, "menu.ipxe");
        writeln!(script, "chain --autofree {script_of_item} || goto failed\ngoto menu").ok();
    }
    script.push_str("\n:failed\n");
    report_failure(&mut script, base);
    writeln!(script, "prompt --timeout {MESSAGE_TIMEOUT} That did not work. Press a key for the menu. ||\ngoto menu")
        .ok();
    script
}

/// The script that replaces one that could not be rendered. It shows what to correct.
pub fn template_error(template: &str, line: Option<usize>, reason: &str) -> String {
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let mut script = head("a template that failed");
    writeln!(
        script,
        "echo The boot server cannot render the script of this machine:\necho {}{line}",
        sanitize(template)
    )
    .ok();
    echo_lines(&mut script, reason);
    writeln!(script, "prompt --timeout {MESSAGE_TIMEOUT} Press a key to leave the network boot ||\nexit 1").ok();
    script
}

/// The script that shows the error of a failed command in words, and returns to the script that contains the command.
pub fn failure(command: ScriptCommand, file: &str, error: IpxeError) -> String {
    let mut script = head("an error");
    let name = if file.is_empty() { command.name() } else { file };
    echo_lines(&mut script, &format!("{name}: {error}"));
    script
}

fn head(title: &str) -> String {
    format!("#!ipxe\n# proxydhcpd {VERSION}: {}\n", sanitize(title))
}

/// The commands after a failure: the script reports it, and the console shows the error for a while.
fn failed(base: &str, title: &str) -> String {
    let mut script = String::from("\n:failed\n");
    report_failure(&mut script, base);
    let title = sanitize(title);
    writeln!(script, "prompt --timeout {MESSAGE_TIMEOUT} {title} did not start; the lines above say why. ||\nexit 1")
        .ok();
    script
}
