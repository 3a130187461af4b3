//! Imports Kea's `kea-dhcp4.conf`. Kea uses each value from the first scope that sets it. For header fields, the order
//! of the scopes is: reservation, first class of the machine, network, file. For options, the order is: reservation,
//! pool, network, first class, file.

mod conditions;
mod json;

use super::expression::{Atom, Expr, parse_mac};
use super::host_info::HostInfo;
use super::output::{LineNote, LineOutcome};
use super::program::{HostGroup, MessagePart, Program, ProgramStep};
use super::translation::Translation;
pub use json::strip_comments;
use proxydhcpd_reading::diagnostic::{Diagnostic, LineIndex, Source};
use serde_json::Value;
use std::net::Ipv4Addr;

/// Translates the file to dnsmasq options.
pub fn translate(source: &Source, host: &HostInfo) -> Result<Translation, Vec<Diagnostic>> {
    let value = json::parse(source).map_err(|error| vec![error])?;
    let dhcp4 = value.get("Dhcp4").ok_or_else(|| {
        let error = source.file_error("the file contains no `Dhcp4`");
        vec![error.help("import kea-dhcp4.conf: network boot over IPv6 needs no import (docs/ipv6.md)")]
    })?;
    let mut translator = KeaTranslator::new(source);
    translator.includes();
    translator.kinds = kinds(dhcp4);
    translator.classes(dhcp4);
    let mut steps = translator.scope_steps(dhcp4);
    let (field_steps, option_steps) = translator.subnets(dhcp4);
    steps.extend(field_steps);
    steps.extend(translator.class_steps());
    steps.extend(option_steps);
    steps.extend(translator.hosts(dhcp4));
    translator.program.steps = steps;
    let KeaTranslator { program, translation, .. } = translator;
    program.to_dnsmasq(("classes", "boot-file-name"), source, host, translation)
}

/// The kind of a reservation: its boot settings and its classes. Reservations that agree in both are of one kind.
type ReservationKind = (Vec<String>, Vec<String>);

/// The built-in class whose members Kea ignores.
const DROP: &str = "DROP";

struct KeaClass {
    name: String,
    condition: Expr,
    steps: Vec<ProgramStep>,
    /// The conditions of the networks and pools that name this class, if Kea evaluates the class only for them. `None`:
    /// Kea evaluates the class for every machine.
    evaluated_in: Option<Vec<Expr>>,
}

struct KeaTranslator<'a> {
    source: &'a Source,
    lines: LineIndex,
    /// The classes in the order of the file.
    classes: Vec<KeaClass>,
    /// The kinds of reservations, in the order of the file.
    kinds: Vec<ReservationKind>,
    program: Program,
    translation: Translation,
    /// The offset at which the search for the next value begins. The import searches values in the order of the file.
    at: usize,
}

