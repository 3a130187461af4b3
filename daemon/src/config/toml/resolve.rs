//! What the files refer to, looked up among all of them.

use super::menu::{self, RawItemTarget};
use super::profile::{RawBoot, RawProfile, is_template};
use super::document::{Reference, Document};
use super::table_reader::SourceLocation;
use crate::config::diagnostic::Diagnostic;
use crate::config::unresolved::{BUILT_IN_PROFILES, UnresolvedPlan, UnresolvedProfile, NamedDirectory};
use crate::config::machine_files::{MachineFiles, MachineReader};
use crate::suggest::closest_match;
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenuItem, Linux, FirmwareMenu, Profile, ProfileId, ItemTarget};
use proxydhcpd_core::plan::rule::{Rule, Conditions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The profiles by name. One that boots nothing by itself has no number.
#[derive(Debug)]
pub struct ProfileNames(BTreeMap<String, Option<ProfileId>>);

impl ProfileNames {
    /// The number of a profile, or why there is none and what was probably meant.
    pub fn find(&self, name: &str) -> Result<ProfileId, (String, Option<String>)> {
        match self.0.get(name) {
            Some(Some(id)) => Ok(*id),
            Some(None) => {
                let help = "say in it what is booted, or name one that extends it";
                Err((format!("profile `{name}` boots nothing by itself"), Some(help.into())))
            }
            None => {
                let meant = closest_match(name, self.0.keys().map(String::as_str));
                let help = meant.map(|meant| format!("did you mean `{meant}`?"));
                Err((format!("there is no profile `{name}`"), help))
            }
        }
    }

    fn look_up(&self, (name, at): &Reference<'_>, told: &mut Vec<Diagnostic>) -> Option<ProfileId> {
        match self.find(name) {
            Ok(id) => Some(id),
            Err((why, help)) => {
                let error = at.error(why);
                told.push(match help {
                    Some(help) => error.help(help),
                    None => error,
                });
                None
            }
        }
    }
}

impl<'a> Document<'a> {
    /// The plan as the files say it. What refers to nothing is told, and apart from it what is wrong in machine files.
    pub fn resolve(&self, machine_files: &[PathBuf], told: &mut Vec<Diagnostic>) -> (UnresolvedPlan, Vec<Diagnostic>) {
        let profiles = self.extended(told);
        let names = number(&profiles, &self.profiles, told);
        let mut draft = UnresolvedPlan::default();
        for (name, profile) in &profiles {
            if names.0[name].is_some() {
                draft.profiles.push(drafted(name, profile, &names, &profiles, told));
            }
        }
        let of_site =
            |named: &Option<Reference<'a>>, told: &mut _| named.as_ref().and_then(|name| names.look_up(name, told));
        draft.default_profile = of_site(&self.default_profile, told);
        draft.unknown_machine_profile = of_site(&self.unknown_machine_profile, told);
        draft.rules = self.looked_up_rules(&names, told);
        let (machines, of_machines) = self.looked_up_machines(&names, &draft, machine_files, told);
        draft.machine_files = machines;
        draft.variables = self.variables.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
        let mount = |(name, (path, at)): (&String, &(_, SourceLocation<'a>))| NamedDirectory {
            name: name.clone(),
            path: Clone::clone(path),
            location: at.to_file_location(),
        };
        draft.boot_dir_location = self.boot_dir_location.as_ref().map(SourceLocation::to_file_location);
        draft.template_dir_location = self.template_dir_location.as_ref().map(SourceLocation::to_file_location);
        draft.directories = self.directories.iter().map(mount).collect();
        (draft, of_machines)
    }

    /// Every profile with what it extends.
    fn extended(&self, told: &mut Vec<Diagnostic>) -> BTreeMap<String, RawProfile<'a>> {
        let mut extended = BTreeMap::new();
        for (name, written) in &self.profiles {
            let mut chain = vec![name];
            let mut whole = written.clone();
            let mut last = written;
            while let Some((base, at)) = &last.extends {
                let Some((base, written)) = self.profiles.get_key_value(base) else {
                    // Told once, where it is said.
                    if chain.len() == 1 {
                        told.push(self.no_base(base, at));
                    }
                    whole.has_errors = true;
                    break;
                };
                if let Some(from) = chain.iter().position(|known| *known == base) {
                    whole.has_errors = true;
                    // The first by name of those in the circle tells of it.
                    if from == 0 && chain.iter().all(|other| *other >= name) {
                        let circle: Vec<_> = chain.iter().map(|name| name.as_str()).chain([base.as_str()]).collect();
                        let at = written.extends.as_ref().map_or(&written.location, |(_, at)| at);
                        told.push(at.error(format!("profiles extend each other in a circle: {}", circle.join(" -> "))));
                    }
                    break;
                }
                whole = whole.with_base(written);
                chain.push(base);
                last = written;
            }
            extended.insert(name.clone(), whole);
        }
        extended
    }

    fn no_base(&self, base: &str, at: &SourceLocation<'_>) -> Diagnostic {
        if BUILT_IN_PROFILES.iter().any(|(name, ..)| *name == base) {
            return at.error(format!("`{base}` is built in, and has nothing to extend"));
        }
        let error = at.error(format!("there is no profile `{base}`"));
        match closest_match(base, self.profiles.keys().map(String::as_str)) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None => error,
        }
    }

    fn looked_up_rules(&self, names: &ProfileNames, told: &mut Vec<Diagnostic>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for written in &self.rules {
            let profile = written.profile.as_ref().and_then(|name| names.look_up(name, told));
            rules.push(Rule { profile, ..written.rule.clone() });
        }
        let last = rules.len().saturating_sub(1);
        if let Some(all) = (0..last).find(|at| rules[*at].when == Conditions::default() && !self.rules[*at].has_errors) {
            let warning =
                self.rules[all].location.warning("this rule matches every machine: the rules behind it never decide");
            told.push(warning.help("put it last"));
        }
        rules
    }

    /// Those that stand here, and those of the machine files, of which what is wrong is told apart: in their order.
    fn looked_up_machines(
        &self,
        names: &ProfileNames,
        draft: &UnresolvedPlan,
        files: &[PathBuf],
        told: &mut Vec<Diagnostic>,
    ) -> (MachineFiles, Vec<Diagnostic>) {
        let profiles = |name: &str| names.find(name);
        let mut reading = MachineReader::new(&profiles);
        for (described, at) in self.machines.values() {
            let at_profile = |span: &std::ops::Range<usize>| SourceLocation { source: at.source, span: span.clone() };
            let named = described.profile.as_ref().map(|(name, span)| (name.clone(), at_profile(span)));
            let profile = named.as_ref().and_then(|name| names.look_up(name, told));
            let machine = described.to_machine(profile);
            reading.add_machine(&machine, Path::new(&at.source.name), at.span.start, |message| at.error(message));
        }
        files.iter().for_each(|path| reading.read_path(path));
        // Whether a rule names another profile for a machine without one of its own is seen when it asks.
        let by_rules = draft.rules.iter().any(|rule| rule.profile.is_some());
        reading.warn_about_boot_once(|own| {
            let id = own.or(draft.default_profile.filter(|_| !by_rules))?;
            let UnresolvedProfile { profile, has_errors: faulty, .. } = draft.profiles.get(id)?;
            (!faulty && !completes_boot_once(profile)).then(|| profile.name.clone())
        });
        let unknown = draft.unknown_machine_profile.or(draft.default_profile).and_then(|id| draft.profiles.get(id));
        let get_nothing = !by_rules && unknown.is_some_and(|drafted| drafted.profile.boots == BootTarget::Nothing);
        match reading.finish(&self.shared_macs, get_nothing) {
            Ok(mut read) => {
                let warnings = std::mem::take(&mut read.warnings);
                (read, warnings)
            }
            Err(errors) => (MachineFiles::default(), errors),
        }
    }
}

