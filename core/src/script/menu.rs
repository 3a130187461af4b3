//! The script with the menu of the boot directory.

use super::commands::{
    COLOURS, MESSAGE_TIMEOUT, SET_SPACE, VERSION, echo_lines, file_url, identity_path, menu_heading, menu_item,
    report_failure, sanitize, start_linux, start_local_disk, step,
};
use crate::arch::Arch;
use crate::choose::MACHINE_PREFIX;
use crate::identity::HardwareAddress;
use crate::ipxe_error::ScriptCommand;
use crate::plan::Plan;
use crate::plan::menu::{LOCAL_DISK, NETBOOT_XYZ, RESTART, SHELL};
use crate::plan::offer::{BootDirEntry, EntryTarget};
use crate::render_context::{MENU_ITEM_PREFIX, RenderContext};
use crate::request::Protocol;
use crate::url::percent_encode;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

/// The prefix of scripts named after a host name, as netboot.xyz names them. The server ignores the case of such
/// names.
pub const HOST_NAME_PREFIX: &str = "HOSTNAME-";

/// How long the menu shows why an entry does not boot, in milliseconds.
const PROBLEM_TIMEOUT: u32 = 30_000;

/// The heading above items of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuSection {
    /// The entries of the boot directory.
    Server,
    /// The items that need no server.
    Machine,
    /// The items that load files from the Internet.
    Internet,
}

/// An item of the menu, as one machine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuItem<'a> {
    /// The identifier, by which settings refer to the item: the path of an entry, or one of [`crate::plan::menu`].
    pub id: &'a str,
    /// The text of the line.
    pub title: &'a str,
    /// The heading above it.
    pub section: MenuSection,
    /// Why the entry cannot boot without a change; `None` if no reason is known.
    pub problem: Option<&'a str>,
    /// Whether the item needs a password.
    pub is_protected: bool,
    /// Whether the item starts by itself after the timeout.
    pub is_default: bool,
    /// The label of its commands in the script.
    label: String,
    /// The entry of the boot directory; `None` for a built-in item.
    entry: Option<&'a BootDirEntry>,
}

impl MenuSection {
    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Server => "On this server",
            Self::Machine => "On this machine",
            Self::Internet => "On the Internet",
        }
    }
}

/// The items that the machine sees, in the order of the menu. `entries` are the entries of the plan, with all template
/// expressions rendered. Exactly one item is the default: the local disk, if the machine does not see the one that the
/// settings name, or if that one may not start by itself.
pub fn menu_items<'a>(plan: &Plan, entries: &'a [BootDirEntry], context: &RenderContext) -> Vec<MenuItem<'a>> {
    const BUILT_IN: [(&str, &str, &str, MenuSection); 4] = [
        (LOCAL_DISK, "disk", "Boot from the local disk", MenuSection::Machine),
        (SHELL, "shell", "iPXE shell", MenuSection::Machine),
        (RESTART, "restart", "Restart", MenuSection::Machine),
        (NETBOOT_XYZ, "netbootxyz", "netboot.xyz", MenuSection::Internet),
    ];
    let (settings, rule) = (&plan.policy.menu, context.decision.rule(plan));
    let item = |id, title, label, section, entry: Option<&'a BootDirEntry>| MenuItem {
        id,
        title,
        section,
        problem: entry.and_then(|entry| entry.problem.as_deref()),
        is_protected: settings.protects(id),
        is_default: false,
        label,
        entry,
    };
    let shown = entries.iter().enumerate().filter(|(_, entry)| can_boot(&entry.target, context.firmware.arch));
    let of_entry = |(number, entry): (usize, &'a BootDirEntry)| {
        item(entry.target.path(), &entry.title, format!("entry{number}"), MenuSection::Server, Some(entry))
    };
    let built_in = BUILT_IN.into_iter().map(|(id, label, title, section)| item(id, title, label.into(), section, None));
    let mut items: Vec<_> = shown.map(of_entry).chain(built_in).filter(|item| !settings.hides(item.id, rule)).collect();
    let is_default = |item: &MenuItem<'_>| {
        item.id == settings.default_item && settings.may_be_default(item.id, item.entry.map(|entry| &entry.target))
    };
    let default = items.iter().position(is_default).or_else(|| items.iter().position(|item| item.id == LOCAL_DISK));
    if let Some(item) = default.and_then(|default| items.get_mut(default)) {
        item.is_default = true;
    }
    items
}

