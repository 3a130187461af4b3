//! The site: the plan, and the files that the server offers. A reload replaces the site as a whole.

mod files;
mod lint_loader_urls;
mod lint_loaders;
mod lint_rules;
pub mod offered_files;
mod profiles;
mod resolve;
mod served_directories;

use crate::boot_dir::{self, HostNameScript, Scan};
use crate::boot_files::image;
use crate::boot_once::completions::StoredIdentities;
use crate::boot_once::{self, list_machines};
use crate::config::flags::Flags;
use crate::config::{self, ConfigError, Loaded};
use crate::duid;
use crate::events::Events;
use crate::files::Opened;
use crate::loaders::distribution::Distribution;
use crate::loaders::{self, second_stage};
use crate::templates::{self, Failure};
use crate::uefi_programs::{ipxe_wrapper, local_disk};
pub use files::SiteFiles;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::event;
use proxydhcpd_core::fetch::{Fallback, Fetch, Refusal};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{IdentityKind, Machine};
use proxydhcpd_core::plan::offer::{BootDirMenu, Ipv6Services, Loader, Offer, TftpServer};
use proxydhcpd_core::plan::policy::{IpxeTarget, Policy};
use proxydhcpd_core::plan::profile::{BootTarget, ItemTarget, Profile, ProfileId};
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use proxydhcpd_reading::legacy;
use resolve::ResolvedFiles;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The plan, and the files that a reload replaces. A clone shares both; only the offer of the plan is copied when it
/// changes.
#[derive(Clone, Debug)]
pub struct Site {
    /// The plan, by which the server decides about clients.
    pub plan: Plan,
    /// Everything that only a reload changes.
    pub files: Arc<SiteFiles>,
    /// The ports that are open.
    open: OpenPorts,
}

/// The open ports, on which the content of an offer depends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenPorts {
    /// Whether the port for TFTP over IPv4 is open.
    pub tftp: bool,
    /// Whether the port for TFTP over IPv6 is open.
    pub tftp6: bool,
    /// The port for HTTP, if one is open.
    pub http: Option<u16>,
    /// Whether UDP port 4011 of the boot server is open (IPv4).
    pub boot_server: bool,
    /// Whether UDP port 4011 of the boot server is open (IPv6).
    pub boot_server6: bool,
    /// Whether relayed requests can arrive (IPv4).
    pub relays: bool,
    /// Whether relayed requests can arrive (IPv6).
    pub relays6: bool,
}

