//! Chooses, from the decision, what a client receives: a boot, or the reason why there is none.

mod firmware;

use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::client::{Class, Client, Stage};
use crate::decide::{DecidedBy, Decision};
use crate::plan::Plan;
use crate::plan::offer::TftpServer;
use crate::plan::policy::IpxeTarget;
use crate::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget};
use crate::plan::rule::RuleRef;
use crate::url::{host, is_url, percent_encode};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;
use crate::wire::pxe::{BootItem, Features};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use firmware::{for_firmware, replacement_ipxe};

/// The script that an iPXE receives if the plan names no other.
pub const BOOT_SCRIPT: &str = "boot.ipxe";
/// The prefix of names that carry the identity of the client (`claimed_identity`).
pub const MACHINE_PREFIX: &str = "machine/";
/// The prefix of the name of an iPXE in the wrapper: the firmware receives the wrapper program, which starts the iPXE
/// with its script. Over IPv6 an iPXE that PXE has loaded has no other way to find its script.
pub const IPXE_WRAPPER_PREFIX: &str = "with-script/";

/// The name of the program that starts the local disk on machines of this architecture.
pub fn local_disk_name(arch: Arch) -> String {
    format!("local-disk/{}.efi", arch.info().map_or("", |row| row.id))
}

/// A file to boot and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boot {
    /// A name on the TFTP server, or an absolute URL; over IPv6 always a URL. Empty if the client chooses from a menu,
    /// or requests fixed names.
    pub file: String,
    /// The TFTP server (siaddr). If it were 0, iPXE would contact port 4011, and shim could fetch nothing, because it
    /// has no other source of the address.
    pub server: IpAddr,
    /// The part of the plan that supplied the file.
    pub source: BootSource,
    /// How the client boots it.
    pub method: BootMethod,
}

/// How the client boots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BootMethod {
    /// The client loads the file.
    File,
    /// The client shows these items, and sends another request with the chosen item.
    Menu {
        /// The text above the menu.
        prompt: String,
        /// The time in seconds after which the client boots the first item; 255 means never.
        timeout: u8,
        /// The lines of the menu.
        items: Vec<MenuLine>,
    },
    /// The client has chosen this item of the menu.
    Item(BootItem),
    /// The client requests file names that it has built in.
    FixedNames(&'static Dialect),
}

/// A line of a menu as this client shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MenuLine {
    /// The boot server type. 0 means the local disk, which a BIOS starts without a server.
    pub server_type: u16,
    /// The text of the line.
    pub title: String,
    /// The boot server. `None` means the local disk, or the first boot server of this type that replies.
    pub server: Option<IpAddr>,
}

/// The part of the plan that supplied a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootSource {
    /// The loader of the client's architecture.
    Loader(Arch),
    /// The loader for every other architecture.
    DefaultLoader,
    /// The built-in program that starts the local disk.
    LocalDisk(Arch),
    /// A built-in script, over HTTP.
    ScriptHttp,
    /// A built-in script, over TFTP: this iPXE does not support HTTP, or the server does not serve it.
    ScriptTftp,
    /// The script or URL that the configuration names.
    ConfiguredScript,
    /// The menu of the profile.
    Menu,
    /// The files that the client requests by names that it has built in.
    FixedNames,
}

/// Why there is nothing to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBoot {
    /// The rule with this index denies.
    Denied(usize),
    /// The profile is `nothing`.
    Profile,
    /// The server has no loader for this architecture.
    NoLoader(Arch),
    /// The loader for this architecture is a URL that PXE firmware cannot fetch, and the server has no iPXE for it.
    LoaderUrl(Arch),
    /// There is no TFTP server, and this client supports nothing else.
    NoTftp,
    /// This server serves neither TFTP nor HTTP, so an iPXE cannot fetch a built-in script.
    NoScript,
    /// The machine's iPXE does not list a feature that it needs to fetch its boot.
    IpxeLacks(Features),
    /// The server does not serve UEFI HTTP boot: its HTTP port is closed, or an old proxy.ini does not know it.
    NoHttp,
    /// The client is an iPXE that requests an address over DHCPv6. Such an iPXE accepts a script only from the server
    /// that assigns the address.
    StatefulIpxe,
    /// The client is an iPXE in a stateless network, and the plan does not enable replies to such clients.
    StatelessIpxe,
    /// Port 4011 is not open, and over IPv6 the server has no other way to name the file.
    NoBootServer,
    /// The client requests file names that it has built in, and the boot directory has no such files.
    NoFiles(&'static Dialect),
    /// The client chose an item that is in no menu of this server, or an item that belongs to another server.
    BootItem(u16),
    /// The client requires credentials with its boot item, for which there is no implemented specification.
    Credentials(u16),
    /// The menu is larger than option 43 allows.
    MenuTooLarge,
}

