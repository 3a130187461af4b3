//! The lines about DHCP packets, and about what they show of machines and of other servers.

use super::limits::Limits;
use super::send_failure::SendFailure;
use proxydhcpd_core::ambiguous_identity::{AmbiguousIdentity, UuidUse};
use proxydhcpd_core::answer::{Response, Silence};
use proxydhcpd_core::client::{ArchSource, Client, IgnoreReason};
use proxydhcpd_core::event::{Event, Reasons, Reply, Silent, Unsent};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::finding::{Advice, Finding};
use proxydhcpd_core::story::VerdictCode;
use std::fmt;
use std::time::Duration;

/// A reply. It gets a line only if it differs from the last reply to the same stage of the machine's boot.
pub fn replied(event: &Event<'_>, reply: &Reply<'_>, limits: &mut Limits) {
    let now = Duration::from_millis(event.at);
    if !limits.may_log_replies(now) {
        return;
    }
    let Reply { client, response, quirks, reasons } = reply;
    let Response { message_type, shape, boot, .. } = response;
    let stage = limits.hash((client.is_v6(), u8::from(*message_type), client.arch, client.is_ipxe()));
    let hash = limits.hash((shape, boot, reasons));
    if !limits.may_log_reply((client.machine.key, stage), hash, now) {
        return;
    }
    let assumption = match client.arch_source {
        ArchSource::Assumed if !client.is_ipxe() => "; option 93 is absent, so it counts as an old BIOS ROM",
        _ => "",
    };
    let link = link(event);
    tracing::info!(
        MAC = %client.machine,
        FIRMWARE = %client,
        LINK = link,
        FILE = boot.file.as_str(),
        SHAPE = %shape,
        QUIRKS = (!quirks.is_empty()).then(|| tracing::field::display(quirks)),
        MACHINE = reasons.entry,
        CANDIDATE = reasons.candidate,
        PROFILE = reasons.profile,
        RULE = reasons.rule,
        "{} ({client}) on {link}: {}{}{assumption}",
        client.hardware(),
        ReplyText(response),
        ReasonsText(*reasons),
    );
}

/// Warns of a reply that the kernel did not send.
pub fn unsent(event: &Event<'_>, unsent: &Unsent<'_>, limits: &mut Limits) {
    let Reply { client, response, .. } = unsent.reply;
    let failure = SendFailure::new(unsent);
    if !limits.is_due([unsent.label, failure.recipient_label(client)], event.at) {
        return;
    }
    let link = link(event);
    tracing::warn!(
        MAC = %client.machine,
        FIRMWARE = %client,
        LINK = link,
        "{} ({client}) on {link}: {}{}",
        client.hardware(),
        failure.message(response.message_type, client),
        limits.minute_note(),
    );
}

/// A packet without a reply.
pub fn silent(event: &Event<'_>, silent: &Silent<'_>, limits: &mut Limits) {
    let Silent { client, silence, reasons, remedy, .. } = silent;
    let link = link(event);
    match (client, remedy) {
        (Some(client), Some(remedy)) => no_loader(event, client, remedy, limits),
        (Some(client), None) => tracing::debug!(
            MACHINE = reasons.entry,
            CANDIDATE = reasons.candidate,
            RULE = reasons.rule,
            "{} ({client}) on {link}: no reply: {silence}",
            client.hardware()
        ),
        (None, _) if *silence == Silence::Ignored(IgnoreReason::NoArchitecture) => {
            let warning = format_args!("a boot client on {link}: no reply: {silence}");
            limits.warn_once_a_minute(silence.label(), warning, event.at);
        }
        (None, _) => tracing::debug!("a packet on {link}: no reply: {silence}"),
    }
}

/// Warns of a machine for which the server has nothing to boot, once.
fn no_loader(event: &Event<'_>, client: &Client, remedy: &fmt::Arguments<'_>, limits: &mut Limits) {
    let mut key = [0; 17];
    key[0] = client.hardware().hlen;
    key[1..].copy_from_slice(&client.hardware().octets);
    if !limits.is_new_warning(key, event.at) {
        return;
    }
    let link = link(event);
    tracing::warn!(
        MAC = %client.machine,
        FIRMWARE = %client,
        LINK = link,
        "{} ({client}) on {link}: no reply: {remedy}",
        client.hardware()
    );
}

/// A request on an interface that is not served.
pub fn unserved_request(event: &Event<'_>, client: &Client) {
    let name = link(event);
    tracing::debug!("{} ({client}) on {name}: no reply: {name} is not served over IPv4", client.hardware());
}

