//! Explains the script that an iPXE receives, with the code that serves files.

use super::client_packet::SimulatedClient;
use crate::site::Site;
use crate::templates::Failure;
use proxydhcpd_core::answer::Response;
use proxydhcpd_core::choose::{BOOT_SCRIPT, BootSource, MACHINE_PREFIX};
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::fetch::{Fallback, Fetch, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::net::{IpAddr, SocketAddr};

/// Explains the script that this response names. `None` if another server sends the script, or the response names none.
pub fn explain_script(
    site: &Site,
    observations: &Observations,
    simulated: &SimulatedClient,
    response: &Response,
    (address, interface): (IpAddr, &str),
    item: Option<u16>,
) -> Option<Node> {
    let protocol = match response.boot.source {
        BootSource::ScriptHttp => Protocol::Http(site.plan.offer.http?),
        BootSource::ScriptTftp => Protocol::Tftp,
        _ => return None,
    };
    let entry = response.boot.file.splitn(4, '/').nth(3)?;
    let name = if site.plan.offer.menu.has_boot_script && entry == BOOT_SCRIPT {
        entry.to_owned()
    } else {
        machine_name(simulated, entry)
    };
    let client = SocketAddr::new(address, 49152);
    let parts = explain_request(site, observations, protocol, &name, response.boot.server, client, interface);
    let chosen = item.map(|item| Node::new("chosen", format!("item {item:#06x}")));
    Some(Node::new("then iPXE fetches its script", &response.boot.file).with_children(
        [Node::new("chains to", &name)].into_iter().filter(|_| name != entry).chain(chosen).chain(parts),
    ))
}

/// Explains the content that the server sends if a client requests this name.
pub fn explain_request(
    site: &Site,
    observations: &Observations,
    protocol: Protocol,
    name: &str,
    server: IpAddr,
    client: SocketAddr,
    interface: &str,
) -> Vec<Node> {
    let request = FileRequest { protocol, name: name.as_bytes(), server, client, interface };
    match fetch(&site.plan, observations, &request).answer {
        Ok(fetch) => explain_fetch(site, fetch, &request),
        Err(refusal) => vec![Node::new("refused", format!("{refusal:?}"))],
    }
}

/// The name that the machine requests after it has run the entry script (script::entry).
fn machine_name(simulated: &SimulatedClient, entry: &str) -> String {
    let identity = ClaimedIdentity::parse(entry).map(|(identity, _)| identity.choice.path()).unwrap_or_default();
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let mac = simulated.mac.map(|octet| format!("{octet:02x}")).join("-");
    let uuid = simulated.uuid.map(|uuid| hex(&uuid)).unwrap_or_default();
    let serial = simulated.serial.as_deref().map(|serial| hex(serial.as_bytes())).unwrap_or_default();
    let build = simulated.kind.arch.base().info().and_then(|row| row.names.ipxe);
    let (platform, arch) = build.map_or(("", ""), |build| (build.platform, build.buildarch));
    format!("{MACHINE_PREFIX}{identity}mac={mac}/uuid={uuid}/serial={serial}/platform={platform}/arch={arch}/menu.ipxe")
}

fn explain_fetch(site: &Site, fetch: Fetch, request: &FileRequest<'_>) -> Vec<Node> {
    match fetch {
        Fetch::Text(text) => vec![Node::new("script", "generated for this machine").with_children(lines(&text))],
        Fetch::Menu(requester) => {
            let (text, failure) = site.menu(&requester, request);
            let menu = Node::new("script", "generated for this machine");
            vec![menu.with_children(failure.iter().map(failure_node).chain(lines(&text)))]
        }
        Fetch::MenuItem(item, requester) => {
            let text = site.menu_item(&item, &requester, request).unwrap_or_default();
            vec![Node::new("script", format!("starts {item}")).with_children(lines(&text))]
        }
        Fetch::Linux(requester) => {
            let Some(profile) = requester.decision.profile(&site.plan) else { return Vec::new() };
            let BootTarget::Linux(unrendered) = &profile.boots else { return Vec::new() };
            let (linux, failed) =
                match site.files.templates.render_linux(&site.plan, profile, unrendered, &requester, request) {
                    Ok(linux) => (linux, None),
                    Err(failure) => (unrendered.clone(), Some(failure_node(&failure))),
                };
            let parts = [
                Node::new("kernel", &linux.kernel),
                Node::new("initrd", linux.initrds.join(" ")),
                Node::new("arguments", &linux.arguments),
                Node::new("base URL", &requester.base_url),
            ];
            let started = Node::new("script", format!("starts the kernel of profile {}", profile.name));
            vec![started.with_children(failed.into_iter().chain(parts))]
        }
        Fetch::Template(name, requester) => {
            let profile = requester.decision.target_name(&site.plan);
            let template = Node::new("template", format!("{name}, rendered for profile {profile}"));
            let rendered =
                site.files.templates.render_request(&site.plan, &Fetch::Template(name, requester.clone()), request);
            vec![match rendered {
                Some(Ok(text)) => template.with_children(lines(&text)),
                Some(Err(failure)) => template.with_children([failure_node(&failure)]),
                None => template,
            }]
        }
        Fetch::Done(done) => vec![Node::new("done", done.machine)],
        Fetch::Failed(failure) => vec![Node::new("failed command", failure.command.name())],
        Fetch::Loader(path) => vec![Node::new("loader", path)],
        Fetch::IpxeWrapper(arch) => vec![Node::new("program", format!("starts iPXE with its script on {arch}"))],
        Fetch::LocalDisk(arch) => vec![Node::new("program", format!("starts the local disk of {arch}"))],
        Fetch::Directory { name, otherwise: Some(Fallback::Text(text)) } => {
            let built_in = Node::new("script", format!("built in, unless the boot directory has {name}"));
            vec![built_in.with_children(lines(&text))]
        }
        Fetch::Directory { name, .. } => vec![Node::new("file", format!("{name} of the boot directory, unchanged"))],
    }
}

fn lines(text: &str) -> Vec<Node> {
    text.lines().map(|line| Node::new(line, "")).collect()
}

fn failure_node(failure: &Failure) -> Node {
    Node::new("cannot be rendered", failure.diagnostic.one_line())
}
