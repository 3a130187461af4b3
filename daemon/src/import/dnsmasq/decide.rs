//! What dnsmasq gives a machine: the same questions in the same order, asked of the lines that were read.

use super::config::*;
use super::machines::hold;
use proxydhcpd_core::arch::Arch;
use std::collections::BTreeSet;

/// What a machine is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is not answered at all.
    Ignored,
    Nothing,
    File(String, Server),
    LocalDisk,
    Menu(Menu),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Menu {
    pub prompt: String,
    pub timeout: u8,
    pub items: Vec<(String, Does)>,
}

/// With the lines that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub outcome: Outcome,
    pub lines: Vec<LineId>,
}

/// Who asks, beside its tags.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    pub arch: Option<Arch>,
    /// The program that asks is iPXE.
    pub ipxe: bool,
    /// It boots over HTTP: PXE's services are not for it.
    pub http: bool,
    /// Its `dhcp-host` says that it is ignored.
    pub ignore: bool,
}

pub fn decide(config: &Config, tags: &BTreeSet<String>, asker: Asker) -> Decided {
    let Asker { arch, ipxe, http, ignore } = asker;
    let ignores = config.ignores.iter().find(|(_, literals)| !literals.is_empty() && hold(literals, tags));
    let mut ranges = config.ranges.iter().filter(|range| range.proxy).peekable();
    let outside = ranges.peek().is_some() && !ranges.any(|range| hold(&range.filter, tags));
    if ignore || ignores.is_some() || outside {
        return Decided { outcome: Outcome::Ignored, lines: ignores.iter().map(|(line, _)| *line).collect() };
    }
    let boot = boot(config, tags);
    let file = boot.map(|boot| decided(Outcome::File(boot.file.clone(), boot.server), [boot.line]));
    let file = file.or_else(|| by_option(config, tags));
    let services = config.services.iter().filter(|service| Some(service.arch) == arch && hold(&service.tags, tags));
    let services: Vec<&Service> = services.filter(|_| !http).collect();
    let of_uefi = arch.is_some_and(|arch| arch.0 >= 6);
    let mut programs = services.iter().filter(|service| matches!(service.does, Does::File(..)));
    match (programs.next(), programs.next(), &services[..]) {
        // One program for UEFI: many firmwares show menus badly, and dnsmasq gives them the file.
        (Some(only), None, _) if of_uefi => given(only),
        (_, _, []) => file.unwrap_or(decided(Outcome::Nothing, [])),
        // The offer has no menu, and iPXE takes the file that it has.
        _ if of_uefi && ipxe && file.is_some() => file.unwrap_or(decided(Outcome::Nothing, [])),
        (_, _, services) => menu(config, tags, services),
    }
}

/// What options 67 and 66 say.
fn by_option(config: &Config, tags: &BTreeSet<String>) -> Option<Decided> {
    let boot = last(&config.option_boots, tags)?;
    let server = config.option_servers.last();
    let lines = [boot.line].into_iter().chain(server.map(|(line, _)| *line));
    Some(decided(Outcome::File(boot.file.clone(), server.map_or(Server::Ours, |(_, server)| *server)), lines))
}

fn boot<'a>(config: &'a Config, tags: &BTreeSet<String>) -> Option<&'a Boot> {
    last(&config.boots, tags)
}

/// The last line whose tags all hold; else the last one without tags.
fn last<'a>(boots: &'a [Boot], tags: &BTreeSet<String>) -> Option<&'a Boot> {
    let tagged = boots.iter().rev().find(|boot| !boot.tags.is_empty() && hold(&boot.tags, tags));
    tagged.or_else(|| boots.iter().rev().find(|boot| boot.tags.is_empty()))
}

/// What a service gives when it is taken without asking.
fn given(service: &Service) -> Decided {
    let outcome = match &service.does {
        Does::LocalDisk => Outcome::LocalDisk,
        Does::File(name, server) => Outcome::File(whole(name), *server),
        Does::BootServer(..) => Outcome::Nothing,
    };
    decided(outcome, [service.line])
}

fn menu(config: &Config, tags: &BTreeSet<String>, services: &[&Service]) -> Decided {
    let prompt = config.prompts.iter().rev().find(|prompt| hold(&prompt.tags, tags));
    if let ([only], None) = (services, prompt)
        && !matches!(only.does, Does::BootServer(..))
    {
        return given(only);
    }
    let does = |does: &Does| match does {
        Does::File(name, server) => Does::File(whole(name), *server),
        other => other.clone(),
    };
    let menu = Menu {
        prompt: prompt.map_or("PXE".into(), |prompt| prompt.text.clone()),
        timeout: prompt.map_or(if services.len() > 1 { 255 } else { 0 }, |prompt| prompt.timeout),
        items: services.iter().map(|service| (service.title.clone(), does(&service.does))).collect(),
    };
    let lines = prompt.map(|prompt| prompt.line).into_iter().chain(services.iter().map(|service| service.line));
    decided(Outcome::Menu(menu), lines)
}

/// The layer, which is 0, is added to a name without a suffix.
pub fn whole(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{name}.0") }
}

fn decided(outcome: Outcome, lines: impl IntoIterator<Item = LineId>) -> Decided {
    Decided { outcome, lines: lines.into_iter().collect() }
}
