//! Explains the reasons for a decision: the machine's entry and the rules, including near matches.

use proxydhcpd_core::answer::{Answer, recognise, unmet};
use proxydhcpd_core::arrival::Arrival;
use proxydhcpd_core::choose::BootMethod;
use proxydhcpd_core::client::Client;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::decide::{DecidedBy, Decision};
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::identity::{HardwareAddress, Identifiers, ShownIdentities};
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, DoubtReason, IdentityKind, MatchedEntry};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenuItem, ItemTarget};
use proxydhcpd_core::plan::rule::{Condition, Rule};
use proxydhcpd_core::url::is_url;
use proxydhcpd_core::wire::DhcpPacket;
use proxydhcpd_core::wire::pxe::MachineId;

/// If the configuration has at most this many rules, all are listed. Otherwise, only rules that match or nearly match.
const MAX_RULES: usize = 30;

/// The reasons for a decision. Empty if the configuration has no profiles, rules and machines, or if the packet led to
/// no decision.
pub fn explain_decision(plan: &Plan, arrival: &Arrival<'_>, answer: &Answer, records_are_readable: bool) -> Vec<Node> {
    let packet = DhcpPacket::parse(arrival.datagram, arrival.from.is_ipv6());
    let (Some(decision), Ok(packet)) = (&answer.decision, packet) else { return Vec::new() };
    if plan.policy.profiles.is_empty()
        && plan.policy.rules.is_empty()
        && plan.inventory.is_empty()
        && decision.machine(plan).is_none()
    {
        return Vec::new();
    }
    // This is the client as recognised from the packet. In the answer, a rule may already treat it as firmware.
    let Some(known) = &answer.client else { return Vec::new() };
    let Ok((client, _)) = recognise(plan, arrival, &packet, known.machine.clone()) else { return Vec::new() };
    let mut reasons = Vec::new();
    if !plan.inventory.is_empty() || decision.machine(plan).is_some() {
        reasons.push(machine(plan, &client, decision, records_are_readable));
    }
    if !plan.policy.rules.is_empty() {
        reasons.push(rules(plan, decision, &unmet(plan, arrival, &packet, &client, decision)));
    }
    reasons.push(profile(plan, decision));
    reasons
}

fn machine(plan: &Plan, client: &Client, decision: &Decision, records_are_readable: bool) -> Node {
    let protected = decision.protected_by(plan);
    let (Some(entry), Some(by)) = (decision.machine(plan), decision.identified_by()) else {
        let reason = match (decision.ambiguous(plan), decision.doubt(plan)) {
            (Some([one, other]), _) if one.by == other.by => {
                format!("none: its {} can be read as that of {} or of {}", one.by, one.name, other.name)
            }
            (Some([one, other]), _) => {
                format!("none: it matches {} by {} and {} by {}", one.name, one.by, other.name, other.by)
            }
            (None, Some(_)) => "none: no entry has an identity of it that counts".to_owned(),
            (None, None) if protected.is_some() || listed(plan, client, decision).is_some() => {
                "none: several entries list one of its identities".to_owned()
            }
            (None, None) => "none: no entry has one of its identities".to_owned(),
        };
        return Node::new("machine", reason)
            .with_children(doubts(plan, client, decision).into_iter().chain(near(plan, client, None)));
    };
    let boot_mode = match entry.boot_mode {
        BootMode::Unspecified if plan.inventory.get_by_name(entry.name).is_none() => format!(
            "its entry is gone, and its boot-once is completed: boots from disk (`proxydhcpd rearm {}` removes the \
             record)",
            entry.name
        ),
        BootMode::Unspecified if decision.decided_by == DecidedBy::CompletedUnspecified && protected.is_none() => {
            format!(
                "not set, and its boot-once is completed: boots from disk (`proxydhcpd rearm {}` or \
                 `boot = \"always\"` resets it)",
                entry.name
            )
        }
        BootMode::Always | BootMode::Unspecified => "always".to_owned(),
        BootMode::Once if !records_are_readable => {
            "once, but its record cannot be read: boots from disk until it can".to_owned()
        }
        BootMode::Once if decision.decided_by == DecidedBy::Completed && protected.is_none() => {
            format!("once, completed: boots from disk (`proxydhcpd rearm {}` resets it)", entry.name)
        }
        BootMode::Once => "once, not completed".to_owned(),
        BootMode::Never => "never: boots from disk".to_owned(),
    };
    let mut parts = vec![Node::new("boot", boot_mode)];
    parts.extend(decision.conflicting(plan).map(|MatchedEntry { name, by }| {
        Node::new("also matches", format!("{name} by {by}, which has lower precedence"))
    }));
    parts.extend(doubts(plan, client, decision));
    if by != IdentityKind::Mac {
        parts.extend(near(plan, client, Some(entry.name)));
    }
    Node::new("machine", format!("{} by {by}", entry.name)).with_children(parts)
}

