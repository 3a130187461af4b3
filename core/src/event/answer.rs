//! The answer to a DHCP packet, in an event.

use crate::answer::{Response, Silence};
use crate::client::Client;
use crate::decide::Decision;
use crate::plan::Plan;
use crate::quirks::Quirks;
use core::fmt;
use core::net::SocketAddr;

/// A reply, and why it is as it is.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The client.
    pub client: &'a Client,
    /// The content of the reply.
    pub response: &'a Response,
    /// The quirks of the client's firmware that applied.
    pub quirks: Quirks,
    /// The parts of the configuration that decided the reply.
    pub reasons: Reasons<'a>,
}

/// A reply that the kernel did not send.
#[derive(Clone, Copy, Debug)]
pub struct Unsent<'a> {
    /// The reply.
    pub reply: Reply<'a>,
    /// The destination.
    pub to: SocketAddr,
    /// The label of the cause.
    pub label: &'static str,
    /// The number of the kernel's error (errno).
    pub errno: i32,
}

/// A packet without a reply.
#[derive(Clone, Copy, Debug)]
pub struct Silent<'a> {
    /// The client, if the packet was recognised.
    pub client: Option<&'a Client>,
    /// The quirks of the client's firmware that applied.
    pub quirks: Quirks,
    /// The reason.
    pub silence: Silence,
    /// The parts of the configuration that decided about the client.
    pub reasons: Reasons<'a>,
    /// The thing that the machine lacks, and how to fix that, if the administrator can.
    pub remedy: Option<fmt::Arguments<'a>>,
}

/// The names of the parts of the configuration that decided an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reasons<'a> {
    /// The machine's entry.
    pub entry: Option<&'a str>,
    /// The entry that the machine may belong to, but that the server does not use.
    pub candidate: Option<&'a str>,
    /// The profile; `None` if the configuration cannot select one.
    pub profile: Option<&'a str>,
    /// The profile that the entry names, although it does not exist.
    pub missing_profile: Option<&'a str>,
    /// The rule that matched.
    pub rule: Option<&'a str>,
}

impl<'a> Reasons<'a> {
    /// The names of what decided.
    pub fn new(decision: &Decision, plan: &'a Plan) -> Reasons<'a> {
        // A plan always has some profiles. A profile is a reason only if the configuration can select one.
        let selects_profiles = plan.policy.default_profile.is_some()
            || plan.policy.unknown_machine_profile.is_some()
            || !(plan.policy.rules.is_empty() && plan.inventory.is_empty());
        Reasons {
            entry: decision.machine(plan).map(|entry| entry.name),
            candidate: decision.doubtful_entry(plan),
            profile: selects_profiles.then(|| decision.target_name(plan)),
            missing_profile: decision.missing_profile(plan),
            rule: decision.rule(plan).map(|rule| rule.name.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::DecidedBy;
    use crate::plan::inventory::{FoundEntry, IdentityKind, Inventory, Machine};
    use crate::plan::policy::Policy;
    use crate::plan::profile::Profile;
    use crate::plan::rule::Rule;
    use alloc::vec::Vec;

    #[test]
    fn the_reasons_name_what_decided_if_the_configuration_selects_profiles() {
        assert_eq!(Reasons::new(&Decision::default(), &Plan::default()), Reasons::default());
        let entry = Machine { name: "web1", profile: Some("gone"), ..Machine::default() };
        let plan = Plan {
            policy: Policy {
                profiles: Vec::from([Profile { name: "debian".into(), ..Profile::default() }]).into(),
                rules: Vec::from([Rule { name: "lab".into(), ..Rule::default() }]),
                ..Policy::default()
            }
            .into(),
            inventory: Inventory::new(&[entry], &[]),
            ..Plan::default()
        };
        let reasons = |decision| Reasons::new(&decision, &plan);
        let (none, entry) = (Reasons::default(), Some("web1"));
        let machine = Some(FoundEntry { machine: 0, by: IdentityKind::Mac, conflicting: None });
        let decided = |decided_by| Decision { machine, decided_by, ..Decision::default() };
        assert_eq!(reasons(Decision::default()), Reasons { profile: Some("menu"), ..none });
        assert_eq!(
            reasons(Decision { rule: Some(0), profile: Some(0), decided_by: DecidedBy::Rule, ..Decision::default() }),
            Reasons { profile: Some("debian"), rule: Some("lab"), ..none }
        );
        assert_eq!(
            reasons(Decision { profile: Some(0), ..decided(DecidedBy::Machine) }),
            Reasons { entry, profile: Some("debian"), ..none }
        );
        let on_disk = Reasons { profile: Some("local-disk"), ..none };
        assert_eq!(reasons(decided(DecidedBy::Completed)), Reasons { entry, ..on_disk });
        assert_eq!(
            reasons(decided(DecidedBy::UnknownProfile)),
            Reasons { entry, missing_profile: Some("gone"), ..on_disk }
        );
        let protected_by = Some((0, IdentityKind::Uuid));
        assert_eq!(
            reasons(Decision { protected_by, machine: None, ..decided(DecidedBy::Never) }),
            Reasons { candidate: entry, ..on_disk }
        );
    }
}
