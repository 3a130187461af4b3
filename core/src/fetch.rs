//! Resolves a requested name to a built-in script, a template, a loader, a file, or a refusal, and decides at once what
//! the complete fetch of the file changes.

use crate::arch::Arch;
use crate::choose::{BOOT_SCRIPT, IPXE_WRAPPER_PREFIX};
use crate::claimed_identity::ClaimedIdentity;
use crate::decide::{DecidedBy, Decision};
use crate::file_name::{BadName, normalize};
use crate::file_ticket::FileTicket;
use crate::ipxe_error::{IpxeError, ScriptCommand};
use crate::observations::Observations;
use crate::plan::Plan;
use crate::plan::profile::{BootTarget, Profile};
use crate::render_context::{DONE, FAILED_PREFIX, MENU_ITEM_PREFIX, RenderContext};
use crate::request::{FileRequest, Protocol};
use crate::script;
use crate::shim;
use crate::url::is_url;
use alloc::format;
use alloc::string::{String, ToString};

/// Everything that is decided about a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchDecision {
    /// The server's answer, or why it refuses the request.
    pub answer: Result<Fetch, Refusal>,
    /// The machine that sent the request, and what the complete fetch of the file changes.
    pub ticket: FileTicket,
    /// The size of the machine's memory in MiB, if the request is that of an iPXE for its menu, which
    /// reports it.
    pub memory: Option<u32>,
}

/// The server's answer to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text that was generated for this request.
    Text(String),
    /// The menu of the boot directory; the arguments of its entries may hold template expressions.
    Menu(RenderContext),
    /// The script of one item of that menu, with the item's identifier. If the item needs a password, the caller must
    /// have checked that the client knows it ([`protected_item`]).
    MenuItem(String, RenderContext),
    /// The script of a profile that boots a kernel; its texts may hold template expressions.
    Linux(RenderContext),
    /// A file of the template directory, which the daemon renders.
    Template(String, RenderContext),
    /// The absolute path of a loader that the plan offers under this name.
    Loader(String),
    /// The program that starts the local disk on machines of this architecture.
    LocalDisk(Arch),
    /// The wrapper program that starts an iPXE with its script on firmware of this architecture.
    IpxeWrapper(Arch),
    /// The client reports that a machine has finished its boot. The daemon, which knows the token, verifies the report.
    Done(DoneRequest),
    /// A script of the machine reports that a command failed. The answer shows the error in words.
    Failed(ScriptFailure),
    /// A file of the boot directory.
    Directory {
        /// The file's normalized relative path.
        name: String,
        /// The answer if the file does not exist.
        otherwise: Option<Fallback>,
    },
}

/// The answer if a file of the boot directory does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Another file of the boot directory, which the client certainly means.
    File(String),
    /// Text that was generated for this request.
    Text(String),
}

/// A command of a script that failed, as the machine reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFailure {
    /// The command.
    pub command: ScriptCommand,
    /// The file that the command was to load or to start; empty if the command has none.
    pub file: String,
    /// The error.
    pub error: IpxeError,
}

/// A report that a machine has finished its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneRequest {
    /// The name of the machine's entry.
    pub machine: String,
    /// The token in the URL.
    pub token: Option<String>,
    /// Whether the report comes from the last known address of this machine.
    pub from_its_address: bool,
}

impl Fetch {
    /// The name of the entry of the machine for which the text is rendered.
    pub fn machine<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        match self {
            Fetch::Menu(context)
            | Fetch::MenuItem(_, context)
            | Fetch::Linux(context)
            | Fetch::Template(_, context) => context.decision.machine(plan).map(|entry| entry.name),
            _ => None,
        }
    }

    /// Sets the token for rendered texts.
    pub fn set_token(&mut self, token: Option<String>) {
        if let Fetch::Menu(context)
        | Fetch::MenuItem(_, context)
        | Fetch::Linux(context)
        | Fetch::Template(_, context) = self
        {
            context.token = token;
        }
    }
}

/// Why the server refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The file does not exist, or no file can have this name: it is not UTF-8, or it has control characters.
    NotFound,
    /// The name leads out of the boot directory, a rule denies the machine, or the file is not readable.
    Denied,
    /// The name is invalid (empty, or longer than a request may be).
    BadName,
    /// An error of the operating system that has nothing to do with the request. The value is its number (errno).
    Failed(i32),
    /// A template cannot be rendered for this machine; the log names the template and the line.
    TemplateError,
}

