//! What is said of an answer: one line for a machine that was answered, a warning once for one that nothing here can
//! boot, that is two machines, or that somebody else keeps from us, and a counter for every silence.

mod identity;
mod send_failure;

use crate::log_limiter::{LogAction, LogLimiter};
use crate::log::RequestedName;
use crate::site::Site;
use crate::templates::Failure;
pub use identity::{DuplicateIdentity, UuidUse, UnresolvedConflict, UnconfirmedMatch, SharedUuidWarning, ConflictingEntries};
use proxydhcpd_core::answer::{Answer, Response, Silence, Verdict};
use proxydhcpd_core::choose::NoBoot;
use proxydhcpd_core::client::{ArchSource, Client, HardwareAddress, IgnoreReason};
use proxydhcpd_core::decide::Decision;
use proxydhcpd_core::observations::BootLoop;
use proxydhcpd_core::observations::finding::{Finding, Advice};
use proxydhcpd_core::plan::profile::ProfileId;
use proxydhcpd_core::plan::{LoopGuard, Plan};
use proxydhcpd_core::bounded_cache::{TokenBucket, BoundedCache};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};
pub use send_failure::SendFailure;

#[derive(Debug)]
pub struct Report {
    /// By machine and stage of its boot.
    journal: LogLimiter<(HardwareAddress, u64)>,
    /// Machines that were warned of.
    warned: BoundedCache<[u8; 17], ()>,
    /// Warnings of machines that nothing here can boot: some at once, then one a second.
    warnings: TokenBucket,
    /// When each kind of warning that the network can cause was given last.
    minutely: Vec<([&'static str; 2], Instant)>,
    /// Interfaces that are not served, and on which a machine asked.
    unserved: BTreeSet<u32>,
    /// Failures of our own files, by a hash of what was said of them, and when.
    failures: BoundedCache<u32, u64>,
    hasher: RandomState,
    started: Instant,
}

const WARNINGS_AT_ONCE: u32 = 50;
const UNSERVED: usize = 256;
const ONE_MINUTE: Duration = Duration::from_secs(60);

impl Report {
    pub fn new(now: Instant) -> Self {
        let hasher = RandomState::new();
        Report {
            journal: LogLimiter::new(now),
            warned: BoundedCache::new(4096, hasher.hash_one(0)),
            warnings: TokenBucket::full(WARNINGS_AT_ONCE, 0),
            minutely: Vec::new(),
            unserved: BTreeSet::new(),
            failures: BoundedCache::new(256, hasher.hash_one(1)),
            hasher,
            started: now,
        }
    }

    /// `link` is the interface that the packet came by. `unsent`: an answer was made, and has not left this host.
    pub fn dhcp(&mut self, site: &Site, link: &str, answer: &Answer, unsent: Option<&SendFailure>, now: Instant) {
        if let (Some(client), Some(decision)) = (&answer.client, &answer.decision) {
            self.warn_identity(&site.plan, link, client, decision, now);
        }
        match (&answer.verdict, &answer.client) {
            (Verdict::Respond(response), Some(client)) if unsent.is_some() => {
                unsent.iter().for_each(|unsent| self.unsent(link, client, response, unsent, now));
            }
            (Verdict::Respond(response), Some(client)) => {
                let by = answer.decision.as_ref().map(|decision| Grounds::of(decision, &site.plan)).unwrap_or_default();
                self.answered(link, client, response, by, now);
            }
            (Verdict::Silent(silence), Some(client)) => {
                self.journal.count_silence(silence.label());
                match silence {
                    Silence::NoBoot(NoBoot::NoLoader(_)) => {
                        let profile = answer.decision.as_ref().and_then(|decision| decision.profile);
                        self.no_loader(site, link, client, profile, now);
                    }
                    _ => {
                        let by = answer.decision.as_ref().map(|decision| Grounds::of(decision, &site.plan));
                        let Grounds { machine, doubt, rule, .. } = by.unwrap_or_default();
                        tracing::debug!(
                            MACHINE = machine,
                            DOUBT = doubt,
                            RULE = rule,
                            "{} ({client}) on {link} is not answered: {silence}",
                            client.hardware
                        );
                    }
                }
            }
            (Verdict::Silent(silence @ Silence::Ignored(IgnoreReason::NoArchitecture)), None) => {
                let warning = format_args!("a boot client on {link} is not answered: {silence}");
                self.warn_once_a_minute(silence.label(), warning, now);
            }
            (Verdict::Silent(silence), None) => {
                self.count(silence.label());
                tracing::debug!("a packet on {link} is not answered: {silence}");
            }
            (Verdict::Respond(_), None) => {}
        }
    }

    /// A machine fetches its first-stage loader again and again.
    pub fn boot_loop(&mut self, address: IpAddr, loader: &str, looping: &BootLoop, guard: LoopGuard) {
        self.count("loop:found");
        let who = looping.owner.map_or_else(|| address.to_string(), |holder| holder.hardware.to_string());
        let then = match guard {
            LoopGuard::Stop => "; it is not answered for five minutes",
            _ => "",
        };
        let milliseconds = self.started.elapsed().as_millis() as u64;
        if self.warnings.take(WARNINGS_AT_ONCE, 1, milliseconds) {
            let loader = RequestedName(loader.as_bytes());
            tracing::warn!(
                MAC = who,
                FILE = %loader,
                "{who} has fetched {loader} for the third time in two minutes: {}{then}",
                looping.cause
            );
        }
    }

    /// A packet that was not even looked into.
    pub fn count(&mut self, reason: &'static str) {
        self.journal.count_silence(reason);
    }

    /// Something failed while a file was sent. Whoever can send a packet can cause it, so one line a minute says it.
    pub fn file_error(&mut self, what: impl Display, now: Instant) {
        self.warn_once_a_minute("file:trouble", what, now);
    }

    /// Counts it under this label, and warns of it unless the last warning of the label is less than a minute old.
    pub fn warn_once_a_minute(&mut self, label: &'static str, warning: impl Display, now: Instant) {
        self.count(label);
        if self.is_due([label, ""], now) {
            tracing::warn!("{warning} (further ones are only counted for a minute)");
        }
    }

    /// Whether the last warning of this kind is at least a minute old, so that this one may be given.
    fn is_due(&mut self, kind: [&'static str; 2], now: Instant) -> bool {
        let told = self.minutely.iter().position(|(told, _)| *told == kind);
        if told.is_some_and(|at| now.duration_since(self.minutely[at].1) < ONE_MINUTE) {
            return false;
        }
        match told {
            Some(at) => self.minutely[at].1 = now,
            None => self.minutely.push((kind, now)),
        }
        true
    }

    /// Whether no machine was told of that asked on this interface, which is not served. So many interfaces are
    /// remembered; of others nothing is told.
    pub fn is_new_unserved_link(&mut self, link: u32) -> bool {
        self.unserved.len() < UNSERVED && self.unserved.insert(link)
    }

    /// A template that cannot be rendered is somebody's mistake in a file of ours: told once a minute, with one of the
    /// machines that want it.
    pub fn template_failure(&mut self, failure: &Failure, machine: &str, now: Instant) {
        self.count("file:unrendered");
        let line = failure.diagnostic.one_line();
        if self.fails_anew(&line, now) {
            tracing::warn!(MACHINE = machine, TEMPLATE = failure.template, "no template for {machine}: {line}");
        }
    }

    /// A machine asked for a file that we offer, and was not sent it: told once a minute for each file.
    pub fn offered_file_refused(&mut self, name: &str, machine: &str, why: impl Display, now: Instant) {
        self.count("file:offered-and-refused");
        if self.fails_anew(name, now) {
            tracing::warn!(
                MACHINE = machine,
                FILE = name,
                "{machine} asked for {name}, which is offered, and was refused: {why}"
            );
        }
    }

    /// Whether this was not told within the last minute.
    fn fails_anew(&mut self, what: &str, now: Instant) -> bool {
        let milliseconds = now.duration_since(self.started).as_millis() as u64;
        let key = self.hasher.hash_one(what) as u32;
        let recent = self.failures.get(key).is_some_and(|told| milliseconds - told < ONE_MINUTE.as_millis() as u64);
        let tells = !recent && self.warnings.take(WARNINGS_AT_ONCE, 1, milliseconds);
        if tells {
            self.failures.update(key, milliseconds, milliseconds, |told| *told = milliseconds);
        }
        tells
    }

    /// To be called now and then: what was held back is summed up.
    pub fn log_summary(&mut self, now: Instant) {
        if let Some(summary) = self.journal.summary(now) {
            tracing::info!("{summary}");
        }
    }

    /// The same at the end, whenever that is.
    pub fn log_final_summary(&mut self, now: Instant) {
        if let Some(summary) = self.journal.final_summary(now) {
            tracing::info!("{summary}");
        }
    }

    /// How often we were silent since the start, by reason: for the last line of a server.
    pub fn silences(&self) -> String {
        let each = self.journal.silences().map(|(reason, times)| format!("{reason} {times}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// A machine did not take what we offered.
    pub fn finding(&mut self, link: &str, finding: &Finding) {
        let Finding { hardware, diagnosis: rival, .. } = finding;
        self.count(rival.label());
        tracing::warn!(
            MAC = %hardware,
            LINK = link,
            SERVER = rival.server().map(|server| server.to_string()),
            "{finding} on {link} {rival}. {}",
            Advice(finding)
        );
    }

    fn answered(&mut self, link: &str, client: &Client, response: &Response, by: Grounds<'_>, now: Instant) {
        let Response { message_type: kind, shape, boot, .. } = response;
        // A machine that asks on is given a line for what is new: its stages by themselves, and in each what it is
        // given.
        let stage = self.hasher.hash_one((client.is_v6(), u8::from(*kind), client.arch, client.is_ipxe()));
        let given = self.hasher.hash_one((shape, boot, by));
        if self.journal.admit((client.hardware, stage), given, now) == LogAction::Suppress {
            return;
        }
        let absent = match client.arch_source {
            ArchSource::Assumed if !client.is_ipxe() => "; option 93 is absent, so it counts as an old BIOS ROM",
            _ => "",
        };
        tracing::info!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            FILE = boot.file,
            SHAPE = %shape,
            MACHINE = by.machine,
            DOUBT = by.doubt,
            PROFILE = by.profile,
            RULE = by.rule,
            "{} ({client}) on {link}: {}{by}{absent}",
            client.hardware,
            Said(response),
        );
    }

    /// The kernel has refused an answer: neither an OFFER nor an ACK.
    fn unsent(&mut self, link: &str, client: &Client, response: &Response, unsent: &SendFailure, now: Instant) {
        self.count(unsent.label());
        if !self.is_due([unsent.label(), unsent.recipient_label(client)], now) {
            return;
        }
        tracing::warn!(
            MAC = %client.hardware,
            FIRMWARE = %client,
            LINK = link,
            "{} ({client}) on {link}: {} (further ones are only counted for a minute)",
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
            "{} ({client}) on {link} is not answered: {}",
            client.hardware,
            site.no_loader_reason(client.arch, profile),
        );
    }

    /// Once for a key, and not without end.
    fn is_new_warning(&mut self, key: [u8; 17], now: Instant) -> bool {
        let milliseconds = now.duration_since(self.started).as_millis() as u64;
        if self.warned.get(key).is_some() || !self.warnings.take(WARNINGS_AT_ONCE, 1, milliseconds) {
            return false;
        }
        self.warned.update(key, milliseconds, (), |()| ());
        true
    }
}

/// `OFFER snponly.efi from 192.0.2.10 (loader for x64 UEFI, redirect)`. A menu comes without a file, and a Raspberry Pi
/// asks for names of its own.
struct Said<'a>(&'a Response);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Response { message_type: kind, shape, boot, .. } = self.0;
        write!(f, "{kind} ")?;
        if !boot.file.is_empty() {
            write!(f, "{} ", boot.file)?;
        }
        write!(f, "from {} ({}, {shape})", boot.server, boot.source)
    }
}

/// What an answer rests on, where the operator has said something about machines.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Grounds<'a> {
    machine: Option<&'a str>,
    /// What it may be as well, but is not taken for.
    doubt: Option<&'a str>,
    profile: Option<&'a str>,
    rule: Option<&'a str>,
}

impl<'a> Grounds<'a> {
    fn of(decision: &Decision, plan: &'a Plan) -> Grounds<'a> {
        let rule = decision.rule.map(|rule| &plan.rules[rule]);
        // Profiles say nothing before something leads to one, and some are always there.
        let says_something = plan.default_profile.is_some()
            || plan.unknown_machine_profile.is_some()
            || !(plan.rules.is_empty() && plan.machines.is_empty());
        Grounds {
            machine: decision.machine.map(|found| plan.machines.get(found.machine).name),
            doubt: decision.doubtful_entry().map(|machine| plan.machines.get(machine).name),
            profile: says_something.then(|| decision.target_name(plan)),
            rule: rule.map(|rule| rule.name.as_str()),
        }
    }
}

/// `, web1: debian by rule lab`.
impl fmt::Display for Grounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machine) = self.machine {
            write!(f, ", {machine}")?;
        }
        if let Some(doubt) = self.doubt {
            write!(f, ", in doubt about {doubt}")?;
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
    use proxydhcpd_core::plan::machines::{IdentityKind, FoundEntry, Machine, Machines};
    use proxydhcpd_core::plan::profile::Profile;
    use proxydhcpd_core::plan::rule::Rule;
    use proxydhcpd_core::route::Destination;
    use proxydhcpd_core::shape::ShapeName;
    use proxydhcpd_core::wire::DhcpMessageType;
    use proxydhcpd_core::wire::dhcp4::MessageType;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn an_answer_without_a_file_is_told_without_a_gap() {
        let to = Destination {
            to: SocketAddr::from((Ipv4Addr::BROADCAST, 68)),
            from: SocketAddr::from(([192, 0, 2, 10], 67)),
            interface_index: None,
        };
        let boot = |file: &str, why| Boot { file: file.to_owned(), server: to.from.ip(), source: why, method: BootMethod::File };
        let said = |shape, boot| Said(&Response { message_type: DhcpMessageType::Dhcp4(MessageType::Offer), shape, boot, destination: to }).to_string();
        assert_eq!(
            said(ShapeName::Direct, boot("undionly.kpxe", BootSource::Loader(Arch::BIOS))),
            "OFFER undionly.kpxe from 192.0.2.10 (loader for x86 BIOS, direct)"
        );
        assert_eq!(
            said(ShapeName::Menu, boot("", BootSource::Menu)),
            "OFFER from 192.0.2.10 (menu for the firmware to show, menu)"
        );
    }

    #[test]
    fn a_line_ends_with_what_the_answer_rests_on_where_the_operator_has_said_something() {
        assert_eq!(Grounds::of(&Decision::default(), &Plan::default()).to_string(), "");
        let entry = Machine { name: "web1", ..Machine::default() };
        let plan = Plan {
            profiles: vec![Profile { name: "debian".to_owned(), ..Profile::default() }],
            rules: vec![Rule { name: "lab".to_owned(), ..Rule::default() }],
            machines: Machines::new(&[entry], &[]),
            ..Plan::default()
        };
        let said = |decision: Decision| Grounds::of(&decision, &plan).to_string();
        let found = Some(FoundEntry { machine: 0, by: IdentityKind::Mac, conflicting: None });
        assert_eq!(said(Decision::default()), ": profile menu");
        assert_eq!(
            said(Decision { rule: Some(0), profile: Some(0), decided_by: DecidedBy::Rule, ..Decision::default() }),
            ": profile debian by rule lab"
        );
        assert_eq!(
            said(Decision { machine: found, profile: Some(0), decided_by: DecidedBy::Machine, ..Decision::default() }),
            ", web1: profile debian"
        );
        assert_eq!(
            said(Decision { machine: found, profile: None, decided_by: DecidedBy::Completed, ..Decision::default() }),
            ", web1: profile local-disk"
        );
        let held = Decision { protected_by: Some((0, IdentityKind::Uuid)), decided_by: DecidedBy::Never, ..Decision::default() };
        assert_eq!(said(held), ", in doubt about web1: profile local-disk");
    }
}
