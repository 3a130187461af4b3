//! What a client is given of what the plan holds for it: a boot, or the reason why there is none.

mod firmware;

use crate::arch::Arch;
use crate::client::{Class, Client, Stage};
use crate::decide::{Decision, DecidedBy};
use crate::plan::profile::{BootTarget, FirmwareMenuItem, FirmwareMenu, ItemTarget};
use crate::plan::rule::RuleRef;
use crate::plan::{IpxeTarget, Plan, TftpServer};
use crate::url::{percent_encode, host, is_url};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;
use crate::wire::pxe::{BootItem, Features};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use firmware::{for_firmware, replacement_ipxe};

/// The script that an iPXE is given when the plan names no other.
pub const BOOT_SCRIPT: &str = "boot.ipxe";
/// Names that begin so say who is asking (caller.rs).
pub const MACHINE_PREFIX: &str = "machine/";
/// Prefix of the name of an iPXE that comes with its script: the firmware receives our wrapper program, which starts
/// the iPXE with the script. Over IPv6 an iPXE that PXE has loaded has no other way to find it.
pub const IPXE_WRAPPER_PREFIX: &str = "with-script/";

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
    pub source: BootSource,
    pub method: BootMethod,
}

/// How the client is to take it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BootMethod {
    /// It loads the file.
    File,
    /// It shows these items, and comes back with the one that was chosen.
    Menu { prompt: String, timeout: u8, items: Vec<MenuLine> },
    /// It has chosen.
    Item(BootItem),
    /// It asks for names of its own.
    RaspberryPi,
}

/// A line of a menu as this client is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MenuLine {
    /// 0: the local disk, which a BIOS starts by itself.
    pub kind: u16,
    pub title: String,
    /// `None`: the local disk, or whichever boot server of this type answers.
    pub server: Option<IpAddr>,
}

/// Which part of the plan gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootSource {
    /// The loader of the client's architecture.
    Loader(Arch),
    /// The file for architectures that have none of their own.
    DefaultLoader,
    /// The program of ours that starts the local disk.
    LocalDisk(Arch),
    /// A script of ours, over HTTP.
    ScriptHttp,
    /// A script of ours, over TFTP: this iPXE cannot do HTTP, or we serve none.
    ScriptTftp,
    /// The script or URL that the configuration names.
    ConfiguredScript,
    /// The menu of the profile.
    Menu,
    /// Its own files.
    RaspberryPi,
}

/// Why there is nothing to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBoot {
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
) -> Result<Boot, NoBoot> {
    if let DhcpMessageType::Dhcp6(kind) = client.message_type {
        heeded(plan, client, kind)?;
    }
    let boots = decision.boots(plan);
    match (boots, decision.rule) {
        (BootTarget::Nothing, Some(rule)) if decision.decided_by == DecidedBy::Denied => return Err(NoBoot::Denied(rule)),
        (BootTarget::Nothing, _) => return Err(NoBoot::Profile),
        _ => {}
    }
    let menu = if let BootTarget::Menu(menu) = boots { Some(menu) } else { None };
    match (client.stage, client.boot_item, menu) {
        (_, Some(chosen), menu) => item(plan, client, menu, chosen, here),
        (Stage::Ipxe(features), None, _) => ipxe(plan, client, decision, choice, features, here),
        (Stage::ReplacedIpxe(lacks), None, _) if !lacks.is_empty() => replacement_ipxe(plan, client, decision, here),
        _ if client.raspberry_pi => raspberry_pi(plan, here),
        // Over IPv6 no firmware shows one: the iPXE that it is given does.
        (_, None, Some(menu)) if client.class == Class::Pxe && !client.is_v6() => show(plan, client, menu, here),
        _ => for_firmware(plan, client, decision, boots, here),
    }
}

