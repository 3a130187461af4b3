//! The names that a template can use.

use minijinja::value::{Enumerator, Object, Serde, Value};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;

type Json = serde_json::Map<String, serde_json::Value>;
type Values = BTreeMap<String, Value>;

/// The operator's variables: those of the site, and those of each profile. A profile inherits the site's variables, and
/// may override them.
#[derive(Clone, Debug, Default)]
pub struct TemplateVariables {
    site: Arc<Values>,
    profiles: BTreeMap<String, Arc<Values>>,
}

/// The names that the templates of one request can use.
#[derive(Debug)]
pub struct Scope {
    own: BTreeMap<&'static str, Value>,
    machine: Arc<MachineScope>,
}

/// The value of `machine`. A name is looked up first in the machine's facts, then in its variables, those of its
/// profile, and those of the site.
#[derive(Debug)]
struct MachineScope {
    facts: BTreeMap<&'static str, Value>,
    /// The variables in the machine's entry; `None` if the machine has no entry.
    variables: Option<Values>,
    inherited: Arc<Values>,
}

impl TemplateVariables {
    /// Combines the variables of the site with those of each profile. `profiles`: the name and the variables of each
    /// profile.
    pub fn new<'a>(site: &Json, profiles: impl IntoIterator<Item = (&'a str, &'a Json)>) -> TemplateVariables {
        let over = |profile: &Json| Arc::new(values(site).into_iter().chain(values(profile)).collect());
        let profiles = profiles.into_iter().map(|(name, own)| (name.to_owned(), over(own)));
        TemplateVariables { site: Arc::new(values(site)), profiles: profiles.collect() }
    }
}

impl Scope {
    /// The scope for a request and the machine that sent it.
    pub fn new(
        plan: &Plan,
        variables: &TemplateVariables,
        context: &RenderContext,
        request: &FileRequest<'_>,
    ) -> Scope {
        let profile = context.decision.own_profile(plan);
        let inherited = profile.and_then(|profile| variables.profiles.get(&profile.name)).unwrap_or(&variables.site);
        let machine = Arc::new(machine_scope(plan, context, Arc::clone(inherited)));
        let profile = profile.map(|profile| [("name", &profile.name), ("title", &profile.title)]);
        let mut own = BTreeMap::from([
            ("machine", Value::from_dyn_object(Arc::clone(&machine))),
            ("profile", Value::from_pairs(profile.into_iter().flatten().map(|(key, text)| (key, text.clone())))),
            ("request", request_facts(context, request)),
            ("base", Value::from(context.base_url.clone())),
            ("server", Value::from(request.server.to_canonical().to_string())),
            ("done_url", Value::from(context.done_url())),
        ]);
        let report_url = context.report_url(request, plan.offer.http);
        own.extend(report_url.map(|url| ("report_url", Value::from(url))));
        Scope { own, machine }
    }

    /// Whether the machine has an entry.
    pub fn has_entry(&self) -> bool {
        self.machine.variables.is_some()
    }

    /// All defined names, in the form in which templates use them: `machine.name`.
    pub fn known_names(&self) -> Vec<String> {
        let mut known: Vec<String> = self.own.keys().map(|name| name.to_string()).collect();
        for part in ["profile", "request"] {
            let names = self.own.get(part).and_then(|value| value.try_iter().ok());
            known.extend(names.into_iter().flatten().map(|name| format!("{part}.{name}")));
        }
        known.extend(self.machine.facts.keys().map(|name| format!("machine.{name}")));
        for name in self.machine.variables.iter().flatten().chain(self.machine.inherited.iter()).map(|(name, _)| name) {
            known.extend([name.clone(), format!("machine.{name}")]);
        }
        known
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.own.get(key).cloned().or_else(|| self.machine.variable(key))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.own.keys().map(|name| Value::from(*name));
        Enumerator::Values(names.chain(self.machine.names()).collect())
    }
}

impl Object for MachineScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.facts.get(key).cloned().or_else(|| self.variable(key))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.facts.keys().map(|name| Value::from(*name));
        Enumerator::Values(names.chain(self.names()).collect())
    }
}

impl MachineScope {
    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.as_ref().and_then(|own| own.get(name)).or_else(|| self.inherited.get(name)).cloned()
    }

    fn names(&self) -> impl Iterator<Item = Value> + '_ {
        let own = self.variables.iter().flat_map(BTreeMap::keys);
        let hidden = |name: &&String| !self.variables.as_ref().is_some_and(|own| own.contains_key(*name));
        own.chain(self.inherited.keys().filter(hidden)).map(Value::from)
    }
}

fn machine_scope(plan: &Plan, context: &RenderContext, inherited: Arc<Values>) -> MachineScope {
    let machine = &context.machine;
    let entry = context.decision.machine(plan);
    let mac = machine.identifiers.macs[0].or_else(|| entry?.macs.first().copied());
    let uuid = entry.and_then(|entry| entry.uuid).or(machine.machine_id.map(|id| id.uuid()));
    let serial = entry.and_then(|entry| entry.serial.map(str::to_owned)).or_else(|| machine.serial.clone());
    let facts = [
        ("name", entry.map(|entry| entry.name.to_owned())),
        ("mac", mac.map(|mac| hexadecimal(&mac, &[1, 2, 3, 4, 5], ':'))),
        ("uuid", uuid.map(|uuid| hexadecimal(&uuid, &[4, 6, 8, 10], '-'))),
        ("serial", serial),
    ];
    MachineScope {
        facts: facts.into_iter().filter_map(|(name, fact)| Some((name, Value::from(fact?)))).collect(),
        // Reading the configuration produced this JSON, so it is valid.
        variables: entry.map(|entry| values(&serde_json::from_str(entry.variables).unwrap_or_default())),
        inherited,
    }
}

fn request_facts(context: &RenderContext, request: &FileRequest<'_>) -> Value {
    let arch = context.firmware.arch.map(Arch::base);
    let firmware = arch.map(|arch| if arch.is_efi() { "uefi" } else { "bios" });
    let features = context.firmware.features.map(|features| features.names().map(Value::from).collect::<Vec<_>>());
    let facts = [
        ("address", Some(Value::from(request.client.ip().to_canonical().to_string()))),
        ("interface", request.link().map(Value::from)),
        ("protocol", Some(Value::from(if request.protocol == Protocol::Tftp { "tftp" } else { "http" }))),
        ("arch", arch.and_then(Arch::info).map(|row| Value::from(row.id))),
        ("firmware", firmware.map(Value::from)),
        ("features", features.map(Value::from)),
    ];
    Value::from_pairs(facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))))
}

fn values(json: &Json) -> Values {
    json.iter().map(|(name, value)| (name.clone(), Value::from(Serde(value)))).collect()
}

/// Formats octets as hexadecimal digits, with a separator before each octet whose index is in `breaks`.
fn hexadecimal(octets: &[u8], breaks: &[usize], separator: char) -> String {
    let digits = octets.iter().enumerate().map(|(index, octet)| {
        let gap = if breaks.contains(&index) { separator.to_string() } else { String::new() };
        format!("{gap}{octet:02x}")
    });
    digits.collect()
}