const MENU: &str = "menu.ipxe";
/// The first file that iPXE of 2021 and later requests, from the directory from which iPXE was loaded.
const AUTOEXEC: &str = "autoexec.ipxe";

/// A requested name, which may begin with a claimed identity.
struct ParsedName<'a> {
    whole: &'a str,
    claimed: Option<ClaimedIdentity>,
    /// The name without the claimed identity.
    rest: &'a str,
}

/// Resolves a requested name, and decides what the complete fetch of the file changes. The function does not know
/// whether the file exists and is readable: the daemon finds out when it opens the file.
pub fn fetch(plan: &Plan, observations: &Observations, request: &FileRequest<'_>) -> FetchDecision {
    let name = match normalize(request.name) {
        Ok(name) => name,
        Err(bad) => {
            let (machine, _) = ClaimedIdentity::default().resolve(observations, request.client.ip());
            let link = request.link().map(Into::into);
            let ticket = FileTicket { machine, link, ..FileTicket::default() };
            return FetchDecision { answer: fetch_bad_name(plan, request.name, bad), ticket, memory: None };
        }
    };
    let name = ParsedName::new(&name);
    let context = RenderContext::new(plan, observations, request, name.claimed.clone().unwrap_or_default());
    let ticket = FileTicket::new(plan, observations, request, &context, name.rest);
    let memory = name.claimed.as_ref().filter(|_| name.rest == MENU).and_then(|claimed| claimed.memory);
    FetchDecision { answer: fetch_name(plan, observations, request, name, context), ticket, memory }
}

/// The answer to a request whose name cannot be normalised.
fn fetch_bad_name(plan: &Plan, name: &[u8], bad: BadName) -> Result<Fetch, Refusal> {
    match bad {
        BadName::Empty => Err(Refusal::BadName),
        BadName::Traversal => Err(Refusal::Denied),
        // The reply must not be "denied", after which shim starts MokManager: see `shim`.
        BadName::Control => Err(Refusal::NotFound),
        BadName::NotUtf8 => {
            let name = shim::resolve_garbled(plan, name).ok_or(Refusal::NotFound)?;
            Ok(Fetch::Directory { name, otherwise: None })
        }
    }
}

/// The answer to a request for this name.
///
/// Over IPv4, `autoexec.ipxe` is a file like any other, and the server refuses the request at once if the file is
/// missing: a built-in script of this name would run before iPXE has an address. Over IPv6, most iPXEs have no other
/// way to find the built-in script.
fn fetch_name(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    ParsedName { whole, claimed, rest }: ParsedName<'_>,
    context: RenderContext,
) -> Result<Fetch, Refusal> {
    if let Some(failure) = claimed.as_ref().and_then(|claimed| script_failure(claimed, rest)) {
        return Ok(Fetch::Failed(failure));
    }
    match (&claimed, rest) {
        (Some(claimed), DONE) => {
            return done_request(plan, observations, request, claimed).map(Fetch::Done).ok_or(Refusal::NotFound);
        }
        (Some(_), MENU) => return Ok(menu(plan, context, request)),
        (Some(_), name) if name.starts_with(MENU_ITEM_PREFIX) => return menu_item(plan, context, request, name),
        (claimed, BOOT_SCRIPT) if claimed.is_some() || !plan.offer.menu.has_boot_script => {
            let syslog = plan.offer.receives_syslog_of_ipxe;
            return Ok(Fetch::Text(script::entry_script(request.protocol, request.server, context.choice, syslog)));
        }
        _ => {}
    }
    if plan.offer.templates.contains(rest) {
        return match context.decision.decided_by {
            DecidedBy::Denied => Err(Refusal::Denied),
            _ => Ok(Fetch::Template(rest.into(), context)),
        };
    }
    if let Some(arch) = script::local_disk_arch(rest) {
        return if plan.offer.local_disk.contains(&arch) { Ok(Fetch::LocalDisk(arch)) } else { Err(Refusal::NotFound) };
    }
    if let Some(arch) = rest.strip_prefix(IPXE_WRAPPER_PREFIX).and_then(|name| plan.offer.ipxe_wrappers.get(name)) {
        return Ok(Fetch::IpxeWrapper(*arch));
    }
    if let Some(path) = plan.loader_path(rest) {
        return Ok(Fetch::Loader(path.into()));
    }
    // A name such as `machine/readme` carries no identity, so it names a file.
    if claimed == Some(ClaimedIdentity::default()) {
        return Ok(Fetch::Directory { name: whole.into(), otherwise: None });
    }
    let over_ipv6 = request.server.to_canonical().is_ipv6();
    // iPXE requests `autoexec.ipxe` from the directory from which it was loaded, which may be a subdirectory.
    let otherwise = if over_ipv6 && rest.rsplit('/').next() == Some(AUTOEXEC) {
        let (http, syslog) = (plan.offer.http, plan.offer.receives_syslog_of_ipxe);
        let script = script::autoexec(request.protocol, http, request.server, context.choice, syslog);
        Some(Fallback::Text(script))
    } else {
        shim::resolve_missing(plan, rest).map(Fallback::File)
    };
    Ok(Fetch::Directory { name: rest.into(), otherwise })
}

