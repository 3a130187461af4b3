//! First-program programs: which program a firmware receives, and how the firmware fetches it.

use super::names::{IPXE_WRAPPER_PREFIX, MACHINE_PREFIX, local_disk_name, packet_rule};
use super::tftp::{tftp_address, tftp_file};
use super::{Boot, BootFile, BootMethod, BootSource, NoBoot};
use crate::client::{Class, Client, Program};
use crate::decide::Decision;
use crate::plan::Plan;
use crate::plan::offer::Loader;
use crate::plan::profile::BootTarget;
use crate::url::{has_ipv4_host, host};
use core::net::IpAddr;

/// The boot for a firmware: the program that starts the local disk, the profile's loader, or the site's loader. An
/// error if the server has none of these, or if the client cannot fetch it.
pub fn for_firmware(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    boots: &BootTarget,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    let arch = client.arch.base();
    if *boots == BootTarget::LocalDisk && plan.offer.local_disk.contains(&arch) {
        let name = local_disk_name(arch);
        let found =
            HostedProgram { name: &name, is_local: true, runs_script: true, source: BootSource::LocalDisk(arch) };
        return program(plan, client, decision, found, local_addr);
    }
    let profile_loader = decision.profile(plan).and_then(|profile| {
        let by_arch = profile.loaders.get(&arch).map(|loader| (loader, BootSource::Loader(arch)));
        by_arch.or_else(|| profile.default_loader.as_ref().map(|loader| (loader, BootSource::DefaultLoader)))
    });
    let site_loader = || {
        plan.offer
            .loaders
            .get(&arch)
            .filter(|_| *boots != BootTarget::Loader)
            .map(|loader| (loader, BootSource::Loader(arch)))
    };
    let default_loader = || plan.offer.default_loader.as_ref().map(|loader| (loader, BootSource::DefaultLoader));
    let (loader, source) = profile_loader.or_else(site_loader).or_else(default_loader).ok_or(NoBoot::NoLoader(arch))?;
    if loader.remote_location().is_none() {
        // A profile that boots its loader runs no script.
        let runs_script = *boots != BootTarget::Loader;
        let found = HostedProgram { name: &loader.name, is_local: loader.path.is_some(), runs_script, source };
        return program(plan, client, decision, found, local_addr);
    }
    match (remote_boot(plan, client, loader, source, local_addr), client.class) {
        (Some(boot), _) => Ok(boot),
        (None, Class::Http) => Err(NoBoot::NoHttp),
        (None, _) => replacement_ipxe(plan, client, decision, local_addr).map_err(|reason| match reason {
            NoBoot::NoLoader(arch) => NoBoot::LoaderUrl(arch),
            reason => reason,
        }),
    }
}

/// The boot of this server's iPXE, for a machine that needs it: the machine's PXE firmware fetches only from TFTP, or
/// the machine's iPXE lacks a required feature. The new iPXE sends the next request and receives the profile's boot. An
/// error if the server has no suitable iPXE.
pub fn replacement_ipxe(plan: &Plan, client: &Client, decision: &Decision, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    let arch = client.arch.base();
    let profile_loader = decision.profile(plan).and_then(|profile| profile.loaders.get(&arch));
    let mut loaders = profile_loader.into_iter().chain(plan.offer.loaders.get(&arch));
    let is_suitable = |loader: &&Loader| {
        // Over IPv6 an iPXE finds its script only if it arrives in the wrapper.
        let finds_script = !client.is_v6() || plan.offer.has_ipxe_wrapper(arch, &loader.name);
        loader.is_ipxe() && loader.remote_location().is_none() && finds_script
    };
    let ipxe = loaders.find(is_suitable).ok_or(NoBoot::NoLoader(arch))?;
    let ipxe = HostedProgram {
        name: &ipxe.name,
        is_local: ipxe.path.is_some(),
        runs_script: true,
        source: BootSource::Loader(arch),
    };
    program(plan, client, decision, ipxe, local_addr)
}

/// A program on this server, or on the TFTP server of the plan.
struct HostedProgram<'a> {
    name: &'a str,
    /// Whether this server has the file.
    is_local: bool,
    /// Whether the program runs a built-in script, if the program is iPXE.
    runs_script: bool,
    source: BootSource,
}

fn program(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    program: HostedProgram<'_>,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    let name = if client.is_v6() { &*name6(plan, client, decision, &program) } else { program.name };
    let (file, server) = match client.class {
        Class::Pxe | Class::UBoot => {
            let server = tftp_address(plan, local_addr)?;
            (tftp_file(name, server), server)
        }
        // The URL contains an address. A host name would need a DNS server from the DHCP server (EDK2
        // HttpBootSelectDhcpOffer).
        Class::Http => match plan.offer.http.filter(|_| plan.policy.http_clients && program.is_local) {
            Some(port) => (format_args!("http://{}:{port}/{name}", host(local_addr)).into(), local_addr),
            None => return Err(NoBoot::NoHttp),
        },
    };
    Ok(Boot { file, server, source: program.source, method: BootMethod::File })
}

/// The name of the program over IPv6. Because no DHCPv6 server names a script, an iPXE finds its script next to its own
/// file. So the name carries the rule, if only the DHCP packet can match it.
fn name6(plan: &Plan, client: &Client, decision: &Decision, program: &HostedProgram<'_>) -> BootFile {
    // An iPXE that HTTP boot has loaded knows its URL, so it needs no wrapper.
    let needs_wrapper = client.class == Class::Pxe
        && plan.offer.has_ipxe_wrapper(client.arch.base(), program.name)
        && program.runs_script;
    let (prefix, name) = (if needs_wrapper { IPXE_WRAPPER_PREFIX } else { "" }, program.name);
    match packet_rule(plan, decision) {
        Some(rule) => format_args!("{MACHINE_PREFIX}rule={rule}/{prefix}{name}").into(),
        None => format_args!("{prefix}{name}").into(),
    }
}

/// The boot of a loader on another server; `None` if this client cannot fetch the loader from there.
fn remote_boot(plan: &Plan, client: &Client, loader: &Loader, source: BootSource, local_addr: IpAddr) -> Option<Boot> {
    let boot = |file: &str, server| Some(Boot { file: file.into(), server, source, method: BootMethod::File });
    let (name, server) = loader.remote_location()?;
    if local_addr.is_ipv6() && has_ipv4_host(&loader.name) {
        return None;
    }
    let takes_urls = matches!(client.program, Program::Ipxe(_));
    let is_web = ["http://", "https://"].iter().any(|scheme| loader.name.starts_with(scheme));
    match (client.class, server) {
        (Class::Http, _) => boot(&loader.name, local_addr).filter(|_| plan.policy.http_clients && is_web),
        (_, Some(server)) => boot(name, server.into()),
        (_, None) if takes_urls => boot(name, tftp_address(plan, local_addr).unwrap_or(local_addr)),
        (_, None) if local_addr.is_ipv6() && name.starts_with("tftp://") => boot(name, local_addr),
        (_, None) => None,
    }
}