/// Warns of an interface that is not served although a machine sends requests on it.
pub fn unserved_link(event: &Event<'_>, client: &Client, has_ipv4: bool, served: &[Link]) {
    let name = link(event);
    if has_ipv4 {
        let names: Vec<&str> = served.iter().map(|link| link.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        tracing::warn!(
            MAC = %client.machine,
            LINK = name,
            "{} ({client}) on {name}: no reply: {name} is not among the served interfaces ({names}). To serve it, \
             change `interfaces` or `ipv4-interfaces` in the configuration, or the flag -i",
            client.hardware()
        );
    } else {
        tracing::warn!(
            MAC = %client.machine,
            LINK = name,
            "{} ({client}) on {name}: no reply: {name} has no IPv4 address. Add one in the network of its machines; \
             the server then serves {name} at once",
            client.hardware()
        );
    }
}

/// Warns of a client whose identities do not lead to one entry without a contradiction. Each warning appears once.
pub fn ambiguous_identity(event: &Event<'_>, client: &Client, identity: &AmbiguousIdentity<'_>, limits: &mut Limits) {
    let key = identity_key(identity, limits);
    if !limits.is_new_warning(key, event.at) {
        return;
    }
    let link = link(event);
    tracing::warn!(
        MAC = %client.machine,
        LINK = link,
        MACHINE = identity.entry(),
        "{} ({client}) on {link} {identity}",
        client.hardware()
    );
}

/// A DHCP packet that the server discarded before it looked for an answer.
pub fn discarded(label: &str) {
    tracing::trace!("a packet was discarded: {label}");
}

/// A choice from a menu of the firmware.
pub fn menu_choice(event: &Event<'_>, item: u16) {
    let machine = event.machine.hardware().map_or_else(|| "a machine".to_owned(), |hardware| hardware.to_string());
    tracing::trace!("{machine} on {} chose item {item} of the menu that its firmware shows", link(event));
}

/// Warns of a machine that did not take the server's offer. Of the machines with the same cause, the first has a line.
pub fn finding(event: &Event<'_>, finding: &Finding, limits: &mut Limits) {
    if !limits.may_log_finding(finding.is_repeat, event.at) {
        return;
    }
    let Finding { hardware, diagnosis, .. } = finding;
    let (link, verdict) = (event.link.unwrap_or("no link"), VerdictCode::from(finding).row());
    tracing::warn!(
        MAC = %hardware,
        LINK = link,
        VERDICT = verdict.id,
        MESSAGE_ID = verdict.message_id,
        SERVER = diagnosis.server().map(|server| server.to_string()),
        "{finding} on {link} {diagnosis}. {}",
        Advice(finding)
    );
}

fn link<'a>(event: &Event<'a>) -> &'a str {
    event.link.unwrap_or("no link")
}

/// The key of the warning. Its first octet is the kind. No key of a hardware address begins with one of these, because
/// such a key begins with the length of the address.
fn identity_key(identity: &AmbiguousIdentity<'_>, limits: &Limits) -> [u8; 17] {
    let pair = |kind: u8, one: u64, other: u64| {
        let mut key = [kind; 17];
        key[1..9].copy_from_slice(&one.to_be_bytes());
        key[9..].copy_from_slice(&other.to_be_bytes());
        key
    };
    match identity {
        AmbiguousIdentity::Conflict(conflict) => pair(0xff, limits.hash(conflict.name), limits.hash(conflict.other)),
        // The key must not depend on the order: the firmware and the iPXE of a machine find the two entries in
        // opposite orders.
        AmbiguousIdentity::Unresolved(conflict) => {
            let [one, other] = [conflict.name, conflict.other].map(|name| limits.hash(name));
            pair(0xfe, one.min(other), one.max(other))
        }
        AmbiguousIdentity::Unconfirmed(entry) => pair(0xfc, limits.hash(entry.name), entry.by as u64),
        AmbiguousIdentity::Duplicate(entry) => pair(0xfb, limits.hash(entry.name), entry.by as u64),
        AmbiguousIdentity::SharedMac(shared) => {
            let mut key = [0xfa; 17];
            key[1..7].copy_from_slice(&shared.mac);
            key
        }
        // One warning covers all UUIDs that the configuration does not use.
        AmbiguousIdentity::SharedUuid(uuid) if matches!(uuid.used_by, UuidUse::Unused) => [0xfd; 17],
        AmbiguousIdentity::SharedUuid(uuid) => {
            let mut key = [0xfd; 17];
            key[1..].copy_from_slice(&uuid.shared.uuid);
            key
        }
    }
}

/// Displays a reply as `OFFER snponly.efi from 192.0.2.10 (loader for x64 UEFI, redirect)`. The file is missing from a
/// reply with a menu, and from a reply to firmware that requests fixed names.
struct ReplyText<'a>(&'a Response);

impl fmt::Display for ReplyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Response { message_type, shape, boot, .. } = self.0;
        write!(f, "{message_type} ")?;
        if !boot.file.is_empty() {
            write!(f, "{} ", boot.file)?;
        }
        write!(f, "from {} ({}, {shape})", boot.server, boot.source)
    }
}

/// Displays the reasons as `, web1: profile debian by rule lab`.
struct ReasonsText<'a>(Reasons<'a>);