impl<'a> ParsedName<'a> {
    /// Splits a normalised name.
    fn new(whole: &'a str) -> Self {
        match ClaimedIdentity::parse(whole) {
            Some((claimed, rest)) => ParsedName { whole, claimed: Some(claimed), rest },
            None => ParsedName { whole, claimed: None, rest: whole },
        }
    }
}

/// Whether the request is the first that a firmware sends, or an iPXE that has just started. Such a request shows
/// nothing about earlier ones. `resolved` is the answer of [`fetch`] for the name.
pub fn is_first_request(name: &[u8], resolved: &Result<Fetch, Refusal>) -> bool {
    matches!(resolved, Ok(Fetch::Loader(_) | Fetch::IpxeWrapper(_))) || name.ends_with(AUTOEXEC.as_bytes())
}

/// Whether a request with this name reports that a machine has finished its boot. Only such a request may be an HTTP
/// POST.
pub fn is_done_request(name: &[u8]) -> bool {
    let name = normalize(name).ok();
    name.and_then(|name| ClaimedIdentity::parse(&name).map(|(_, rest)| rest == DONE)).unwrap_or(false)
}

/// The failed command that a script reports by this name after the claimed identity.
fn script_failure(claimed: &ClaimedIdentity, name: &str) -> Option<ScriptFailure> {
    let step = name.strip_prefix(FAILED_PREFIX)?;
    let (command, file) = step.split_once('/').unwrap_or((step, ""));
    let command = ScriptCommand::parse(command)?;
    Some(ScriptFailure { command, file: with_both_slashes(file), error: claimed.error? })
}

/// A file of which `normalize` has removed a slash if it is a URL.
fn with_both_slashes(file: &str) -> String {
    match file.split_once(":/") {
        Some((scheme, rest)) if scheme.bytes().all(|octet| octet.is_ascii_lowercase()) => format!("{scheme}://{rest}"),
        _ => file.to_string(),
    }
}

/// Whether a request with this name reports a failed command.
pub fn is_failure_report(name: &[u8]) -> bool {
    let name = normalize(name).ok();
    let parsed = name.as_deref().and_then(ClaimedIdentity::parse);
    parsed.is_some_and(|(claimed, rest)| script_failure(&claimed, rest).is_some())
}

/// The report that a machine of the plan has finished its boot; `None` if the plan does not have the machine.
fn done_request(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    claimed: &ClaimedIdentity,
) -> Option<DoneRequest> {
    let machine = plan.inventory.get_by_name(claimed.name.as_deref()?)?.name;
    // The owner of the address counts only if no host beyond the link can have forged the DHCP packets that show it.
    let address = request.client.ip();
    let (sender, _) = ClaimedIdentity::default().resolve(observations, address);
    let from_its_address = sender.hardware.is_some()
        && observations.was_vouched(address)
        && plan.inventory.get_by_identity(&sender.shown()).is_some_and(|entry| entry.name == machine);
    Some(DoneRequest { machine: machine.into(), token: claimed.token.clone(), from_its_address })
}

/// The answer to a request for a menu with the name `request.name`, if the machine had the profile of this name. An
/// error if the name is invalid.
pub fn preview_menu(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    profile: &str,
) -> Result<Fetch, Refusal> {
    let name = normalize(request.name).map_err(|_| Refusal::BadName)?;
    let claimed = ParsedName::new(&name).claimed.unwrap_or_default();
    let mut context = RenderContext::new(plan, observations, request, claimed);
    context.decision =
        Decision { decided_by: DecidedBy::Machine, ..context.decision }.with_profile(plan, Some(profile));
    Ok(menu(plan, context, request))
}

