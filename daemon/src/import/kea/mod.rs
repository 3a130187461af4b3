//! Kea's kea-dhcp4.conf. Kea takes each value from the narrowest place that has one. For the fields of its messages
//! that is the reservation, the first class that the machine is in, its network, the file; for options it is the
//! reservation, the pool, the network, the first class, the file.

mod conditions;
mod json;

use super::expression::{Atom, Expr, parse_mac};
use super::host_info::HostInfo;
use super::program::{HostGroup, Program, ProgramStep, MessagePart};
use super::translation::Translation;
use super::output::{LineOutcome, LineNote};
use crate::config::diagnostic::{Diagnostic, LineIndex, Source};
pub use json::strip_comments;
use serde_json::Value;
use std::net::Ipv4Addr;

pub fn translate(source: &Source, here: &HostInfo) -> Result<Translation, Vec<Diagnostic>> {
    let value = json::parse(source).map_err(|error| vec![error])?;
    let dhcp4 = value.get("Dhcp4").ok_or_else(|| {
        let error = source.file_error("there is no `Dhcp4` in it");
        vec![error.help("import kea-dhcp4.conf: over IPv6 this server answers by itself (docs/ipv6.md)")]
    })?;
    let mut reader = Reader::new(source);
    reader.includes();
    reader.kinds = kinds(dhcp4);
    reader.classes(dhcp4);
    let mut steps = reader.own_steps(dhcp4);
    let (fields, options) = reader.subnets(dhcp4);
    steps.extend(fields);
    steps.extend(reader.class_steps());
    steps.extend(options);
    steps.extend(reader.hosts(dhcp4));
    reader.program.steps = steps;
    let Reader { program, translation, .. } = reader;
    program.to_dnsmasq(("classes", "boot-file-name"), source, here, translation)
}

/// Reservations that say the same of a boot are of one kind: what they say, and the classes that they name.
type Kind = (Vec<String>, Vec<String>);

const DROP: &str = "DROP";

struct Class {
    name: String,
    condition: Expr,
    steps: Vec<ProgramStep>,
    /// It holds only where a network or a pool names it; these are the conditions of those that do.
    asked: Option<Vec<Expr>>,
}