impl Site {
    /// Builds the site: searches for loaders, scans the boot directory, and resolves the plan, which it moves out of
    /// `loaded`.
    pub fn build(loaded: &mut Loaded, open: OpenPorts) -> Result<Site, ConfigError> {
        let mut diagnostics = Vec::new();
        let files = ResolvedFiles::resolve(loaded, &mut diagnostics);
        let has_no_error =
            |diagnostics: &[Diagnostic]| diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
        let Some(ResolvedFiles { directories, mut templates, profiles, plan: unresolved }) =
            files.filter(|_| has_no_error(&diagnostics) && loaded.is_valid())
        else {
            return Err(with_text_errors(loaded, diagnostics));
        };
        let settings = &loaded.settings;
        let distribution_dirs: Vec<&Path> = loaders::DISTRIBUTION_DIRECTORIES.iter().map(Path::new).collect();
        let found = loaders::find(&settings.boot_dir, &distribution_dirs);
        let mut scan = boot_dir::scan(&settings.boot_dir, directories.mounts());
        for found in &mut scan.found {
            let warning =
                found.cmdline.as_deref().and_then(|cmdline| templates.compile_entry(&mut found.entry, cmdline));
            // A file cmdline applies to every kernel in its directory, so the same warning can occur several times.
            diagnostics.extend(warning.filter(|warning| !diagnostics.contains(warning)));
        }
        let mut unfit = Vec::new();
        let local_disks = local_disk::operator_programs(&settings.boot_dir, &mut unfit);
        diagnostics.extend(unfit.into_iter().map(Diagnostic::warning));
        let (duid, duid_problem) = duid::server_duid(&settings.state_dir);
        diagnostics.extend(duid_problem.map(|reason| {
            Diagnostic::warning(reason)
                .help("the server derives its DUID from its network cards instead, and it may change")
        }));
        let mut plan = Plan {
            policy: Policy {
                http_clients: true,
                user_classes: settings.ipxe_user_classes.clone(),
                vendor_classes: settings.pxe_vendor_classes.clone(),
                relays: settings.relays.clone(),
                loop_guard: settings.loop_guard,
                rate_limit: settings.max_requests_per_second.map(Into::into),
                profiles: profiles.into(),
                default_profile: unresolved.default_profile,
                unknown_machine_profile: unresolved.unknown_machine_profile,
                rules: unresolved.rules,
                stateless_dhcp6: settings.dhcp6.stateless_ipxe.then(|| settings.dhcp6.dns.clone()),
                ..Policy::default()
            }
            .into(),
            offer: Offer {
                loaders: found.loaders.clone(),
                menu: BootDirMenu {
                    has_boot_script: scan.has_boot_script,
                    has_host_name_scripts: !scan.host_name_scripts.is_empty(),
                    entries: scan.entries(),
                },
                local_disk: local_disk::architectures(&local_disks),
                dialects: scan.dialects.clone(),
                templates: templates.names().clone(),
                dhcp6: Ipv6Services { duid, ..Ipv6Services::default() },
                ..Offer::default()
            }
            .into(),
            inventory: unresolved.machine_files.machines,
        };
        plan.offer_mut().ipxe_wrappers = ipxe_wrapper::wrappable_loaders(&plan);
        plan.policy_mut().rules_version = rules_version(&plan);
        if let Some(legacy) = &loaded.legacy {
            legacy.boot.apply(&mut plan);
        }
        if settings.dhcp6.stateless_ipxe && settings.dhcp6.dns.dns_servers.is_empty() {
            diagnostics
                .push(Diagnostic::warning("`stateless-ipxe` without `dns-servers`: iPXE gets no name server").help(
                "iPXE takes this server's reply instead of the DHCPv6 server's: list in `dns-servers` the name servers \
                 of that one",
            ));
        }
        diagnostics.extend(local_disk::unbootable_rules(&plan).into_iter().map(unbootable_rule));
        diagnostics.extend(lint_rules::firmware_only_rules(&plan));
        diagnostics.extend(lint_loaders::ipxe_loops(&plan));
        diagnostics.extend(lint_loaders::bios_loader_for_uefi(&plan, |name| directories.path(name)));
        diagnostics.extend(
            found.unusable.iter().map(|unusable| Diagnostic::warning(unusable.to_string()).help(&unusable.fix)),
        );
        let system = Distribution::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default());
        diagnostics
            .extend(lint_loader_urls::unfetchable_loaders(&plan, |arch| loaders::table::hint(arch, &found, &system)));
        diagnostics.extend(scan.warnings.iter().map(Diagnostic::warning));
        diagnostics.extend(second_stage::old_grubs(&plan, |name| directories.path(name)).into_iter().map(old_grub));
        let machine_files = (unresolved.machine_files.file_count, unresolved.machine_files.duration);
        let legacy = loaded.legacy.is_some();
        let files = SiteFiles {
            found,
            scan,
            system,
            directories: Arc::new(directories),
            local_disks,
            machine_files,
            templates: Arc::new(templates),
            warnings: diagnostics,
            legacy,
            offered: BTreeSet::new(),
        };
        let mut site = Site { plan, files: Arc::new(files), open };
        site.set_open_ports(open);
        Ok(site)
    }

    /// Restricts the offers to the services whose ports are open.
    pub fn set_open_ports(&mut self, open: OpenPorts) {
        self.open = open;
        let offer = self.plan.offer_mut();
        offer.http = open.http;
        offer.boot_server = open.boot_server;
        offer.ignores_relays = !open.relays;
        offer.dhcp6.boot_server = open.boot_server6;
        offer.dhcp6.ignores_relays = !open.relays6;
        // An old proxy.ini names the TFTP server itself, so the plan already has it.
        if !self.files.legacy {
            offer.tftp = open.tftp.then_some(TftpServer::Local);
            offer.dhcp6.tftp = open.tftp6;
        }
    }

    /// Makes machines that completed a boot-once and no longer have an entry boot from disk. `completed`: the names of
    /// all machines with a completion. Returns warnings about these machines, and about completions that do not
    /// identify their machine. `unreadable` gets each completion that cannot be read. An identity that an entry lists
    /// belongs to that entry, not to a removed machine.
    pub fn protect_removed_machines<'a>(
        &mut self,
        directory: &Path,
        completed: impl Iterator<Item = &'a str>,
        mut unreadable: impl FnMut(&Path, io::Error),
    ) -> Vec<String> {
        let machines = std::mem::take(&mut self.plan.inventory).with_removed_entries(&[]);
        let (mut gone, mut unknown, mut diagnostics) = (Vec::new(), Vec::new(), Vec::new());
        for name in completed.filter(|name| machines.get_by_name(name).is_none()) {
            match boot_once::completions::read_identities(directory, name) {
                Ok(Some(known)) => gone.push((name, known)),
                Ok(None) => unknown.push(name),
                Err(error) => {
                    unreadable(&directory.join(name), error);
                    unknown.push(name);
                }
            }
        }
        for (name, known) in &mut gone {
            let listed = machines.entries_listing(&completed_machine(name, known));
            let takers = [
                (IdentityKind::Mac, listed.mac),
                (IdentityKind::Uuid, listed.uuid),
                (IdentityKind::Serial, listed.serial),
            ];
            if let Some((by, taker)) = takers.into_iter().find_map(|(by, taker)| Some((by, taker?))) {
                let entry = machines.get_by_name(taker).unwrap_or_default();
                let profile = entry.profile.unwrap_or("the choice of the rules and defaults");
                diagnostics.push(format!(
                    "{name} completed its boot-once and has no entry; its {by} is now in the entry of {taker}, which \
                     boots {profile}"
                ));
            }
            let (uuid_is_listed, serial_is_listed) = (listed.uuid.is_some(), listed.serial.is_some());
            known.macs.retain(|mac| !machines.lists_mac(mac));
            known.uuid = known.uuid.filter(|_| !uuid_is_listed);
            known.serial = known.serial.take().filter(|_| !serial_is_listed);
        }
        let is_left = |known: &StoredIdentities| *known != StoredIdentities::default();
        gone.retain(|(_, known)| is_left(known));
        let name = |names: &[&str]| list_machines(names.len(), names.iter().copied());
        let names: Vec<&str> = gone.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            diagnostics.push(format!(
                "completed boot-onces of {}, which have no entry: these machines boot from disk; `proxydhcpd rearm \
                 NAME` lets one boot like any machine without an entry",
                name(&names)
            ));
        }
        if !unknown.is_empty() {
            diagnostics.push(format!(
                "completed boot-onces of {}, which have no entry and no identities in their completions: these \
                 machines are not protected, and boot like any machine without an entry; restore their entries, or \
                 run `proxydhcpd rearm NAME`",
                name(&unknown)
            ));
        }
        const MAX_WARNINGS: usize = 20;
        let more = diagnostics.len().saturating_sub(MAX_WARNINGS);
        diagnostics.drain(..more);
        let gone: Vec<Machine<'_>> = gone.iter().map(|(name, known)| completed_machine(name, known)).collect();
        self.plan.inventory = machines.with_removed_entries(&gone);
        diagnostics
    }

    /// Opens the file to which a requested name leads. Calls `failed` with the failure of a template. If a script
    /// cannot be rendered, the machine gets a script that prints the failure on its console instead.
    pub fn open(
        &self,
        fetch: Fetch,
        request: &FileRequest<'_>,
        failed: impl FnOnce(&Failure),
    ) -> Result<Opened, Refusal> {
        match self.files.templates.render_request(&self.plan, &fetch, request) {
            Some(Ok(text)) => return Ok(Opened::text(text.into_bytes())),
            Some(Err(failure)) => {
                failed(&failure);
                let script = script::template_error(&failure.template, failure.line, &failure.diagnostic.message);
                let shown = templates::is_script(&self.plan, &fetch).then(|| Opened::text(script.into_bytes()));
                return shown.ok_or(Refusal::TemplateError);
            }
            None => {}
        }
        match fetch {
            Fetch::Text(text) => Ok(Opened::text(text.into_bytes())),
            Fetch::Menu(context) => {
                let (text, failure) = self.menu(&context, request);
                if let Some(failure) = failure {
                    failed(&failure);
                }
                Ok(Opened::text(text.into_bytes()))
            }
            Fetch::Linux(..) | Fetch::Template(..) => Err(Refusal::TemplateError),
            // Only the caller can check whether the request is authentic.
            Fetch::Done(_) => Err(Refusal::Denied),
            Fetch::Loader(path) => crate::files::open_loader(path.as_ref()),
            Fetch::IpxeWrapper(arch) => ipxe_wrapper::program(arch).map(Opened::text).ok_or(Refusal::NotFound),
            Fetch::LocalDisk(arch) => match self.files.local_disks.get(&arch) {
                Some(path) => crate::files::open_loader(path),
                None => local_disk::builtin_program(arch).map(Opened::text).ok_or(Refusal::NotFound),
            },
            Fetch::Directory { name, otherwise } => match (self.file(&name), otherwise) {
                (Err(Refusal::NotFound), Some(Fallback::File(file))) => self.files.directories.open(&file),
                (Err(Refusal::NotFound), Some(Fallback::Text(text))) => Ok(Opened::text(text.into_bytes())),
                (opened, _) => opened,
            },
        }
    }

    /// Opens a file in the boot directory, or in a directory that is served under a name.
    fn file(&self, name: &str) -> Result<Opened, Refusal> {
        match self.files.directories.open(name) {
            Err(Refusal::NotFound) => {
                self.files.directories.open(self.files.scan.host_name_script(name).ok_or(Refusal::NotFound)?)
            }
            opened => opened,
        }
    }

    /// The menu of the boot directory for the machine of the request, and the first failure of an entry, if any.
    pub fn menu(&self, context: &RenderContext, request: &FileRequest<'_>) -> (String, Option<Failure>) {
        let (entries, failed) = self.files.templates.render_entries(&self.plan, context, request);
        let text = script::menu(&self.plan, &entries, request.server, context);
        (text, failed.into_iter().next())
    }

    /// The failures of menu entries for the machine of the request.
    pub fn menu_failures(&self, context: &RenderContext, request: &FileRequest<'_>) -> Vec<Failure> {
        self.files.templates.render_entries(&self.plan, context, request).1
    }

    /// The scan of the boot directory; `None` if no machine can see the menu.
    pub fn menu_scan(&self) -> Option<&Scan> {
        (self.plan.policy.ipxe == IpxeTarget::Builtin && !self.plan.offer.menu.has_boot_script)
            .then_some(&self.files.scan)
    }

    /// The scripts for single host names, which machines run before the menu. If no machine runs them, also the reason.
    pub fn host_name_scripts(&self) -> (&[HostNameScript], Option<&'static str>) {
        let plan = &self.plan;
        let shows = |id: Option<ProfileId>| plan.profile(id).is_none_or(|profile| profile.boots == BootTarget::BootDir);
        let chosen = |id: ProfileId| shows(Some(id));
        let machine_profiles = plan.inventory.iter().filter_map(|machine| plan.find_profile(machine.profile?));
        let is_shown = shows(plan.policy.default_profile)
            || plan.policy.unknown_machine_profile.is_some_and(chosen)
            || plan.policy.rules.iter().filter_map(|rule| rule.profile).any(chosen)
            || machine_profiles.into_iter().any(chosen)
            || plan.policy.profiles.iter().any(|profile| match &profile.boots {
                BootTarget::Menu(menu) => {
                    menu.items.iter().any(|item| matches!(item.target, ItemTarget::Profile(id) if shows(id)))
                }
                _ => false,
            });
        let reason = match &plan.policy.ipxe {
            IpxeTarget::Builtin if plan.offer.menu.has_boot_script => Some("boot.ipxe replaces the menu"),
            IpxeTarget::Builtin if !is_shown => Some("no profile in use shows the menu"),
            IpxeTarget::Builtin => None,
            IpxeTarget::Configured(_) | IpxeTarget::AsFirmware => Some("proxy.ini gives iPXE another script"),
        };
        (&self.files.scan.host_name_scripts, reason)
    }

    /// The directories that are served under a name, each with this name.
    pub fn mounts(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.directories.mounts()
    }

    /// The content of the program that starts the local disk of machines of this architecture.
    pub fn local_disk_program(&self, arch: Arch) -> io::Result<Cow<'static, [u8]>> {
        match self.files.local_disks.get(&arch) {
            Some(path) => std::fs::read(path).map(Cow::Owned),
            None => local_disk::builtin_program(arch).map(Cow::Borrowed).ok_or(io::ErrorKind::NotFound.into()),
        }
    }

    /// The table of loaders, with hints for architectures that have none.
    pub fn loader_table(&self) -> String {
        if !self.files.legacy {
            return loaders::table::render(&loaders::table::rows(
                &self.plan.offer.loaders,
                &self.files.found,
                &self.files.system,
            ));
        }
        let each = |(arch, loader): (&Arch, &Loader)| format!("{:24} {}\n", arch.to_string(), loader.name);
        let default_loader =
            self.plan.offer.default_loader.iter().map(|loader| format!("{:24} {}\n", "every other", loader.name));
        self.plan.offer.loaders.iter().map(each).chain(default_loader).collect()
    }

    /// The UEFI loaders without a signature. Does not verify the signatures of other loaders: only `check` does,
    /// because it must read the whole files for that.
    fn unsigned(&self) -> Vec<&str> {
        let unsigned = |path: &str| image::is_signed(Path::new(path)).is_ok_and(|signed| signed == Some(false));
        let loaders = self.plan.offer.loaders.values().filter(|loader| loader.path.as_deref().is_some_and(unsigned));
        let mut names: Vec<_> = loaders.map(|loader| loader.name.as_str()).collect();
        // Several architectures may use the same file.
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The number of machines as text; `None` if there are none.
    pub fn machine_summary(&self) -> Option<String> {
        let count = |number, one: &str| if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") };
        let (files, duration) = self.files.machine_files;
        let machines = self.plan.inventory.len();
        (machines > 0)
            .then(|| format!("{} in {}, read in {duration:.1?}", count(machines, "machine"), count(files, "file")))
    }

    /// A hash of everything that `log` writes, to detect changes.
    pub fn report_hash(&self, loaded: &Loaded) -> u64 {
        let warnings =
            loaded.diagnostics.iter().chain(&self.files.warnings).map(Diagnostic::one_line).collect::<Vec<_>>();
        let machines = (self.plan.inventory.len(), self.files.machine_files.0);
        BuildHasherDefault::<DefaultHasher>::default().hash_one((
            self.loader_table(),
            machines,
            self.unsigned(),
            warnings,
        ))
    }

    /// Records the table of loaders, the number of machines, and the warnings.
    pub fn record(&self, events: &Events) {
        let info = |text: fmt::Arguments<'_>| events.notice(event::Severity::Info, text);
        self.loader_table().lines().for_each(|line| info(format_args!("{line}")));
        self.machine_summary().iter().for_each(|machines| info(format_args!("{machines}")));
        let unsigned = self.unsigned();
        if !unsigned.is_empty() {
            info(format_args!("not signed, which matters only with Secure Boot: {}", unsigned.join(", ")));
        }
        events.warnings(self.files.warnings.iter().map(Diagnostic::one_line));
        events.warnings(self.menu_scan().iter().flat_map(|scan| scan.summary()));
    }

    /// How to get iPXE for this architecture.
    pub fn ipxe_hint(&self, arch: Arch) -> String {
        loaders::table::hint(arch.base(), &self.files.found, &self.files.system)
    }

    /// Why a machine of this architecture gets no loader with this profile, and how to fix that.
    pub fn no_loader_reason(&self, arch: Arch, profile: Option<ProfileId>) -> String {
        if let Some(Profile { name, boots: BootTarget::Loader, .. }) = self.plan.profile(profile) {
            let key = arch.base().info().map_or("default", |row| row.id);
            return format!("profile {name} has no loader for {arch}: set `{key}` in [profile.{name}.loaders]");
        }
        if !self.files.legacy {
            return format!(
                "no loader for {arch} here; {}",
                loaders::table::hint(arch.base(), &self.files.found, &self.files.system)
            );
        }
        // This is the message of the Python daemon, because scripts may look for it in the log.
        let [high, low] = arch.0.to_be_bytes();
        let key = legacy::loader_key(arch).map(|key| format!(" (set {key} in [ipxe] to serve {arch})"));
        format!("Unsupported architecture detected: [{high}, {low}]. Dropping payload.{}", key.unwrap_or_default())
    }
}

