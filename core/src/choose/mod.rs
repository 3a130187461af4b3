//! What a client is given of what the plan holds for it: a boot, or the reason why there is none.

mod firmware;

use crate::arch::Arch;
use crate::client::{Class, Client, Stage};
use crate::decide::{Decision, Ground};
use crate::plan::profile::{Boots, Item, Menu, To};
use crate::plan::rule::Met;
use crate::plan::{Ipxe, Plan, Tftp};
use crate::url::{percent_encode, host, is_url};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;
use crate::wire::pxe::{BootItem, Features};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use firmware::{firmware, our_ipxe};

/// The script that an iPXE is given when the plan names no other.
pub const SCRIPT: &str = "boot.ipxe";
/// Names that begin so say who is asking (caller.rs).
pub const MACHINE: &str = "machine/";
/// Prefix of the name of an iPXE that comes with its script: the firmware receives our wrapper program, which starts
/// the iPXE with the script. Over IPv6 an iPXE that PXE has loaded has no other way to find it.
pub const WITH_SCRIPT: &str = "with-script/";

/// The program of ours that starts the local disk of a machine of this architecture.
pub fn local_disk_name(arch: Arch) -> String {
    format!("local-disk/{}.efi", arch.info().map_or("", |row| row.id))
}

/// A file to boot and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boot {
    /// A name on the TFTP server, or an absolute URL, which over IPv6 it always is. Empty if the client
    /// chooses from a menu, or requests fixed names (Raspberry Pi).
    pub file: String,
    /// The TFTP server (siaddr). With 0 iPXE would go to 4011, and shim has no other source.
    pub server: IpAddr,
    pub why: Why,
    pub manner: Manner,
}

/// How the client is to take it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// 0: the local disk, which a BIOS starts by itself.
    pub kind: u16,
    pub title: String,
    /// `None`: the local disk, or whichever boot server of this type answers.
    pub server: Option<IpAddr>,
}

/// Which part of the plan gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The loader of this architecture is a URL that PXE firmware cannot fetch, and no iPXE is available that could.
    LoaderUrl(Arch),
    /// Nobody serves TFTP, and this client can do nothing else.
    NoTftp,
    /// Neither TFTP nor HTTP is served, and our script comes by one of them.
    NoScript,
    /// Its iPXE lists no such feature, and what it is to run can be fetched in no other way.
    IpxeLacks(Features),
    /// UEFI HTTP boot clients are not served: our HTTP port is closed, or the old proxy.ini does not know them.
    NoHttp,
    /// An iPXE that asks for an address over DHCPv6: it takes its script from who gives it one, and from nobody else.
    StatefulIpxe,
    /// An iPXE in a stateless network, and the plan does not say that it is answered.
    StatelessIpxe,
    /// Port 4011 is not open, and over IPv6 there is no other way to tell the file.
    NoBootServer,
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
    here: IpAddr,
) -> Result<Boot, Nothing> {
    if let DhcpMessageType::Dhcp6(kind) = client.message_type {
        heeded(plan, client, kind)?;
    }
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
        (Stage::ReplacedIpxe(lacks), None, _) if !lacks.is_empty() => our_ipxe(plan, client, decision, here),
        _ if client.raspberry_pi => raspberry_pi(plan, here),
        // Over IPv6 no firmware shows one: the iPXE that it is given does.
        (_, None, Some(menu)) if client.class == Class::Pxe && !client.is_v6() => show(plan, client, menu, here),
        _ => firmware(plan, client, decision, boots, here),
    }
}

/// Whether a DHCPv6 client of this kind takes what a proxy says (protocol.md 5.2, 5.5).
fn heeded(plan: &Plan, client: &Client, kind: MessageType) -> Result<(), Nothing> {
    match (kind, client.class) {
        (MessageType::InformationRequest, _) if plan.dhcp6.stateless.is_none() => Err(Nothing::StatelessIpxe),
        (MessageType::InformationRequest, _) => Ok(()),
        _ if client.is_ipxe() => Err(Nothing::StatefulIpxe),
        (MessageType::Solicit, Class::Pxe) if !plan.dhcp6.boot_server => Err(Nothing::NoBootServer),
        _ => Ok(()),
    }
}

