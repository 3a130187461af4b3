//! What a requested name means: a script of ours, a template, a loader, a file, or a refusal; and what it means that
//! something was fetched.

use crate::arch::Arch;
use crate::claimed_identity::ClaimedIdentity;
use crate::choose::{MACHINE_PREFIX, BOOT_SCRIPT, IPXE_WRAPPER_PREFIX};
use crate::client::Identifiers;
use crate::decide::{Decision, DecidedBy, decide};
use crate::observations::{AddressOwner, Observations};
use crate::file_name::{BadName, normalize};
use crate::plan::machines::{Identity, Policy};
use crate::plan::profile::{BootTarget, Profile, ProfileId, ItemTarget};
use crate::plan::rule::{Firmware, Subject};
use crate::plan::{Plan, EntryTarget};
use crate::request::FileRequest;
use crate::script;
use crate::shim;
use crate::url::is_url;
use crate::wire::dhcp6::mac_from_eui64;
use crate::wire::uuid::is_placeholder;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// What to send for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text made for this request.
    Text(String),
    /// The menu of the boot directory; the arguments of its entries may hold template expressions.
    Menu(RenderContext),
    /// The script of a profile that starts a kernel; what it says may hold template expressions.
    Linux(ProfileId, RenderContext),
    /// A file of the template directory, to be rendered.
    Template(String, RenderContext),
    /// A file of the machine, by its absolute path: a loader that the plan offers under this name.
    Loader(String),
    /// The program of ours that starts the local disk of a machine of this architecture.
    LocalDisk(Arch),
    /// The program of ours that starts an iPXE with its script on firmware of this architecture.
    IpxeWrapper(Arch),
    /// A machine is said to be done with its boot. Whether that is to be believed is found out by who knows its token.
    Done(DoneRequest),
    /// A file of the boot directory, by its clean relative path, and what to send if it is not there.
    Directory { name: String, otherwise: Option<Fallback> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The file that was meant, if that is certain.
    File(String),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneRequest {
    /// By the name of its entry.
    pub machine: String,
    pub token: Option<String>,
    /// It is said from the address that this machine was last seen at.
    pub from_its_address: bool,
}

/// Who asks, for what is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderContext {
    pub claimed: ClaimedIdentity,
    pub decision: Decision,
    /// What URLs of our files begin with, such that a request says which machine it is for.
    pub base_url: String,
    /// What the machine's [`Done`] is to carry.
    pub token: Option<String>,
}

impl RenderContext {
    /// What the machine fetches to say that it is done with its boot.
    pub fn done_url(&self) -> String {
        let token = self.token.as_ref().map(|token| format!("token={token}/")).unwrap_or_default();
        format!("{}{token}{DONE}", self.base_url)
    }
}

impl Fetch {
    /// The machine that something is rendered for, by the name of its entry.
    pub fn machine<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        match self {
            Fetch::Menu(asking) | Fetch::Linux(_, asking) | Fetch::Template(_, asking) => {
                asking.decision.machine.map(|found| plan.machines.get(found.machine).name)
            }
            _ => None,
        }
    }

    /// What is rendered carries the token of its machine.
    pub fn set_token(&mut self, token: Option<String>) {
        if let Fetch::Menu(asking) | Fetch::Linux(_, asking) | Fetch::Template(_, asking) = self {
            asking.token = token;
        }
    }
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Also for names that nothing can have: with text that is none, or with control characters.
    NotFound,
    /// The name leads out of the boot directory, or the file may not be read.
    Denied,
    /// A name that cannot be one (empty, longer than a request may be).
    BadName,
    /// Something failed here; the log says what.
    Failed,
    /// A template cannot be rendered for this machine; the log says which, and where.
    TemplateError,
}

/// What it means that a file was fetched whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// It was a first-stage loader.
    pub is_loader: bool,
    /// The machine whose one boot is used up by it, by name.
    pub completes: Option<String>,
}

/// A request by this name, behind `machine/name=.../`, says that the machine is done with its boot.
const DONE: &str = "done";
const MENU: &str = "menu.ipxe";
/// What iPXE of 2021 and later asks for beside its own program before anything else.
const AUTOEXEC: &str = "autoexec.ipxe";

