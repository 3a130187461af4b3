//! What an iPXE is given when it comes for its script, by the call that serves files.

use super::SimulatedClient;
use crate::site::Site;
use crate::templates::Failure;
use proxydhcpd_core::answer::Response;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::choose::{MACHINE_PREFIX, BOOT_SCRIPT, BootSource};
use proxydhcpd_core::fetch::{Fetch, Fallback, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::request::{Protocol, FileRequest};
use proxydhcpd_core::dissect::Node;
use std::net::{IpAddr, SocketAddr};

/// `None`: it is given a script of another server, or no script.
pub fn explain_script(
    site: &Site,
    memory: &Observations,
    described: &SimulatedClient,
    response: &Response,
    (address, interface): (IpAddr, &str),
    item: Option<u16>,
) -> Option<Node> {
    let door = match response.boot.source {
        BootSource::ScriptHttp => Protocol::Http(site.plan.http?),
        BootSource::ScriptTftp => Protocol::Tftp,
        _ => return None,
    };
    let entry = response.boot.file.splitn(4, '/').nth(3)?;
    let name =
        if site.plan.menu.has_boot_script && entry == BOOT_SCRIPT { entry.to_owned() } else { in_its_name(described, entry) };
    let client = SocketAddr::new(address, 49152);
    let parts = explain_request(site, memory, door, &name, response.boot.server, client, interface);
    let chosen = item.map(|item| Node::new("chosen", format!("item {item:#06x}")));
    Some(
        Node::new("then it fetches its script", &response.boot.file).with_children(
            [Node::new("which goes on to", &name)].into_iter().filter(|_| name != entry).chain(chosen).chain(parts),
        ),
    )
}

/// What is sent to who asks by this name.
pub fn explain_request(
    site: &Site,
    memory: &Observations,
    door: Protocol,
    name: &str,
    server: IpAddr,
    client: SocketAddr,
    interface: &str,
) -> Vec<Node> {
    let request = FileRequest { protocol: door, name: name.as_bytes(), server, client, interface };
    match fetch(&site.plan, memory, &request) {
        Ok(meant) => told(site, meant, &request),
        Err(refusal) => vec![Node::new("refused", format!("{refusal:?}"))],
    }
}

/// The name that the entry script has the machine ask by (script::entry).
fn in_its_name(described: &SimulatedClient, entry: &str) -> String {
    let passed_on = ClaimedIdentity::parse(entry).map(|(caller, _)| caller.choice_path()).unwrap_or_default();
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let mac = described.mac.map(|octet| format!("{octet:02x}")).join("-");
    let uuid = described.uuid.map(|uuid| hex(&uuid)).unwrap_or_default();
    let serial = described.serial.as_deref().map(|serial| hex(serial.as_bytes())).unwrap_or_default();
    let (platform, arch) = build(described.kind.arch);
    format!("{MACHINE_PREFIX}{passed_on}mac={mac}/uuid={uuid}/serial={serial}/platform={platform}/arch={arch}/menu.ipxe")
}

/// iPXE's settings `platform` and `buildarch` (caller.rs reads them back).
fn build(arch: Arch) -> (&'static str, &'static str) {
    match arch.base().info().map_or("", |row| row.id) {
        "bios" => ("pcbios", "i386"),
        "uefi-ia32" => ("efi", "i386"),
        "uefi-x64" => ("efi", "x86_64"),
        "uefi-arm32" => ("efi", "arm32"),
        "uefi-arm64" => ("efi", "arm64"),
        "uefi-riscv32" => ("efi", "riscv32"),
        "uefi-riscv64" => ("efi", "riscv64"),
        "uefi-loongarch64" => ("efi", "loong64"),
        _ => ("", ""),
    }
}

fn told(site: &Site, meant: Fetch, request: &FileRequest<'_>) -> Vec<Node> {
    match meant {
        Fetch::Text(text) => vec![Node::new("script", "made for this machine").with_children(lines(&text))],
        Fetch::Menu(asking) => {
            let (text, failure) = site.menu(&asking, request);
            let menu = Node::new("script", "made for this machine");
            vec![menu.with_children(failure.iter().map(cannot).chain(lines(&text)))]
        }
        Fetch::Linux(profile, asking) => {
            let profile = &site.plan.profiles[profile];
            let BootTarget::Linux(written) = &profile.boots else { return Vec::new() };
            let (linux, failed) = match site.templates.render_linux(&site.plan, profile, written, &asking, request) {
                Ok(linux) => (linux, None),
                Err(failure) => (written.clone(), Some(cannot(&failure))),
            };
            let parts = [
                Node::new("kernel", &linux.kernel),
                Node::new("initrd", linux.initrds.join(" ")),
                Node::new("arguments", &linux.arguments),
                Node::new("files from", &asking.base_url),
            ];
            let started = Node::new("script", format!("starts the kernel of profile {}", profile.name));
            vec![started.with_children(failed.into_iter().chain(parts))]
        }
        Fetch::Template(name, asking) => {
            let profile = asking.decision.target_name(&site.plan);
            let template = Node::new("template", format!("{name}, rendered for profile {profile}"));
            let rendered = site.templates.render_request(&site.plan, &Fetch::Template(name, asking.clone()), request);
            vec![match rendered {
                Some(Ok(text)) => template.with_children(lines(&text)),
                Some(Err(failure)) => template.with_children([cannot(&failure)]),
                None => template,
            }]
        }
        Fetch::Done(done) => vec![Node::new("done", done.machine)],
        Fetch::Loader(path) => vec![Node::new("loader", path)],
        Fetch::IpxeWrapper(arch) => vec![Node::new("program", format!("starts iPXE with its script on {arch}"))],
        Fetch::LocalDisk(arch) => vec![Node::new("program", format!("starts the local disk of {arch}"))],
        Fetch::Directory { name, otherwise: Some(Fallback::Text(text)) } => {
            let ours = Node::new("script", format!("ours, unless the boot directory has {name}"));
            vec![ours.with_children(lines(&text))]
        }
        Fetch::Directory { name, .. } => vec![Node::new("file", format!("{name} of the boot directory, as it stands"))],
    }
}

fn lines(text: &str) -> Vec<Node> {
    text.lines().map(|line| Node::new(line, "")).collect()
}

fn cannot(failure: &Failure) -> Node {
    Node::new("cannot be rendered", failure.diagnostic.one_line())
}
