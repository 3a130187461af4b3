//! `/api/v1/menu`: the menu as one machine sees it, or the script that it boots instead. The code that serves files
//! writes it.

use super::access::Refusal;
use super::error::ApiError;
use super::machines::{StoryQuery, story_of_machine};
use super::menu_script::{ShownMenu, first_menu};
use super::shared::Api;
use crate::files::Opened;
use crate::state;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::fetch::{self, Fetch, Refusal as FileRefusal};
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::EntryTarget;
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_reading::identifiers::parse_any_mac;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use utoipa::{IntoParams, ToSchema};

/// The maximum length of a script, in octets.
const MAX_SCRIPT: usize = 256 * 1024;
/// The MAC address of a machine that was not chosen.
const EXAMPLE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// The machine that sees the menu.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MenuQuery {
    /// A machine that was seen or that has an entry: its MAC address, its IP address, or the name of its entry. Absent:
    /// an unknown machine.
    pub machine: Option<String>,
    /// The firmware, by its id. Absent: that of the last boot of the machine, or x64 UEFI.
    pub firmware: Option<String>,
    /// The profile, if the machine were to boot this one.
    pub profile: Option<String>,
}

/// The menu of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MenuRecord {
    /// The name of the profile that the machine boots.
    pub profile: String,
    /// The firmware.
    pub firmware: String,
    /// The menu; absent if the machine boots without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<ShownMenu>,
    /// The entries of the boot directory that the machine does not see.
    pub left_out: Vec<LeftOut>,
    /// The script that shows the menu, or that the machine boots instead.
    pub script: String,
}

/// An entry that a machine does not see in its menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    /// The text of the entry.
    pub title: String,
    /// Why the machine does not see it.
    pub reason: String,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/menu", get(menu))
}

/// The menu as a machine sees it, as data and as script
#[utoipa::path(
    get,
    path = "/api/v1/menu",
    params(MenuQuery),
    responses((status = 200, body = MenuRecord), (status = 404, body = ApiError), (status = 422, body = ApiError))
)]
pub async fn menu(
    State(api): State<Api>,
    query: Result<Query<MenuQuery>, QueryRejection>,
) -> Result<Json<MenuRecord>, Refusal> {
    let Query(query) = query.map_err(|error| {
        let cure = "the parameters are `machine`, `firmware` and `profile`";
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, ApiError::new(error.body_text(), cure, "query"))
    })?;
    menu_of(&api, &query).await.map(Json)
}

/// The menu as a machine sees it.
///
/// # Errors
/// The machine, the firmware or the profile is unknown, or the machine receives no script.
pub async fn menu_of(api: &Api, query: &MenuQuery) -> Result<MenuRecord, Refusal> {
    let viewer = Viewer::find(api, query).await?;
    let (state, profile) = (api.state.clone(), query.profile.clone());
    let written = tokio::task::spawn_blocking(move || viewer.menu(&state, profile.as_deref()));
    written.await.unwrap_or_else(|_| {
        let error = ApiError::new("the server failed", "its log has the reason", "server");
        Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, error))
    })
}

/// The machine that looks at its menu.
struct Viewer {
    mac: Option<[u8; 6]>,
    name: Option<String>,
    address: Option<IpAddr>,
    arch: Arch,
}

impl Viewer {
    async fn find(api: &Api, query: &MenuQuery) -> Result<Viewer, Refusal> {
        let chosen = query.firmware.as_deref().filter(|id| !id.is_empty());
        let chosen = chosen.map(|id| ipxe_arch(id).ok_or_else(|| unknown_firmware(id))).transpose()?;
        let Some(id) = query.machine.as_deref().filter(|id| !id.is_empty()) else {
            let arch = chosen.unwrap_or(Arch::X64);
            return Ok(Viewer { mac: Some(EXAMPLE_MAC), name: None, address: None, arch });
        };
        let entry = api.state.site().plan.inventory.get_by_name(id).map(|entry| entry.name.to_owned());
        match story_of_machine(api, id, &StoryQuery::default()).await {
            Ok(story) => {
                let mac = story.machine.hardware.as_deref().and_then(parse_any_mac);
                let arch = chosen.or_else(|| arch_of_last_boot(&api.state, mac?)).unwrap_or(Arch::X64);
                let address = story.machine.address.and_then(|address| address.parse().ok());
                Ok(Viewer { mac, name: entry.or(story.machine.entry), address, arch })
            }
            Err(error) => {
                let mac = parse_any_mac(id);
                if mac.is_none() && entry.is_none() {
                    return Err(Refusal(StatusCode::NOT_FOUND, error));
                }
                Ok(Viewer { mac, name: entry, address: None, arch: chosen.unwrap_or(Arch::X64) })
            }
        }
    }

