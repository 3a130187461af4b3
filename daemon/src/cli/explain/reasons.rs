//! What the decision rests on: the machine's entry and the rules, with those that came near.

use proxydhcpd_core::answer::{Answer, unmet, recognise};
use proxydhcpd_core::arrival::Arrival;
use proxydhcpd_core::choose::BootMethod;
use proxydhcpd_core::client::{Client, HardwareAddress, Identifiers};
use proxydhcpd_core::decide::{Decision, DecidedBy};
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::machines::{IdentityKind, DoubtfulEntry, FoundEntry, Identity, Policy, AmbiguousMachine, DoubtReason};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenuItem, ItemTarget};
use proxydhcpd_core::plan::rule::Condition;
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::url::is_url;
use proxydhcpd_core::wire::DhcpPacket;
use proxydhcpd_core::wire::pxe::MachineId;

/// More rules than this are summed up, but for those that came near.
const MOST_RULES: usize = 30;

/// Nothing where the configuration says nothing about machines.
pub fn explain_decision(plan: &Plan, arrival: &Arrival<'_>, answer: &Answer, marks_are_known: bool) -> Vec<Node> {
    let packet = DhcpPacket::parse(arrival.datagram, arrival.from.is_ipv6());
    let (Some(decision), Ok(packet)) = (&answer.decision, packet) else { return Vec::new() };
    if plan.profiles.is_empty() && plan.rules.is_empty() && plan.machines.is_empty() && decision.machine.is_none() {
        return Vec::new();
    }
    // As it was recognised: a rule may have had it taken for firmware since.
    let Ok(mut client) = recognise(plan, arrival, &packet) else { return Vec::new() };
    if let Some(known) = &answer.client {
        client.identifiers = known.identifiers;
    }
    let mut grounds = Vec::new();
    if !plan.machines.is_empty() || decision.machine.is_some() {
        grounds.push(machine(plan, &client, decision, marks_are_known));
    }
    if !plan.rules.is_empty() {
        grounds.push(rules(plan, decision, &unmet(plan, arrival, &packet, &client, decision)));
    }
    grounds.push(profile(plan, decision));
    grounds
}

fn machine(plan: &Plan, client: &Client, decision: &Decision, marks_are_known: bool) -> Node {
    let name = |id| plan.machines.get(id).name;
    let Some(FoundEntry { machine, by, conflicting: other }) = decision.machine else {
        let why = match (decision.ambiguous, decision.doubt) {
            (Some(AmbiguousMachine { machines: [(one, by), (other, other_by)] }), _) if by == other_by => {
                format!("its {by} can be read as that of {} or of {}: it is neither", name(one), name(other))
            }
            (Some(AmbiguousMachine { machines: [(one, by), (other, other_by)] }), _) => {
                format!("{} by its {by} and {} by its {other_by}: it is neither", name(one), name(other))
            }
            (None, Some(_)) => "no entry has an identity of it that counts".to_owned(),
            (None, None) if decision.protected_by.is_some() || listed(plan, client, decision).is_some() => {
                "several entries list one of its identities: it is none of them".to_owned()
            }
            (None, None) => "no entry has one of its identities".to_owned(),
        };
        return Node::new("machine", why)
            .with_children(doubts(plan, client, decision).into_iter().chain(near(plan, client, None)));
    };
    let entry = plan.machines.get(machine);
    let policy = match entry.policy {
        Policy::Unspecified if plan.machines.is_removed_entry(machine) => format!(
            "its entry is gone, and its boot is used up: its disk (`proxydhcpd rearm {}` makes it a machine without entry)",
            entry.name
        ),
        Policy::Unspecified if decision.decided_by == DecidedBy::CompletedUnspecified && decision.protected_by.is_none() => format!(
            "not said, and its boot is used up: its disk (`proxydhcpd rearm {}` lets it boot again, so does \
             `boot = \"always\"`)",
            entry.name
        ),
        Policy::Always | Policy::Unspecified => "always".to_owned(),
        Policy::Once if !marks_are_known => {
            "once (its mark cannot be looked for): its disk, until the marks can be read".to_owned()
        }
        Policy::Once if decision.decided_by == DecidedBy::Completed && decision.protected_by.is_none() => {
            format!("once, and has: its disk (`proxydhcpd rearm {}` lets it boot again)", entry.name)
        }
        Policy::Once => "once (not used up yet)".to_owned(),
        Policy::Never => "never: its disk".to_owned(),
    };
    let mut parts = vec![Node::new("boots its profile", policy)];
    parts.extend(other.map(|(other, by)| Node::new("also", format!("{} by its {by}, which counts less", name(other)))));
    parts.extend(doubts(plan, client, decision));
    if by != IdentityKind::Mac {
        parts.extend(near(plan, client, Some(machine)));
    }
    Node::new("machine", format!("{} by its {by}", entry.name)).with_children(parts)
}

