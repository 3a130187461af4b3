//! Chooses, from the decision, what a client receives: a boot, or the reason why there is none.

mod boot;
mod boot_file;
mod firmware;
mod names;
mod no_boot;
mod tftp;

use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::client::{Class, Client, Program};
use crate::decide::{DecidedBy, Decision};
use crate::plan::Plan;
use crate::plan::offer::TftpServer;
use crate::plan::policy::IpxeTarget;
use crate::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget};
use crate::url::{host, is_url};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;
use crate::wire::pxe::{BootItem, Features};
pub use boot::{Boot, BootMethod, BootSource, MenuLine};
pub use boot_file::BootFile;
use core::net::IpAddr;
use firmware::{for_firmware, replacement_ipxe};
pub(crate) use names::packet_rule;
pub use names::{BOOT_SCRIPT, BootChoice, IPXE_WRAPPER_PREFIX, MACHINE_PREFIX, local_disk_name};
pub use no_boot::NoBoot;
use tftp::{tftp_address, tftp_file, tftp_server};

/// Chooses what a client receives, or returns why there is nothing to boot. `local_addr` is the server's address as the
/// client knows it. `choice` is the item that the machine's firmware chose from the menu before it ran this client.
pub fn choose(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    if let DhcpMessageType::Dhcp6(message_type) = client.message_type {
        check_accepts_proxy(plan, client, message_type)?;
    }
    let boots = decision.boots(plan);
    match (boots, decision.rule_number()) {
        (BootTarget::Nothing, Some(rule)) if decision.decided_by == DecidedBy::Denied => {
            return Err(NoBoot::Denied(rule));
        }
        (BootTarget::Nothing, _) => return Err(NoBoot::Profile),
        _ => {}
    }
    let menu = if let BootTarget::Menu(menu) = boots { Some(menu) } else { None };
    match (client.program, client.boot_item, menu, client.dialect) {
        (_, Some(chosen), menu, _) => chosen_boot(plan, client, menu, chosen, local_addr),
        (Program::Ipxe(features), None, _, _) => ipxe(plan, client, decision, choice, features, local_addr),
        (Program::ReplacedIpxe(lacks), None, _, _) if !lacks.is_empty() => {
            replacement_ipxe(plan, client, decision, local_addr)
        }
        (_, None, _, Some(dialect)) => fixed_names(plan, dialect, local_addr),
        // Over IPv6 no firmware shows a menu; the iPXE that it loads does.
        (_, None, Some(menu), None) if client.class == Class::Pxe && !client.is_v6() => {
            menu_boot(plan, client, menu, local_addr)
        }
        _ => for_firmware(plan, client, decision, boots, local_addr),
    }
}

/// Returns an error if a DHCPv6 client ignores the replies of a proxy to a message of this type (protocol.md 5.2, 5.5),
/// or if the plan does not allow a useful reply.
fn check_accepts_proxy(plan: &Plan, client: &Client, message_type: MessageType) -> Result<(), NoBoot> {
    match (message_type, client.class) {
        (MessageType::InformationRequest, _) if plan.policy.stateless_dhcp6.is_none() => Err(NoBoot::StatelessIpxe),
        (MessageType::InformationRequest, _) => Ok(()),
        _ if client.is_ipxe() => Err(NoBoot::StatefulIpxe),
        (MessageType::Solicit, Class::Pxe) if !plan.offer.dhcp6.boot_server => Err(NoBoot::NoBootServer),
        _ => Ok(()),
    }
}

fn ipxe(
    plan: &Plan,
    client: &Client,
    decision: &Decision,
    choice: Option<u16>,
    features: Option<Features>,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    let boot = match (decision.boots(plan), &plan.policy.ipxe) {
        (BootTarget::BootDir, IpxeTarget::AsFirmware) | (BootTarget::Loader, _) => {
            for_firmware(plan, client, decision, decision.boots(plan), local_addr)?
        }
        // Over TLS, a wrong clock or a certificate makes iPXE fail without a word to any server. This server's script
        // fetches the script of the profile, and reports the error.
        (boots @ BootTarget::Script(url), _) if url.starts_with("https://") => {
            script(plan, &script_name(plan, decision, boots, choice), features, local_addr)
                .unwrap_or_else(|_| configured_boot(plan, url, local_addr))
        }
        (BootTarget::Script(url), _) if is_url(url) => configured_boot(plan, url, local_addr),
        (BootTarget::BootDir, IpxeTarget::Configured(url)) if is_url(url) => configured_boot(plan, url, local_addr),
        (BootTarget::BootDir, IpxeTarget::Configured(name)) => {
            let server = tftp_address(plan, local_addr)?;
            Boot { server, file: tftp_file(name, server), ..configured_boot(plan, "", local_addr) }
        }
        (boots, _) => script(plan, &script_name(plan, decision, boots, choice), features, local_addr)?,
    };
    let urls = [Some(boot.file.as_str()), decision.boots(plan).script_url()];
    let codes = urls.into_iter().flatten().filter_map(Features::for_url);
    let lacks = features.unwrap_or_default().missing(Features::from_codes(codes));
    if lacks.is_empty() { Ok(boot) } else { Err(NoBoot::IpxeLacks(lacks)) }
}

fn configured_boot(plan: &Plan, name: &str, local_addr: IpAddr) -> Boot {
    let server = tftp_address(plan, local_addr).unwrap_or(local_addr);
    Boot { file: name.into(), server, source: BootSource::ConfiguredScript, method: BootMethod::File }
}

