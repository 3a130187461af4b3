//! Resolves a requested name to a built-in script, a template, a loader, a file, or a refusal, and decides at once what
//! the complete fetch of the file changes.

use crate::arch::Arch;
use crate::choose::{BOOT_SCRIPT, IPXE_WRAPPER_PREFIX, MACHINE_PREFIX};
use crate::claimed_identity::ClaimedIdentity;
use crate::decide::{DecidedBy, Decision, decide};
use crate::file_name::{BadName, normalize};
use crate::file_ticket::{DONE, FileTicket};
use crate::identity::Identifiers;
use crate::observations::{AddressOwner, Observations};
use crate::plan::Plan;
use crate::plan::inventory::Identity;
use crate::plan::profile::{BootTarget, ItemTarget, Profile};
use crate::plan::rule::{Firmware, Subject};
use crate::request::FileRequest;
use crate::script;
use crate::shim;
use crate::url::is_url;
use crate::wire::dhcp6::mac_from_eui64;
use crate::wire::uuid::is_placeholder;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// Everything that is decided about a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchDecision {
    /// The server's answer, or why it refuses the request.
    pub answer: Result<Fetch, Refusal>,
    /// The machine that sent the request, and what the complete fetch of the file changes.
    pub ticket: FileTicket,
}

/// The server's answer to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text that was generated for this request.
    Text(String),
    /// The menu of the boot directory; the arguments of its entries may hold template expressions.
    Menu(RenderContext),
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