/// What counts for less than it says, and what of it holds all the same.
fn doubts(plan: &Plan, client: &Client, decision: &Decision) -> Vec<Node> {
    let name = |id| plan.machines.get(id).name;
    let doubt = decision.doubt.map(|DoubtfulEntry { machine, by, reason: why }| {
        let why = match why {
            DoubtReason::OtherAddress => "which lists addresses, and not this one",
            DoubtReason::NoAddress => "whose uuid several machines have, and this one shows no address",
        };
        Node::new("in doubt", format!("its {by} is that of {}, {why}: it does not count", name(machine)))
    });
    let held = decision.protected_by.map(|(machine, by)| {
        let what = format!("what {} is protected by: it may be that one by its {by}", name(machine));
        Node::new("holds", what)
    });
    let shared = decision.shared_uuid.map(|SharedUuid { macs, .. }| {
        let [one, other] = macs.map(HardwareAddress::from_mac);
        Node::new("shared", format!("its uuid is heard from {one} and from {other}"))
    });
    let listed = listed(plan, client, decision);
    [doubt, listed, held, shared].into_iter().flatten().collect()
}

/// Entries that it may be the subject of, because they list an identity of it that others list, too.
fn listed(plan: &Plan, client: &Client, decision: &Decision) -> Option<Node> {
    const MOST: usize = 4;
    let identity = Identity { readings: client.identifiers, ..Identity::default() };
    let mut sharers = plan.machines.sharers(&identity, decision.machine).peekable();
    let (_, by) = *sharers.peek()?;
    let mut names: Vec<&str> = sharers
        .take_while(|(_, other)| *other == by)
        .map(|(id, _)| plan.machines.get(id).name)
        .take(MOST + 1)
        .collect();
    let more = if names.len() > MOST { " and more" } else { "" };
    names.truncate(MOST);
    let list = if names.len() == 1 { "lists" } else { "list" };
    let what =
        format!("{}{more} {list} its {by}, too: what protects any of these entries holds for it", names.join(", "));
    Some(Node::new("in doubt", what))
}

/// Entries that may have been meant: an octet of the address mistyped, or the UUID in the other order of octets. The
/// cost is some 1,500 look-ups, however many machines there are.
fn near(plan: &Plan, client: &Client, found: Option<u32>) -> Vec<Node> {
    let name = |identity: &Identity<'_>| {
        let other = plan.machines.find(identity).found.filter(|other| Some(other.machine) != found)?;
        Some(plan.machines.get(other.machine).name)
    };
    let mut nodes = Vec::new();
    for mac in client.hardware.mac().into_iter().flat_map(one_octet_off) {
        if let Some(name) = name(&read(Some(mac), None)) {
            let hardware = HardwareAddress::from_mac(mac);
            nodes.push(Node::new("near", format!("{name} has {hardware}: one octet differs")));
        }
    }
    // Of DHCPv6 both orders are looked up anyway.
    let swapped = client
        .machine_id
        .filter(|_| !client.is_v6())
        .filter(MachineId::is_unique)
        .and_then(|machine| machine.0[1..].try_into().ok());
    if let Some(name) = swapped.and_then(|uuid| name(&read(None, Some(uuid)))) {
        nodes.push(Node::new("near", format!("{name} has its UUID with the first three fields turned round")));
    }
    nodes.truncate(10);
    nodes.extend(docked(plan, client).filter(|_| found.is_none()));
    nodes
}

fn read<'a>(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> Identity<'a> {
    Identity { readings: Identifiers::new(mac, uuid), ..Identity::default() }
}

/// An address of it that an entry lists, but that is an adapter's.
fn docked(plan: &Plan, client: &Client) -> Option<Node> {
    let mac = client.hardware.mac()?;
    if !plan.machines.is_shared_mac(&mac) {
        return None;
    }
    let mut entries = plan.machines.iter();
    let name = entries.find(|entry| entry.macs.contains(&mac))?.name;
    Some(Node::new(
        "near",
        format!("{name} lists {}, which is one of `shared-macs` and so is nobody's", client.hardware),
    ))
}

fn one_octet_off(mac: [u8; 6]) -> impl Iterator<Item = [u8; 6]> {
    (0..6).flat_map(move |place| {
        (0..=u8::MAX).filter(move |octet| *octet != mac[place]).map(move |octet| {
            let mut other = mac;
            other[place] = octet;
            other
        })
    })
}