/// Whether a DHCPv6 client of this kind takes what a proxy says (protocol.md 5.2, 5.5).
fn heeded(plan: &Plan, client: &Client, kind: MessageType) -> Result<(), NoBoot> {
    match (kind, client.class) {
        (MessageType::InformationRequest, _) if plan.dhcp6.stateless.is_none() => Err(NoBoot::StatelessIpxe),
        (MessageType::InformationRequest, _) => Ok(()),
        _ if client.is_ipxe() => Err(NoBoot::StatefulIpxe),
        (MessageType::Solicit, Class::Pxe) if !plan.dhcp6.boot_server => Err(NoBoot::NoBootServer),
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
) -> Result<Boot, NoBoot> {
    let boot = match (decision.boots(plan), &plan.ipxe) {
        (BootTarget::BootDir, IpxeTarget::AsFirmware) | (BootTarget::Loader, _) => {
            for_firmware(plan, client, decision, decision.boots(plan), here)?
        }
        (BootTarget::Script(url), _) if is_url(url) => given(plan, url, here),
        (BootTarget::BootDir, IpxeTarget::Configured(url)) if is_url(url) => given(plan, url, here),
        (BootTarget::BootDir, IpxeTarget::Configured(name)) => {
            let server = tftp_server(plan, here)?;
            Boot { server, ..given(plan, &tftp_file(name, server), here) }
        }
        (boots, _) => script(plan, &script_name(plan, decision, boots, choice), features, here)?,
    };
    let lacks = features.unwrap_or_default().missing(Features::from_codes(Features::for_url(&boot.file)));
    if lacks.is_empty() { Ok(boot) } else { Err(NoBoot::IpxeLacks(lacks)) }
}

fn given(plan: &Plan, name: &str, here: IpAddr) -> Boot {
    let server = tftp_server(plan, here).unwrap_or(here);
    Boot { file: name.into(), server, source: BootSource::ConfiguredScript, method: BootMethod::File }
}

/// A name on a TFTP server as the client is told it: over IPv6 nothing else tells the server.
fn tftp_file(name: &str, server: IpAddr) -> String {
    match server {
        IpAddr::V4(_) => name.into(),
        IpAddr::V6(_) => format!("tftp://{}/{}", host(server), percent_encode(name)),
    }
}

/// The rule that decides, where nothing but a DHCP packet says so.
fn packet_rule(plan: &Plan, decision: &Decision) -> Option<RuleRef> {
    decision.rule.filter(|rule| plan.rules[*rule].needs_dhcp_packet()).map(|rule| plan.rule_ref(rule))
}

/// The name of the script: what decides it and cannot be told from the request for it goes along.
fn script_name(plan: &Plan, decision: &Decision, boots: &BootTarget, choice: Option<u16>) -> String {
    let rule = packet_rule(plan, decision);
    let item = choice.filter(|kind| matches!(boots, BootTarget::Menu(menu) if menu.item(*kind).is_some()));
    match (boots, rule, item) {
        (BootTarget::BootDir, None, None) => BOOT_SCRIPT.into(),
        _ => {
            let rule = rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
            let item = item.map(|kind| format!("item={kind}/")).unwrap_or_default();
            format!("{MACHINE_PREFIX}{rule}{item}{BOOT_SCRIPT}")
        }
    }
}

fn script(plan: &Plan, name: &str, features: Option<Features>, here: IpAddr) -> Result<Boot, NoBoot> {
    // An iPXE that lists no features may still speak HTTP; TFTP every one can. DHCPv6 has no such list.
    let unlisted = plan.tftp != Some(TftpServer::Local) || here.is_ipv6();
    let http = features.map_or(unlisted, |features| features.has(Features::HTTP));
    let at = host(here);
    let (file, why) = match (plan.http, tftp(plan, here)) {
        (Some(port), _) if http => (format!("http://{at}:{port}/{name}"), BootSource::ScriptHttp),
        (_, Some(TftpServer::Local)) => (format!("tftp://{at}/{name}"), BootSource::ScriptTftp),
        (Some(_), _) if features.is_some() => return Err(NoBoot::IpxeLacks(Features::from_codes([Features::HTTP]))),
        _ => return Err(NoBoot::NoScript),
    };
    Ok(Boot { file, server: here, source: why, method: BootMethod::File })
}

/// The menu for a firmware, without what this one could not start.
fn show(plan: &Plan, client: &Client, menu: &FirmwareMenu, here: IpAddr) -> Result<Boot, NoBoot> {
    let items = menu.items.iter().filter_map(|item| {
        let (kind, server) = match item.target {
            ItemTarget::Server(server) => (item.kind, Some(server.into())),
            ItemTarget::Broadcast => (item.kind, None),
            ItemTarget::Profile(_) if is_local_disk(plan, item) && client.arch == Arch::BIOS => (0, None),
            ItemTarget::Profile(_) => {
                of_item(plan, client, item, here).ok()?;
                (item.kind, Some(here))
            }
        };
        Some(MenuLine { kind, title: item.title.clone(), server })
    });
    let manner = BootMethod::Menu { prompt: menu.prompt.clone(), timeout: menu.timeout, items: items.collect() };
    Ok(Boot { file: String::new(), server: here, source: BootSource::Menu, method: manner })
}

/// What a firmware has chosen from the menu.
fn item(plan: &Plan, client: &Client, menu: Option<&FirmwareMenu>, chosen: BootItem, here: IpAddr) -> Result<Boot, NoBoot> {
    if chosen.requests_credentials() {
        return Err(NoBoot::Credentials(chosen.server_type));
    }
    let item = menu.and_then(|menu| menu.item(chosen.server_type)).ok_or(NoBoot::BootItem(chosen.server_type))?;
    Ok(Boot { method: BootMethod::Item(chosen), ..of_item(plan, client, item, here)? })
}

fn of_item(plan: &Plan, client: &Client, item: &FirmwareMenuItem, here: IpAddr) -> Result<Boot, NoBoot> {
    let ItemTarget::Profile(profile) = item.target else { return Err(NoBoot::BootItem(item.kind)) };
    let decision = Decision { profile, ..Decision::default() };
    match decision.boots(plan) {
        BootTarget::Nothing => Err(NoBoot::Profile),
        boots => for_firmware(plan, client, &decision, boots, here),
    }
}

fn is_local_disk(plan: &Plan, item: &FirmwareMenuItem) -> bool {
    matches!(item.target, ItemTarget::Profile(id) if plan.profile(id).is_some_and(|profile| profile.boots == BootTarget::LocalDisk))
}

fn raspberry_pi(plan: &Plan, here: IpAddr) -> Result<Boot, NoBoot> {
    if !plan.raspberry_pi {
        return Err(NoBoot::RaspberryPi);
    }
    let server = tftp_server(plan, here)?;
    Ok(Boot { file: String::new(), server, source: BootSource::RaspberryPi, method: BootMethod::RaspberryPi })
}

fn tftp_server(plan: &Plan, here: IpAddr) -> Result<IpAddr, NoBoot> {
    match tftp(plan, here) {
        Some(TftpServer::Local) => Ok(here),
        Some(TftpServer::Remote(address)) => Ok(address.into()),
        None => Err(NoBoot::NoTftp),
    }
}

/// Who serves TFTP over the family by which we are asked.
fn tftp(plan: &Plan, here: IpAddr) -> Option<TftpServer> {
    if here.is_ipv6() { plan.dhcp6.tftp.then_some(TftpServer::Local) } else { plan.tftp }
}

impl NoBoot {
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

impl fmt::Display for NoBoot {
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

impl fmt::Display for BootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(arch) => write!(f, "loader for {arch}"),
            Self::DefaultLoader => f.write_str("file for every other architecture"),
            Self::LocalDisk(arch) => write!(f, "starts the local disk of {arch}"),
            Self::ScriptHttp => f.write_str("our script, over HTTP"),
            Self::ScriptTftp => f.write_str("our script, over TFTP"),
            Self::ConfiguredScript => f.write_str("script named by the configuration"),
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
        let mut plan = Plan { tftp: Some(TftpServer::Local), ..Plan::default() };
        assert_eq!((tftp_server(&plan, v4), tftp_server(&plan, v6)), (Ok(v4), Err(NoBoot::NoTftp)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6), Err(NoBoot::NoScript));
        plan.tftp = None;
        plan.dhcp6.tftp = true;
        assert_eq!((tftp_server(&plan, v4), tftp_server(&plan, v6)), (Err(NoBoot::NoTftp), Ok(v6)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6).unwrap().file, "tftp://[::1]/boot.ipxe");
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v4), Err(NoBoot::NoScript));
        let both = "neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script";
        assert_eq!(alloc::string::ToString::to_string(&NoBoot::NoScript), both);
    }
}