struct Reader<'a> {
    source: &'a Source,
    lines: LineIndex,
    /// In the order of the file.
    classes: Vec<Class>,
    /// Those of the reservations, in the order in which they are read.
    kinds: Vec<Kind>,
    program: Program,
    translation: Translation,
    /// Where the search for the next value begins: values are looked for in the order in which they are read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { source_server: Some("Kea"), ..Translation::default() };
        let (lines, program) = (LineIndex::new(&source.text), Program::default());
        Reader { source, lines, classes: Vec::new(), kinds: Vec::new(), program, translation, at: 0 }
    }

    /// The line of the next place where this text stands in quotes.
    fn line(&mut self, text: &str) -> usize {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let find = |from: usize| self.source.text[from..].find(&quoted).map(|at| from + at);
        let Some(found) = find(self.at).or_else(|| find(0)) else { return self.lines.line_number(self.at) };
        self.at = found;
        self.lines.line_number(found)
    }

    fn tell(&mut self, text: &str, fate: LineOutcome) {
        let line = self.line(text);
        let text = self.lines.trimmed_line(&self.source.text, line).to_owned();
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome: fate });
    }

    fn includes(&mut self) {
        for (index, text) in self.source.text.lines().enumerate().filter(|(_, text)| text.contains("<?include")) {
            let why = "it is not read: put the text of that file in its place, and import again";
            let (place, line) = (format!("line {}", index + 1), text.trim().to_owned());
            self.translation.action_items.push(format!("{line} ({place}) was not read, and may say what machines boot"));
            self.translation.notes.push(LineNote { location: place, line, outcome: LineOutcome::Unsupported(why.into()) });
        }
    }

    /// The class `DROP` is built in: whoever is in it, is not answered.
    fn class_drop(&mut self) {
        let line = self.line(DROP);
        let steps = vec![ProgramStep::Deny(line)];
        self.classes.push(Class { name: DROP.into(), condition: conditions::never(), steps, asked: None });
    }

    fn classes(&mut self, dhcp4: &Value) {
        for class in list(dhcp4, "client-classes") {
            let name = text(class, "name");
            self.line(&name);
            let asked = any_bool(class, ["only-if-required", "only-in-additional-list"]).then(Vec::new);
            let read = match class.get("test").and_then(Value::as_str) {
                Some(test) => conditions::parse_test(test, &|name| self.known(name)),
                None if asked.is_some() => Ok(Expr::Const(true)),
                None => conditions::vendor_class(&name).unwrap_or_else(|| {
                    let is_reserved = self.kinds.iter().any(|(_, classes)| classes.contains(&name));
                    let why = "a class without a test is set by other means, which are not known here";
                    is_reserved.then(conditions::never).ok_or_else(|| why.into())
                }),
            };
            let mut steps = self.own_steps(class);
            steps.retain(|step| *step != ProgramStep::Server(MessagePart::Header, None));
            if name == DROP {
                steps.push(ProgramStep::Deny(self.line(&name)));
            }
            let condition = read.unwrap_or_else(|why| {
                if !steps.is_empty() {
                    self.tell(&name, LineOutcome::Unsupported(format!("{why}: no machine is taken for one of this class")));
                }
                conditions::never()
            });
            if let Expr::Atom(atom) = &condition {
                self.program.fact_names.push((atom.clone(), name.clone()));
            }
            self.classes.push(Class { name, condition, steps, asked });
        }
        let is_used = self.kinds.iter().any(|(_, classes)| classes.iter().any(|class| class == DROP));
        if is_used && !self.classes.iter().any(|class| class.name == DROP) {
            self.class_drop();
        }
    }

    /// Of the classes that a machine is in, the first one goes before others: those that its reservation names, those
    /// of the file, then those that ask whether there is a reservation, then those that a network or a pool asks for.
    fn class_steps(&self) -> Vec<ProgramStep> {
        let rank = |class: &&Class| match &class.asked {
            Some(_) => 2,
            None => usize::from(class.condition.depends_on(&Atom::Known)),
        };
        let mut classes: Vec<&Class> = self.classes.iter().collect();
        classes.sort_by_key(rank);
        let of_test = |class: &Class| {
            let asked = class.asked.clone().map(Expr::Or);
            let condition = Expr::And([class.condition.clone()].into_iter().chain(asked).collect());
            ProgramStep::If(vec![(condition, class.steps.clone())])
        };
        let of_kind = |(index, (_, named)): (usize, &Kind)| {
            let class = |name: &String| self.classes.iter().find(|class| class.name == *name);
            let steps = named.iter().rev().filter_map(class).flat_map(|class| class.steps.clone()).collect();
            ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), steps)])
        };
        let of_kinds = self.kinds.iter().enumerate().filter(|(_, (_, named))| !named.is_empty()).map(of_kind);
        classes.into_iter().rev().map(of_test).chain(of_kinds).collect()
    }

    /// The reservations that put a machine into this class.
    fn reserved(&self, name: &str) -> Expr {
        let kinds = self.kinds.iter().enumerate().filter(|(_, (_, classes))| classes.iter().any(|class| class == name));
        Expr::Or(kinds.map(|(index, _)| Expr::atom(Atom::Host(index))).collect())
    }

    /// A class that stands in front, or one of Kea's own.
    fn known(&self, name: &str) -> Option<Expr> {
        let class = self.classes.iter().find(|class| class.name == name).map(|class| class.condition.clone());
        let known = class.or_else(|| conditions::vendor_class(name)?.ok());
        conditions::built_in_class(name).or_else(|| Some(Expr::Or(vec![known?, self.reserved(name)])))
    }

    /// Which machines a network or a pool is for.
    fn members(&self, place: &Value) -> Option<Expr> {
        let names: Vec<&str> = names(place, "client-class").chain(names(place, "client-classes")).collect();
        let class = |name: &&str| self.known(name).unwrap_or_else(conditions::never);
        (!names.is_empty()).then(|| Expr::Or(names.iter().map(class).collect()))
    }

    /// Notes the classes that are looked at only where a place names them.
    fn ask(&mut self, place: &Value, condition: &Expr) {
        let named: Vec<&str> = ["require-client-classes", "evaluate-additional-classes"]
            .iter()
            .flat_map(|key| names(place, key))
            .collect();
        for class in self.classes.iter_mut().filter(|class| named.contains(&class.name.as_str())) {
            class.asked.iter_mut().for_each(|asked| asked.push(condition.clone()));
        }
    }

    /// What networks say in fields, and what they and their pools say in options.
    fn subnets(&mut self, dhcp4: &Value) -> (Vec<ProgramStep>, Vec<ProgramStep>) {
        let mut subnets: Vec<(&Value, Option<&Value>)> = list(dhcp4, "subnet4").map(|subnet| (subnet, None)).collect();
        for network in list(dhcp4, "shared-networks") {
            subnets.extend(list(network, "subnet4").map(|subnet| (subnet, Some(network))));
        }
        let alone = subnets.len() == 1;
        let (mut fields, mut options) = (Vec::new(), Vec::new());
        for (subnet, around) in subnets {
            let mut steps = around.map(|network| self.own_steps(network)).unwrap_or_default();
            let network = text(subnet, "subnet");
            let line = self.line(&network);
            let Some(Atom::Subnet(address, prefix)) = conditions::parse_subnet(&network) else {
                self.tell(&network, LineOutcome::Unsupported("this is no network".into()));
                continue;
            };
            self.program.subnets.push((line, address, prefix));
            let is_in = if alone { Expr::Const(true) } else { Expr::atom(Atom::Subnet(address, prefix)) };
            let members = around.and_then(|network| self.members(network)).into_iter().chain(self.members(subnet));
            let condition = Expr::And([is_in].into_iter().chain(members).collect());
            steps.extend(self.own_steps(subnet));
            let (of_options, of_fields): (Vec<ProgramStep>, Vec<ProgramStep>) = steps.into_iter().partition(ProgramStep::sets_option);
            let pools = self.pools(subnet, &condition);
            [Some(subnet), around].into_iter().flatten().for_each(|place| self.ask(place, &condition));
            fields.push(ProgramStep::If(vec![(condition.clone(), of_fields)]));
            options.push(ProgramStep::If(vec![(condition, [of_options, pools].concat())]));
        }
        (fields, options)
    }

    /// A machine is taken for one of the first pool that is for it. Which of several Kea takes, nothing here knows.
    fn pools(&mut self, subnet: &Value, of_subnet: &Expr) -> Vec<ProgramStep> {
        let pools: Vec<&Value> = list(subnet, "pools").collect();
        let open = pools.iter().position(|pool| self.members(pool).is_none());
        let mut branches: Vec<(Expr, Vec<ProgramStep>)> = Vec::new();
        for (index, pool) in pools.into_iter().enumerate() {
            let range = text(pool, "pool");
            self.line(&range);
            let steps = self.own_steps(pool);
            let condition = self.members(pool).unwrap_or(Expr::Const(true));
            self.ask(pool, &Expr::And(vec![of_subnet.clone(), condition.clone()]));
            match open {
                Some(open) if open < index && !steps.is_empty() => {
                    let why = "which machines have their addresses of this pool, and not of the one in front that is for all, is \
                               known to Kea alone";
                    self.tell(&range, LineOutcome::Unsupported(why.into()));
                    continue;
                }
                Some(open) if open > index && !steps.is_empty() => {
                    let why = "here it is for all machines of its class, of which Kea may give some an address of the pool that is \
                               for all";
                    self.tell(&range, LineOutcome::Changed(why.into()));
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
                let shown = ["hw-address", "client-id", "circuit-id", "duid", "flex-id"].map(|key| text(host, key));
                let shown = shown.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                let why = "a machine that boots is known by its MAC address, and here is none";
                self.tell(&shown, LineOutcome::Unsupported(why.into()));
                continue;
            };
            let line = self.line(&address);
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            let name = match text(host, "hostname") {
                name if name.is_empty() => format!("host-{}", mac.replace(':', "")),
                name => name.split('.').next().unwrap_or_default().to_owned(),
            };
            for class in names(host, "client-classes") {
                if self.known(class).is_none() {
                    self.tell(class, LineOutcome::Unsupported("no class in this file has this name".into()));
                }
            }
            let kind = kind(host);
            let index = self.kinds.iter().position(|known| *known == kind).unwrap_or_default();
            let mut own = self.own_steps(host);
            own.retain(|step| *step != ProgramStep::Server(MessagePart::Header, None));
            if self.program.host_groups.len() <= index {
                self.program.host_groups.push(HostGroup { name: name.clone(), members: Vec::new() });
                steps.push(ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), own)]));
            }
            self.program.host_groups[index].members.push((line, vec![mac], name));
        }
        steps
    }

    /// What a place says of the boot.
    fn own_steps(&mut self, place: &Value) -> Vec<ProgramStep> {
        let mut steps = Vec::new();
        let mut server = |reader: &mut Self, way: MessagePart, text: &str| match text.parse::<Ipv4Addr>() {
            Ok(address) => steps.push(ProgramStep::Server(way, Some(address).filter(|address| !address.is_unspecified()))),
            Err(_) => {
                let why = format!("names of servers are not looked up: write the address of {text}, and import again");
                reader.tell(text, LineOutcome::Unsupported(why));
            }
        };
        let next = text(place, "next-server");
        if !next.is_empty() {
            server(self, MessagePart::Header, &next);
        }
        let mut files = vec![(MessagePart::Header, text(place, "boot-file-name"))];
        for (code, data) in boot_options(place) {
            match code {
                67 => files.push((MessagePart::Option, data)),
                _ => server(self, MessagePart::Option, &data),
            }
        }
        for (way, file) in files.into_iter().filter(|(_, file)| !file.is_empty()) {
            let line = self.line(&file);
            steps.push(ProgramStep::File(line, way, file));
        }
        steps
    }
}