    fn menu(&self, state: &state::State, profile: Option<&str>) -> Result<MenuRecord, Refusal> {
        let site = state.current_site();
        let plan = &site.plan;
        let profile = profile.filter(|name| !name.is_empty());
        if let Some(name) = profile.filter(|name| plan.profile(name).is_none()) {
            let problem = format!("there is no profile `{name}`");
            let error = ApiError::new(problem, "GET /api/v1/profiles lists the profiles", "profile");
            return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, error));
        }
        let links = state.links.load();
        let (server, interface) = self.server(&links);
        let name = self.requested_name();
        let request = FileRequest {
            protocol: plan.offer.http.map_or(Protocol::Tftp, Protocol::Http),
            name: name.as_bytes(),
            server,
            client: SocketAddr::from((self.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 1024)),
            interface: &interface,
        };
        let (target, fetched) = {
            let observations = state.observations();
            match profile {
                Some(name) => (name.to_owned(), fetch::preview_menu(plan, &observations, &request, name)),
                None => {
                    let claimed = ClaimedIdentity::parse(&name).map(|(claimed, _)| claimed).unwrap_or_default();
                    let decision = RenderContext::new(plan, &observations, &request, claimed).decision;
                    let answer = fetch::fetch(plan, &observations, &request).answer;
                    (decision.target_name(plan).to_owned(), answer)
                }
            }
        };
        let is_directory_menu = matches!(fetched, Ok(Fetch::Menu(_)));
        let script = fetched.and_then(|fetch| site.open(fetch, &request, |_, _| {})).map_err(|why| no_script(&why))?;
        let script = text(&script.0);
        let menu = first_menu(&script, |name| self.value(name));
        let (menu, left_out) = match menu {
            Some(menu) if is_directory_menu => {
                let left_out = self.left_out(plan, &menu);
                (Some(with_problems(menu, plan)), left_out)
            }
            menu => (menu, Vec::new()),
        };
        Ok(MenuRecord { profile: target, firmware: self.arch.to_string(), menu, left_out, script })
    }

    /// The address of this server that the machine uses, and the interface.
    fn server(&self, links: &[Link]) -> (IpAddr, String) {
        let own = |link: &Link| {
            let (v4, v6) = (link.address().map(IpAddr::V4), link.address6().map(IpAddr::V6));
            if self.address.is_some_and(|address| address.is_ipv6()) { v6.or(v4) } else { v4.or(v6) }
        };
        let near = self.address.and_then(|address| links.iter().find(|link| link.reaches(address)));
        let link = near.into_iter().chain(links).find_map(|link| Some((own(link)?, link.name.clone())));
        link.unwrap_or((IpAddr::V4(Ipv4Addr::LOCALHOST), String::new()))
    }

    /// The name of the file that the entry script makes iPXE request.
    fn requested_name(&self) -> String {
        let mut name = String::from("machine/");
        if let Some(mac) = self.mac {
            name += &format!("mac={}/", HardwareAddress::from_mac(mac).to_string().replace(':', "-"));
        }
        if let Some(entry) = self.name.as_ref().filter(|_| self.mac.is_none()) {
            name += &format!("name={entry}/");
        }
        if let Some(build) = self.arch.info().and_then(|row| row.names.ipxe) {
            name += &format!("platform={}/arch={}/", build.platform, build.buildarch);
        }
        name + "menu.ipxe"
    }

    /// The value of a setting of its iPXE, as far as the server knows it.
    fn value(&self, name: &str) -> Option<String> {
        match name {
            "sp" => Some(" ".to_owned()),
            "netX/mac" => self.mac.map(|mac| HardwareAddress::from_mac(mac).to_string()),
            "netX/ip" => self.address.map(|address| address.to_string()),
            _ => None,
        }
    }

    /// The entries of the boot directory that are not in this menu.
    fn left_out(&self, plan: &Plan, menu: &ShownMenu) -> Vec<LeftOut> {
        let is_shown =
            |number: usize| menu.lines.iter().any(|line| entry_number(line.label.as_deref()) == Some(number));
        let entries = plan.offer.menu.entries.iter().enumerate().filter(|(number, _)| !is_shown(*number));
        let reason = |target: &EntryTarget| match target {
            EntryTarget::Linux { arch, .. } if !self.arch.starts_kernel_of(*arch) => {
                format!("its kernel is for {arch}, and this machine is {}", self.arch)
            }
            EntryTarget::Efi { arch, .. } if self.arch != *arch => {
                format!("it is a program for {arch}, and this machine is {}", self.arch)
            }
            _ => "it is hidden from this machine".to_owned(),
        };
        entries.map(|(_, entry)| LeftOut { title: entry.title.clone(), reason: reason(&entry.target) }).collect()
    }
}