/// The script that shows the menu on this machine. `entries` are the entries of the plan, with all template expressions
/// rendered.
pub fn menu(plan: &Plan, entries: &[BootDirEntry], server: IpAddr, context: &RenderContext) -> String {
    let (base, arch) = (&context.base_url, context.firmware.arch);
    let mac = context.machine.identifiers.macs[0].map(HardwareAddress::from_mac);
    let items = menu_items(plan, entries, context);

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
    let mut section = None;
    for item in &items {
        if section.replace(item.section) != Some(item.section) {
            menu_heading(&mut script, item.section.heading());
        }
        let problem = if item.problem.is_some() { "${sp}${sp}(does not boot as it is)" } else { "" };
        let lock = if item.is_protected { "${sp}${sp}(password)" } else { "" };
        menu_item(&mut script, &item.label, &(sanitize(item.title) + problem + lock));
    }
    let default = items.iter().find(|item| item.is_default).map_or("", |item| &item.label);
    match plan.policy.menu.timeout {
        0 => writeln!(script, "choose --default {default} chosen || goto menu").ok(),
        seconds => {
            let milliseconds = u32::from(seconds) * 1000;
            writeln!(script, "choose --default {default} --timeout {milliseconds} chosen || goto menu").ok()
        }
    };
    script.push_str("goto ${chosen}\n");

    for item in &items {
        writeln!(script, "\n:{}", item.label).ok();
        match item.is_protected {
            true => log_in(&mut script, plan, server, context, item),
            false => start(&mut script, plan, context, item),
        }
    }
    if items.iter().any(|item| item.is_protected) {
        script.push_str(
            "
:refused
clear password ||
prompt --timeout 10000 The server did not accept this user and password. Press a key for the menu. ||
goto menu
",
        );
    }
    script.push_str("\n:failed\n");
    report_failure(&mut script, base);
    script.push_str("imgfree ||\n");
    writeln!(
        script,
        "prompt --timeout {MESSAGE_TIMEOUT} That did not work; the lines above say why. Press a key for the menu. ||"
    )
    .ok();
    script.push_str("goto menu\n");
    script
}

/// The script that starts one item of the menu, which returns to the menu if that fails. `None`: the machine does not
/// see such an item.
pub fn start_menu_item(plan: &Plan, entries: &[BootDirEntry], context: &RenderContext, id: &str) -> Option<String> {
    let items = menu_items(plan, entries, context);
    let item = items.iter().find(|item| item.id == id)?;
    let mut script = format!("#!ipxe\n# proxydhcpd {VERSION}: {}\n{SET_SPACE}\n", sanitize(item.title));
    start(&mut script, plan, context, item);
    script.push_str("\n:menu\nexit 0\n\n:failed\n");
    report_failure(&mut script, &context.base_url);
    script.push_str("imgfree ||\n");
    writeln!(
        script,
        "prompt --timeout {MESSAGE_TIMEOUT} That did not work; the lines above say why. Press a key for the menu. ||"
    )
    .ok();
    script.push_str("exit 0\n");
    Some(script)
}

/// Adds the commands that ask for a user and a password, and fetch the script of the item with them. iPXE sends a
/// digest of the password, because the server asks for that (RFC 7616).
fn log_in(script: &mut String, plan: &Plan, server: IpAddr, context: &RenderContext, item: &MenuItem<'_>) {
    let Some(http) = plan.offer.http else {
        script.push_str(
            "prompt --timeout 10000 This item needs the HTTP server. Press a key for the menu. ||\ngoto menu\n",
        );
        return;
    };
    let base = Protocol::Http(http).base_url(server);
    let with_password = base.replacen("://", "://${username:uristring}:${password:uristring}@", 1);
    let machine = context.choice.path() + &identity_path(&context.machine);
    writeln!(
        script,
        "clear password ||
login || goto menu
chain --autofree {with_password}{MACHINE_PREFIX}{machine}{MENU_ITEM_PREFIX}{} || goto refused
clear password ||
goto menu",
        percent_encode(item.id)
    )
    .ok();
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

/// Adds the commands that start an item, and return to the menu if it ends. If a problem prevents the boot, the script
/// shows the problem first.
fn start(script: &mut String, plan: &Plan, context: &RenderContext, item: &MenuItem<'_>) {
    let base = &context.base_url;
    match item.entry {
        Some(entry) => start_entry(script, base, entry),
        None => match item.id {
            SHELL => script.push_str("echo Type 'exit' to return to the menu.\nshell ||\n"),
            RESTART => {
                script.push_str("reboot\n");
                return;
            }
            NETBOOT_XYZ => script.push_str(
                "echo netboot.xyz comes from the Internet
set step chain/boot.netboot.xyz
chain --autofree https://boot.netboot.xyz || chain --autofree http://boot.netboot.xyz || goto failed
",
            ),
            _ => start_local_disk(script, plan, base, context.firmware.arch),
        },
    }
    script.push_str("goto menu\n");
}

fn start_entry(script: &mut String, base: &str, entry: &BootDirEntry) {
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
            script.push_str("imgfree ||\n");
            step(script, ScriptCommand::Chain, path);
            writeln!(script, "chain --autofree {} || goto failed", file_url(base, path)).ok();
        }
    }
}
