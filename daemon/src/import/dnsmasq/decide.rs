//! What dnsmasq gives a machine: the same questions in the same order, asked of the lines that were read.

use super::config::*;
use super::machine_kinds::tags_match;
use proxydhcpd_core::arch::Arch;
use std::collections::BTreeSet;

/// What a machine is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsmasqBoot {
    /// It is not answered at all.
    Ignored,
    NoBoot,
    File(String, FileServer),
    LocalDisk,
    Menu(PxeMenu),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PxeMenu {
    pub prompt: String,
    pub timeout: u8,
    pub items: Vec<(String, ServiceAction)>,
}

/// With the lines that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsmasqDecision {
    pub boot: DnsmasqBoot,
    pub lines: Vec<LineId>,
}

/// Who asks, beside its tags.
#[derive(Clone, Copy, Debug)]
pub struct ClientTraits {
    pub arch: Option<Arch>,
    /// The program that asks is iPXE.
    pub is_ipxe: bool,
    /// It boots over HTTP: PXE's services are not for it.
    pub is_http: bool,
    /// Its `dhcp-host` says that it is ignored.
    pub is_ignored: bool,
}

pub fn decide(config: &DnsmasqConfig, tags: &BTreeSet<String>, asker: ClientTraits) -> DnsmasqDecision {
    let ClientTraits { arch, is_ipxe: ipxe, is_http: http, is_ignored: ignore } = asker;
    let ignores = config.ignores.iter().find(|(_, literals)| !literals.is_empty() && tags_match(literals, tags));
    let mut ranges = config.ranges.iter().filter(|range| range.is_proxy).peekable();
    let outside = ranges.peek().is_some() && !ranges.any(|range| tags_match(&range.required_tags, tags));
    if ignore || ignores.is_some() || outside {
        return DnsmasqDecision { boot: DnsmasqBoot::Ignored, lines: ignores.iter().map(|(line, _)| *line).collect() };
    }
    let boot = boot(config, tags);
    let file = boot.map(|boot| decided(DnsmasqBoot::File(boot.file.clone(), boot.server), [boot.line]));
    let file = file.or_else(|| by_option(config, tags));
    let services = config.services.iter().filter(|service| Some(service.arch) == arch && tags_match(&service.tags, tags));
    let services: Vec<&PxeService> = services.filter(|_| !http).collect();
    let of_uefi = arch.is_some_and(|arch| arch.0 >= 6);
    let mut programs = services.iter().filter(|service| matches!(service.action, ServiceAction::File(..)));
    match (programs.next(), programs.next(), &services[..]) {
        // One program for UEFI: many firmwares show menus badly, and dnsmasq gives them the file.
        (Some(only), None, _) if of_uefi => given(only),
        (_, _, []) => file.unwrap_or(decided(DnsmasqBoot::NoBoot, [])),
        // The offer has no menu, and iPXE takes the file that it has.
        _ if of_uefi && ipxe && file.is_some() => file.unwrap_or(decided(DnsmasqBoot::NoBoot, [])),
        (_, _, services) => menu(config, tags, services),
    }
}

/// What options 67 and 66 say.
fn by_option(config: &DnsmasqConfig, tags: &BTreeSet<String>) -> Option<DnsmasqDecision> {
    let boot = last(&config.option_boots, tags)?;
    let server = config.option_servers.last();
    let lines = [boot.line].into_iter().chain(server.map(|(line, _)| *line));
    Some(decided(DnsmasqBoot::File(boot.file.clone(), server.map_or(FileServer::ThisServer, |(_, server)| *server)), lines))
}

fn boot<'a>(config: &'a DnsmasqConfig, tags: &BTreeSet<String>) -> Option<&'a DhcpBoot> {
    last(&config.boots, tags)
}

/// The last line whose tags all hold; else the last one without tags.
fn last<'a>(boots: &'a [DhcpBoot], tags: &BTreeSet<String>) -> Option<&'a DhcpBoot> {
    let tagged = boots.iter().rev().find(|boot| !boot.tags.is_empty() && tags_match(&boot.tags, tags));
    tagged.or_else(|| boots.iter().rev().find(|boot| boot.tags.is_empty()))
}

/// What a service gives when it is taken without asking.
fn given(service: &PxeService) -> DnsmasqDecision {
    let outcome = match &service.action {
        ServiceAction::LocalDisk => DnsmasqBoot::LocalDisk,
        ServiceAction::File(name, server) => DnsmasqBoot::File(file_with_layer(name), *server),
        ServiceAction::BootServer(..) => DnsmasqBoot::NoBoot,
    };
    decided(outcome, [service.line])
}

fn menu(config: &DnsmasqConfig, tags: &BTreeSet<String>, services: &[&PxeService]) -> DnsmasqDecision {
    let prompt = config.prompts.iter().rev().find(|prompt| tags_match(&prompt.tags, tags));
    if let ([only], None) = (services, prompt)
        && !matches!(only.action, ServiceAction::BootServer(..))
    {
        return given(only);
    }
    let does = |does: &ServiceAction| match does {
        ServiceAction::File(name, server) => ServiceAction::File(file_with_layer(name), *server),
        other => other.clone(),
    };
    let menu = PxeMenu {
        prompt: prompt.map_or("PXE".into(), |prompt| prompt.text.clone()),
        timeout: prompt.map_or(if services.len() > 1 { 255 } else { 0 }, |prompt| prompt.timeout),
        items: services.iter().map(|service| (service.title.clone(), does(&service.action))).collect(),
    };
    let lines = prompt.map(|prompt| prompt.line).into_iter().chain(services.iter().map(|service| service.line));
    decided(DnsmasqBoot::Menu(menu), lines)
}

/// The layer, which is 0, is added to a name without a suffix.
pub fn file_with_layer(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{name}.0") }
}

fn decided(outcome: DnsmasqBoot, lines: impl IntoIterator<Item = LineId>) -> DnsmasqDecision {
    DnsmasqDecision { boot: outcome, lines: lines.into_iter().collect() }
}