/// Chooses what a client receives, or returns why there is nothing to boot. `local_addr` is the server's address as the
/// client knows it. `choice` is the item that the machine's firmware chose from the menu before it ran this client.
pub fn choose(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    if let DhcpMessageType::Dhcp6(message_type) = client.message_type {
        check_accepts_proxy(plan, client, message_type)?;
    }
    let boots = decision.boots(plan);
    match (boots, decision.rule) {
        (BootTarget::Nothing, Some(rule)) if decision.decided_by == DecidedBy::Denied => {
            return Err(NoBoot::Denied(rule));
        }
        (BootTarget::Nothing, _) => return Err(NoBoot::Profile),
        _ => {}
    }
    let menu = if let BootTarget::Menu(menu) = boots { Some(menu) } else { None };
    match (client.stage, client.boot_item, menu, client.dialect) {
        (_, Some(chosen), menu, _) => chosen_boot(plan, client, menu, chosen, local_addr),
        (Stage::Ipxe(features), None, _, _) => ipxe(plan, client, decision, choice, features, local_addr),
        (Stage::ReplacedIpxe(lacks), None, _, _) if !lacks.is_empty() => {
            replacement_ipxe(plan, client, decision, local_addr)
        }
        (_, None, _, Some(dialect)) => fixed_names(plan, dialect, local_addr),
        // Over IPv6 no firmware shows a menu; the iPXE that it loads does.
        (_, None, Some(menu), None) if client.class == Class::Pxe && !client.is_v6() => {
            menu_boot(plan, client, menu, local_addr)
        }
        _ => for_firmware(plan, client, decision, boots, local_addr),
    }
}

/// Returns an error if a DHCPv6 client ignores the replies of a proxy to a message of this type (protocol.md 5.2, 5.5),
/// or if the plan does not allow a useful reply.
fn check_accepts_proxy(plan: &Plan, client: &Client, message_type: MessageType) -> Result<(), NoBoot> {
    match (message_type, client.class) {
        (MessageType::InformationRequest, _) if plan.policy.stateless_dhcp6.is_none() => Err(NoBoot::StatelessIpxe),
        (MessageType::InformationRequest, _) => Ok(()),
        _ if client.is_ipxe() => Err(NoBoot::StatefulIpxe),
        (MessageType::Solicit, Class::Pxe) if !plan.offer.dhcp6.boot_server => Err(NoBoot::NoBootServer),
        _ => Ok(()),
    }
}

fn ipxe(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    features: Option<Features>,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    let boot = match (decision.boots(plan), &plan.policy.ipxe) {
        (BootTarget::BootDir, IpxeTarget::AsFirmware) | (BootTarget::Loader, _) => {
            for_firmware(plan, client, decision, decision.boots(plan), local_addr)?
        }
        (BootTarget::Script(url), _) if is_url(url) => configured_boot(plan, url, local_addr),
        (BootTarget::BootDir, IpxeTarget::Configured(url)) if is_url(url) => configured_boot(plan, url, local_addr),
        (BootTarget::BootDir, IpxeTarget::Configured(name)) => {
            let server = tftp_address(plan, local_addr)?;
            Boot { server, ..configured_boot(plan, &tftp_file(name, server), local_addr) }
        }
        (boots, _) => script(plan, &script_name(plan, decision, boots, choice), features, local_addr)?,
    };
    let lacks = features.unwrap_or_default().missing(Features::from_codes(Features::for_url(&boot.file)));
    if lacks.is_empty() { Ok(boot) } else { Err(NoBoot::IpxeLacks(lacks)) }
}

fn configured_boot(plan: &Plan, name: &str, local_addr: IpAddr) -> Boot {
    let server = tftp_address(plan, local_addr).unwrap_or(local_addr);
    Boot { file: name.into(), server, source: BootSource::ConfiguredScript, method: BootMethod::File }
}