/// The name of the script. The name carries the parts of the decision that the request for the script would lack.
fn script_name(plan: &Plan, decision: &Decision, boots: &BootTarget, choice: Option<u16>) -> BootFile {
    let rule = packet_rule(plan, decision);
    let item = choice.filter(|choice| matches!(boots, BootTarget::Menu(menu) if menu.item(*choice).is_some()));
    match (boots, rule, item) {
        (BootTarget::BootDir, None, None) => BOOT_SCRIPT.into(),
        _ => {
            let choice = BootChoice { rule, item };
            format_args!("{MACHINE_PREFIX}{choice}{BOOT_SCRIPT}").into()
        }
    }
}

fn script(plan: &Plan, name: &str, features: Option<Features>, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    // An iPXE that lists no features may still support HTTP, and every iPXE supports TFTP. DHCPv6 has no list of
    // features.
    let unlisted = plan.offer.tftp != Some(TftpServer::Local) || local_addr.is_ipv6();
    let http = features.map_or(unlisted, |features| features.has(Features::HTTP));
    let host = host(local_addr);
    let (file, source) = match (plan.offer.http, tftp_server(plan, local_addr)) {
        (Some(port), _) if http => (format_args!("http://{host}:{port}/{name}").into(), BootSource::ScriptHttp),
        (_, Some(TftpServer::Local)) => (format_args!("tftp://{host}/{name}").into(), BootSource::ScriptTftp),
        (Some(_), _) if features.is_some() => return Err(NoBoot::IpxeLacks(Features::from_codes([Features::HTTP]))),
        _ => return Err(NoBoot::NoScript),
    };
    Ok(Boot { file, server: local_addr, source, method: BootMethod::File })
}

/// The menu for a firmware, without the items that the firmware cannot start.
fn menu_boot(plan: &Plan, client: &Client, menu: &FirmwareMenu, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    let items = menu.items.iter().filter_map(|item| {
        let (server_type, server) = match &item.target {
            ItemTarget::Server(server) => (item.server_type, Some((*server).into())),
            ItemTarget::Broadcast => (item.server_type, None),
            ItemTarget::Profile(profile)
                if client.arch == Arch::BIOS && *plan.boots(profile.as_deref()) == BootTarget::LocalDisk =>
            {
                (0, None)
            }
            ItemTarget::Profile(_) => {
                item_boot(plan, client, item, local_addr).ok()?;
                (item.server_type, Some(local_addr))
            }
        };
        Some(MenuLine { server_type, title: item.title.clone(), server })
    });
    let method = BootMethod::Menu { prompt: menu.prompt.clone(), timeout: menu.timeout, items: items.collect() };
    Ok(Boot { file: BootFile::default(), server: local_addr, source: BootSource::Menu, method })
}

/// The boot for the item that a firmware has chosen from the menu.
fn chosen_boot(
    plan: &Plan,
    client: &Client,
    menu: Option<&FirmwareMenu>,
    chosen: BootItem,
    local_addr: IpAddr,
) -> Result<Boot, NoBoot> {
    if chosen.requests_credentials() {
        return Err(NoBoot::Credentials(chosen.server_type));
    }
    let item = menu.and_then(|menu| menu.item(chosen.server_type)).ok_or(NoBoot::BootItem(chosen.server_type))?;
    Ok(Boot { method: BootMethod::Item(chosen), ..item_boot(plan, client, item, local_addr)? })
}

fn item_boot(plan: &Plan, client: &Client, item: &FirmwareMenuItem, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    let ItemTarget::Profile(profile) = &item.target else { return Err(NoBoot::BootItem(item.server_type)) };
    let decision = Decision::default().with_profile(plan, profile.as_deref());
    match decision.boots(plan) {
        BootTarget::Nothing => Err(NoBoot::Profile),
        boots => for_firmware(plan, client, &decision, boots, local_addr),
    }
}

fn fixed_names(plan: &Plan, dialect: &'static Dialect, local_addr: IpAddr) -> Result<Boot, NoBoot> {
    if !plan.offer.dialects.contains(&dialect) {
        return Err(NoBoot::NoFiles(dialect));
    }
    let server = tftp_address(plan, local_addr)?;
    Ok(Boot {
        file: BootFile::default(),
        server,
        source: BootSource::FixedNames,
        method: BootMethod::FixedNames(dialect),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::offer::Offer;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn tftp_is_offered_only_over_address_families_on_which_it_listens() {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let mut plan =
            Plan { offer: Offer { tftp: Some(TftpServer::Local), ..Offer::default() }.into(), ..Plan::default() };
        assert_eq!((tftp_address(&plan, v4), tftp_address(&plan, v6)), (Ok(v4), Err(NoBoot::NoTftp)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6), Err(NoBoot::NoScript));
        plan.offer_mut().tftp = None;
        plan.offer_mut().dhcp6.tftp = true;
        assert_eq!((tftp_address(&plan, v4), tftp_address(&plan, v6)), (Err(NoBoot::NoTftp), Ok(v6)));
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v6).unwrap().file, "tftp://[::1]/boot.ipxe");
        assert_eq!(script(&plan, BOOT_SCRIPT, None, v4), Err(NoBoot::NoScript));
        let both = "neither TFTP nor HTTP is served here, so an iPXE cannot fetch its script";
        assert_eq!(alloc::string::ToString::to_string(&NoBoot::NoScript), both);
    }
}