fn completed_machine<'a>(name: &'a str, known: &'a StoredIdentities) -> Machine<'a> {
    let StoredIdentities { macs, uuid, serial } = known;
    Machine { name, macs, uuid: *uuid, serial: serial.as_deref(), ..Machine::default() }
}

/// The version of the rules. It is 0 if there are no rules.
fn rules_version(plan: &Plan) -> u32 {
    if plan.policy.rules.is_empty() {
        return 0;
    }
    let profiles: Vec<&str> = plan.policy.profiles.iter().map(|profile| &profile.name[..]).collect();
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(format!("{:?}{profiles:?}", plan.policy.rules));
    hash as u32 | 1
}

fn unbootable_rule((rule, arch): (usize, Arch)) -> Diagnostic {
    let what = format!("rule {rule} sends {arch} to the local disk, and there is no program that starts it");
    let program = local_disk_name(arch);
    Diagnostic::warning(what).help(format!(
        "such a machine tries each network entry for a minute first; to prevent this, put {program} into the boot \
         directory"
    ))
}

fn old_grub((name, version): (String, String)) -> Diagnostic {
    let what = format!(
        "{name} is GRUB {version}, which requests its configuration from the DHCP server, not from this server"
    );
    Diagnostic::warning(what).help(
        "it stops at its prompt unless the DHCP server runs on this host, or names this host as its next server; GRUB \
         2.12 requests it from this server; see docs/secure-boot.md",
    )
}