/// What a requested name means. Whether the file is there and may be read is found out by who opens it.
///
/// Over IPv4 `autoexec.ipxe` is a file like any other: ours would run before iPXE has an address, and one that is
/// missing is refused at once. Over IPv6 it is the only way in which most iPXEs learn our script.
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
        (Some(caller), BOOT_SCRIPT) => return Ok(Fetch::Text(script::entry_script(request.protocol, request.server, caller))),
        (Some(caller), DONE) => return done(plan, memory, request, caller).map(Fetch::Done).ok_or(Refusal::NotFound),
        (None, BOOT_SCRIPT) if !plan.menu.has_boot_script => {
            return Ok(Fetch::Text(script::entry_script(request.protocol, request.server, &ClaimedIdentity::default())));
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
    // `machine/readme` is nobody's word for a machine, but a file.
    if caller == Some(ClaimedIdentity::default()) {
        return Ok(Fetch::Directory { name, otherwise: None });
    }
    let over_ipv6 = request.server.to_canonical().is_ipv6();
    // Beside itself, and a loader may lie in a directory.
    let otherwise = if over_ipv6 && rest.rsplit('/').next() == Some(AUTOEXEC) {
        Some(Fallback::Text(script::autoexec(request.protocol, plan.http, request.server, &caller.unwrap_or_default())))
    } else {
        shim::resolve_missing(plan, rest).map(Fallback::File)
    };
    Ok(Fetch::Directory { name: rest.into(), otherwise })
}

/// Whether who asks is a firmware, or an iPXE that has only just started: it says nothing of what came before.
pub fn is_first_request(name: &[u8], meant: &Result<Fetch, Refusal>) -> bool {
    matches!(meant, Ok(Fetch::Loader(_) | Fetch::IpxeWrapper(_))) || name.ends_with(AUTOEXEC.as_bytes())
}

/// Whether a request by this name says that a machine is done: the one thing that may be posted.
pub fn is_done_request(name: &[u8]) -> bool {
    let name = normalize(name).ok();
    name.and_then(|name| ClaimedIdentity::parse(&name).map(|(_, rest)| rest == DONE)).unwrap_or(false)
}

/// A machine that we know is said to be done.
fn done(plan: &Plan, memory: &Observations, request: &FileRequest<'_>, caller: &ClaimedIdentity) -> Option<DoneRequest> {
    let machine = plan.machines.get_by_name(caller.name.as_deref()?)?.name;
    // The owner of an address counts only if no host beyond the link can have forged it.
    let address = request.client.ip();
    let holder = memory.address_owner(address).filter(|_| memory.was_vouched(address));
    let at_its_address = holder.is_some_and(|holder| {
        let mut seen = ClaimedIdentity::default();
        overheard(&mut seen, &holder);
        let identity = Identity { readings: Identifiers::new(seen.mac, seen.uuid), ..Identity::default() };
        plan.machines.find(&identity).found.is_some_and(|found| plan.machines.get(found.machine).name == machine)
    });
    Some(DoneRequest { machine: machine.into(), token: caller.token.clone(), from_its_address: at_its_address })
}

/// What the menu of `request.name` would be if this were the machine's profile.
pub fn preview_menu(plan: &Plan, memory: &Observations, request: &FileRequest<'_>, profile: ProfileId) -> Result<Fetch, Refusal> {
    let name = normalize(request.name).map_err(|_| Refusal::BadName)?;
    let caller = ClaimedIdentity::parse(&name).map(|(caller, _)| caller).unwrap_or_default();
    let mut asking = asking(plan, memory, request, caller);
    asking.decision = Decision { profile: Some(profile), decided_by: DecidedBy::Machine, ..asking.decision };
    Ok(menu(plan, asking, request))
}

/// What follows from it that a file was fetched whole. That a machine is done was believed before ([`Fetch::Done`]).
pub fn after_fetch(plan: &Plan, memory: &Observations, request: &FileRequest<'_>) -> FetchOutcome {
    let Ok(name) = normalize(request.name) else { return FetchOutcome::default() };
    let (caller, rest) = ClaimedIdentity::parse(&name).map_or((ClaimedIdentity::default(), &name[..]), |found| found);
    let loader = plan.loader_path(rest).is_some();
    if plan.machines.is_empty() {
        return FetchOutcome { is_loader: loader, completes: None };
    }
    let decision = asking(plan, memory, request, caller).decision;
    let entry = decision.machine.map(|found| plan.machines.get(found.machine));
    let of_boot_dir = || {
        let mut kernels = plan.menu.entries.iter().map(|entry| &entry.target);
        kernels.any(|starts| matches!(starts, EntryTarget::Linux { kernel, .. } if kernel == rest))
    };
    let used_up =
        entry.filter(|entry| entry.policy == Policy::Once && !memory.boot_once.is_recorded(entry.name)).filter(|_| {
            rest == DONE
                || match plan.profile(decision.profile) {
                    Some(profile) if profile.boots != BootTarget::BootDir => profile.boot_once_file() == Some(rest),
                    _ => of_boot_dir(),
                }
        });
    FetchOutcome { is_loader: loader, completes: used_up.map(|entry| entry.name.into()) }
}

