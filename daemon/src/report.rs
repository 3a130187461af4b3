//! Logs replies and problems. A reply gets a line. A machine gets one warning if it cannot boot from this server, has
//! an ambiguous identity, or boots from another server. A silence only increases a counter.

mod identity;
mod send_failure;

use crate::log::RequestedName;
use crate::log_limiter::{LogAction, LogLimiter};
use crate::site::Site;
use crate::templates::Failure;
pub use identity::{
    ConflictingEntries, DuplicateIdentity, SharedUuidWarning, UnconfirmedMatch, UnresolvedConflict, UuidUse,
};
use proxydhcpd_core::answer::{Answer, Response, Silence, Verdict};
use proxydhcpd_core::bounded_cache::{BoundedCache, TokenBucket};
use proxydhcpd_core::choose::NoBoot;
use proxydhcpd_core::client::{ArchSource, Client, IgnoreReason};
use proxydhcpd_core::decide::Decision;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::BootLoop;
use proxydhcpd_core::observations::finding::{Advice, Finding};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::plan::profile::ProfileId;
pub use send_failure::SendFailure;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Writes the lines of the log, limits their number, and counts silences and failures.
#[derive(Debug)]
pub struct Report {
    /// Limits the lines about replies for each machine and each stage of its boot.
    limiter: LogLimiter<(HardwareAddress, u64)>,
    /// Keys of the warnings that were written, such as hardware addresses.
    warned: BoundedCache<[u8; 17], ()>,
    /// The rate limit of warnings about machines and files: `WARNING_BURST` at once, then one a second.
    warnings: TokenBucket,
    /// When each kind of warning that the network can cause was last written.
    last_warnings: Vec<([&'static str; 2], Instant)>,
    /// The interfaces that are not served although a machine sent a request on them.
    unserved_links: BTreeSet<u32>,
    /// When each failure of the server's files was last logged, in milliseconds, by a hash of the failure's text.
    failures: BoundedCache<u32, u64>,
    hasher: RandomState,
    started: Instant,
}

const WARNING_BURST: u32 = 50;
const MAX_UNSERVED_LINKS: usize = 256;
const ONE_MINUTE: Duration = Duration::from_secs(60);

impl Report {
    /// A report that has logged nothing. `now` is the start of the server.
    pub fn new(now: Instant) -> Self {
        let hasher = RandomState::new();
        Report {
            limiter: LogLimiter::new(now),
            warned: BoundedCache::new(4096, hasher.hash_one(0)),
            warnings: TokenBucket::full(WARNING_BURST, 0),
            last_warnings: Vec::new(),
            unserved_links: BTreeSet::new(),
            failures: BoundedCache::new(256, hasher.hash_one(1)),
            hasher,
            started: now,
        }
    }

    /// Logs the answer to a DHCP packet. `link` is the interface on which the packet arrived. `unsent` is the failure
    /// if the kernel did not send the reply.
    pub fn dhcp(&mut self, site: &Site, link: &str, answer: &Answer, unsent: Option<&SendFailure>, now: Instant) {
        if let (Some(client), Some(decision)) = (&answer.client, &answer.decision) {
            self.warn_identity(&site.plan, link, client, decision, now);
        }
        match (&answer.verdict, &answer.client) {
            (Verdict::Respond(response), Some(client)) if unsent.is_some() => {
                unsent.iter().for_each(|unsent| self.send_failure(link, client, response, unsent, now));
            }
            (Verdict::Respond(response), Some(client)) => {
                let reasons =
                    answer.decision.as_ref().map(|decision| Reasons::new(decision, &site.plan)).unwrap_or_default();
                self.reply(link, client, response, reasons, now);
            }
            (Verdict::Silent(silence), Some(client)) => {
                self.limiter.count_silence(silence.label());
                match silence {
                    Silence::NoBoot(NoBoot::NoLoader(_)) => {
                        let profile = answer.decision.as_ref().and_then(|decision| decision.profile);
                        self.no_loader(site, link, client, profile, now);
                    }
                    _ => {
                        let reasons = answer.decision.as_ref().map(|decision| Reasons::new(decision, &site.plan));
                        let Reasons { machine, candidate, rule, .. } = reasons.unwrap_or_default();
                        tracing::debug!(
                            MACHINE = machine,
                            CANDIDATE = candidate,
                            RULE = rule,
                            "{} ({client}) on {link}: no reply: {silence}",
                            client.hardware
                        );
                    }
                }
            }
            (Verdict::Silent(silence @ Silence::Ignored(IgnoreReason::NoArchitecture)), None) => {
                let warning = format_args!("a boot client on {link}: no reply: {silence}");
                self.warn_once_a_minute(silence.label(), warning, now);
            }
            (Verdict::Silent(silence), None) => {
                self.count(silence.label());
                tracing::debug!("a packet on {link}: no reply: {silence}");
            }
            (Verdict::Respond(_), None) => {}
        }
    }

    /// Warns of a machine that fetches its first loader again and again.
    pub fn boot_loop(&mut self, address: IpAddr, loader: &str, looping: &BootLoop, guard: LoopGuard) {
        self.count("boot-loop:found");
        let machine = looping.owner.map_or_else(|| address.to_string(), |owner| owner.hardware.to_string());
        let consequence = match guard {
            LoopGuard::Stop => "; it gets no reply for five minutes",
            _ => "",
        };
        let milliseconds = self.started.elapsed().as_millis() as u64;
        if self.warnings.take(WARNING_BURST, 1, milliseconds) {
            let loader = RequestedName(loader.as_bytes());
            tracing::warn!(
                MAC = machine,
                FILE = %loader,
                "{machine} fetched {loader} for the third time in two minutes: {}{consequence}",
                looping.cause
            );
        }
    }

    /// Increases the counter with this label, for example for a packet that gets no reply.
    pub fn count(&mut self, reason: &'static str) {
        self.limiter.count_silence(reason);
    }

    /// Warns of an error while a file was sent. Any sender of packets can cause such errors, so they get one line a
    /// minute.
    pub fn file_error(&mut self, what: impl Display, now: Instant) {
        self.warn_once_a_minute("file:error", what, now);
    }

    /// Counts the event under this label, and warns of it unless the label's last warning is less than a minute old.
    pub fn warn_once_a_minute(&mut self, label: &'static str, warning: impl Display, now: Instant) {
        self.count(label);
        if self.is_due([label, ""], now) {
            tracing::warn!("{warning} (for a minute, further ones are only counted)");
        }
    }

    /// Whether no warning of this kind was written within the last minute. If so, a new minute begins.
    fn is_due(&mut self, kind: [&'static str; 2], now: Instant) -> bool {
        let known = self.last_warnings.iter().position(|(known, _)| *known == kind);
        if known.is_some_and(|at| now.duration_since(self.last_warnings[at].1) < ONE_MINUTE) {
            return false;
        }
        match known {
            Some(at) => self.last_warnings[at].1 = now,
            None => self.last_warnings.push((kind, now)),
        }
        true
    }

    /// Whether this is the first request on this interface, which is not served. Returns false once
    /// `MAX_UNSERVED_LINKS` interfaces are known.
    pub fn is_new_unserved_link(&mut self, link: u32) -> bool {
        self.unserved_links.len() < MAX_UNSERVED_LINKS && self.unserved_links.insert(link)
    }

    /// Warns of a template that cannot be rendered because of a mistake of the administrator. The warning appears once
    /// a minute, and names one of the machines that requested the template.
    pub fn template_failure(&mut self, failure: &Failure, machine: &str, now: Instant) {
        self.count("file:template-failed");
        let line = failure.diagnostic.one_line();
        if self.is_new_failure(&line, now) {
            tracing::warn!(
                MACHINE = machine,
                TEMPLATE = failure.template,
                "cannot render a template for {machine}: {line}"
            );
        }
    }

    /// Warns of a request that was refused although the server offers the file. Each file gets one warning a minute.
    pub fn offered_file_refused(&mut self, name: &str, machine: &str, reason: impl Display, now: Instant) {
        self.count("file:offered-but-refused");
        if self.is_new_failure(name, now) {
            tracing::warn!(
                MACHINE = machine,
                FILE = name,
                "{machine} requested {name}, which this server offers, and was refused: {reason}"
            );
        }
    }

    /// Whether this failure was not logged within the last minute, and the rate limit allows a line.
    fn is_new_failure(&mut self, text: &str, now: Instant) -> bool {
        let milliseconds = now.duration_since(self.started).as_millis() as u64;
        let key = self.hasher.hash_one(text) as u32;
        let is_recent =
            self.failures.get(key).is_some_and(|logged| milliseconds - logged < ONE_MINUTE.as_millis() as u64);
        let is_new = !is_recent && self.warnings.take(WARNING_BURST, 1, milliseconds);
        if is_new {
            self.failures.update(key, milliseconds, milliseconds, |logged| *logged = milliseconds);
        }
        is_new
    }

    /// Logs how many lines were suppressed, if a minute has passed since the last summary. Call it every few seconds.
    pub fn log_summary(&mut self, now: Instant) {
        if let Some(summary) = self.limiter.summary(now) {
            tracing::info!("{summary}");
        }
    }

    /// Logs how many lines were suppressed, when the server ends.
    pub fn log_final_summary(&mut self, now: Instant) {
        if let Some(summary) = self.limiter.final_summary(now) {
            tracing::info!("{summary}");
        }
    }

    /// The number of silences since the start, by reason, for the server's last line.
    pub fn silences(&self) -> String {
        let each = self.limiter.silences().map(|(reason, times)| format!("{reason} {times}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// Warns of a machine that did not take the server's offer.
    pub fn finding(&mut self, link: &str, finding: &Finding) {
        let Finding { hardware, diagnosis, .. } = finding;
        self.count(diagnosis.label());
        tracing::warn!(
            MAC = %hardware,
            LINK = link,
            SERVER = diagnosis.server().map(|server| server.to_string()),
            "{finding} on {link} {diagnosis}. {}",
            Advice(finding)
        );
    }

    fn reply(&mut self, link: &str, client: &Client, response: &Response, reasons: Reasons<'_>, now: Instant) {
        let Response { message_type, shape, boot, .. } = response;
        // A reply gets a line only if it differs from the last reply to the same stage of the machine's boot.
        let stage = self.hasher.hash_one((client.is_v6(), u8::from(*message_type), client.arch, client.is_ipxe()));
        let reply = self.hasher.hash_one((shape, boot, reasons));
        if self.limiter.admit((client.hardware, stage), reply, now) == LogAction::Suppress {
            return;
        }
        let assumption = match client.arch_source {
            ArchSource::Assumed if !client.is_ipxe() => "; option 93 is absent, so it counts as an old BIOS ROM",
            _ => "",
        };
        tracing::info!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            FILE = boot.file,
            SHAPE = %shape,
            MACHINE = reasons.machine,
            CANDIDATE = reasons.candidate,
            PROFILE = reasons.profile,
            RULE = reasons.rule,
            "{} ({client}) on {link}: {}{reasons}{assumption}",
            client.hardware,
            ReplyText(response),
        );
    }

    /// Warns of a reply that the kernel did not send.
    fn send_failure(&mut self, link: &str, client: &Client, response: &Response, unsent: &SendFailure, now: Instant) {
        self.count(unsent.label());
        if !self.is_due([unsent.label(), unsent.recipient_label(client)], now) {
            return;
        }
        tracing::warn!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            "{} ({client}) on {link}: {} (for a minute, further ones are only counted)",
            client.hardware,
            unsent.message(response.message_type, client),
        );
    }

    fn no_loader(&mut self, site: &Site, link: &str, client: &Client, profile: Option<ProfileId>, now: Instant) {
        let mut machine = [0; 17];
        machine[0] = client.hardware.hlen;
        machine[1..].copy_from_slice(&client.hardware.octets);
        if !self.is_new_warning(machine, now) {
            return;
        }
        tracing::warn!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            "{} ({client}) on {link}: no reply: {}",
            client.hardware,
            site.no_loader_reason(client.arch, profile),
        );
    }

    /// Whether no warning with this key was written yet, and the rate limit allows one.
    fn is_new_warning(&mut self, key: [u8; 17], now: Instant) -> bool {
        let milliseconds = now.duration_since(self.started).as_millis() as u64;
        if self.warned.get(key).is_some() || !self.warnings.take(WARNING_BURST, 1, milliseconds) {
            return false;
        }
        self.warned.update(key, milliseconds, (), |()| ());
        true
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

/// The parts of the configuration that decided a reply.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Reasons<'a> {
    machine: Option<&'a str>,
    /// The entry that the machine may belong to, but that the server does not use.
    candidate: Option<&'a str>,
    profile: Option<&'a str>,
    rule: Option<&'a str>,
}

impl<'a> Reasons<'a> {
    fn new(decision: &Decision, plan: &'a Plan) -> Reasons<'a> {
        let rule = decision.rule.map(|rule| &plan.policy.rules[rule]);
        // A plan always has some profiles. A profile is a reason only if the configuration can select one.
        let selects_profiles = plan.policy.default_profile.is_some()
            || plan.policy.unknown_machine_profile.is_some()
            || !(plan.policy.rules.is_empty() && plan.inventory.is_empty());
        Reasons {
            machine: decision.machine.map(|found| plan.inventory.get(found.machine).name),
            candidate: decision.doubtful_entry().map(|machine| plan.inventory.get(machine).name),
            profile: selects_profiles.then(|| decision.target_name(plan)),
            rule: rule.map(|rule| rule.name.as_str()),
        }
    }
}

/// Displays the reasons as `, web1: profile debian by rule lab`.
impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machine) = self.machine {
            write!(f, ", {machine}")?;
        }
        if let Some(candidate) = self.candidate {
            write!(f, ", possibly {candidate}")?;
        }
        if let Some(profile) = self.profile {
            write!(f, ": profile {profile}")?;
        }
        self.rule.map_or(Ok(()), |rule| write!(f, " by rule {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::arch::Arch;
    use proxydhcpd_core::choose::{Boot, BootMethod, BootSource};
    use proxydhcpd_core::decide::DecidedBy;
    use proxydhcpd_core::plan::machines::{FoundEntry, IdentityKind, Machine, Machines};
    use proxydhcpd_core::plan::policy::Policy;
    use proxydhcpd_core::plan::profile::Profile;
    use proxydhcpd_core::plan::rule::Rule;
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
            |file: &str, source| Boot { file: file.to_owned(), server: to.from.ip(), source, method: BootMethod::File };
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

    #[test]
    fn a_line_ends_with_the_reasons_if_the_configuration_selects_profiles() {
        assert_eq!(Reasons::new(&Decision::default(), &Plan::default()).to_string(), "");
        let entry = Machine { name: "web1", ..Machine::default() };
        let plan = Plan {
            policy: Policy {
                profiles: vec![Profile { name: "debian".to_owned(), ..Profile::default() }],
                rules: vec![Rule { name: "lab".to_owned(), ..Rule::default() }],
                ..Policy::default()
            }
            .into(),
            inventory: Machines::new(&[entry], &[]),
            ..Plan::default()
        };
        let text = |decision: Decision| Reasons::new(&decision, &plan).to_string();
        let found = Some(FoundEntry { machine: 0, by: IdentityKind::Mac, conflicting: None });
        assert_eq!(text(Decision::default()), ": profile menu");
        assert_eq!(
            text(Decision { rule: Some(0), profile: Some(0), decided_by: DecidedBy::Rule, ..Decision::default() }),
            ": profile debian by rule lab"
        );
        assert_eq!(
            text(Decision { machine: found, profile: Some(0), decided_by: DecidedBy::Machine, ..Decision::default() }),
            ", web1: profile debian"
        );
        assert_eq!(
            text(Decision { machine: found, profile: None, decided_by: DecidedBy::Completed, ..Decision::default() }),
            ", web1: profile local-disk"
        );
        let protected = Decision {
            protected_by: Some((0, IdentityKind::Uuid)),
            decided_by: DecidedBy::Never,
            ..Decision::default()
        };
        assert_eq!(text(protected), ", possibly web1: profile local-disk");
    }
}