/// The menu, with the known problems of its entries.
fn with_problems(mut menu: ShownMenu, plan: &Plan) -> ShownMenu {
    for line in &mut menu.lines {
        let entry = entry_number(line.label.as_deref()).and_then(|number| plan.offer.menu.entries.get(number));
        line.problem = entry.and_then(|entry| entry.problem.clone());
    }
    menu
}

/// The number of the entry of the boot directory to which a label leads.
fn entry_number(label: Option<&str>) -> Option<usize> {
    label?.strip_prefix("entry")?.parse().ok()
}

/// The architecture with this id. Only one of an iPXE can show a menu.
fn ipxe_arch(id: &str) -> Option<Arch> {
    Arch::from_id(id).map(Arch::base).filter(|arch| arch.info().is_some_and(|row| row.names.ipxe.is_some()))
}

fn arch_of_last_boot(state: &state::State, mac: [u8; 6]) -> Option<Arch> {
    let key = MachineKey::from_hardware(&HardwareAddress::from_mac(mac));
    let stories = state.stories.stories();
    Some(stories.machine(key)?.last_boot()?.client?.arch.base())
}

fn text(opened: &Opened) -> String {
    let octets = opened.in_memory().map_or_else(|| read(opened), |octets| octets.to_vec());
    String::from_utf8_lossy(&octets[..octets.len().min(MAX_SCRIPT)]).into_owned()
}

/// The beginning of a file; empty if the disk fails.
fn read(opened: &Opened) -> Vec<u8> {
    let mut octets = vec![0; usize::try_from(opened.size()).unwrap_or(MAX_SCRIPT).min(MAX_SCRIPT)];
    let count = opened.read_at(&mut octets, 0).unwrap_or_default();
    octets.truncate(count);
    octets
}

fn no_script(refusal: &FileRefusal) -> Refusal {
    let (problem, cure) = match refusal {
        FileRefusal::Denied => {
            ("a rule denies this machine, so it receives no script", "see its decision in `explain`")
        }
        FileRefusal::TemplateError => {
            ("the template of this machine cannot be rendered", "`proxydhcpd render` shows the line")
        }
        _ => ("this machine receives no script", "see its decision in `explain`"),
    };
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, ApiError::new(problem, cure, "machine"))
}

fn unknown_firmware(id: &str) -> Refusal {
    let known: Vec<&str> = Arch::common_ids().filter(|id| ipxe_arch(id).is_some()).collect();
    let error = ApiError::new(
        format!("`{id}` is no firmware with an iPXE"),
        format!("state one of {}", known.join(", ")),
        "firmware",
    );
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, error)
}

/// The ids and the names of all firmware with an iPXE, for a form.
pub fn menu_firmware() -> Vec<(&'static str, String)> {
    let mut known: Vec<(&str, String)> = Vec::new();
    for id in Arch::common_ids() {
        if let Some(arch) = ipxe_arch(id).filter(|arch| arch.info().is_some_and(|row| row.id == id)) {
            known.push((id, arch.to_string()));
        }
    }
    known
}