impl<'a> KeaTranslator<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { source_server: Some("Kea"), ..Translation::default() };
        let (lines, program) = (LineIndex::new(&source.text), Program::default());
        KeaTranslator { source, lines, classes: Vec::new(), kinds: Vec::new(), program, translation, at: 0 }
    }

    /// The number of the next line that contains this text in quotes. If no line does, returns the current line.
    fn line(&mut self, text: &str) -> usize {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let find_from = |from: usize| self.source.text[from..].find(&quoted).map(|at| from + at);
        let Some(found) = find_from(self.at).or_else(|| find_from(0)) else { return self.lines.line_number(self.at) };
        self.at = found;
        self.lines.line_number(found)
    }

    fn add_note(&mut self, text: &str, outcome: LineOutcome) {
        let line = self.line(text);
        let text = self.lines.trimmed_line(&self.source.text, line).to_owned();
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome });
    }

    fn includes(&mut self) {
        for (index, text) in self.source.text.lines().enumerate().filter(|(_, text)| text.contains("<?include")) {
            let reason = "it is not imported: replace this line by the text of that file, and import again";
            let (location, line) = (format!("line {}", index + 1), text.trim().to_owned());
            self.translation
                .action_items
                .push(format!("{location}: {line} is not imported, but it may contain network boot settings"));
            self.translation.notes.push(LineNote { location, line, outcome: LineOutcome::Unsupported(reason.into()) });
        }
    }

    /// Adds the built-in class `DROP`, whose members Kea ignores.
    fn class_drop(&mut self) {
        let line = self.line(DROP);
        let steps = vec![ProgramStep::Deny(line)];
        self.classes.push(KeaClass { name: DROP.into(), condition: conditions::never(), steps, evaluated_in: None });
    }

    fn classes(&mut self, dhcp4: &Value) {
        for class in list(dhcp4, "client-classes") {
            let name = text(class, "name");
            self.line(&name);
            let evaluated_in = any_bool(class, ["only-if-required", "only-in-additional-list"]).then(Vec::new);
            let parsed = match class.get("test").and_then(Value::as_str) {
                Some(test) => conditions::parse_test(test, &|name| self.class_condition(name)),
                None if evaluated_in.is_some() => Ok(Expr::Const(true)),
                None => conditions::vendor_class(&name).unwrap_or_else(|| {
                    let is_reserved = self.kinds.iter().any(|(_, classes)| classes.contains(&name));
                    let reason = "the class has no test, so its members are not known here";
                    is_reserved.then(conditions::never).ok_or_else(|| reason.into())
                }),
            };
            let mut steps = self.scope_steps(class);
            steps.retain(|step| *step != ProgramStep::Server(MessagePart::Header, None));
            if name == DROP {
                steps.push(ProgramStep::Deny(self.line(&name)));
            }
            let condition = parsed.unwrap_or_else(|reason| {
                if !steps.is_empty() {
                    self.add_note(
                        &name,
                        LineOutcome::Unsupported(format!("{reason}: no machine is treated as a member of this class")),
                    );
                }
                conditions::never()
            });
            if let Expr::Atom(atom) = &condition {
                self.program.fact_names.push((atom.clone(), name.clone()));
            }
            self.classes.push(KeaClass { name, condition, steps, evaluated_in });
        }
        let is_drop_reserved = self.kinds.iter().any(|(_, classes)| classes.iter().any(|class| class == DROP));
        if is_drop_reserved && !self.classes.iter().any(|class| class.name == DROP) {
            self.class_drop();
        }
    }

    /// The steps of the classes. If a machine is in several classes, the first one takes precedence, in this order:
    /// classes that the machine's reservation names, other classes, classes that test whether the machine has a
    /// reservation, classes that a network or a pool names. The last assignment wins, so the steps are in the opposite
    /// order.
    fn class_steps(&self) -> Vec<ProgramStep> {
        let rank = |class: &&KeaClass| match &class.evaluated_in {
            Some(_) => 2,
            None => usize::from(class.condition.depends_on(&Atom::Known)),
        };
        let mut classes: Vec<&KeaClass> = self.classes.iter().collect();
        classes.sort_by_key(rank);
        let test_step = |class: &KeaClass| {
            let evaluated_in = class.evaluated_in.clone().map(Expr::Or);
            let condition = Expr::And([class.condition.clone()].into_iter().chain(evaluated_in).collect());
            ProgramStep::If(vec![(condition, class.steps.clone())])
        };
        let reservation_step = |(index, (_, class_names)): (usize, &ReservationKind)| {
            let class = |name: &String| self.classes.iter().find(|class| class.name == *name);
            let steps = class_names.iter().rev().filter_map(class).flat_map(|class| class.steps.clone()).collect();
            ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), steps)])
        };
        let reservation_steps =
            self.kinds.iter().enumerate().filter(|(_, (_, class_names))| !class_names.is_empty()).map(reservation_step);
        classes.into_iter().rev().map(test_step).chain(reservation_steps).collect()
    }

    /// The condition that a reservation of the machine names this class.
    fn reserved_members(&self, name: &str) -> Expr {
        let kinds = self.kinds.iter().enumerate().filter(|(_, (_, classes))| classes.iter().any(|class| class == name));
        Expr::Or(kinds.map(|(index, _)| Expr::atom(Atom::Host(index))).collect())
    }

    /// The condition of a class with this name that the file defines earlier, or that is built into Kea. `None`: there
    /// is no such class.
    fn class_condition(&self, name: &str) -> Option<Expr> {
        let class = self.classes.iter().find(|class| class.name == name).map(|class| class.condition.clone());
        let condition = class.or_else(|| conditions::vendor_class(name)?.ok());
        conditions::built_in_class(name).or_else(|| Some(Expr::Or(vec![condition?, self.reserved_members(name)])))
    }

    /// The condition that a machine is in a class to which the network or the pool is limited. `None`: the network or
    /// the pool is for all machines.
    fn members(&self, scope: &Value) -> Option<Expr> {
        let names: Vec<&str> = names(scope, "client-class").chain(names(scope, "client-classes")).collect();
        let class = |name: &&str| self.class_condition(name).unwrap_or_else(conditions::never);
        (!names.is_empty()).then(|| Expr::Or(names.iter().map(class).collect()))
    }

    /// Records the condition of this network or pool in the classes that Kea evaluates only where a scope names them.
    fn record_evaluation(&mut self, scope: &Value, condition: &Expr) {
        let named: Vec<&str> = ["require-client-classes", "evaluate-additional-classes"]
            .iter()
            .flat_map(|key| names(scope, key))
            .collect();
        for class in self.classes.iter_mut().filter(|class| named.contains(&class.name.as_str())) {
            class.evaluated_in.iter_mut().for_each(|evaluated_in| evaluated_in.push(condition.clone()));
        }
    }

    /// Two lists: the steps of networks that set header fields, and the steps of networks and pools that set options.
    fn subnets(&mut self, dhcp4: &Value) -> (Vec<ProgramStep>, Vec<ProgramStep>) {
        let mut subnets: Vec<(&Value, Option<&Value>)> = list(dhcp4, "subnet4").map(|subnet| (subnet, None)).collect();
        for network in list(dhcp4, "shared-networks") {
            subnets.extend(list(network, "subnet4").map(|subnet| (subnet, Some(network))));
        }
        let is_only_subnet = subnets.len() == 1;
        let (mut fields, mut options) = (Vec::new(), Vec::new());
        for (subnet, shared_network) in subnets {
            let mut steps = shared_network.map(|network| self.scope_steps(network)).unwrap_or_default();
            let network = text(subnet, "subnet");
            let line = self.line(&network);
            let Some(Atom::Subnet(address, prefix)) = conditions::parse_subnet(&network) else {
                self.add_note(&network, LineOutcome::Unsupported("this is not a network".into()));
                continue;
            };
            self.program.subnets.push((line, address, prefix));
            let is_in_subnet =
                if is_only_subnet { Expr::Const(true) } else { Expr::atom(Atom::Subnet(address, prefix)) };
            let members =
                shared_network.and_then(|network| self.members(network)).into_iter().chain(self.members(subnet));
            let condition = Expr::And([is_in_subnet].into_iter().chain(members).collect());
            steps.extend(self.scope_steps(subnet));
            let (option_steps, field_steps): (Vec<ProgramStep>, Vec<ProgramStep>) =
                steps.into_iter().partition(ProgramStep::sets_option);
            let pools = self.pools(subnet, &condition);
            [Some(subnet), shared_network]
                .into_iter()
                .flatten()
                .for_each(|scope| self.record_evaluation(scope, &condition));
            fields.push(ProgramStep::If(vec![(condition.clone(), field_steps)]));
            options.push(ProgramStep::If(vec![(condition, [option_steps, pools].concat())]));
        }
        (fields, options)
    }

    /// The steps of pools. The first pool that is for a machine applies. If several pools are for the machine, Kea may
    /// use a different one, which the import cannot determine.
    fn pools(&mut self, subnet: &Value, subnet_condition: &Expr) -> Vec<ProgramStep> {
        let pools: Vec<&Value> = list(subnet, "pools").collect();
        let open_pool = pools.iter().position(|pool| self.members(pool).is_none());
        let mut branches: Vec<(Expr, Vec<ProgramStep>)> = Vec::new();
        for (index, pool) in pools.into_iter().enumerate() {
            let range = text(pool, "pool");
            self.line(&range);
            let steps = self.scope_steps(pool);
            let condition = self.members(pool).unwrap_or(Expr::Const(true));
            self.record_evaluation(pool, &Expr::And(vec![subnet_condition.clone(), condition.clone()]));
            match open_pool {
                Some(open_pool) if open_pool < index && !steps.is_empty() => {
                    let reason = "only Kea knows which machines get addresses from this pool and not from \
                               the earlier pool for all machines";
                    self.add_note(&range, LineOutcome::Unsupported(reason.into()));
                    continue;
                }
                Some(open_pool) if open_pool > index && !steps.is_empty() => {
                    let reason = "here it applies to all machines of its class; Kea may give some of them \
                               an address from the pool for all machines";
                    self.add_note(&range, LineOutcome::Changed(reason.into()));
                }
                _ => {}
            }
            branches.push((condition, steps));
        }
        vec![ProgramStep::If(branches)]
    }

    fn hosts(&mut self, dhcp4: &Value) -> Vec<ProgramStep> {
        let mut steps = Vec::new();
        for host in reservations(dhcp4) {
            let address = text(host, "hw-address");
            let Some(mac) = parse_mac(&address) else {
                let identifiers =
                    ["hw-address", "client-id", "circuit-id", "duid", "flex-id"].map(|key| text(host, key));
                let identifiers = identifiers.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                let reason = "a boot client is identified by its MAC address, and this reservation has none";
                self.add_note(&identifiers, LineOutcome::Unsupported(reason.into()));
                continue;
            };
            let line = self.line(&address);
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            let name = match text(host, "hostname") {
                name if name.is_empty() => format!("host-{}", mac.replace(':', "")),
                name => name.split('.').next().unwrap_or_default().to_owned(),
            };
            for class in names(host, "client-classes") {
                if self.class_condition(class).is_none() {
                    self.add_note(class, LineOutcome::Unsupported("this file defines no class with this name".into()));
                }
            }
            let kind = kind(host);
            let index = self.kinds.iter().position(|known| *known == kind).unwrap_or_default();
            let mut host_steps = self.scope_steps(host);
            host_steps.retain(|step| *step != ProgramStep::Server(MessagePart::Header, None));
            if self.program.host_groups.len() <= index {
                self.program.host_groups.push(HostGroup { name: name.clone(), members: Vec::new() });
                steps.push(ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), host_steps)]));
            }
            self.program.host_groups[index].members.push((line, vec![mac], name));
        }
        steps
    }

    /// The steps of a scope: the file, a network, a pool, a class or a reservation.
    fn scope_steps(&mut self, scope: &Value) -> Vec<ProgramStep> {
        let mut steps = Vec::new();
        let mut server = |translator: &mut Self, part: MessagePart, text: &str| match text.parse::<Ipv4Addr>() {
            Ok(address) => {
                steps.push(ProgramStep::Server(part, Some(address).filter(|address| !address.is_unspecified())))
            }
            Err(_) => {
                let reason = format!("server names are not resolved: replace {text} by its address, and import again");
                translator.add_note(text, LineOutcome::Unsupported(reason));
            }
        };
        let next = text(scope, "next-server");
        if !next.is_empty() {
            server(self, MessagePart::Header, &next);
        }
        let mut files = vec![(MessagePart::Header, text(scope, "boot-file-name"))];
        for (code, data) in boot_options(scope) {
            match code {
                67 => files.push((MessagePart::Option, data)),
                _ => server(self, MessagePart::Option, &data),
            }
        }
        for (part, file) in files.into_iter().filter(|(_, file)| !file.is_empty()) {
            let line = self.line(&file);
            steps.push(ProgramStep::File(line, part, file));
        }
        steps
    }
}