/// The client and its decision, for a text that is rendered for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderContext {
    /// The identity that the client claims, completed by observations.
    pub claimed: ClaimedIdentity,
    /// The decision about the machine.
    pub decision: Decision,
    /// The prefix of this server's URLs. It contains the name of the machine's entry, if the machine has one.
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
            Fetch::Menu(context) | Fetch::Linux(context) | Fetch::Template(_, context) => {
                context.decision.machine(plan).map(|entry| entry.name)
            }
            _ => None,
        }
    }

    /// Sets the token for rendered texts.
    pub fn set_token(&mut self, token: Option<String>) {
        if let Fetch::Menu(context) | Fetch::Linux(context) | Fetch::Template(_, context) = self {
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
    /// An internal error, which the log describes.
    Failed,
    /// A template cannot be rendered for this machine; the log names the template and the line.
    TemplateError,
}

const MENU: &str = "menu.ipxe";
/// The first file that iPXE of 2021 and later requests, from the directory from which iPXE was loaded.
const AUTOEXEC: &str = "autoexec.ipxe";

/// Resolves a requested name, and decides what the complete fetch of the file changes. The function does not know
/// whether the file exists and is readable: the daemon finds out when it opens the file.
pub fn fetch(plan: &Plan, observations: &Observations, request: &FileRequest<'_>) -> FetchDecision {
    let owner = observations.address_owner(request.client.ip());
    let name = match normalize(request.name) {
        Ok(name) => name,
        Err(bad) => {
            let ticket = FileTicket { owner, ..FileTicket::default() };
            return FetchDecision { answer: fetch_bad_name(plan, request.name, bad), ticket };
        }
    };
    let (claimed, rest) =
        ClaimedIdentity::parse(&name).map_or((None, &name[..]), |(claimed, rest)| (Some(claimed), rest));
    let context = render_context(plan, observations, request, claimed.clone().unwrap_or_default());
    let ticket = FileTicket::new(plan, observations, owner, &context.decision, rest);
    FetchDecision { answer: fetch_name(plan, observations, request, &name, claimed, rest, context), ticket }
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

/// The answer to a request for `name`, which consists of the claimed identity and `rest`.
///
/// Over IPv4, `autoexec.ipxe` is a file like any other, and the server refuses the request at once if the file is
/// missing: a built-in script of this name would run before iPXE has an address. Over IPv6, most iPXEs have no other
/// way to find the built-in script.
fn fetch_name(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    name: &str,
    claimed: Option<ClaimedIdentity>,
    rest: &str,
    context: RenderContext,
) -> Result<Fetch, Refusal> {
    match (&claimed, rest) {
        (Some(claimed), BOOT_SCRIPT) => {
            return Ok(Fetch::Text(script::entry_script(request.protocol, request.server, claimed)));
        }
        (Some(claimed), DONE) => {
            return done_request(plan, observations, request, claimed).map(Fetch::Done).ok_or(Refusal::NotFound);
        }
        (None, BOOT_SCRIPT) if !plan.offer.menu.has_boot_script => {
            return Ok(Fetch::Text(script::entry_script(
                request.protocol,
                request.server,
                &ClaimedIdentity::default(),
            )));
        }
        _ => {}
    }
    if rest == MENU && claimed.is_some() {
        return Ok(menu(plan, context, request));
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
        return Ok(Fetch::Directory { name: name.into(), otherwise: None });
    }
    let over_ipv6 = request.server.to_canonical().is_ipv6();
    // iPXE requests `autoexec.ipxe` from the directory from which it was loaded, which may be a subdirectory.
    let otherwise = if over_ipv6 && rest.rsplit('/').next() == Some(AUTOEXEC) {
        Some(Fallback::Text(script::autoexec(
            request.protocol,
            plan.offer.http,
            request.server,
            &claimed.unwrap_or_default(),
        )))
    } else {
        shim::resolve_missing(plan, rest).map(Fallback::File)
    };
    Ok(Fetch::Directory { name: rest.into(), otherwise })
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

/// The report that a machine of the plan has finished its boot; `None` if the plan does not have the machine.
fn done_request(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    claimed: &ClaimedIdentity,
) -> Option<DoneRequest> {
    let machine = plan.inventory.get_by_name(claimed.name.as_deref()?)?.name;
    // The address owner counts only if no host beyond the link can have forged the DHCP packets that show it.
    let address = request.client.ip();
    let owner = observations.address_owner(address).filter(|_| observations.was_vouched(address));
    let from_its_address = owner.is_some_and(|owner| {
        let mut known = ClaimedIdentity::default();
        complete_identity(&mut known, &owner);
        let identity = Identity { identifiers: Identifiers::new(known.mac, known.uuid), ..Identity::default() };
        plan.inventory.get_by_identity(&identity).is_some_and(|entry| entry.name == machine)
    });
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
    let claimed = ClaimedIdentity::parse(&name).map(|(claimed, _)| claimed).unwrap_or_default();
    let mut context = render_context(plan, observations, request, claimed);
    context.decision =
        Decision { decided_by: DecidedBy::Machine, ..context.decision }.with_profile(plan, Some(profile));
    Ok(menu(plan, context, request))
}

/// The script for the machine that sent the request.
fn menu(plan: &Plan, context: RenderContext, request: &FileRequest<'_>) -> Fetch {
    let RenderContext { claimed, decision, base_url: base, .. } = &context;
    let profile = decision.profile(plan);
    let title = profile.map_or("", |profile| profile.title.as_str());
    Fetch::Text(match decision.boots(plan) {
        BootTarget::BootDir if plan.offer.menu.has_boot_script => {
            return Fetch::Directory { name: BOOT_SCRIPT.into(), otherwise: None };
        }
        BootTarget::BootDir => return Fetch::Menu(context),
        BootTarget::Linux(_) => return Fetch::Linux(context),
        BootTarget::Script(url) if is_url(url) => script::chain_url(title, url),
        BootTarget::Script(name) => return Fetch::Template(name.clone(), context),
        BootTarget::Loader => {
            let own = |profile: &'_ Profile| claimed.arch.and_then(|arch| profile.loaders.get(&arch)).cloned();
            let loader = profile.and_then(|profile| own(profile).or_else(|| profile.default_loader.clone()));
            match loader {
                Some(loader) if is_url(&loader.name) => script::chain_url(title, &loader.name),
                Some(loader) => script::chain(base, title, &loader.name),
                None => script::boot_nothing(),
            }
        }
        BootTarget::Menu(menu) => {
            script::profile_menu(&script::base_url(request.protocol, request.server), menu, claimed)
        }
        BootTarget::LocalDisk => {
            let completed = decision.entry(plan).filter(|_| decision.decided_by == DecidedBy::CompletedUnspecified);
            script::local_disk(plan, base, claimed, completed.map(|entry| entry.name))
        }
        BootTarget::Nothing => script::boot_nothing(),
    })
}

/// The context for this request: the identity that the client claims, completed from the owner of the client's address,
/// and the decision about that machine.
fn render_context(
    plan: &Plan,
    observations: &Observations,
    request: &FileRequest<'_>,
    mut claimed: ClaimedIdentity,
) -> RenderContext {
    let client = request.client.ip().to_canonical();
    match (observations.address_owner(client), client) {
        (Some(owner), _) => complete_identity(&mut claimed, &owner),
        (None, IpAddr::V6(address)) if claimed.is_anonymous() => claimed.mac = mac_from_eui64(address),
        _ => {}
    }
    let firmware = claimed.arch.map(|arch| if arch.is_efi() { Firmware::Uefi } else { Firmware::Bios });
    let subject = Subject {
        identifiers: Identifiers::new(claimed.mac, claimed.uuid.filter(|uuid| !is_placeholder(uuid))),
        serial: claimed.serial.as_deref(),
        arch: claimed.arch,
        firmware: [firmware, Some(Firmware::Ipxe)],
        interface: request.interface,
        subnet: Some(client),
        dhcp_rule: claimed.rule.and_then(|rule| plan.policy.resolve_rule(rule)),
        is_file_request: true,
        ..Subject::default()
    };
    let mut decision = decide(plan, observations, &subject, claimed.name.as_deref());
    if let BootTarget::Menu(menu) = decision.boots(plan)
        && let Some(ItemTarget::Profile(profile)) =
            claimed.item.and_then(|kind| menu.item(kind)).map(|item| &item.target)
    {
        decision = decision.with_profile(plan, profile.as_deref());
    }
    let base_url = script::base_url(request.protocol, request.server);
    let base_url = match decision.machine(plan) {
        Some(entry) => format!("{base_url}{MACHINE_PREFIX}name={}/", entry.name),
        None => base_url,
    };
    RenderContext { claimed, decision, base_url, token: None }
}

/// Completes a claimed identity from the owner of the client's address, unless that owner is another machine.
fn complete_identity(claimed: &mut ClaimedIdentity, owner: &AddressOwner) {
    let mac = owner.hardware.mac();
    if claimed.is_anonymous() {
        claimed.mac = mac;
        claimed.uuid = owner.machine_id.filter(|id| id.is_unique()).map(|id| id.uuid());
    } else if claimed.name.is_none() {
        claimed.mac = claimed.mac.or(mac);
    }
    if claimed.mac.is_none() || claimed.mac == mac {
        claimed.arch = claimed.arch.or(owner.firmware.arch);
        claimed.features = claimed.features.or(owner.firmware.features);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::offer::{Loader, Offer};
    use crate::request::Protocol;
    use alloc::borrow::ToOwned;
    use core::net::{Ipv4Addr, SocketAddr};

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
        assert_eq!(context.claimed.arch, None);
        assert_eq!(context.base_url, "http://192.0.2.1:8080/");
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