/// The name of a file on a TFTP server, in the form for the client. Over IPv6, the name is a URL, because nothing else
/// can carry the server's address.
fn tftp_file(name: &str, server: IpAddr) -> String {
    match server {
        IpAddr::V4(_) => name.into(),
        IpAddr::V6(_) => format!("tftp://{}/{}", host(server), percent_encode(name)),
    }
}

/// The rule that matched, if only a DHCP packet can match it.
fn packet_rule(plan: &Plan, decision: &Decision) -> Option<RuleRef> {
    decision.rule.filter(|rule| plan.policy.rules[*rule].needs_dhcp_packet()).map(|rule| plan.policy.rule_ref(rule))
}

/// The name of the script. The name carries the parts of the decision that the request for the script would lack.
fn script_name(plan: &Plan, decision: &Decision, boots: &BootTarget, choice: Option<u16>) -> String {
    let rule = packet_rule(plan, decision);
    let item = choice.filter(|choice| matches!(boots, BootTarget::Menu(menu) if menu.item(*choice).is_some()));
    match (boots, rule, item) {
        (BootTarget::BootDir, None, None) => BOOT_SCRIPT.into(),
        _ => {
            let rule = rule.map(|rule| format!("rule={rule}/")).unwrap_or_default();
            let item = item.map(|item| format!("item={item}/")).unwrap_or_default();
            format!("{MACHINE_PREFIX}{rule}{item}{BOOT_SCRIPT}")
        }
    }
}

fn script(plan: &Plan, name: &str, features: Option<Features>, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    // An iPXE that lists no features may still support HTTP, and every iPXE supports TFTP. DHCPv6 has no list of
    // features.
    let unlisted = plan.offer.tftp != Some(TftpServer::Local) || local_addr.is_ipv6();
    let http = features.map_or(unlisted, |features| features.has(Features::HTTP));
    let host = host(local_addr);
    let (file, source) = match (plan.offer.http, tftp_server(plan, local_addr)) {
        (Some(port), _) if http => (format!("http://{host}:{port}/{name}"), BootSource::ScriptHttp),
        (_, Some(TftpServer::Local)) => (format!("tftp://{host}/{name}"), BootSource::ScriptTftp),
        (Some(_), _) if features.is_some() => return Err(NoBoot::IpxeLacks(Features::from_codes([Features::HTTP]))),
        _ => return Err(NoBoot::NoScript),
    };
    Ok(Boot { file, server: local_addr, source, method: BootMethod::File })
}

/// The menu for a firmware, without the items that the firmware cannot start.
fn menu_boot(plan: &Plan, client: &Client, menu: &FirmwareMenu, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    let items = menu.items.iter().filter_map(|item| {
        let (server_type, server) = match item.target {
            ItemTarget::Server(server) => (item.server_type, Some(server.into())),
            ItemTarget::Broadcast => (item.server_type, None),
            ItemTarget::Profile(_) if is_local_disk(plan, item) && client.arch == Arch::BIOS => (0, None),
            ItemTarget::Profile(_) => {
                item_boot(plan, client, item, local_addr).ok()?;
                (item.server_type, Some(local_addr))
            }
        };
        Some(MenuLine { server_type, title: item.title.clone(), server })
    });
    let method = BootMethod::Menu { prompt: menu.prompt.clone(), timeout: menu.timeout, items: items.collect() };
    Ok(Boot { file: String::new(), server: local_addr, source: BootSource::Menu, method })
}

/// The boot for the item that a firmware has chosen from the menu.
fn chosen_boot(
    plan: &Plan,
    client: &Client,
    menu: Option<&FirmwareMenu>,
    chosen: BootItem,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    if chosen.requests_credentials() {
        return Err(NoBoot::Credentials(chosen.server_type));
    }
    let item = menu.and_then(|menu| menu.item(chosen.server_type)).ok_or(NoBoot::BootItem(chosen.server_type))?;
    Ok(Boot { method: BootMethod::Item(chosen), ..item_boot(plan, client, item, local_addr)? })
}

fn item_boot(plan: &Plan, client: &Client, item: &FirmwareMenuItem, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    let ItemTarget::Profile(profile) = item.target else { return Err(NoBoot::BootItem(item.server_type)) };
    let decision = Decision { profile, ..Decision::default() };
    match decision.boots(plan) {
        BootTarget::Nothing => Err(NoBoot::Profile),
        boots => for_firmware(plan, client, &decision, boots, local_addr),
    }
}