impl fmt::Display for ReasonsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reasons { entry, candidate, profile, missing_profile, rule } = self.0;
        if let Some(machine) = entry {
            write!(f, ", {machine}")?;
        }
        if let Some(candidate) = candidate {
            write!(f, ", possibly {candidate}")?;
        }
        if let Some(profile) = profile {
            write!(f, ": profile {profile}")?;
        }
        if let Some(missing) = missing_profile {
            write!(f, ", because profile {missing} does not exist")?;
        }
        rule.map_or(Ok(()), |rule| write!(f, " by rule {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::capture::{CapturedLine, LineCapture};
    use proxydhcpd_core::arch::Arch;
    use proxydhcpd_core::choose::{Boot, BootMethod, BootSource};
    use proxydhcpd_core::event::{EventMachine, Service, What};
    use proxydhcpd_core::identity::HardwareAddress;
    use proxydhcpd_core::observations::finding::{Cause, Diagnosis, NextContact};
    use proxydhcpd_core::route::Destination;
    use proxydhcpd_core::shape::ShapeName;
    use proxydhcpd_core::wire::DhcpMessageType;
    use proxydhcpd_core::wire::dhcp4::MessageType;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_text_of_a_reply_without_a_file_has_no_gap() {
        let to = Destination {
            to: SocketAddr::from((Ipv4Addr::BROADCAST, 68)),
            from: SocketAddr::from(([192, 0, 2, 10], 67)),
            interface_index: None,
        };
        let boot =
            |file: &str, source| Boot { file: file.into(), server: to.from.ip(), source, method: BootMethod::File };
        let text = |shape, boot| {
            ReplyText(&Response {
                message_type: DhcpMessageType::Dhcp4(MessageType::Offer),
                shape,
                boot,
                destination: to,
                delay: None,
            })
            .to_string()
        };
        assert_eq!(
            text(ShapeName::Direct, boot("undionly.kpxe", BootSource::Loader(Arch::BIOS))),
            "OFFER undionly.kpxe from 192.0.2.10 (loader for x86 BIOS, direct)"
        );
        assert_eq!(
            text(ShapeName::Menu, boot("", BootSource::Menu)),
            "OFFER from 192.0.2.10 (menu for the firmware to show, menu)"
        );
    }

    fn no_address() -> Finding {
        let hardware = HardwareAddress::from_mac([2, 0, 0, 0, 0, 3]);
        Finding {
            hardware,
            arch: Arch::X64,
            ipxe: false,
            link: 1,
            relay: None,
            next: NextContact::BootServer,
            diagnosis: Diagnosis::NoAddress(4),
            cause: Cause::NotInOffers,
            asked: 0,
            is_repeat: false,
        }
    }

    /// Returns the lines about a finding at this time.
    fn lines_at(at: u64, found: &Finding, limits: &mut Limits) -> Vec<CapturedLine> {
        let (machine, what) = (EventMachine::default(), What::Finding(found));
        let event = Event { at, link: Some("eth0"), machine, service: Service::Dhcp(67), ticket: None, what };
        LineCapture::new().lines_of(|| finding(&event, found, limits))
    }

    #[test]
    fn the_line_about_a_finding_has_the_fields_of_its_verdict() {
        let lines = lines_at(0, &no_address(), &mut Limits::new());
        let row = VerdictCode::NoAddress.row();
        for field in [("VERDICT", row.id), ("MESSAGE_ID", row.message_id), ("LINK", "eth0")] {
            assert!(lines[0].fields.contains(&(field.0, field.1.to_owned())), "{field:?} in {:?}", lines[0].fields);
        }
    }

    /// If a host forges offers of many servers, the log has some lines at first, and then one line a minute.
    #[test]
    fn a_finding_that_repeats_another_has_no_line_and_the_number_of_lines_is_limited() {
        let (new, repeat) = (no_address(), Finding { is_repeat: true, ..no_address() });
        let mut limits = Limits::new();
        assert_eq!(lines_at(0, &repeat, &mut limits).len(), 0);
        assert_eq!(lines_at(0, &repeat, &mut Limits::unlimited()).len(), 1, "the stream has every line");
        let mut count = |at| (0..200).map(|_| lines_at(at, &new, &mut limits).len()).sum::<usize>();
        assert_eq!((count(0), count(30_000), count(60_000)), (20, 0, 1));
    }

    #[test]
    fn a_line_ends_with_the_reasons() {
        let text = |reasons| ReasonsText(reasons).to_string();
        let none = Reasons::default();
        let (entry, disk) = (Some("web1"), Some("local-disk"));
        assert_eq!(text(none), "");
        assert_eq!(text(Reasons { profile: Some("menu"), ..none }), ": profile menu");
        let by_rule = Reasons { profile: Some("debian"), rule: Some("lab"), ..none };
        assert_eq!(text(by_rule), ": profile debian by rule lab");
        assert_eq!(text(Reasons { entry, profile: Some("debian"), ..none }), ", web1: profile debian");
        let missing = Reasons { entry, profile: disk, missing_profile: Some("gone"), ..none };
        assert_eq!(text(missing), ", web1: profile local-disk, because profile gone does not exist");
        let protected = Reasons { candidate: entry, profile: disk, ..none };
        assert_eq!(text(protected), ", possibly web1: profile local-disk");
    }
}
