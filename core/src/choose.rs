//! What a client is given of what the plan holds for it: a boot, or the reason why there is none.

use crate::arch::Arch;
use crate::client::{Class, Client, Stage};
use crate::decide::{Decision, Ground};
use crate::plan::profile::{Boots, Item, Menu, To};
use crate::plan::{Ipxe, Plan, Tftp};
use crate::wire::pxe::{BootItem, Features};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// The script that an iPXE is given when the plan names no other.
pub const SCRIPT: &str = "boot.ipxe";
/// Names that begin so say who is asking (caller.rs).
pub const MACHINE: &str = "machine/";

/// The program of ours that starts the local disk of a machine of this architecture.
pub fn local_disk_name(arch: Arch) -> String {
    format!("local-disk/{}.efi", arch.row().map_or("", |row| row.id))
}

/// A file to boot and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// A name on the TFTP server, or an absolute URL. Empty where the client is to choose, or asks for names of its own.
    pub file: String,
    /// siaddr: the TFTP server. With 0 iPXE would go to 4011, and shim has no other source.
    pub server: Ipv4Addr,
    pub why: Why,
    pub manner: Manner,
}

/// How the client is to take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It loads the file.
    File,
    /// It shows these items, and comes back with the one that was chosen.
    Menu { prompt: String, timeout: u8, items: Vec<Shown> },
    /// It has chosen.
    Item(BootItem),
    /// It asks for names of its own.
    RaspberryPi,
}

/// A line of a menu as this client is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// 0: the local disk, which a BIOS starts by itself.
    pub kind: u16,
    pub title: String,
    /// `None`: the local disk, or whichever boot server of this type answers.
    pub server: Option<Ipv4Addr>,
}

/// Which part of the plan gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The loader of the client's architecture.
    Loader(Arch),
    /// The file for architectures that have none of their own.
    AnyOther,
    /// The program of ours that starts the local disk.
    LocalDisk(Arch),
    /// A script of ours, over HTTP.
    ScriptHttp,
    /// A script of ours, over TFTP: this iPXE cannot do HTTP, or we serve none.
    ScriptTftp,
    /// The script or URL that the configuration names.
    ScriptGiven,
    /// The menu of the profile.
    Menu,
    /// Its own files.
    RaspberryPi,
}

/// Why there is nothing to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// A rule denies, by its place in the list.
    Denied(usize),
    /// The profile says so.
    Profile,
    /// No loader for this architecture is here.
    NoLoader(Arch),
    /// Nobody serves TFTP, and this client can do nothing else.
    NoTftp,
    /// UEFI HTTP boot clients are not served: our HTTP port is closed, or the old proxy.ini does not know them.
    NoHttp,
    /// A Raspberry Pi, and there are no files for one.
    RaspberryPi,
    /// It chose from a menu that we did not show, or what is another server's.
    BootItem(u16),
    /// It wants credentials with its boot item, which nobody has specified in a way that is used.
    Credentials(u16),
    /// The menu has more than option 43 can hold, in octets.
    MenuTooLarge,
}

/// `here` is our address as the client knows it; `choice` the item that it chose from our menu before it became what it
/// is now.
pub fn choose(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    here: Ipv4Addr,
) -> Result<Boot, Nothing> {
    let boots = decision.boots(plan);
    match (boots, decision.rule) {
        (Boots::Nothing, Some(rule)) if decision.ground == Ground::Denied => return Err(Nothing::Denied(rule)),
        (Boots::Nothing, _) => return Err(Nothing::Profile),
        _ => {}
    }
    let menu = if let Boots::Menu(menu) = boots { Some(menu) } else { None };
    match (client.stage, client.boot_item, menu) {
        (_, Some(chosen), menu) => item(plan, client, menu, chosen, here),
        (Stage::Ipxe(features), None, _) => ipxe(plan, client, decision, choice, features, here),
        _ if client.raspberry_pi => raspberry_pi(plan, here),
        (_, None, Some(menu)) if client.class == Class::Pxe => show(plan, client, menu, here),
        _ => firmware(plan, client, decision, boots, here),
    }
}

fn ipxe(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    features: Option<Features>,
    here: Ipv4Addr,
) -> Result<Boot, Nothing> {
    match (decision.boots(plan), &plan.ipxe) {
        (Boots::BootFolder, Ipxe::AsFirmware) | (Boots::Loader, _) => {
            firmware(plan, client, decision, decision.boots(plan), here)
        }
        (Boots::Script(url), _) if is_url(url) => Ok(given(plan, url, here)),
        (Boots::BootFolder, Ipxe::Given(url)) if is_url(url) => Ok(given(plan, url, here)),
        (Boots::BootFolder, Ipxe::Given(name)) => {
            Ok(Boot { server: tftp_server(plan, here)?, ..given(plan, name, here) })
        }
        (boots, _) => script(plan, &script_name(plan, decision, boots, choice), features, here),
    }
}