fn reservations(dhcp4: &Value) -> impl Iterator<Item = &Value> {
    let in_subnets = list(dhcp4, "subnet4").flat_map(|subnet| list(subnet, "reservations"));
    let in_shared_networks = list(dhcp4, "shared-networks")
        .flat_map(|network| list(network, "subnet4"))
        .flat_map(|subnet| list(subnet, "reservations"));
    list(dhcp4, "reservations").chain(in_subnets).chain(in_shared_networks)
}

/// The different kinds of the reservations that have a MAC address.
fn kinds(dhcp4: &Value) -> Vec<ReservationKind> {
    let mut kinds: Vec<ReservationKind> = Vec::new();
    for kind in reservations(dhcp4).filter(|host| parse_mac(&text(host, "hw-address")).is_some()).map(kind) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn kind(host: &Value) -> ReservationKind {
    let fields = ["next-server", "boot-file-name"].map(|key| text(host, key)).into_iter();
    let settings = fields.chain(boot_options(host).map(|(code, data)| format!("{code} {data}"))).collect();
    (settings, names(host, "client-classes").map(str::to_owned).collect())
}

/// The code and the value of options 66 and 67 in a scope.
fn boot_options(scope: &Value) -> impl Iterator<Item = (u64, String)> {
    list(scope, "option-data").filter_map(|option| {
        let code = match text(option, "name").as_str() {
            "boot-file-name" => Some(67),
            "tftp-server-name" => Some(66),
            _ => option.get("code").and_then(Value::as_u64),
        };
        let data = text(option, "data").trim_matches(['\'', '"']).to_owned();
        let is_dhcp4 = option.get("space").and_then(Value::as_str).is_none_or(|space| space == "dhcp4");
        code.filter(|code| [66, 67].contains(code) && is_dhcp4 && !data.is_empty()).map(|code| (code, data))
    })
}

/// A string, or a list of strings.
fn names<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let one = value.get(key).and_then(Value::as_str).filter(|name| !name.is_empty());
    one.into_iter().chain(list(value, key).filter_map(Value::as_str))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn any_bool(value: &Value, keys: [&str; 2]) -> bool {
    keys.iter().any(|key| value.get(key).and_then(Value::as_bool).unwrap_or_default())
}