/// Reads the configuration. The error contains all errors at once: those in the text, and those in the files that it
/// names.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    let mut loaded = config::read(flags)?;
    if loaded.is_valid() { Ok(loaded) } else { Err(with_file_errors(&mut loaded, ConfigError(Vec::new()))) }
}

/// Adds all other errors of the configuration to this error.
pub fn with_file_errors(loaded: &mut Loaded, error: ConfigError) -> ConfigError {
    let mut diagnostics = error.0;
    drop(ResolvedFiles::resolve(loaded, &mut diagnostics));
    with_text_errors(loaded, diagnostics)
}

/// Combines the diagnostics about the configuration's text with those about the files that it names.
fn with_text_errors(loaded: &Loaded, mut diagnostics: Vec<Diagnostic>) -> ConfigError {
    diagnostics.extend_from_slice(&loaded.diagnostics);
    loaded.sort_diagnostics(&mut diagnostics);
    ConfigError(diagnostics)
}

#[cfg(test)]
mod tests {
    use super::served_directories::ServedDirectories;
    use super::*;
    use crate::files::Directory;
    use crate::loaders::FoundLoaders;
    use proxydhcpd_core::fetch::fetch;
    use proxydhcpd_core::observations::Observations;
    use proxydhcpd_core::request::Protocol;
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::time::Duration;