/// Whether a file that we send uses up a boot-once.
pub fn completes_boot_once(profile: &Profile) -> bool {
    match &profile.boots {
        BootTarget::BootDir => true,
        _ => profile.boot_once_file().is_some_and(|name| !name.contains("://") && !is_template(name)),
    }
}

/// Numbers for those that boot something. The others are there to be extended, and must be.
fn number(
    extended: &BTreeMap<String, RawProfile<'_>>,
    written: &BTreeMap<String, RawProfile<'_>>,
    told: &mut Vec<Diagnostic>,
) -> ProfileNames {
    let mut names: BTreeMap<_, _> = (0..).zip(BUILT_IN_PROFILES).map(|(id, (name, ..))| (name.to_owned(), Some(id))).collect();
    let mut next = BUILT_IN_PROFILES.len();
    for (name, profile) in extended {
        if profile.boot.is_some() || !profile.loaders.is_empty() || profile.default_loader.is_some() || profile.has_errors {
            names.insert(name.clone(), Some(next));
            next += 1;
            continue;
        }
        names.insert(name.clone(), None);
        // Where a name leads nowhere, it may have meant this one.
        let may_extend_it = |other: &RawProfile<'_>| {
            other.extends_profile(name) || other.extends.as_ref().is_some_and(|(base, _)| !written.contains_key(base))
        };
        if !written.values().any(may_extend_it) {
            let error = profile.location.error(format!("profile `{name}` does not say what it boots"));
            told.push(error.help(format!("one of {}", RawProfile::BOOT_KEYS)));
        }
    }
    ProfileNames(names)
}