fn given(plan: &Plan, name: &str, here: Ipv4Addr) -> Boot {
    let server = tftp_server(plan, here).unwrap_or(here);
    Boot { file: name.into(), server, why: Why::ScriptGiven, manner: Manner::File }
}

pub fn is_url(name: &str) -> bool {
    name.contains("://")
}

/// The name of the script: what decides it and cannot be told from the request for it goes along.
fn script_name(plan: &Plan, decision: &Decision, boots: &Boots, choice: Option<u16>) -> String {
    let rule = decision.rule.filter(|rule| plan.rules[*rule].needs_a_packet());
    let item = choice.filter(|kind| matches!(boots, Boots::Menu(menu) if menu.item(*kind).is_some()));
    match (boots, rule, item) {
        (Boots::BootFolder, None, None) => SCRIPT.into(),
        _ => {
            let rule = rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
            let item = item.map(|kind| format!("item={kind}/")).unwrap_or_default();
            format!("{MACHINE}{rule}{item}{SCRIPT}")
        }
    }
}

fn script(plan: &Plan, name: &str, features: Option<Features>, here: Ipv4Addr) -> Result<Boot, Nothing> {
    // An iPXE that lists no features may still speak HTTP; TFTP every one can.
    let http = features.map_or(plan.tftp != Some(Tftp::Ours), |features| features.has(Features::HTTP));
    let (file, why) = match (plan.http, plan.tftp) {
        (Some(port), _) if http => (format!("http://{here}:{port}/{name}"), Why::ScriptHttp),
        (_, Some(Tftp::Ours)) => (format!("tftp://{here}/{name}"), Why::ScriptTftp),
        _ => return Err(Nothing::NoTftp),
    };
    Ok(Boot { file, server: here, why, manner: Manner::File })
}

/// A first-stage program: the profile's own, the one that starts the local disk, or the site's.
fn firmware(plan: &Plan, client: &Client, decision: &Decision, boots: &Boots, here: Ipv4Addr) -> Result<Boot, Nothing> {
    let arch = client.arch.base();
    if *boots == Boots::LocalDisk && plan.local_disk.contains(&arch) {
        return program(plan, client, &local_disk_name(arch), true, Why::LocalDisk(arch), here);
    }
    let profile = plan.profile(decision.profile);
    let of_profile = profile.and_then(|profile| {
        let own = profile.loaders.get(&arch).map(|loader| (loader, Why::Loader(arch)));
        own.or_else(|| profile.any_other.as_ref().map(|loader| (loader, Why::AnyOther)))
    });
    let site = || plan.loaders.get(&arch).filter(|_| *boots != Boots::Loader).map(|loader| (loader, Why::Loader(arch)));
    let any_other = || plan.any_other.as_ref().map(|loader| (loader, Why::AnyOther));
    let (loader, why) = of_profile.or_else(site).or_else(any_other).ok_or(Nothing::NoLoader(arch))?;
    match loader.elsewhere() {
        Some((name, server)) if client.class != Class::Http => {
            let server = server.or_else(|| tftp_server(plan, here).ok()).unwrap_or(here);
            Ok(Boot { file: name.into(), server, why, manner: Manner::File })
        }
        Some(_) => Err(Nothing::NoHttp),
        None => program(plan, client, &loader.name, loader.path.is_some(), why, here),
    }
}

/// `ours`: we can serve it ourselves.
fn program(plan: &Plan, client: &Client, name: &str, ours: bool, why: Why, here: Ipv4Addr) -> Result<Boot, Nothing> {
    let (file, server) = match client.class {
        Class::Pxe | Class::UBoot => (name.into(), tftp_server(plan, here)?),
        // An address, never a name: a name needs the primary's DNS (EDK2 HttpBootSelectDhcpOffer).
        Class::Http => match plan.http.filter(|_| plan.http_clients && ours) {
            Some(port) => (format!("http://{here}:{port}/{name}"), here),
            None => return Err(Nothing::NoHttp),
        },
    };
    Ok(Boot { file, server, why, manner: Manner::File })
}

