//! Resolves a requested name to a built-in script, a template, a loader, a file, or a refusal; and determines what a
//! complete fetch changes.

use crate::arch::Arch;
use crate::choose::{BOOT_SCRIPT, IPXE_WRAPPER_PREFIX, MACHINE_PREFIX};
use crate::claimed_identity::ClaimedIdentity;
use crate::client::Identifiers;
use crate::decide::{DecidedBy, Decision, decide};
use crate::file_name::{BadName, normalize};
use crate::observations::{AddressOwner, Observations};
use crate::plan::machines::{Identity, Policy};
use crate::plan::profile::{BootTarget, ItemTarget, Profile, ProfileId};
use crate::plan::rule::{Firmware, Subject};
use crate::plan::{EntryTarget, Plan};
use crate::request::FileRequest;
use crate::script;
use crate::shim;
use crate::url::is_url;
use crate::wire::dhcp6::mac_from_eui64;
use crate::wire::uuid::is_placeholder;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// The server's answer to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text that was generated for this request.
    Text(String),
    /// The menu of the boot directory; the arguments of its entries may hold template expressions.
    Menu(RenderContext),
    /// The script of a profile that boots a kernel; its texts may hold template expressions.
    Linux(ProfileId, RenderContext),
    /// A file of the template directory, which the daemon renders.
    Template(String, RenderContext),
    /// The absolute path of a loader that the plan offers under this name.
    Loader(String),
    /// The program that starts the local disk on machines of this architecture.
    LocalDisk(Arch),
    /// The wrapper program that starts an iPXE with its script on firmware of this architecture.
    IpxeWrapper(Arch),
    /// The client reports that a machine has finished its boot. The daemon, which knows the token, verifies that.
    Done(DoneRequest),
    /// A file of the boot directory.
    Directory {
        /// Its normalized relative path.
        name: String,
        /// The answer if the file does not exist.
        otherwise: Option<Fallback>,
    },
}

/// The answer if a file of the boot directory does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The file that the client means, if that is certain.
    File(String),
    /// Text that was generated for this request.
    Text(String),
}

/// A report that a machine has finished its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneRequest {
    /// The name of the machine's entry.
    pub machine: String,
    /// The token in the URL.
    pub token: Option<String>,
    /// The report comes from the last known address of this machine.
    pub from_its_address: bool,
}

/// The client and its decision, for a text that is rendered for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderContext {
    /// The identity that the client claims, completed by observations.
    pub claimed: ClaimedIdentity,
    /// The decision about the machine.
    pub decision: Decision,
    /// The prefix of URLs of this server, such that requests carry the machine's name.
    pub base_url: String,
    /// The token for the machine's [`DoneRequest`].
    pub token: Option<String>,
}

impl RenderContext {
    /// The URL that the machine fetches to report that it has finished its boot.
    pub fn done_url(&self) -> String {
        let token = self.token.as_ref().map(|token| format!("token={token}/")).unwrap_or_default();
        format!("{}{token}{DONE}", self.base_url)
    }
}

impl Fetch {
    /// The name of the entry of the machine for which the text is rendered.
    pub fn machine<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        match self {
            Fetch::Menu(asking) | Fetch::Linux(_, asking) | Fetch::Template(_, asking) => {
                asking.decision.machine.map(|found| plan.machines.get(found.machine).name)
            }
            _ => None,
        }
    }

    /// Sets the token for rendered texts.
    pub fn set_token(&mut self, token: Option<String>) {
        if let Fetch::Menu(asking) | Fetch::Linux(_, asking) | Fetch::Template(_, asking) = self {
            asking.token = token;
        }
    }
}

/// Why the server refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The file does not exist, or cannot: its name is not UTF-8 or has control characters.
    NotFound,
    /// The name leads out of the boot directory, a rule denies the machine, or the file is not readable.
    Denied,
    /// The name is invalid (empty, or longer than a request may be).
    BadName,
    /// An internal error, which the log describes.
    Failed,
    /// A template cannot be rendered for this machine; the log names the template and the line.
    TemplateError,
}