fn drafted(
    name: &str,
    written: &RawProfile<'_>,
    names: &ProfileNames,
    profiles: &BTreeMap<String, RawProfile<'_>>,
    told: &mut Vec<Diagnostic>,
) -> UnresolvedProfile {
    let given = written.initrds.iter().flat_map(|(names, _)| names);
    let (initrds, initrds_at) = given.map(|(name, at)| (name.clone(), at.to_file_location())).unzip();
    let arguments = written.arguments.clone().map(|(text, _)| text).unwrap_or_default();
    let (boots, at) = match &written.boot {
        Some(RawBoot::Kernel((kernel, at))) => {
            (BootTarget::Linux(Linux { kernel: kernel.clone(), initrds, arguments }), Some(at.to_file_location()))
        }
        Some(RawBoot::Script((name, at))) => (BootTarget::Script(name.clone()), Some(at.to_file_location())),
        Some(RawBoot::Menu(menu)) => (BootTarget::Menu(looked_up_menu(menu, names, profiles, told)), None),
        Some(RawBoot::BuiltIn(boots)) => (boots.clone(), None),
        None => (BootTarget::Loader, None),
    };
    // Beside loaders they may be there for others that extend it.
    let is_base = || written.boot.is_none() && profiles.values().any(|other| other.extends_profile(name));
    if !matches!(boots, BootTarget::Linux(_)) && !written.has_errors && !is_base() {
        let initrds = written.initrds.as_ref().map(|(_, at)| ("initrd", at));
        let arguments = written.arguments.as_ref().map(|(_, at)| ("arguments", at));
        for (key, at) in initrds.into_iter().chain(arguments) {
            told.push(at.error(format!("`{key}` goes with `kernel`, and profile `{name}` has none")));
        }
    }
    let profile = Profile {
        name: name.to_owned(),
        title: written.title.clone().unwrap_or_else(|| name.to_owned()),
        boots,
        boot_once_file: written.boot_once_file.clone().map(|(name, _)| name),
        ..Profile::default()
    };
    UnresolvedProfile {
        profile,
        default_loader: written.default_loader.as_ref().map(|(name, at)| (name.clone(), at.to_file_location())),
        loaders: written.loaders.iter().map(|(arch, (name, at))| (*arch, (name.clone(), at.to_file_location()))).collect(),
        boot_location: at,
        initrd_locations: initrds_at,
        arguments_location: written.arguments.as_ref().map(|(_, at)| at.to_file_location()),
        boot_once_file_location: written.boot_once_file.as_ref().map(|(_, at)| at.to_file_location()),
        has_errors: written.has_errors,
        variables: written.variables.clone(),
    }
}

fn looked_up_menu(
    menu: &menu::RawMenu<'_>,
    names: &ProfileNames,
    profiles: &BTreeMap<String, RawProfile<'_>>,
    told: &mut Vec<Diagnostic>,
) -> FirmwareMenu {
    let mut items = Vec::new();
    for item in &menu.items {
        let to = match &item.target {
            RawItemTarget::Server(server) => ItemTarget::Server(*server),
            RawItemTarget::Broadcast => ItemTarget::Broadcast,
            RawItemTarget::Profile(named) => {
                if let Some(RawProfile { boot: Some(RawBoot::Menu(_)), .. }) = profiles.get(&named.0) {
                    told.push(named.1.error(format!("profile `{}` is a menu itself: firmware shows one", named.0)));
                }
                ItemTarget::Profile(names.look_up(named, told))
            }
        };
        items.push(FirmwareMenuItem { kind: item.server_type, title: item.title.clone(), target: to });
    }
    FirmwareMenu { prompt: menu.prompt.clone(), timeout: menu.timeout, items }
}