    /// A site whose directory contains iPXE's shim, offered to x64, and the program that shim starts.
    fn site(directory: &Path) -> Site {
        for name in ["snponly-shimx64.efi", "snponly.efi"] {
            std::fs::write(directory.join(name), name).unwrap();
        }
        let shim = Loader { name: "snponly-shimx64.efi".into(), path: Some("/nowhere".into()) };
        Site {
            plan: Plan {
                offer: Offer { loaders: [(Arch::X64, shim)].into(), ..Offer::default() }.into(),
                ..Plan::default()
            },
            files: Arc::new(SiteFiles {
                found: FoundLoaders::default(),
                scan: Scan::default(),
                system: Distribution::Unknown,
                directories: Arc::new(ServedDirectories::new(
                    directory,
                    Some(Directory::from_path(directory, false).unwrap()),
                    false,
                )),
                local_disks: BTreeMap::new(),
                machine_files: (0, Duration::ZERO),
                warnings: Vec::new(),
                templates: Arc::default(),
                legacy: false,
                offered: BTreeSet::new(),
            }),
            open: OpenPorts::default(),
        }
    }

    fn request(site: &Site, name: &[u8]) -> Result<String, Refusal> {
        request_whole(site, name).map(|content| String::from_utf8(content).unwrap())
    }

