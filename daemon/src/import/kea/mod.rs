//! Kea's kea-dhcp4.conf. Kea takes each value from the narrowest place that has one: the reservation, the first class that the
//! machine is in, its network, the file.

mod conditions;
mod json;

use super::expression::{Atom, Expr};
use super::here::Here;
use super::program::{Hosts, Program, Step};
use super::translation::Translation;
use super::written::{Fate, Told};
use crate::config::diagnostic::{Diagnostic, Source};
use crate::config::toml::value::any_mac;
pub use json::plain;
use serde_json::Value;
use std::net::Ipv4Addr;

pub fn translate(source: &Source, here: &Here) -> Result<Translation, Vec<Diagnostic>> {
    let value = json::read(source).map_err(|error| vec![error])?;
    let dhcp4 = value.get("Dhcp4").ok_or_else(|| {
        let error = source.missing("there is no `Dhcp4` in it");
        vec![error.help("import kea-dhcp4.conf: over IPv6 this server answers by itself (docs/ipv6.md)")]
    })?;
    let mut reader = Reader::new(source);
    reader.includes();
    reader.classes(dhcp4);
    let mut steps = reader.own_steps(dhcp4);
    steps.extend(reader.subnets(dhcp4));
    steps.extend(reader.class_steps.iter().rev().cloned().collect::<Vec<_>>());
    steps.extend(reader.hosts(dhcp4));
    reader.program.steps = steps;
    let own: Vec<Ipv4Addr> = here.networks.iter().map(|(_, network)| network.address).collect();
    let Reader { program, mut translation, .. } = reader;
    if !program.translate(&own, &mut translation) {
        let error = source.missing("its classes tell more kinds of machines apart than can be written as rules");
        return Err(vec![error.help("take out the classes that decide nothing, and import again")]);
    }
    if !translation.options.iter().any(|(_, option)| option.starts_with("dhcp-boot")) {
        let note = "no `boot-file-name` of this file is for a machine that boots: nothing in it says what to boot";
        translation.attention.push(note.into());
    }
    Ok(translation)
}