/// Explains identities by which the server does not identify the machine, and entries whose protection applies to the
/// machine nevertheless.
fn doubts(plan: &Plan, client: &Client, decision: &Decision) -> Vec<Node> {
    let doubt = decision.doubt(plan).map(|(MatchedEntry { name, by }, reason)| {
        let reason = match reason {
            DoubtReason::OtherAddress => "but that entry lists other MAC addresses",
            DoubtReason::NoAddress => "but several machines share it, and this client sent no MAC address",
        };
        Node::new("in doubt", format!("its {by} is that of {name}, {reason}: ignored"))
    });
    let protected = decision
        .protected_by(plan)
        .map(|MatchedEntry { name, by }| Node::new("protected", format!("as {name}, which it may be by its {by}")));
    let shared = decision.shared_uuid.map(|SharedUuid { macs, .. }| {
        let [one, other] = macs.map(HardwareAddress::from_mac);
        Node::new("shared", format!("{one} and {other} both sent its uuid"))
    });
    let listed = listed(plan, client, decision);
    [doubt, listed, protected, shared].into_iter().flatten().collect()
}

/// The other entries that list one of the client's identities. `None` if there are none.
fn listed(plan: &Plan, client: &Client, decision: &Decision) -> Option<Node> {
    const MAX_NAMES: usize = 4;
    let identity = ShownIdentities { identifiers: client.machine.identifiers, ..ShownIdentities::default() };
    let mut sharers = decision.sharers(plan, &identity).peekable();
    let by = sharers.peek()?.by;
    let mut names: Vec<&str> =
        sharers.take_while(|other| other.by == by).map(|other| other.name).take(MAX_NAMES + 1).collect();
    let more = if names.len() > MAX_NAMES { " and more" } else { "" };
    names.truncate(MAX_NAMES);
    let verb = if names.len() == 1 { "lists" } else { "list" };
    let doubt = format!("{}{more} also {verb} its {by}: the protection of each entry applies to it", names.join(", "));
    Some(Node::new("in doubt", doubt))
}

/// Entries that nearly match: one octet of the MAC address differs, or the UUID has the other octet order. To find them
/// takes some 1,500 lookups, regardless of the number of machines.
fn near(plan: &Plan, client: &Client, found: Option<&str>) -> Vec<Node> {
    let name = |identity: &ShownIdentities<'_>| {
        let other = plan.inventory.get_by_identity(identity)?;
        Some(other.name).filter(|name| Some(*name) != found)
    };
    let mut nodes = Vec::new();
    for mac in client.hardware().mac().into_iter().flat_map(one_octet_off) {
        if let Some(name) = name(&identity(Some(mac), None)) {
            let hardware = HardwareAddress::from_mac(mac);
            nodes.push(Node::new("near match", format!("{name} has {hardware}: one octet differs")));
        }
    }
    // For DHCPv6, the decision has already looked up the UUID in both octet orders.
    let swapped = client
        .machine
        .machine_id
        .filter(|_| !client.is_v6())
        .filter(MachineId::is_unique)
        .and_then(|machine| machine.0[1..].try_into().ok());
    if let Some(name) = swapped.and_then(|uuid| name(&identity(None, Some(uuid)))) {
        nodes.push(Node::new("near match", format!("{name} has its UUID with the first three fields byte-swapped")));
    }
    nodes.truncate(10);
    nodes.extend(shared_mac(plan, client).filter(|_| found.is_none()));
    nodes
}

fn identity<'a>(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> ShownIdentities<'a> {
    ShownIdentities { identifiers: Identifiers::new(mac, uuid), ..ShownIdentities::default() }
}

/// The entry that lists the client's MAC address although `shared-macs` contains that address. `None` if there is none.
fn shared_mac(plan: &Plan, client: &Client) -> Option<Node> {
    let mac = client.hardware().mac()?;
    if !plan.inventory.is_shared_mac(&mac) {
        return None;
    }
    let mut entries = plan.inventory.iter();
    let name = entries.find(|entry| entry.macs.contains(&mac))?.name;
    Some(Node::new(
        "near match",
        format!("{name} lists {}, but `shared-macs` has it: it identifies no machine", client.hardware()),
    ))
}

fn one_octet_off(mac: [u8; 6]) -> impl Iterator<Item = [u8; 6]> {
    (0..6).flat_map(move |index| {
        (0..=u8::MAX).filter(move |octet| *octet != mac[index]).map(move |octet| {
            let mut other = mac;
            other[index] = octet;
            other
        })
    })
}