/// The consequences of the complete fetch of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// The file was a first-stage loader.
    pub is_loader: bool,
    /// The name of the machine whose boot-once this fetch completes.
    pub completes: Option<String>,
}

/// A request with this name after `machine/name=.../` reports that the machine has finished its boot.
const DONE: &str = "done";
const MENU: &str = "menu.ipxe";
/// The first file that iPXE of 2021 and later requests, from the directory of its program.
const AUTOEXEC: &str = "autoexec.ipxe";

/// Resolves a requested name. Whether the file exists and is readable shows when the daemon opens it.
///
/// Over IPv4 `autoexec.ipxe` is a file like any other: a built-in one would run before iPXE has an address, and the
/// server refuses a missing one at once. Over IPv6 most iPXEs have no other way to find the built-in script.
pub fn fetch(plan: &Plan, memory: &Observations, request: &FileRequest<'_>) -> Result<Fetch, Refusal> {
    let name = match normalize(request.name) {
        Ok(name) => name,
        Err(BadName::Empty) => return Err(Refusal::BadName),
        Err(BadName::Traversal) => return Err(Refusal::Denied),
        // Not "denied": see `shim`.
        Err(BadName::Control) => return Err(Refusal::NotFound),
        Err(BadName::NotUtf8) => {
            let name = shim::resolve_garbled(plan, request.name).ok_or(Refusal::NotFound)?;
            return Ok(Fetch::Directory { name, otherwise: None });
        }
    };
    let (caller, rest) = ClaimedIdentity::parse(&name).map_or((None, &name[..]), |(caller, rest)| (Some(caller), rest));
    match (&caller, rest) {
        (Some(caller), BOOT_SCRIPT) => {
            return Ok(Fetch::Text(script::entry_script(request.protocol, request.server, caller)));
        }
        (Some(caller), DONE) => return done(plan, memory, request, caller).map(Fetch::Done).ok_or(Refusal::NotFound),
        (None, BOOT_SCRIPT) if !plan.menu.has_boot_script => {
            return Ok(Fetch::Text(script::entry_script(
                request.protocol,
                request.server,
                &ClaimedIdentity::default(),
            )));
        }
        _ => {}
    }
    if rest == MENU
        && let Some(caller) = caller
    {
        return Ok(menu(plan, asking(plan, memory, request, caller), request));
    }
    if plan.templates.contains(rest) {
        let asking = asking(plan, memory, request, caller.unwrap_or_default());
        return match asking.decision.decided_by {
            DecidedBy::Denied => Err(Refusal::Denied),
            _ => Ok(Fetch::Template(rest.into(), asking)),
        };
    }
    if let Some(arch) = script::local_disk_arch(rest) {
        return if plan.local_disk.contains(&arch) { Ok(Fetch::LocalDisk(arch)) } else { Err(Refusal::NotFound) };
    }
    if let Some(arch) = rest.strip_prefix(IPXE_WRAPPER_PREFIX).and_then(|name| plan.ipxe_wrappers.get(name)) {
        return Ok(Fetch::IpxeWrapper(*arch));
    }
    if let Some(path) = plan.loader_path(rest) {
        return Ok(Fetch::Loader(path.into()));
    }
    // `machine/readme` carries no identity: it is a file.
    if caller == Some(ClaimedIdentity::default()) {
        return Ok(Fetch::Directory { name, otherwise: None });
    }
    let over_ipv6 = request.server.to_canonical().is_ipv6();
    // iPXE requests it from its own directory, which may be a subdirectory.
    let otherwise = if over_ipv6 && rest.rsplit('/').next() == Some(AUTOEXEC) {
        Some(Fallback::Text(script::autoexec(request.protocol, plan.http, request.server, &caller.unwrap_or_default())))
    } else {
        shim::resolve_missing(plan, rest).map(Fallback::File)
    };
    Ok(Fetch::Directory { name: rest.into(), otherwise })
}