struct Reader<'a> {
    source: &'a Source,
    /// In the order of the file.
    classes: Vec<(String, Expr)>,
    class_steps: Vec<Step>,
    program: Program,
    translation: Translation,
    /// Where the search for the next value begins: values are looked for in the order in which they are read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { server: Some("Kea"), ..Translation::default() };
        Reader { source, classes: Vec::new(), class_steps: Vec::new(), program: Program::default(), translation, at: 0 }
    }

    /// The line of the next place where this text stands in quotes.
    fn line(&mut self, text: &str) -> usize {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let find = |from: usize| self.source.text[from..].find(&quoted).map(|at| from + at);
        let Some(found) = find(self.at).or_else(|| find(0)) else { return self.source.line(self.at) };
        self.at = found;
        self.source.line(found)
    }

    fn tell(&mut self, text: &str, fate: Fate) {
        let line = self.line(text);
        let text = self.source.text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        self.translation.told.push(Told { place: format!("line {line}"), line: text, fate });
    }

    fn includes(&mut self) {
        for (index, text) in self.source.text.lines().enumerate().filter(|(_, text)| text.contains("<?include")) {
            let why = "it is not read: put the text of that file in its place, and import again";
            let (place, line) = (format!("line {}", index + 1), text.trim().to_owned());
            self.translation.attention.push(format!("{line} ({place}) was not read, and may say what machines boot"));
            self.translation.told.push(Told { place, line, fate: Fate::Lost(why.into()) });
        }
    }

    fn classes(&mut self, dhcp4: &Value) {
        for class in list(dhcp4, "client-classes") {
            let name = text(class, "name");
            self.line(&name);
            let known = |name: &str| self.classes.iter().find(|(known, _)| known == name).map(|(_, expr)| expr.clone());
            let read = match class.get("test").and_then(Value::as_str) {
                Some(test) => conditions::read(test, &known),
                None => Err("a class without a test is set by other means, which are not known here".into()),
            };
            let mut steps = self.own_steps(class);
            if name == "DROP" {
                steps.push(Step::Deny(self.line(&name)));
            }
            let condition = read.unwrap_or_else(|why| {
                if !steps.is_empty() {
                    self.tell(&name, Fate::Lost(format!("{why}: no machine is taken for one of this class")));
                }
                conditions::never()
            });
            if let Expr::Atom(atom) = &condition {
                self.program.names.push((atom.clone(), name.clone()));
            }
            if bool_of(class, "only-if-required") {
                let why =
                    "here the class holds wherever its test does, not only where `require-client-classes` names it";
                self.tell(&name, Fate::Changed(why.into()));
            }
            self.class_steps.push(Step::If(vec![(condition.clone(), steps)]));
            self.classes.push((name, condition));
        }
    }

    fn subnets(&mut self, dhcp4: &Value) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut subnets: Vec<(&Value, Vec<Step>)> = list(dhcp4, "subnet4").map(|subnet| (subnet, Vec::new())).collect();
        for network in list(dhcp4, "shared-networks") {
            let own = self.own_steps(network);
            subnets.extend(list(network, "subnet4").map(|subnet| (subnet, own.clone())));
        }
        let alone = subnets.len() == 1;
        for (subnet, of_network) in subnets {
            let network = text(subnet, "subnet");
            let line = self.line(&network);
            let Some(Atom::Subnet(address, prefix)) = conditions::subnet(&network) else {
                self.tell(&network, Fate::Lost("this is no network".into()));
                continue;
            };
            self.program.subnets.push((line, address, prefix));
            let own = [of_network, self.own_steps(subnet)].concat();
            let condition = if alone { Expr::Is(true) } else { Expr::is(Atom::Subnet(address, prefix)) };
            let own = match subnet.get("client-class").and_then(Value::as_str) {
                Some(class) => vec![Step::If(vec![(self.class(class), own)])],
                None => own,
            };
            steps.push(Step::If(vec![(condition, own)]));
        }
        steps
    }

    fn class(&self, name: &str) -> Expr {
        let known = self.classes.iter().find(|(known, _)| known == name);
        known.map_or_else(conditions::never, |(_, condition)| condition.clone())
    }

    fn hosts(&mut self, dhcp4: &Value) -> Vec<Step> {
        let of_subnets = list(dhcp4, "subnet4").flat_map(|subnet| list(subnet, "reservations"));
        let of_networks = list(dhcp4, "shared-networks")
            .flat_map(|network| list(network, "subnet4"))
            .flat_map(|subnet| list(subnet, "reservations"));
        let mut groups: Vec<(Vec<Step>, Hosts)> = Vec::new();
        for host in list(dhcp4, "reservations").chain(of_subnets).chain(of_networks) {
            let address = text(host, "hw-address");
            let Some(mac) = any_mac(&address) else {
                let shown = ["hw-address", "client-id", "circuit-id", "duid", "flex-id"].map(|key| text(host, key));
                let shown = shown.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                let why = "a machine that boots is known by its MAC address, and here is none";
                self.tell(&shown, Fate::Lost(why.into()));
                continue;
            };
            let line = self.line(&address);
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            let name = match text(host, "hostname") {
                name if name.is_empty() => format!("host-{}", mac.replace(':', "")),
                name => name.split('.').next().unwrap_or_default().to_owned(),
            };
            let steps = self.host_steps(host);
            let plain: Vec<Step> = steps.iter().map(without_line).collect();
            let member = (line, vec![mac], name.clone());
            let same = |known: &[Step]| known.iter().map(without_line).eq(plain.iter().cloned());
            match groups.iter_mut().find(|(known, _)| same(known)) {
                Some((_, hosts)) => hosts.members.push(member),
                None => groups.push((steps, Hosts { name, members: vec![member] })),
            }
        }
        let mut steps = Vec::new();
        for (index, (own, hosts)) in groups.into_iter().enumerate() {
            steps.push(Step::If(vec![(Expr::is(Atom::Host(index)), own)]));
            self.program.hosts.push(hosts);
        }
        steps
    }

    /// What the reservation says, and before that the classes that it puts the machine into.
    fn host_steps(&mut self, host: &Value) -> Vec<Step> {
        let mut steps = Vec::new();
        for class in list(host, "client-classes").filter_map(Value::as_str) {
            let known = self.classes.iter().position(|(known, _)| known == class);
            match known.map(|index| &self.class_steps[index]) {
                Some(Step::If(branches)) => {
                    steps.extend(branches.iter().flat_map(|(_, steps)| steps.iter().cloned()));
                }
                _ => self.tell(class, Fate::Lost("no class in this file has this name".into())),
            }
        }
        steps.extend(self.own_steps(host));
        steps
    }

    /// What a place says of the boot; an option goes before the field of the same meaning, as firmware takes it.
    fn own_steps(&mut self, place: &Value) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut server = |reader: &mut Self, text: &str| match text.parse::<Ipv4Addr>() {
            Ok(address) => steps.push(Step::Server(Some(address).filter(|address| !address.is_unspecified()))),
            Err(_) => {
                let why = format!("names of servers are not looked up: write the address of {text}, and import again");
                reader.tell(text, Fate::Lost(why));
            }
        };
        let next = text(place, "next-server");
        if !next.is_empty() {
            server(self, &next);
        }
        let mut file = text(place, "boot-file-name");
        for option in list(place, "option-data") {
            let is = |name: &str, code: u64| {
                text(option, "name") == name || option.get("code").and_then(Value::as_u64) == Some(code)
            };
            let data = text(option, "data").trim_matches(['\'', '"']).to_owned();
            if is("boot-file-name", 67) {
                file = data;
            } else if is("tftp-server-name", 66) && !data.is_empty() {
                server(self, &data);
            }
        }
        if !file.is_empty() {
            let line = self.line(&file);
            steps.push(Step::File(line, file));
        }
        steps
    }
}

fn without_line(step: &Step) -> Step {
    match step {
        Step::File(_, file) => Step::File(0, file.clone()),
        other => other.clone(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn bool_of(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}
