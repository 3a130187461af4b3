//! Resolves the references between profiles, rules and machines across all files.

use super::document::Document;
use crate::config::unresolved::{NamedDirectory, UnresolvedPlan, UnresolvedProfile};
use crate::machine_files::{MachineFiles, MachineReader};
use crate::settings::location::{Reference, SourceLocation};
use crate::settings::raw::menu::RawMenu;
use crate::settings::raw::profile::{BUILT_IN_PROFILES, RawBoot, RawProfile, is_template};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names of the profiles, each with whether machines can boot the profile: a profile that does not set what it
/// boots only serves as a base for others.
#[derive(Debug)]
pub struct ProfileNames(BTreeMap<String, bool>);

impl ProfileNames {
    /// Checks that machines can boot the profile of this name, or returns an error message and help.
    pub fn check(&self, name: &str) -> Result<(), (String, Option<String>)> {
        match self.0.get(name) {
            Some(true) => Ok(()),
            Some(false) => {
                let help = "set what it boots, or use a profile that extends it";
                Err((format!("profile `{name}` does not set what it boots"), Some(help.into())))
            }
            None => {
                let similar = closest_match(name, self.0.keys().map(String::as_str));
                let help = similar.map(|similar| format!("did you mean `{similar}`?"));
                Err((format!("there is no profile `{name}`"), help))
            }
        }
    }

    fn resolve(&self, (name, at): &Reference<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
        match self.check(name) {
            Ok(()) => Some(name.clone()),
            Err((message, help)) => {
                let error = at.error(message);
                diagnostics.push(match help {
                    Some(help) => error.help(help),
                    None => error,
                });
                None
            }
        }
    }
}