fn rules(plan: &Plan, decision: &Decision, all: &[Vec<Condition>]) -> Node {
    let name = |number: usize, rule: &Rule| format!("rule {number} ({})", rule.name);
    // A rule with only one condition cannot nearly match.
    let nearly_matches =
        |rule: &Rule, unmet: &[Condition]| unmet.len() == 1 && rule.when.set_conditions().nth(1).is_some();
    let result = |rule: &Rule, unmet: &[Condition]| match unmet {
        [] => "matches".to_owned(),
        [only] if nearly_matches(rule, unmet) => format!("nearly matches; unmet: {only}"),
        [only] => format!("unmet: {only}"),
        several => {
            let keys: Vec<&str> = several.iter().map(|condition| condition.key()).collect();
            format!("unmet: {}", keys.join(", "))
        }
    };
    let shown =
        |rule: &Rule, unmet: &[Condition]| unmet.is_empty() || nearly_matches(rule, unmet) || all.len() <= MAX_RULES;
    let numbered = (1..).zip(plan.policy.rules.iter().zip(all));
    let lines = numbered.filter(|(_, (rule, unmet))| shown(rule, unmet));
    let mut parts: Vec<Node> =
        lines.map(|(number, (rule, unmet))| Node::new(name(number, rule), result(rule, unmet))).collect();
    let omitted = all.len() - parts.len();
    if omitted > 0 {
        parts.push(Node::new("others", format!("{omitted} more rules that do not match")));
    }
    let later = plan.policy.rules.len() - all.len();
    if later > 0 {
        parts.push(Node::new(
            "later rules",
            format!("{later} not evaluated, because the first rule that matches applies"),
        ));
    }
    let matched = decision.rule_number().zip(decision.rule(plan));
    let matched =
        matched.map_or_else(|| "none matches".to_owned(), |(number, rule)| format!("{} matches", name(number, rule)));
    Node::new("rules", matched).with_children(parts)
}

fn profile(plan: &Plan, decision: &Decision) -> Node {
    let boots = decision.boots(plan);
    let why = match decision.missing_profile(plan) {
        Some(name) => format!("the machine's entry names the profile {name}, which does not exist: it boots its disk"),
        None => decision.decided_by.to_string(),
    };
    let mut parts = vec![Node::new("why", why), Node::new("boots", boots_text(boots))];
    if decision.as_firmware {
        parts.push(Node::new("as firmware", "`as-firmware` of the rule: treated as plain firmware"));
    }
    if let Some(Dialect { name, .. }) = decision.as_dialect {
        let why = format!("the rule: treated as a {name}, although it reports a BIOS");
        parts.push(Node::new(format!("as a {name}"), why));
    }
    if let BootTarget::Menu(menu) = boots {
        parts.extend(menu.items.iter().map(|item| choice(plan, item)));
    }
    Node::new("profile", decision.target_name(plan)).with_children(parts)
}

/// Explains an item of a menu, and the boot that the item selects.
fn choice(plan: &Plan, item: &FirmwareMenuItem) -> Node {
    let target = match &item.target {
        ItemTarget::Server(server) => format!("{}: boot server {server}, port 4011", item.title),
        ItemTarget::Broadcast => format!("{}: the boot server that answers a broadcast", item.title),
        ItemTarget::Profile(name) => {
            let boots = boots_text(plan.boots(name.as_deref()));
            format!("{}: profile {}, {boots}", item.title, name.as_deref().unwrap_or("menu"))
        }
    };
    Node::new(format!("item {:#06x}", item.server_type), target)
}

fn boots_text(boots: &BootTarget) -> String {
    match boots {
        BootTarget::BootDir => "the menu, or boot.ipxe of the boot directory".to_owned(),
        BootTarget::Linux(linux) => format!("kernel {}", linux.kernel),
        BootTarget::Script(url) if is_url(url) => format!("script {url}"),
        BootTarget::Script(name) => format!("script {name} of the template directory"),
        BootTarget::Loader => "the profile's loaders".to_owned(),
        BootTarget::Menu(menu) => format!("a firmware menu with {} items", menu.items.len()),
        BootTarget::LocalDisk => "the local disk".to_owned(),
        BootTarget::Nothing => "nothing".to_owned(),
    }
}

/// The prompt and the items of the menu that the firmware shows. Empty if the reply contains no menu.
pub fn menu_lines(method: &BootMethod) -> Vec<Node> {
    let BootMethod::Menu { items, prompt, timeout } = method else { return Vec::new() };
    let lines = items.iter().map(|item| {
        let to = item
            .server
            .map_or_else(|| "the local disk".to_owned(), |server| format!("boot server {server}, port 4011"));
        Node::new(format!("item {:#06x}", item.server_type), format!("{}: {to}", item.title))
    });
    [Node::new("prompt", format!("{prompt} ({timeout} s)"))].into_iter().chain(lines).collect()
}