/// Whether the request is the first of a firmware, or of an iPXE that has just started: it shows nothing about the
/// requests before. `resolved`: what [`fetch`] returned for the name.
pub fn is_first_request(name: &[u8], resolved: &Result<Fetch, Refusal>) -> bool {
    matches!(resolved, Ok(Fetch::Loader(_) | Fetch::IpxeWrapper(_))) || name.ends_with(AUTOEXEC.as_bytes())
}

/// Whether a request with this name reports that a machine has finished its boot: the only one that may be a POST.
pub fn is_done_request(name: &[u8]) -> bool {
    let name = normalize(name).ok();
    name.and_then(|name| ClaimedIdentity::parse(&name).map(|(_, rest)| rest == DONE)).unwrap_or(false)
}

/// The report that a machine of the plan has finished its boot; `None` if the plan does not have the machine.
fn done(
    plan: &Plan,
    memory: &Observations,
    request: &FileRequest<'_>,
    caller: &ClaimedIdentity,
) -> Option<DoneRequest> {
    let machine = plan.machines.get_by_name(caller.name.as_deref()?)?.name;
    // The address owner counts only if no host beyond the link can have forged it.
    let address = request.client.ip();
    let holder = memory.address_owner(address).filter(|_| memory.was_vouched(address));
    let at_its_address = holder.is_some_and(|holder| {
        let mut known = ClaimedIdentity::default();
        complete_identity(&mut known, &holder);
        let identity = Identity { readings: Identifiers::new(known.mac, known.uuid), ..Identity::default() };
        plan.machines.find(&identity).found.is_some_and(|found| plan.machines.get(found.machine).name == machine)
    });
    Some(DoneRequest { machine: machine.into(), token: caller.token.clone(), from_its_address: at_its_address })
}

/// The menu for `request.name` if this were the machine's profile.
pub fn preview_menu(
    plan: &Plan,
    memory: &Observations,
    request: &FileRequest<'_>,
    profile: ProfileId,
) -> Result<Fetch, Refusal> {
    let name = normalize(request.name).map_err(|_| Refusal::BadName)?;
    let caller = ClaimedIdentity::parse(&name).map(|(caller, _)| caller).unwrap_or_default();
    let mut asking = asking(plan, memory, request, caller);
    asking.decision = Decision { profile: Some(profile), decided_by: DecidedBy::Machine, ..asking.decision };
    Ok(menu(plan, asking, request))
}

/// Determines what the complete fetch of a file changes. The caller has verified a report before ([`Fetch::Done`]).
pub fn after_fetch(plan: &Plan, memory: &Observations, request: &FileRequest<'_>) -> FetchOutcome {
    let Ok(name) = normalize(request.name) else { return FetchOutcome::default() };
    let (caller, rest) = ClaimedIdentity::parse(&name).map_or((ClaimedIdentity::default(), &name[..]), |found| found);
    let loader = plan.loader_path(rest).is_some();
    if plan.machines.is_empty() {
        return FetchOutcome { is_loader: loader, completes: None };
    }
    let decision = asking(plan, memory, request, caller).decision;
    let entry = decision.machine.map(|found| plan.machines.get(found.machine));
    let is_boot_dir_kernel = || {
        let mut kernels = plan.menu.entries.iter().map(|entry| &entry.target);
        kernels.any(|starts| matches!(starts, EntryTarget::Linux { kernel, .. } if kernel == rest))
    };
    let used_up =
        entry.filter(|entry| entry.policy == Policy::Once && !memory.boot_once.is_recorded(entry.name)).filter(|_| {
            rest == DONE
                || match plan.profile(decision.profile) {
                    Some(profile) if profile.boots != BootTarget::BootDir => profile.boot_once_file() == Some(rest),
                    _ => is_boot_dir_kernel(),
                }
        });
    FetchOutcome { is_loader: loader, completes: used_up.map(|entry| entry.name.into()) }
}