fn reservations(dhcp4: &Value) -> impl Iterator<Item = &Value> {
    let of_subnets = list(dhcp4, "subnet4").flat_map(|subnet| list(subnet, "reservations"));
    let of_networks = list(dhcp4, "shared-networks")
        .flat_map(|network| list(network, "subnet4"))
        .flat_map(|subnet| list(subnet, "reservations"));
    list(dhcp4, "reservations").chain(of_subnets).chain(of_networks)
}

/// Of the reservations that are taken over.
fn kinds(dhcp4: &Value) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in reservations(dhcp4).filter(|host| parse_mac(&text(host, "hw-address")).is_some()).map(kind) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn kind(host: &Value) -> Kind {
    let fields = ["next-server", "boot-file-name"].map(|key| text(host, key)).into_iter();
    let says = fields.chain(boot_options(host).map(|(code, data)| format!("{code} {data}"))).collect();
    (says, names(host, "client-classes").map(str::to_owned).collect())
}

/// Options 66 and 67 of a place.
fn boot_options(place: &Value) -> impl Iterator<Item = (u64, String)> {
    list(place, "option-data").filter_map(|option| {
        let code = match text(option, "name").as_str() {
            "boot-file-name" => Some(67),
            "tftp-server-name" => Some(66),
            _ => option.get("code").and_then(Value::as_u64),
        };
        let data = text(option, "data").trim_matches(['\'', '"']).to_owned();
        let is_ours = option.get("space").and_then(Value::as_str).is_none_or(|space| space == "dhcp4");
        code.filter(|code| [66, 67].contains(code) && is_ours && !data.is_empty()).map(|code| (code, data))
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