/// The script of an item of the menu, for a machine whose menu that is. Only over HTTP can a machine show that its user
/// knows a password.
fn menu_item(plan: &Plan, context: RenderContext, request: &FileRequest<'_>, name: &str) -> Result<Fetch, Refusal> {
    let item = name.strip_prefix(MENU_ITEM_PREFIX).unwrap_or_default();
    let has_menu = *context.decision.boots(plan) == BootTarget::BootDir && !plan.offer.menu.has_boot_script;
    match request.protocol {
        Protocol::Tftp if plan.policy.menu.protects(item) => Err(Refusal::Denied),
        _ if has_menu => Ok(Fetch::MenuItem(item.into(), context)),
        _ => Err(Refusal::NotFound),
    }
}

/// The item of the menu that a request with this name asks for, if the item needs a password.
pub fn protected_item(plan: &Plan, name: &[u8]) -> Option<String> {
    if plan.policy.menu.protected_items.is_empty() {
        return None;
    }
    let name = normalize(name).ok()?;
    let item = ClaimedIdentity::parse(&name)?.1.strip_prefix(MENU_ITEM_PREFIX)?;
    plan.policy.menu.protects(item).then(|| item.into())
}

/// The script for the machine that sent the request.
fn menu(plan: &Plan, context: RenderContext, request: &FileRequest<'_>) -> Fetch {
    let RenderContext { machine, firmware, choice, decision, base_url: base, .. } = &context;
    let profile = decision.profile(plan);
    let title = profile.map_or("", |profile| profile.title.as_str());
    Fetch::Text(match decision.boots(plan) {
        BootTarget::BootDir if plan.offer.menu.has_boot_script => {
            return Fetch::Directory { name: BOOT_SCRIPT.into(), otherwise: None };
        }
        BootTarget::BootDir => return Fetch::Menu(context),
        BootTarget::Linux(_) => return Fetch::Linux(context),
        BootTarget::Script(url) if is_url(url) => script::chain_url(base, title, url),
        BootTarget::Script(name) => return Fetch::Template(name.clone(), context),
        BootTarget::Loader => {
            let own = |profile: &'_ Profile| firmware.arch.and_then(|arch| profile.loaders.get(&arch)).cloned();
            let loader = profile.and_then(|profile| own(profile).or_else(|| profile.default_loader.clone()));
            match loader {
                Some(loader) if is_url(&loader.name) => script::chain_url(base, title, &loader.name),
                Some(loader) => script::chain(base, title, &loader.name),
                None => script::boot_nothing(),
            }
        }
        BootTarget::Menu(menu) => {
            script::profile_menu(&request.protocol.base_url(request.server), menu, machine, *choice)
        }
        BootTarget::LocalDisk => {
            let completed = decision.entry(plan).filter(|_| decision.decided_by == DecidedBy::CompletedUnspecified);
            script::local_disk(plan, base, firmware.arch, completed.map(|entry| entry.name))
        }
        BootTarget::Nothing => script::boot_nothing(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::offer::{Loader, Offer};
    use crate::request::Protocol;
    use alloc::borrow::ToOwned;
    use alloc::format;
    use core::net::{IpAddr, Ipv4Addr, SocketAddr};

    fn plan() -> Plan {
        let mut plan = Plan {
            offer: Offer { http: Some(8080), local_disk: alloc::vec![Arch::X64], ..Offer::default() }.into(),
            ..Plan::default()
        };
        let loader = Loader { name: "snponly.efi".to_owned(), path: Some("/usr/lib/ipxe/snponly.efi".to_owned()) };
        plan.offer_mut().loaders.insert(Arch::X64, loader);
        plan
    }

    fn ask(plan: &Plan, name: &str) -> Result<Fetch, Refusal> {
        ask_octets(plan, name.as_bytes())
    }

    fn ask_octets(plan: &Plan, name: &[u8]) -> Result<Fetch, Refusal> {
        let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let client = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 50), 1024));
        let request = FileRequest { protocol: Protocol::Http(8080), name, server, client, interface: "eth0" };
        fetch(plan, &Observations::new(0), &request).answer
    }

    fn directory(name: &str) -> Result<Fetch, Refusal> {
        Ok(Fetch::Directory { name: name.to_owned(), otherwise: None })
    }

    #[test]
    fn an_ipxe_receives_the_entry_script_and_then_its_menu() {
        let Ok(Fetch::Text(entry)) = ask(&plan(), "boot.ipxe") else { panic!() };
        assert!(entry.starts_with("#!ipxe\n"));
        let Ok(Fetch::Menu(context)) = ask(&plan(), "/machine/mac=52-54-00-12-34-56/uuid=/platform=efi/menu.ipxe")
        else {
            panic!()
        };
        assert_eq!(context.firmware.arch, None);
        assert_eq!(context.base_url, "http://192.0.2.1:8080/");
    }

    #[test]
    fn a_protected_item_is_sent_only_over_http() {
        let mut plan = plan();
        plan.policy_mut().menu.protected_items = alloc::vec![crate::plan::pattern::Glob("debian/*".into())];
        let name = "/machine/mac=52-54-00-12-34-56/menu-item/debian/linux";
        assert!(matches!(ask(&plan, name), Ok(Fetch::MenuItem(item, _)) if item == "debian/linux"));
        let by = |protocol, name: &str| {
            let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
            let client = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 50), 1024));
            let request = FileRequest { protocol, name: name.as_bytes(), server, client, interface: "eth0" };
            fetch(&plan, &Observations::new(0), &request).answer
        };
        assert_eq!(by(Protocol::Tftp, name), Err(Refusal::Denied));
        assert!(by(Protocol::Tftp, "/machine/mac=52-54-00-12-34-56/menu-item/shell").is_ok());
        assert_eq!(protected_item(&plan, name.as_bytes()).as_deref(), Some("debian/linux"));
        for other in
            ["/machine/x/../../menu-item/debian/linux", "/menu-item/debian/linux", "/machine/a=b/menu-item/shell"]
        {
            assert_eq!(protected_item(&plan, other.as_bytes()), None, "{other}");
        }
        plan.offer_mut().menu.has_boot_script = true;
        assert_eq!(ask(&plan, name), Err(Refusal::NotFound));
    }

    #[test]
    fn a_failed_command_is_reported_by_the_name_of_a_script() {
        let name = "/machine/mac=52-54-00-12-34-56/errno=0x2d0c613b/failed/initrd/debian/initrd.gz";
        let (file, error) = ("debian/initrd.gz".to_owned(), IpxeError(0x2d0c_613b));
        let failure = ScriptFailure { command: ScriptCommand::Initrd, file, error };
        assert_eq!(ask(&plan(), name), Ok(Fetch::Failed(failure)));
        let url = "machine/errno=2d0c613b/failed/chain/https%3A//192.0.2.3/own.ipxe".replace("%3A", ":");
        let Ok(Fetch::Failed(ScriptFailure { file, .. })) = ask(&plan(), &url) else { panic!("{url}") };
        assert_eq!(file, "https://192.0.2.3/own.ipxe");
        let without_file = ScriptFailure { command: ScriptCommand::Sanboot, file: String::new(), error };
        assert_eq!(ask(&plan(), "machine/name=web1/errno=2d0c613b/failed/sanboot"), Ok(Fetch::Failed(without_file)));
        for other in ["machine/name=web1/failed/kernel/x", "machine/errno=0x1/failed/x/y", "errno=0x1/failed/kernel/x"]
        {
            assert!(matches!(ask(&plan(), other), Ok(Fetch::Directory { .. })), "{other}");
        }
        assert!(is_failure_report(name.as_bytes()) && !is_failure_report(b"/failed/kernel/x"));
    }

    #[test]
    fn a_boot_ipxe_in_the_boot_dir_is_sent_unchanged() {
        let mut plan = plan();
        plan.offer_mut().menu.has_boot_script = true;
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
        plan.offer_mut().default_loader = Some(Loader { name: "pxelinux.0".to_owned(), path: None });
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
        plan.offer_mut().ipxe_wrappers.insert("snponly.efi".to_owned(), Arch::X64);
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
            fetch(&plan(), &Observations::new(0), &request).answer
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
        plan.offer_mut().loaders.insert(Arch::X64, loader);
        assert_eq!(ask(&plan, "/shim//grubx64.efi"), directory("shim/grubx64.efi"));
        assert_eq!(ask(&plan, "shim/revocations.efi"), directory("shim/revocations.efi"));
        let otherwise = Some(Fallback::File("shim/grubx64.efi".to_owned()));
        assert_eq!(ask(&plan, "grubx64.efi"), Ok(Fetch::Directory { name: "grubx64.efi".to_owned(), otherwise }));
        assert_eq!(ask_octets(&plan, b"shim/\xeaOnboard"), directory("shim/grubx64.efi"));
    }
}