fn ipxe(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    features: Option<Features>,
    here: IpAddr,
) -> Result<Boot, Nothing> {
    let boot = match (decision.boots(plan), &plan.ipxe) {
        (Boots::BootDir, Ipxe::AsFirmware) | (Boots::Loader, _) => {
            firmware(plan, client, decision, decision.boots(plan), here)?
        }
        (Boots::Script(url), _) if is_url(url) => given(plan, url, here),
        (Boots::BootDir, Ipxe::Given(url)) if is_url(url) => given(plan, url, here),
        (Boots::BootDir, Ipxe::Given(name)) => {
            let server = tftp_server(plan, here)?;
            Boot { server, ..given(plan, &on_tftp(name, server), here) }
        }
        (boots, _) => script(plan, &script_name(plan, decision, boots, choice), features, here)?,
    };
    let lacks = features.unwrap_or_default().missing(Features::from_codes(Features::for_url(&boot.file)));
    if lacks.is_empty() { Ok(boot) } else { Err(Nothing::IpxeLacks(lacks)) }
}

fn given(plan: &Plan, name: &str, here: IpAddr) -> Boot {
    let server = tftp_server(plan, here).unwrap_or(here);
    Boot { file: name.into(), server, why: Why::ScriptGiven, manner: Manner::File }
}

/// A name on a TFTP server as the client is told it: over IPv6 nothing else tells the server.
fn on_tftp(name: &str, server: IpAddr) -> String {
    match server {
        IpAddr::V4(_) => name.into(),
        IpAddr::V6(_) => format!("tftp://{}/{}", host(server), percent_encode(name)),
    }
}

/// The rule that decides, where nothing but a DHCP packet says so.
fn heard_rule(plan: &Plan, decision: &Decision) -> Option<Met> {
    decision.rule.filter(|rule| plan.rules[*rule].needs_a_packet()).map(|rule| plan.met(rule))
}

/// The name of the script: what decides it and cannot be told from the request for it goes along.
fn script_name(plan: &Plan, decision: &Decision, boots: &Boots, choice: Option<u16>) -> String {
    let rule = heard_rule(plan, decision);
    let item = choice.filter(|kind| matches!(boots, Boots::Menu(menu) if menu.item(*kind).is_some()));
    match (boots, rule, item) {
        (Boots::BootDir, None, None) => SCRIPT.into(),
        _ => {
            let rule = rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
            let item = item.map(|kind| format!("item={kind}/")).unwrap_or_default();
            format!("{MACHINE}{rule}{item}{SCRIPT}")
        }
    }
}

fn script(plan: &Plan, name: &str, features: Option<Features>, here: IpAddr) -> Result<Boot, Nothing> {
    // An iPXE that lists no features may still speak HTTP; TFTP every one can. DHCPv6 has no such list.
    let unlisted = plan.tftp != Some(Tftp::Ours) || here.is_ipv6();
    let http = features.map_or(unlisted, |features| features.has(Features::HTTP));
    let at = host(here);
    let (file, why) = match (plan.http, tftp(plan, here)) {
        (Some(port), _) if http => (format!("http://{at}:{port}/{name}"), Why::ScriptHttp),
        (_, Some(Tftp::Ours)) => (format!("tftp://{at}/{name}"), Why::ScriptTftp),
        (Some(_), _) if features.is_some() => return Err(Nothing::IpxeLacks(Features::from_codes([Features::HTTP]))),
        _ => return Err(Nothing::NoScript),
    };
    Ok(Boot { file, server: here, why, manner: Manner::File })
}