/// The menu for a firmware, without what this one could not start.
fn show(plan: &Plan, client: &Client, menu: &Menu, here: Ipv4Addr) -> Result<Boot, Nothing> {
    let items = menu.items.iter().filter_map(|item| {
        let (kind, server) = match item.to {
            To::Server(server) => (item.kind, Some(server)),
            To::Broadcast => (item.kind, None),
            To::Profile(_) if is_local_disk(plan, item) && client.arch == Arch::BIOS => (0, None),
            To::Profile(_) => {
                of_item(plan, client, item, here).ok()?;
                (item.kind, Some(here))
            }
        };
        Some(Shown { kind, title: item.title.clone(), server })
    });
    let manner = Manner::Menu { prompt: menu.prompt.clone(), timeout: menu.timeout, items: items.collect() };
    Ok(Boot { file: String::new(), server: here, why: Why::Menu, manner })
}

/// What a firmware has chosen from the menu.
fn item(plan: &Plan, client: &Client, menu: Option<&Menu>, chosen: BootItem, here: Ipv4Addr) -> Result<Boot, Nothing> {
    if chosen.wants_credentials() {
        return Err(Nothing::Credentials(chosen.kind));
    }
    let item = menu.and_then(|menu| menu.item(chosen.kind)).ok_or(Nothing::BootItem(chosen.kind))?;
    Ok(Boot { manner: Manner::Item(chosen), ..of_item(plan, client, item, here)? })
}

fn of_item(plan: &Plan, client: &Client, item: &Item, here: Ipv4Addr) -> Result<Boot, Nothing> {
    let To::Profile(profile) = item.to else { return Err(Nothing::BootItem(item.kind)) };
    let decision = Decision { profile, ..Decision::default() };
    match decision.boots(plan) {
        Boots::Nothing => Err(Nothing::Profile),
        boots => firmware(plan, client, &decision, boots, here),
    }
}

fn is_local_disk(plan: &Plan, item: &Item) -> bool {
    matches!(item.to, To::Profile(id) if plan.profile(id).is_some_and(|profile| profile.boots == Boots::LocalDisk))
}

fn raspberry_pi(plan: &Plan, here: Ipv4Addr) -> Result<Boot, Nothing> {
    if !plan.raspberry_pi {
        return Err(Nothing::RaspberryPi);
    }
    let server = tftp_server(plan, here)?;
    Ok(Boot { file: String::new(), server, why: Why::RaspberryPi, manner: Manner::RaspberryPi })
}

fn tftp_server(plan: &Plan, here: Ipv4Addr) -> Result<Ipv4Addr, Nothing> {
    match plan.tftp {
        Some(Tftp::Ours) => Ok(here),
        Some(Tftp::At(address)) => Ok(address),
        None => Err(Nothing::NoTftp),
    }
}

impl Nothing {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) => "nothing:denied",
            Self::Profile => "nothing:profile",
            Self::NoLoader(_) => "nothing:no-loader",
            Self::NoTftp => "nothing:no-tftp",
            Self::NoHttp => "nothing:no-http",
            Self::RaspberryPi => "nothing:raspberry-pi",
            Self::BootItem(_) => "nothing:boot-item",
            Self::Credentials(_) => "nothing:credentials",
            Self::MenuTooLarge => "nothing:menu-too-large",
        }
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(rule) => write!(f, "rule {} denies it", rule + 1),
            Self::Profile => f.write_str("its profile boots nothing"),
            Self::NoLoader(arch) => write!(f, "no loader for {arch} here"),
            Self::NoTftp => f.write_str("nobody serves TFTP, and this client can do nothing else"),
            Self::NoHttp => f.write_str("UEFI HTTP boot is not served"),
            Self::RaspberryPi => f.write_str("a Raspberry Pi, and the boot folder holds no files for one"),
            Self::BootItem(kind) => write!(f, "boot item {kind:#06x} is of no menu that we showed"),
            Self::Credentials(kind) => write!(f, "boot item {kind:#06x} with credentials, which nobody checks"),
            Self::MenuTooLarge => f.write_str("the menu is larger than option 43"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(arch) => write!(f, "loader for {arch}"),
            Self::AnyOther => f.write_str("file for every other architecture"),
            Self::LocalDisk(arch) => write!(f, "starts the local disk of {arch}"),
            Self::ScriptHttp => f.write_str("our script, over HTTP"),
            Self::ScriptTftp => f.write_str("our script, over TFTP"),
            Self::ScriptGiven => f.write_str("script named by the configuration"),
            Self::Menu => f.write_str("menu for the firmware to show"),
            Self::RaspberryPi => f.write_str("files that it asks for by itself"),
        }
    }
}
