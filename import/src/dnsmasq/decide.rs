//! Decides what dnsmasq sends to a machine, with the same tests in the same order as dnsmasq.

use super::config::*;
use super::machine_kinds::tags_match;
use proxydhcpd_core::arch::Arch;
use std::collections::BTreeSet;

/// The boot settings that dnsmasq sends to a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsmasqBoot {
    /// dnsmasq sends no reply.
    Ignored,
    /// The reply contains no boot settings.
    NoBoot,
    /// A boot file, and the server that has it.
    File(String, FileServer),
    /// An instruction to boot the disk.
    LocalDisk,
    /// A PXE menu.
    Menu(PxeMenu),
}

/// A PXE menu.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PxeMenu {
    /// The text of the prompt.
    pub prompt: String,
    /// The timeout in seconds. 255 means no timeout.
    pub timeout: u8,
    /// The text and the action of each item.
    pub items: Vec<(String, ServiceAction)>,
}

/// A decision, with the lines from which it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsmasqDecision {
    /// The boot settings.
    pub boot: DnsmasqBoot,
    /// The lines that decide it.
    pub lines: Vec<LineId>,
}

/// The properties of a client, besides its tags, on which the decision depends.
#[derive(Clone, Copy, Debug)]
pub struct ClientTraits {
    /// The architecture. `None`: an architecture that no line names.
    pub arch: Option<Arch>,
    /// Whether the client is iPXE.
    pub is_ipxe: bool,
    /// Whether the client boots over HTTP, so that `pxe-service` does not apply.
    pub is_http: bool,
    /// Whether the machine's `dhcp-host` line has `ignore`.
    pub is_ignored: bool,
}

/// Decides what dnsmasq sends to a client with these tags.
pub fn decide(config: &DnsmasqConfig, tags: &BTreeSet<String>, client: ClientTraits) -> DnsmasqDecision {
    let ClientTraits { arch, is_ipxe, is_http, is_ignored } = client;
    let ignores = config.ignores.iter().find(|(_, literals)| !literals.is_empty() && tags_match(literals, tags));
    let mut ranges = config.ranges.iter().filter(|range| range.is_proxy).peekable();
    let is_outside_ranges = ranges.peek().is_some() && !ranges.any(|range| tags_match(&range.required_tags, tags));
    if is_ignored || ignores.is_some() || is_outside_ranges {
        return DnsmasqDecision { boot: DnsmasqBoot::Ignored, lines: ignores.iter().map(|(line, _)| *line).collect() };
    }
    let dhcp_boot = boot(config, tags);
    let file = dhcp_boot
        .map(|dhcp_boot| decided(DnsmasqBoot::File(dhcp_boot.file.clone(), dhcp_boot.server), [dhcp_boot.line]));
    let file = file.or_else(|| by_option(config, tags));
    let services =
        config.services.iter().filter(|service| Some(service.arch) == arch && tags_match(&service.tags, tags));
    let services: Vec<&PxeService> = services.filter(|_| !is_http).collect();
    let is_uefi = arch.is_some_and(|arch| arch.0 >= 6);
    let mut file_services = services.iter().filter(|service| matches!(service.action, ServiceAction::File(..)));
    match (file_services.next(), file_services.next(), &services[..]) {
        // For a single UEFI program dnsmasq sends the file, because many UEFI firmwares display menus badly.
        (Some(single), None, _) if is_uefi => from_service(single),
        (_, _, []) => file.unwrap_or(decided(DnsmasqBoot::NoBoot, [])),
        // The offer to a UEFI client has no menu, so iPXE boots the file that the offer names.
        _ if is_uefi && is_ipxe && file.is_some() => file.unwrap_or(decided(DnsmasqBoot::NoBoot, [])),
        (_, _, services) => menu(config, tags, services),
    }
}

/// The decision that follows from options 67 and 66. `None`: no line that sets option 67 applies.
fn by_option(config: &DnsmasqConfig, tags: &BTreeSet<String>) -> Option<DnsmasqDecision> {
    let boot = last(&config.option_boots, tags)?;
    let server = config.option_servers.last();
    let lines = [boot.line].into_iter().chain(server.map(|(line, _)| *line));
    Some(decided(
        DnsmasqBoot::File(boot.file.clone(), server.map_or(FileServer::ThisServer, |(_, server)| *server)),
        lines,
    ))
}

fn boot<'a>(config: &'a DnsmasqConfig, tags: &BTreeSet<String>) -> Option<&'a DhcpBoot> {
    last(&config.boots, tags)
}

/// The last line whose tags all match, otherwise the last line without tags. `None`: there is neither.
fn last<'a>(boots: &'a [DhcpBoot], tags: &BTreeSet<String>) -> Option<&'a DhcpBoot> {
    let tagged = boots.iter().rev().find(|boot| !boot.tags.is_empty() && tags_match(&boot.tags, tags));
    tagged.or_else(|| boots.iter().rev().find(|boot| boot.tags.is_empty()))
}

/// The decision for a service that dnsmasq sends without a menu.
fn from_service(service: &PxeService) -> DnsmasqDecision {
    let outcome = match &service.action {
        ServiceAction::LocalDisk => DnsmasqBoot::LocalDisk,
        ServiceAction::File(name, server) => DnsmasqBoot::File(file_with_layer(name), *server),
        ServiceAction::BootServer(..) => DnsmasqBoot::NoBoot,
    };
    decided(outcome, [service.line])
}

fn menu(config: &DnsmasqConfig, tags: &BTreeSet<String>, services: &[&PxeService]) -> DnsmasqDecision {
    let prompt = config.prompts.iter().rev().find(|prompt| tags_match(&prompt.tags, tags));
    if let ([single], None) = (services, prompt)
        && !matches!(single.action, ServiceAction::BootServer(..))
    {
        return from_service(single);
    }
    let action = |action: &ServiceAction| match action {
        ServiceAction::File(name, server) => ServiceAction::File(file_with_layer(name), *server),
        other => other.clone(),
    };
    let menu = PxeMenu {
        prompt: prompt.map_or("PXE".into(), |prompt| prompt.text.clone()),
        timeout: prompt.map_or(if services.len() > 1 { 255 } else { 0 }, |prompt| prompt.timeout),
        items: services.iter().map(|service| (service.title.clone(), action(&service.action))).collect(),
    };
    let lines = prompt.map(|prompt| prompt.line).into_iter().chain(services.iter().map(|service| service.line));
    decided(DnsmasqBoot::Menu(menu), lines)
}

/// Adds the layer, `.0`, to a name without a suffix, as dnsmasq does.
pub fn file_with_layer(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{name}.0") }
}

fn decided(outcome: DnsmasqBoot, lines: impl IntoIterator<Item = LineId>) -> DnsmasqDecision {
    DnsmasqDecision { boot: outcome, lines: lines.into_iter().collect() }
}