fn rules(plan: &Plan, decision: &Decision, all: &[Vec<Condition>]) -> Node {
    let name = |index: usize| format!("{} ({})", index + 1, plan.rules[index].name);
    // A rule with one condition is as far from every machine that it does not match.
    let near =
        |index: usize, misses: &[Condition]| misses.len() == 1 && plan.rules[index].when.set_conditions().nth(1).is_some();
    let told = |index: usize, misses: &[Condition]| match misses {
        [] => "matches".to_owned(),
        [only] if near(index, misses) => format!("came near: only {only} does not hold"),
        [only] => format!("{only} does not hold"),
        several => {
            let keys: Vec<&str> = several.iter().map(|condition| condition.key()).collect();
            format!("{} do not hold", keys.join(", "))
        }
    };
    let shown =
        |index: usize, misses: &[Condition]| misses.is_empty() || near(index, misses) || all.len() <= MOST_RULES;
    let lines = all.iter().enumerate().filter(|(index, misses)| shown(*index, misses));
    let mut parts: Vec<Node> =
        lines.map(|(index, misses)| Node::new(format!("rule {}", name(index)), told(index, misses))).collect();
    let held_back = all.len() - parts.len();
    if held_back > 0 {
        parts.push(Node::new("others", format!("{held_back} rules that do not match and did not come near")));
    }
    let behind = plan.rules.len() - all.len();
    if behind > 0 {
        parts.push(Node::new(
            "behind it",
            format!("{behind} rules, which are not looked at: the first that matches counts"),
        ));
    }
    let matched = decision.rule.map_or_else(|| "none matches".to_owned(), |rule| format!("{} matches", name(rule)));
    Node::new("rules", matched).with_children(parts)
}

fn profile(plan: &Plan, decision: &Decision) -> Node {
    let boots = decision.boots(plan);
    let mut parts = vec![Node::new("why", decision.decided_by), Node::new("boots", boots_text(boots))];
    if decision.as_firmware {
        parts.push(Node::new("as firmware", "its rule has it given its firmware's loader, whatever it says of itself"));
    }
    if decision.as_raspberry_pi {
        parts.push(Node::new("as a Raspberry Pi", "its rule says that it is one, where it calls itself a BIOS"));
    }
    if let BootTarget::Menu(menu) = boots {
        parts.extend(menu.items.iter().map(|item| choice(plan, item)));
    }
    Node::new("profile", decision.target_name(plan)).with_children(parts)
}

/// An item of a menu, with what it leads to.
fn choice(plan: &Plan, item: &FirmwareMenuItem) -> Node {
    let leads_to = match item.target {
        ItemTarget::Server(server) => format!("{}: asks {server} on its port 4011", item.title),
        ItemTarget::Broadcast => format!("{}: asks whichever boot server answers its broadcast", item.title),
        ItemTarget::Profile(id) => {
            let boots = plan.profile(id).map_or(&BootTarget::BootDir, |profile| &profile.boots);
            let name = plan.profile(id).map_or("menu", |profile| profile.name.as_str());
            format!("{}: profile {name}, {}", item.title, boots_text(boots))
        }
    };
    Node::new(format!("item {:#06x}", item.kind), leads_to)
}

fn boots_text(boots: &BootTarget) -> String {
    match boots {
        BootTarget::BootDir => "the menu of the boot directory, or its boot.ipxe".to_owned(),
        BootTarget::Linux(linux) => format!("the kernel {}", linux.kernel),
        BootTarget::Script(url) if is_url(url) => format!("the script {url}"),
        BootTarget::Script(name) => format!("the script {name} of the template directory"),
        BootTarget::Loader => "the loaders of the profile themselves".to_owned(),
        BootTarget::Menu(menu) => format!("a menu of {} items that the firmware shows", menu.items.len()),
        BootTarget::LocalDisk => "its local disk".to_owned(),
        BootTarget::Nothing => "nothing".to_owned(),
    }
}

/// The lines of the menu that this firmware is shown.
pub fn menu_lines(manner: &BootMethod) -> Vec<Node> {
    let BootMethod::Menu { items, prompt, timeout } = manner else { return Vec::new() };
    let lines = items.iter().map(|item| {
        let to = item.server.map_or_else(|| "the local disk".to_owned(), |server| format!("asks {server} on 4011"));
        Node::new(format!("item {:#06x}", item.kind), format!("{}: {to}", item.title))
    });
    [Node::new("prompt", format!("{prompt} ({timeout} s)"))].into_iter().chain(lines).collect()
}