impl<'a> Document<'a> {
    /// Returns the plan, and the diagnostics about machines. Adds an error for each unresolved reference to
    /// `diagnostics`.
    pub fn resolve(
        &self,
        machine_files: &[PathBuf],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (UnresolvedPlan, Vec<Diagnostic>) {
        let profiles = self.extend_profiles(diagnostics);
        let names = profile_names(&profiles, &self.profiles, diagnostics);
        let mut plan = UnresolvedPlan::default();
        for (name, profile) in &profiles {
            if names.0[name] {
                plan.profiles.push(resolve_profile(name, profile, &names, &profiles, diagnostics));
            }
        }
        wait_before_installers(&mut plan, &profiles, diagnostics);
        let resolve = |reference: &Option<Reference<'a>>, diagnostics: &mut _| {
            reference.as_ref().and_then(|name| names.resolve(name, diagnostics))
        };
        plan.default_profile = resolve(&self.site.default_profile, diagnostics);
        plan.unknown_machine_profile = resolve(&self.site.unknown_machine_profile, diagnostics);
        plan.rules = self.resolve_rules(&names, diagnostics);
        let (machines, machine_diagnostics) = self.resolve_machines(&names, &plan, machine_files, diagnostics);
        plan.machine_files = machines;
        plan.variables = self.variables.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
        let directory = |(name, (path, at)): (&String, &(_, SourceLocation<'a>))| NamedDirectory {
            name: name.clone(),
            path: Clone::clone(path),
            location: at.to_file_location(),
        };
        plan.boot_dir_location = self.value_location("", "boot-dir").map(SourceLocation::to_file_location);
        plan.template_dir_location = self.value_location("", "template-dir").map(SourceLocation::to_file_location);
        plan.directories = self.directories.iter().map(directory).collect();
        (plan, machine_diagnostics)
    }

    /// Returns every profile, merged with the profiles that it extends.
    fn extend_profiles(&self, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, RawProfile<'a>> {
        let mut extended = BTreeMap::new();
        for (name, raw) in &self.profiles {
            let mut chain = vec![name];
            let mut merged = raw.clone();
            let mut last = raw;
            while let Some((base, at)) = &last.extends {
                let Some((base, base_profile)) = self.profiles.get_key_value(base) else {
                    // Reports the missing base only once, at the profile whose `extends` names it.
                    if chain.len() == 1 {
                        diagnostics.push(self.unknown_base(base, at));
                    }
                    merged.has_errors = true;
                    break;
                };
                if let Some(from) = chain.iter().position(|known| *known == base) {
                    merged.has_errors = true;
                    // Reports the circle only once, at the profile in it whose name sorts first.
                    if from == 0 && chain.iter().all(|other| *other >= name) {
                        let circle: Vec<_> = chain.iter().map(|name| name.as_str()).chain([base.as_str()]).collect();
                        let at = raw.extends.as_ref().map_or(&raw.location, |(_, at)| at);
                        diagnostics
                            .push(at.error(format!("profiles extend each other in a circle: {}", circle.join(" -> "))));
                    }
                    break;
                }
                merged = merged.with_base(base_profile);
                chain.push(base);
                last = base_profile;
            }
            extended.insert(name.clone(), merged);
        }
        extended
    }

    fn unknown_base(&self, base: &str, at: &SourceLocation<'_>) -> Diagnostic {
        if BUILT_IN_PROFILES.iter().any(|(name, ..)| *name == base) {
            return at.error(format!("`{base}` is built in and cannot be extended"));
        }
        let error = at.error(format!("there is no profile `{base}`"));
        match closest_match(base, self.profiles.keys().map(String::as_str)) {
            Some(similar) => error.help(format!("did you mean `{similar}`?")),
            None => error,
        }
    }

    fn resolve_rules(&self, names: &ProfileNames, diagnostics: &mut Vec<Diagnostic>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for raw in &self.rules {
            let profile = raw.profile.as_ref().and_then(|name| names.resolve(name, diagnostics));
            rules.push(Rule { profile, ..raw.rule.clone() });
        }
        let last = rules.len().saturating_sub(1);
        if let Some(all) = (0..last).find(|at| rules[*at].when == Conditions::default() && !self.rules[*at].has_errors)
        {
            let warning =
                self.rules[all].location.warning("this rule matches every machine, so the rules after it never decide");
            diagnostics.push(warning.help("put it last"));
        }
        rules
    }

    /// Returns the machines of the configuration and of machine files, and the diagnostics about them in the order in
    /// which they were found. Adds an error for each unresolved profile of the configuration's machines to
    /// `diagnostics`.
    fn resolve_machines(
        &self,
        names: &ProfileNames,
        plan: &UnresolvedPlan,
        files: &[PathBuf],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (MachineFiles, Vec<Diagnostic>) {
        let profiles = |name: &str| names.check(name);
        let mut reader = MachineReader::new(&profiles);
        for (raw, at) in self.machines.values() {
            let at_profile = |span: &std::ops::Range<usize>| SourceLocation { source: at.source, span: span.clone() };
            let reference = raw.profile.as_ref().map(|(name, span)| (name.clone(), at_profile(span)));
            let exists = |reference: &&Reference<'_>| names.resolve(reference, diagnostics).is_some();
            let profile = reference.as_ref().filter(exists).map(|(name, _)| name.as_str());
            let machine = raw.to_machine(profile);
            reader.add_machine(&machine, Path::new(&at.source.name), at.span.start, |message| at.error(message));
        }
        files.iter().for_each(|path| reader.read_path(path));
        // For a machine without a profile, a rule may select one. The server knows that profile only when the machine
        // sends a request.
        let rules_name_profiles = plan.rules.iter().any(|rule| rule.profile.is_some());
        reader.warn_about_boot_once(|own| {
            let name = own.or(plan.default_profile.as_deref().filter(|_| !rules_name_profiles))?;
            let UnresolvedProfile { profile, has_errors, .. } = plan.profile(name)?;
            (!has_errors && !completes_boot_once(profile)).then(|| profile.name.clone())
        });
        let unknown = plan.unknown_machine_profile.as_ref().or(plan.default_profile.as_ref());
        let unknown = unknown.and_then(|name| plan.profile(name));
        let boot_nothing =
            !rules_name_profiles && unknown.is_some_and(|unresolved| unresolved.profile.boots == BootTarget::Nothing);
        match reader.finish(&self.site.shared_macs, boot_nothing) {
            Ok(mut read) => {
                let warnings = std::mem::take(&mut read.warnings);
                (read, warnings)
            }
            Err(errors) => (MachineFiles::default(), errors),
        }
    }
}

/// Whether the server can detect that a boot-once of this profile is complete: the server itself must send the file
/// that completes it.
pub fn completes_boot_once(profile: &Profile) -> bool {
    match &profile.boots {
        BootTarget::BootDir => true,
        _ => profile.boot_once_file().is_some_and(|name| !name.contains("://") && !is_template(name)),
    }
}

/// The names of all profiles. Machines can boot a profile that sets what it boots, or that has errors. Any other
/// profile is an error unless another profile may extend it.
fn profile_names(
    extended: &BTreeMap<String, RawProfile<'_>>,
    raw: &BTreeMap<String, RawProfile<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> ProfileNames {
    let mut names: BTreeMap<_, _> = BUILT_IN_PROFILES.map(|(name, ..)| (name.to_owned(), true)).into();
    for (name, profile) in extended {
        let can_boot = !profile.boots.is_empty()
            || !profile.loaders.is_empty()
            || profile.default_loader.is_some()
            || profile.has_errors;
        names.insert(name.clone(), can_boot);
        if can_boot {
            continue;
        }
        // If `extends` of another profile names no profile, it may be a misspelled reference to this one.
        let may_extend_it = |other: &RawProfile<'_>| {
            other.extends_profile(name) || other.extends.as_ref().is_some_and(|(base, _)| !raw.contains_key(base))
        };
        if !raw.values().any(may_extend_it) {
            let error = profile.location.error(format!("profile `{name}` does not set what it boots"));
            diagnostics.push(error.help(format!("set one of {}", RawProfile::BOOT_KEYS)));
        }
    }
    ProfileNames(names)
}

fn resolve_profile(
    name: &str,
    raw: &RawProfile<'_>,
    names: &ProfileNames,
    profiles: &BTreeMap<String, RawProfile<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> UnresolvedProfile {
    let references = raw.initrds.iter().flat_map(|(names, _)| names);
    let (initrds, initrd_locations) = references.map(|(name, at)| (name.clone(), at.to_file_location())).unzip();
    let arguments = raw.arguments.clone().map(|(text, _)| text).unwrap_or_default();
    let (boots, at) = match raw.boot() {
        Some(RawBoot::Kernel((kernel, at))) => {
            (BootTarget::Linux(Linux { kernel: kernel.clone(), initrds, arguments }), Some(at.to_file_location()))
        }
        Some(RawBoot::Script((name, at))) => (BootTarget::Script(name.clone()), Some(at.to_file_location())),
        Some(RawBoot::Menu(menu)) => (BootTarget::Menu(resolve_menu(menu, names, profiles, diagnostics)), None),
        Some(RawBoot::BuiltIn(boots)) => (boots.clone(), None),
        None => (BootTarget::Loader, None),
    };
    // A profile without a kind of boot may set `initrd` and `arguments` for the profiles that extend it.
    let is_base = || raw.boots.is_empty() && profiles.values().any(|other| other.extends_profile(name));
    if !matches!(boots, BootTarget::Linux(_)) && !raw.has_errors && !is_base() {
        let initrds = raw.initrds.as_ref().map(|(_, at)| ("initrd", at));
        let arguments = raw.arguments.as_ref().map(|(_, at)| ("arguments", at));
        for (key, at) in initrds.into_iter().chain(arguments) {
            diagnostics.push(at.error(format!("`{key}` requires `kernel`, which profile `{name}` does not set")));
        }
    }
    let profile = Profile {
        name: name.to_owned(),
        title: raw.title.clone().unwrap_or_else(|| name.to_owned()),
        boots,
        boot_once_file: raw.boot_once_file.clone().map(|(name, _)| name),
        ..Profile::default()
    };
    UnresolvedProfile {
        profile,
        default_loader: raw.default_loader.as_ref().map(|(name, at)| (name.clone(), at.to_file_location())),
        loaders: raw.loaders.iter().map(|(arch, (name, at))| (*arch, (name.clone(), at.to_file_location()))).collect(),
        boot_location: at,
        initrd_locations,
        arguments_location: raw.arguments.as_ref().map(|(_, at)| at.to_file_location()),
        boot_once_file_location: raw.boot_once_file.as_ref().map(|(_, at)| at.to_file_location()),
        has_errors: raw.has_errors,
        variables: raw.variables.clone(),
    }
}

fn resolve_menu(
    menu: &RawMenu<'_>,
    names: &ProfileNames,
    profiles: &BTreeMap<String, RawProfile<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> FirmwareMenu {
    let mut items = Vec::new();
    for item in &menu.items {
        let (Some((server_type, _)), Some(title)) = (&item.server_type, &item.title) else { continue };
        let target = match (&item.profile, item.server) {
            (None, Some(server)) => ItemTarget::Server(server),
            (None, None) => ItemTarget::Broadcast,
            (Some(reference), _) => {
                if let Some(RawBoot::Menu(_)) = profiles.get(&reference.0).and_then(RawProfile::boot) {
                    diagnostics.push(
                        reference.1.error(format!("profile `{}` is a menu: firmware shows no submenus", reference.0)),
                    );
                }
                ItemTarget::Profile(names.resolve(reference, diagnostics))
            }
        };
        items.push(FirmwareMenuItem { server_type: *server_type, title: title.clone(), target });
    }
    FirmwareMenu { prompt: menu.prompt.clone(), timeout: menu.timeout, items }
}

/// The timeout of a menu that waits.
const WAIT: u8 = 255;

/// Lets a menu whose first item is an installer wait for its user, and warns of it: the firmware would start the item
/// after the timeout, on a machine whose user is not there.
fn wait_before_installers(
    plan: &mut UnresolvedPlan,
    profiles: &BTreeMap<String, RawProfile<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let installs = |profile: &UnresolvedProfile| match &profile.profile.boots {
        BootTarget::Linux(linux) => linux.is_installer(),
        _ => false,
    };
    let installers: Vec<String> =
        plan.profiles.iter().filter(|profile| installs(profile)).map(|profile| profile.profile.name.clone()).collect();
    for UnresolvedProfile { profile, .. } in &mut plan.profiles {
        let BootTarget::Menu(menu) = &mut profile.boots else { continue };
        let Some(FirmwareMenuItem { title, target: ItemTarget::Profile(Some(first)), .. }) = menu.items.first() else {
            continue;
        };
        if menu.timeout == WAIT || !installers.contains(first) {
            continue;
        }
        menu.timeout = WAIT;
        let raw = profiles.get(&profile.name).and_then(RawProfile::boot);
        if let Some(RawBoot::Menu(RawMenu { location, .. })) = raw {
            let warning =
                location.warning(format!("the menu waits for its user: its first item, {title}, is an installer"));
            diagnostics.push(warning.help(
                "put an item first that installs nothing, such as one with profile = \"local-disk\", or set timeout \
                 = 255",
            ));
        }
    }
}