/// The script for the machine that sent the request.
fn menu(plan: &Plan, asking: RenderContext, request: &FileRequest<'_>) -> Fetch {
    let RenderContext { claimed: caller, decision, base_url: base, .. } = &asking;
    let title = plan.profile(decision.profile).map_or("", |profile| profile.title.as_str());
    Fetch::Text(match (decision.boots(plan), decision.profile) {
        (BootTarget::BootDir, _) if plan.menu.has_boot_script => {
            return Fetch::Directory { name: BOOT_SCRIPT.into(), otherwise: None };
        }
        (BootTarget::BootDir, _) => return Fetch::Menu(asking),
        (BootTarget::Linux(_), Some(profile)) => return Fetch::Linux(profile, asking),
        (BootTarget::Script(url), _) if is_url(url) => script::chain_url(title, url),
        (BootTarget::Script(name), _) => return Fetch::Template(name.clone(), asking),
        (BootTarget::Loader, _) => {
            let profile = plan.profile(decision.profile);
            let own = |profile: &'_ Profile| caller.arch.and_then(|arch| profile.loaders.get(&arch)).cloned();
            let loader = profile.and_then(|profile| own(profile).or_else(|| profile.default_loader.clone()));
            match loader {
                Some(loader) if is_url(&loader.name) => script::chain_url(title, &loader.name),
                Some(loader) => script::chain(base, title, &loader.name),
                None => script::boot_nothing(),
            }
        }
        (BootTarget::Menu(menu), _) => {
            script::profile_menu(&script::base_url(request.protocol, request.server), menu, caller)
        }
        (BootTarget::LocalDisk, _) => {
            let marked = decision.entry().filter(|_| decision.decided_by == DecidedBy::CompletedUnspecified);
            script::local_disk(plan, base, caller, marked.map(|machine| plan.machines.get(machine).name))
        }
        (BootTarget::Nothing | BootTarget::Linux(_), _) => script::boot_nothing(),
    })
}

/// The identity that the client claims, completed by the owner of its address, and the decision for it.
fn asking(plan: &Plan, memory: &Observations, request: &FileRequest<'_>, mut caller: ClaimedIdentity) -> RenderContext {
    let client = request.client.ip().to_canonical();
    match (memory.address_owner(client), client) {
        (Some(holder), _) => complete_identity(&mut caller, &holder),
        (None, IpAddr::V6(address)) if caller.is_anonymous() => caller.mac = mac_from_eui64(address),
        _ => {}
    }
    let below = caller.arch.map(|arch| if arch.is_efi() { Firmware::Uefi } else { Firmware::Bios });
    let subject = Subject {
        readings: Identifiers::new(caller.mac, caller.uuid.filter(|uuid| !is_placeholder(uuid))),
        serial: caller.serial.as_deref(),
        arch: caller.arch,
        firmware: [below, Some(Firmware::Ipxe)],
        interface: request.interface,
        subnet: Some(client),
        dhcp_rule: caller.rule.and_then(|met| plan.resolve_rule(met)),
        is_file_request: true,
        ..Subject::default()
    };
    let mut decision = decide(plan, memory, &subject, caller.name.as_deref());
    if let BootTarget::Menu(menu) = decision.boots(plan)
        && let Some(ItemTarget::Profile(profile)) = caller.item.and_then(|kind| menu.item(kind)).map(|item| item.target)
    {
        decision.profile = profile;
    }
    let base = script::base_url(request.protocol, request.server);
    let base = match decision.machine {
        Some(found) => format!("{base}{MACHINE_PREFIX}name={}/", plan.machines.get(found.machine).name),
        None => base,
    };
    RenderContext { claimed: caller, decision, base_url: base, token: None }
}