/// The script of the machine that asks.
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
        (BootTarget::Menu(menu), _) => script::profile_menu(&script::base_url(request.protocol, request.server), menu, caller),
        (BootTarget::LocalDisk, _) => {
            let marked = decision.entry().filter(|_| decision.decided_by == DecidedBy::CompletedUnspecified);
            script::local_disk(plan, base, caller, marked.map(|machine| plan.machines.get(machine).name))
        }
        (BootTarget::Nothing | BootTarget::Linux(_), _) => script::boot_nothing(),
    })
}

/// The caller by its own word, or else by what was overheard of the address that it asks from; and what is decided for
/// it.
fn asking(plan: &Plan, memory: &Observations, request: &FileRequest<'_>, mut caller: ClaimedIdentity) -> RenderContext {
    let client = request.client.ip().to_canonical();
    match (memory.address_owner(client), client) {
        (Some(holder), _) => overheard(&mut caller, &holder),
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

/// Completes what a caller says of itself by what was heard from its address, unless that was another machine.
fn overheard(caller: &mut ClaimedIdentity, holder: &AddressOwner) {
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
    fn an_ipxe_is_given_the_entry_script_and_then_its_menu() {
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
    fn a_boot_ipxe_of_the_operator_is_served_as_it_is() {
        let mut plan = plan();
        plan.menu.has_boot_script = true;
        assert_eq!(ask(&plan, "boot.ipxe"), directory("boot.ipxe"));
        assert_eq!(ask(&plan, "machine/uuid=/menu.ipxe"), directory("boot.ipxe"));
    }

    #[test]
    fn an_offered_loader_is_sent_from_where_it_lies() {
        assert_eq!(ask(&plan(), "//snponly.efi"), Ok(Fetch::Loader("/usr/lib/ipxe/snponly.efi".to_owned())));
    }

    #[test]
    fn a_loader_that_another_server_has_is_not_ours_to_send() {
        let mut plan = plan();
        plan.default_loader = Some(Loader { name: "pxelinux.0".to_owned(), path: None });
        assert_eq!(ask(&plan, "pxelinux.0"), directory("pxelinux.0"));
    }

    #[test]
    fn the_disk_starter_is_sent_where_there_is_one() {
        assert_eq!(ask(&plan(), "local-disk/uefi-x64.efi"), Ok(Fetch::LocalDisk(Arch::X64)));
        assert_eq!(ask(&plan(), "local-disk/uefi-arm64.efi"), Err(Refusal::NotFound));
    }

    #[test]
    fn what_starts_an_ipxe_with_its_script_goes_by_the_name_of_that_ipxe() {
        let mut plan = plan();
        plan.ipxe_wrappers.insert("snponly.efi".to_owned(), Arch::X64);
        for name in ["with-script/snponly.efi", "/machine/rule=3/with-script/snponly.efi"] {
            let meant = ask(&plan, name);
            assert_eq!(meant, Ok(Fetch::IpxeWrapper(Arch::X64)), "{name}");
            assert!(is_first_request(name.as_bytes(), &meant), "{name}");
        }
        assert_eq!(ask(&plan, "with-script/ipxe.efi"), directory("with-script/ipxe.efi"));
        assert_eq!(ask(&self::plan(), "with-script/snponly.efi"), directory("with-script/snponly.efi"));
    }

    #[test]
    fn an_ipxe_that_was_loaded_over_ipv6_finds_its_script_beside_itself_unless_the_operator_has_one() {
        let ask6 = |name: &str| {
            let server = "2001:db8::10".parse().unwrap();
            let client = "[2001:db8::207]:1024".parse().unwrap();
            let request = FileRequest { protocol: Protocol::Tftp, name: name.as_bytes(), server, client, interface: "eth0" };
            fetch(&plan(), &Observations::new(0), &request)
        };
        for (asked, name, passed_on) in [
            ("autoexec.ipxe", "autoexec.ipxe", ""),
            ("machine/rule=3/autoexec.ipxe", "autoexec.ipxe", "rule=3/"),
            ("ipxe/autoexec.ipxe", "ipxe/autoexec.ipxe", ""),
        ] {
            // What could be fetched over TFTP is fetched over HTTP, which is faster, or else over TFTP.
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
        let of_machine = ask(&plan(), "machine/name=web1/debian/linux");
        assert_eq!(of_machine, directory("debian/linux"));
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        assert_eq!(ask(&plan(), "../etc/passwd"), Err(Refusal::Denied));
        assert_eq!(ask(&plan(), "machine/name=x/../../etc/passwd"), Err(Refusal::Denied));
        assert_eq!(ask(&plan(), ""), Err(Refusal::BadName));
    }

    #[test]
    fn a_name_that_nothing_can_have_is_not_found() {
        for name in [&b"\xeaOnboard"[..], b"a\x80", b"a\x01b"] {
            assert_eq!(ask_octets(&plan(), name), Err(Refusal::NotFound), "{name:02x?}");
        }
    }

    #[test]
    fn what_shim_asks_for_oddly_is_resolved() {
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