/// The menu for a firmware, without what this one could not start.
fn show(plan: &Plan, client: &Client, menu: &Menu, here: IpAddr) -> Result<Boot, Nothing> {
    let items = menu.items.iter().filter_map(|item| {
        let (kind, server) = match item.to {
            To::Server(server) => (item.kind, Some(server.into())),
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
fn item(plan: &Plan, client: &Client, menu: Option<&Menu>, chosen: BootItem, here: IpAddr) -> Result<Boot, Nothing> {
    if chosen.requests_credentials() {
        return Err(Nothing::Credentials(chosen.server_type));
    }
    let item = menu.and_then(|menu| menu.item(chosen.server_type)).ok_or(Nothing::BootItem(chosen.server_type))?;
    Ok(Boot { manner: Manner::Item(chosen), ..of_item(plan, client, item, here)? })
}

fn of_item(plan: &Plan, client: &Client, item: &Item, here: IpAddr) -> Result<Boot, Nothing> {
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

fn raspberry_pi(plan: &Plan, here: IpAddr) -> Result<Boot, Nothing> {
    if !plan.raspberry_pi {
        return Err(Nothing::RaspberryPi);
    }
    let server = tftp_server(plan, here)?;
    Ok(Boot { file: String::new(), server, why: Why::RaspberryPi, manner: Manner::RaspberryPi })
}

fn tftp_server(plan: &Plan, here: IpAddr) -> Result<IpAddr, Nothing> {
    match tftp(plan, here) {
        Some(Tftp::Ours) => Ok(here),
        Some(Tftp::At(address)) => Ok(address.into()),
        None => Err(Nothing::NoTftp),
    }
}

/// Who serves TFTP over the family by which we are asked.
fn tftp(plan: &Plan, here: IpAddr) -> Option<Tftp> {
    if here.is_ipv6() { plan.dhcp6.tftp.then_some(Tftp::Ours) } else { plan.tftp }
}

impl Nothing {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) => "nothing:denied",
            Self::Profile => "nothing:profile",
            Self::NoLoader(_) => "nothing:no-loader",
            Self::LoaderUrl(_) => "nothing:loader-url",
            Self::IpxeLacks(_) => "nothing:ipxe-lacks",
            Self::NoTftp => "nothing:no-tftp",
            Self::NoScript => "nothing:no-script",
            Self::NoHttp => "nothing:no-http",
            Self::StatefulIpxe => "nothing:stateful-ipxe",
            Self::StatelessIpxe => "nothing:stateless-ipxe",
            Self::NoBootServer => "nothing:no-boot-server",
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
            Self::LoaderUrl(arch) => write!(
                f,
                "PXE firmware cannot fetch the URL that the configuration names as the loader for {arch}, and there \
                 is no \
                 iPXE for it here that could"
            ),
            Self::IpxeLacks(lacks) => write!(
                f,
                "its iPXE does not list {lacks}, which it needs to fetch what it is to run, and no loader of ours can \
                 take its place"
            ),
            Self::NoTftp => f.write_str("TFTP is not served here, and this client can do nothing else"),
            Self::NoScript => f.write_str("neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script"),
            Self::NoHttp => f.write_str("UEFI HTTP boot is not served"),
            Self::StatefulIpxe => f.write_str(
                "an iPXE that wants an address over DHCPv6 takes its script from whoever gives it one, not from a proxy",
            ),
            Self::StatelessIpxe => f.write_str(
                "an iPXE in a stateless network takes the first REPLY, and ours is only sent where the configuration says so",
            ),
            Self::NoBootServer => f.write_str("port 4011 is not open, and over IPv6 it is where the file is told"),
            Self::RaspberryPi => f.write_str("a Raspberry Pi, and the boot directory holds no files for one"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn tftp_is_offered_over_the_families_that_it_is_heard_by() {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let mut plan = Plan { tftp: Some(Tftp::Ours), ..Plan::default() };
        assert_eq!((tftp_server(&plan, v4), tftp_server(&plan, v6)), (Ok(v4), Err(Nothing::NoTftp)));
        assert_eq!(script(&plan, SCRIPT, None, v6), Err(Nothing::NoScript));
        plan.tftp = None;
        plan.dhcp6.tftp = true;
        assert_eq!((tftp_server(&plan, v4), tftp_server(&plan, v6)), (Err(Nothing::NoTftp), Ok(v6)));
        assert_eq!(script(&plan, SCRIPT, None, v6).unwrap().file, "tftp://[::1]/boot.ipxe");
        assert_eq!(script(&plan, SCRIPT, None, v4), Err(Nothing::NoScript));
        let both = "neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script";
        assert_eq!(alloc::string::ToString::to_string(&Nothing::NoScript), both);
    }
}