/// Completes a claimed identity from the owner of the client's address, unless that is another machine.
fn complete_identity(caller: &mut ClaimedIdentity, holder: &AddressOwner) {
    let mac = holder.hardware.mac();
    if caller.is_anonymous() {
        caller.mac = mac;
        caller.uuid = holder.machine.filter(|machine| machine.is_unique()).map(|machine| machine.uuid());
    } else if caller.name.is_none() {
        caller.mac = caller.mac.or(mac);
    }
    if caller.mac.is_none() || caller.mac == mac {
        caller.arch = caller.arch.or(holder.firmware.arch);
        caller.features = caller.features.or(holder.firmware.features);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Loader;
    use crate::request::Protocol;
    use alloc::borrow::ToOwned;
    use core::net::{Ipv4Addr, SocketAddr};

    fn plan() -> Plan {
        let mut plan = Plan { http: Some(8080), local_disk: alloc::vec![Arch::X64], ..Plan::default() };
        let loader = Loader { name: "snponly.efi".to_owned(), path: Some("/usr/lib/ipxe/snponly.efi".to_owned()) };
        plan.loaders.insert(Arch::X64, loader);
        plan
    }

    fn ask(plan: &Plan, name: &str) -> Result<Fetch, Refusal> {
        ask_octets(plan, name.as_bytes())
    }

    fn ask_octets(plan: &Plan, name: &[u8]) -> Result<Fetch, Refusal> {
        let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let client = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 50), 1024));
        let request = FileRequest { protocol: Protocol::Http(8080), name, server, client, interface: "eth0" };
        fetch(plan, &Observations::new(0), &request)
    }

    fn directory(name: &str) -> Result<Fetch, Refusal> {
        Ok(Fetch::Directory { name: name.to_owned(), otherwise: None })
    }

    #[test]
    fn an_ipxe_receives_the_entry_script_and_then_its_menu() {
        let Ok(Fetch::Text(entry)) = ask(&plan(), "boot.ipxe") else { panic!() };
        assert!(entry.starts_with("#!ipxe\n"));
        let Ok(Fetch::Menu(asking)) = ask(&plan(), "/machine/mac=52-54-00-12-34-56/uuid=/platform=efi/menu.ipxe")
        else {
            panic!()
        };
        assert_eq!(asking.claimed.arch, None);
        assert_eq!(asking.base_url, "http://192.0.2.1:8080/");
    }

    #[test]
    fn a_boot_ipxe_in_the_boot_dir_is_sent_unchanged() {
        let mut plan = plan();
        plan.menu.has_boot_script = true;
        assert_eq!(ask(&plan, "boot.ipxe"), directory("boot.ipxe"));
        assert_eq!(ask(&plan, "machine/uuid=/menu.ipxe"), directory("boot.ipxe"));
    }

    #[test]
    fn an_offered_loader_is_sent_from_its_path() {
        assert_eq!(ask(&plan(), "//snponly.efi"), Ok(Fetch::Loader("/usr/lib/ipxe/snponly.efi".to_owned())));
    }

    #[test]
    fn a_loader_of_another_server_is_not_sent() {
        let mut plan = plan();
        plan.default_loader = Some(Loader { name: "pxelinux.0".to_owned(), path: None });
        assert_eq!(ask(&plan, "pxelinux.0"), directory("pxelinux.0"));
    }

    #[test]
    fn the_program_for_the_local_disk_is_sent_if_the_server_has_it() {
        assert_eq!(ask(&plan(), "local-disk/uefi-x64.efi"), Ok(Fetch::LocalDisk(Arch::X64)));
        assert_eq!(ask(&plan(), "local-disk/uefi-arm64.efi"), Err(Refusal::NotFound));
    }

    #[test]
    fn the_wrapper_of_an_ipxe_has_the_name_of_that_ipxe() {
        let mut plan = plan();
        plan.ipxe_wrappers.insert("snponly.efi".to_owned(), Arch::X64);
        for name in ["with-script/snponly.efi", "/machine/rule=3/with-script/snponly.efi"] {
            let resolved = ask(&plan, name);
            assert_eq!(resolved, Ok(Fetch::IpxeWrapper(Arch::X64)), "{name}");
            assert!(is_first_request(name.as_bytes(), &resolved), "{name}");
        }
        assert_eq!(ask(&plan, "with-script/ipxe.efi"), directory("with-script/ipxe.efi"));
        assert_eq!(ask(&self::plan(), "with-script/snponly.efi"), directory("with-script/snponly.efi"));
    }

    #[test]
    fn an_ipxe_that_was_loaded_over_ipv6_finds_a_script_in_its_directory() {
        let ask6 = |name: &str| {
            let server = "2001:db8::10".parse().unwrap();
            let client = "[2001:db8::207]:1024".parse().unwrap();
            let request =
                FileRequest { protocol: Protocol::Tftp, name: name.as_bytes(), server, client, interface: "eth0" };
            fetch(&plan(), &Observations::new(0), &request)
        };
        for (asked, name, passed_on) in [
            ("autoexec.ipxe", "autoexec.ipxe", ""),
            ("machine/rule=3/autoexec.ipxe", "autoexec.ipxe", "rule=3/"),
            ("ipxe/autoexec.ipxe", "ipxe/autoexec.ipxe", ""),
        ] {
            // The script fetches over HTTP first, which is faster, even if iPXE came over TFTP.
            let Ok(Fetch::Directory { name: file, otherwise: Some(Fallback::Text(script)) }) = ask6(asked) else {
                panic!("{asked}: {:?}", ask6(asked))
            };
            assert_eq!(file, name);
            assert!(script.starts_with("#!ipxe\n") && script.contains("ifconf --configurator ipv6"), "{script}");
            let tries = ["http://[2001:db8::10]:8080/", "tftp://[2001:db8::10]/"];
            let places =
                tries.map(|base| script.find(&format!("chain --replace --autofree {base}machine/{passed_on}mac=")));
            assert!(places[0].is_some() && places[0] < places[1], "{script}");
        }
        assert_eq!(ask6("myautoexec.ipxe"), directory("myautoexec.ipxe"));
        assert_eq!(ask6("machine/rule=3/snponly.efi"), Ok(Fetch::Loader("/usr/lib/ipxe/snponly.efi".to_owned())));
        assert_eq!(ask6("machine/rule=3/local-disk/uefi-x64.efi"), Ok(Fetch::LocalDisk(Arch::X64)));
        assert_eq!(ask(&plan(), "machine/rule=3/autoexec.ipxe"), directory("autoexec.ipxe"), "not over IPv4");
    }

    #[test]
    fn any_other_name_is_a_file_of_the_boot_dir() {
        for name in ["autoexec.ipxe", "debian/linux", "machine/readme", "local-disk/notes.txt"] {
            assert_eq!(ask(&plan(), name), directory(name), "{name}");
        }
        let with_identity = ask(&plan(), "machine/name=web1/debian/linux");
        assert_eq!(with_identity, directory("debian/linux"));
    }

    #[test]
    fn a_name_that_leads_out_of_the_boot_dir_is_refused() {
        assert_eq!(ask(&plan(), "../etc/passwd"), Err(Refusal::Denied));
        assert_eq!(ask(&plan(), "machine/name=x/../../etc/passwd"), Err(Refusal::Denied));
        assert_eq!(ask(&plan(), ""), Err(Refusal::BadName));
    }

    #[test]
    fn a_name_that_no_file_can_have_is_not_found() {
        for name in [&b"\xeaOnboard"[..], b"a\x80", b"a\x01b"] {
            assert_eq!(ask_octets(&plan(), name), Err(Refusal::NotFound), "{name:02x?}");
        }
    }

    #[test]
    fn odd_requests_of_shim_are_resolved() {
        let mut plan = plan();
        let loader = Loader { name: "shim/shimx64.efi".to_owned(), path: Some("/boot/shim/shimx64.efi".to_owned()) };
        plan.loaders.insert(Arch::X64, loader);
        assert_eq!(ask(&plan, "/shim//grubx64.efi"), directory("shim/grubx64.efi"));
        assert_eq!(ask(&plan, "shim/revocations.efi"), directory("shim/revocations.efi"));
        let otherwise = Some(Fallback::File("shim/grubx64.efi".to_owned()));
        assert_eq!(ask(&plan, "grubx64.efi"), Ok(Fetch::Directory { name: "grubx64.efi".to_owned(), otherwise }));
        assert_eq!(ask_octets(&plan, b"shim/\xeaOnboard"), directory("shim/grubx64.efi"));
    }
}