    fn request_whole(site: &Site, name: &[u8]) -> Result<Vec<u8>, Refusal> {
        let server = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let client = SocketAddr::new(server, 1024);
        let request = FileRequest { protocol: Protocol::Tftp, name, server, client, interface: "" };
        let opened = site.open(fetch(&site.plan, &Observations::new(0), &request).answer?, &request, |_| {})?;
        let mut content = vec![0; usize::try_from(opened.size()).unwrap()];
        opened.read_at(&mut content, 0).unwrap();
        Ok(content)
    }

    #[test]
    fn the_second_stage_of_shim_is_sent_only_if_its_name_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let site = site(directory.path());
        for name in [&b"snponly.efi"[..], b"//snponly.efi", b"ipxe.efi", b"\xeaOnboard"] {
            assert_eq!(request(&site, name).as_deref(), Ok("snponly.efi"), "{name:02x?}");
        }
        std::fs::write(directory.path().join("ipxe.efi"), "ipxe.efi").unwrap();
        assert_eq!(request(&site, b"ipxe.efi").as_deref(), Ok("ipxe.efi"));
    }

    #[test]
    fn the_operators_program_starts_the_disk_or_else_the_builtin_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut site = site(directory.path());
        site.plan.offer_mut().local_disk = vec![Arch::X64];
        let sent = |site: &Site| request_whole(site, b"local-disk/uefi-x64.efi").unwrap();
        assert_eq!(sent(&site), local_disk::builtin_program(Arch::X64).unwrap());
        Arc::make_mut(&mut site.files).local_disks.insert(Arch::X64, directory.path().join("snponly.efi"));
        assert_eq!(sent(&site), b"snponly.efi");
        assert_eq!(&*site.local_disk_program(Arch::X64).unwrap(), b"snponly.efi");
    }

    #[test]
    fn a_clone_with_other_open_ports_shares_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let site = site(directory.path());
        let mut opened = site.clone();
        opened.set_open_ports(OpenPorts { tftp: true, ..OpenPorts::default() });
        assert!(Arc::ptr_eq(&site.files, &opened.files));
        assert_eq!((site.plan.offer.tftp, opened.plan.offer.tftp), (None, Some(TftpServer::Local)));
    }

    #[test]
    fn optional_files_of_shim_are_not_found() {
        let directory = tempfile::tempdir().unwrap();
        let site = site(directory.path());
        for name in [
            &b"revocations.efi"[..],
            b"/revocations_sku.efi",
            b"revocations_sbat.efi",
            b"shim_certificate_0.efi",
            b"a/\xeaOnboard",
            b"grubx64.efi",
        ] {
            assert_eq!(request(&site, name), Err(Refusal::NotFound), "{name:02x?}");
        }
    }
}