fn is_local_disk(plan: &Plan, item: &FirmwareMenuItem) -> bool {
    let ItemTarget::Profile(id) = item.target else { return false };
    plan.profile(id).is_some_and(|profile| profile.boots == BootTarget::LocalDisk)
}

fn fixed_names(plan: &Plan, dialect: &'static Dialect, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    if !plan.offer.dialects.contains(&dialect) {
        return Err(NoBoot::NoFiles(dialect));
    }
    let server = tftp_address(plan, local_addr)?;
    Ok(Boot { file: String::new(), server, source: BootSource::FixedNames, method: BootMethod::FixedNames(dialect) })
}

/// The address of the TFTP server; an error if there is none.
fn tftp_address(plan: &Plan, local_addr: IpAddr) -> Result<IpAddr, NoBoot> {
    match tftp_server(plan, local_addr) {
        Some(TftpServer::Local) => Ok(local_addr),
        Some(TftpServer::Remote(address)) => Ok(address.into()),
        None => Err(NoBoot::NoTftp),
    }
}

/// The TFTP server for the address family of the request; `None` if there is none.
fn tftp_server(plan: &Plan, local_addr: IpAddr) -> Option<TftpServer> {
    if local_addr.is_ipv6() { plan.offer.dhcp6.tftp.then_some(TftpServer::Local) } else { plan.offer.tftp }
}

impl NoBoot {
    /// The name in counters and log fields.
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
            Self::NoFiles(dialect) => dialect.no_files_label,
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
                "the configured loader for {arch} is a URL, which PXE firmware cannot fetch, and there is no iPXE for \
                 {arch} here"
            ),
            Self::IpxeLacks(lacks) => write!(
                f,
                "its iPXE does not list {lacks}, which it needs to fetch its boot, and there is no loader here to \
                replace it"
            ),
            Self::NoTftp => f.write_str("TFTP is not served here, and this client supports nothing else"),
            Self::NoScript => f.write_str("neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script"),
            Self::NoHttp => f.write_str("UEFI HTTP boot is not served"),
            Self::StatefulIpxe => f.write_str(
                "an iPXE that requests an address over DHCPv6 takes its script from the server that assigns it, \
                 not from a proxy",
            ),
            Self::StatelessIpxe => f.write_str(
                "an iPXE in a stateless network takes the first REPLY, and this server sends one only if the \
                 configuration enables it",
            ),
            Self::NoBootServer => {
                f.write_str("port 4011 is not open, and over IPv6 the server can name the file only there")
            }
            Self::NoFiles(Dialect { name, .. }) => write!(f, "a {name}, and the boot directory holds no files for one"),
            Self::BootItem(item) => write!(f, "boot item {item:#06x} is in no menu of this server"),
            Self::Credentials(item) => write!(f, "boot item {item:#06x} requires credentials, which are not supported"),
            Self::MenuTooLarge => f.write_str("the menu is larger than option 43 allows"),
        }
    }
}

impl fmt::Display for BootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(arch) => write!(f, "loader for {arch}"),
            Self::DefaultLoader => f.write_str("loader for every other architecture"),
            Self::LocalDisk(arch) => write!(f, "starts the local disk of {arch}"),
            Self::ScriptHttp => f.write_str("built-in script, over HTTP"),
            Self::ScriptTftp => f.write_str("built-in script, over TFTP"),
            Self::ConfiguredScript => f.write_str("configured script"),
            Self::Menu => f.write_str("menu for the firmware to show"),
            Self::FixedNames => f.write_str("files with fixed names"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::offer::Offer;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn tftp_is_offered_only_over_address_families_on_which_it_listens() {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let mut plan =
            Plan { offer: Offer { tftp: Some(TftpServer::Local), ..Offer::default() }.into(), ..Plan::default() };
        assert_eq!((tftp_address(&plan, v4), tftp_address(&plan, v6)), (Ok(v4), Err(NoBoot::NoTftp)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6), Err(NoBoot::NoScript));
        plan.offer_mut().tftp = None;
        plan.offer_mut().dhcp6.tftp = true;
        assert_eq!((tftp_address(&plan, v4), tftp_address(&plan, v6)), (Err(NoBoot::NoTftp), Ok(v6)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6).unwrap().file, "tftp://[::1]/boot.ipxe");
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v4), Err(NoBoot::NoScript));
        let both = "neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script";
        assert_eq!(alloc::string::ToString::to_string(&NoBoot::NoScript), both);
    }
}
