//! First-stage programs: which one a firmware is given, and how it fetches that.

use super::{Boot, BootMethod, NoBoot, IPXE_WRAPPER_PREFIX, BootSource, packet_rule, local_disk_name, tftp_file, tftp_server};
use crate::choose::MACHINE_PREFIX;
use crate::client::{Class, Client, Stage};
use crate::decide::Decision;
use crate::plan::profile::BootTarget;
use crate::plan::{Loader, Plan};
use crate::url::{host, has_ipv4_host};
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

/// The profile's own loader, the program that starts the local disk, or the site's loader.
pub fn for_firmware(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    boots: &BootTarget,
    here: IpAddr,
) -> Result<Boot, NoBoot> {
    let arch = client.arch.base();
    if *boots == BootTarget::LocalDisk && plan.local_disk.contains(&arch) {
        let name = local_disk_name(arch);
        let starter = Program { name: &name, ours: true, with_script: true, why: BootSource::LocalDisk(arch) };
        return program(plan, client, decision, starter, here);
    }
    let profile = plan.profile(decision.profile);
    let of_profile = profile.and_then(|profile| {
        let own = profile.loaders.get(&arch).map(|loader| (loader, BootSource::Loader(arch)));
        own.or_else(|| profile.default_loader.as_ref().map(|loader| (loader, BootSource::DefaultLoader)))
    });
    let site = || plan.loaders.get(&arch).filter(|_| *boots != BootTarget::Loader).map(|loader| (loader, BootSource::Loader(arch)));
    let default_loader = || plan.default_loader.as_ref().map(|loader| (loader, BootSource::DefaultLoader));
    let (loader, why) = of_profile.or_else(site).or_else(default_loader).ok_or(NoBoot::NoLoader(arch))?;
    if loader.remote_location().is_none() {
        // A profile's own loader is all that the profile wants.
        let with_script = *boots != BootTarget::Loader;
        let found = Program { name: &loader.name, ours: loader.path.is_some(), with_script, why };
        return program(plan, client, decision, found, here);
    }
    match (elsewhere(plan, client, loader, why, here), client.class) {
        (Some(boot), _) => Ok(boot),
        (None, Class::Http) => Err(NoBoot::NoHttp),
        (None, _) => replacement_ipxe(plan, client, decision, here).map_err(|why| match why {
            NoBoot::NoLoader(arch) => NoBoot::LoaderUrl(arch),
            why => why,
        }),
    }
}

/// Our iPXE, for a machine that needs it: its PXE firmware fetches only from TFTP, or its own iPXE lacks a required
/// feature. That iPXE sends the next request and receives what the profile says.
pub fn replacement_ipxe(plan: &Plan, client: &Client, decision: &Decision, here: IpAddr) -> Result<Boot, NoBoot> {
    let arch = client.arch.base();
    let of_profile = plan.profile(decision.profile).and_then(|profile| profile.loaders.get(&arch));
    let mut loaders = of_profile.into_iter().chain(plan.loaders.get(&arch));
    let is_ours = |loader: &&Loader| {
        // Over IPv6 it learns nothing that does not come along with it.
        let learns = !client.is_v6() || plan.has_ipxe_wrapper(arch, &loader.name);
        loader.is_ipxe() && loader.remote_location().is_none() && learns
    };
    let ipxe = loaders.find(is_ours).ok_or(NoBoot::NoLoader(arch))?;
    let ours = Program { name: &ipxe.name, ours: ipxe.path.is_some(), with_script: true, why: BootSource::Loader(arch) };
    program(plan, client, decision, ours, here)
}

/// A program that lies on our server, or on a TFTP server whose address the plan has.
struct Program<'a> {
    name: &'a str,
    /// We can serve it ourselves.
    ours: bool,
    /// If it is an iPXE, it is meant to run our script.
    with_script: bool,
    why: BootSource,
}

fn program(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    program: Program<'_>,
    here: IpAddr,
) -> Result<Boot, NoBoot> {
    let name = if client.is_v6() { &name6(plan, client, decision, &program) } else { program.name };
    let (file, server) = match client.class {
        Class::Pxe | Class::UBoot => {
            let server = tftp_server(plan, here)?;
            (tftp_file(name, server), server)
        }
        // An address, never a name: a name needs the primary's DNS (EDK2 HttpBootSelectDhcpOffer).
        Class::Http => match plan.http.filter(|_| plan.http_clients && program.ours) {
            Some(port) => (format!("http://{}:{port}/{name}", host(here)), here),
            None => return Err(NoBoot::NoHttp),
        },
    };
    Ok(Boot { file, server, source: program.why, method: BootMethod::File })
}

/// Over IPv6 the name leads an iPXE to its script, which lies beside it: its DHCPv6 server names none. What only the
/// packet says has to be told there again.
fn name6(plan: &Plan, client: &Client, decision: &Decision, program: &Program<'_>) -> String {
    let rule = packet_rule(plan, decision).map(|rule| format!("{MACHINE_PREFIX}rule={rule}/")).unwrap_or_default();
    // HTTP boot tells it where it came from.
    let brings =
        client.class == Class::Pxe && plan.has_ipxe_wrapper(client.arch.base(), program.name) && program.with_script;
    let with_script = if brings { IPXE_WRAPPER_PREFIX } else { "" };
    format!("{rule}{with_script}{}", program.name)
}

/// A loader on another server, if this client can fetch it from there by itself.
fn elsewhere(plan: &Plan, client: &Client, loader: &Loader, why: BootSource, here: IpAddr) -> Option<Boot> {
    let boot = |file: &str, server| Some(Boot { file: file.into(), server, source: why, method: BootMethod::File });
    let (name, server) = loader.remote_location()?;
    if here.is_ipv6() && has_ipv4_host(&loader.name) {
        return None;
    }
    let takes_urls = matches!(client.stage, Stage::Ipxe(_));
    let is_web = ["http://", "https://"].iter().any(|scheme| loader.name.starts_with(scheme));
    match (client.class, server) {
        (Class::Http, _) => boot(&loader.name, here).filter(|_| plan.http_clients && is_web),
        (_, Some(server)) => boot(name, server.into()),
        (_, None) if takes_urls => boot(name, tftp_server(plan, here).unwrap_or(here)),
        (_, None) if here.is_ipv6() && name.starts_with("tftp://") => boot(name, here),
        (_, None) => None,
    }
}
