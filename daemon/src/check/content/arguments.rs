//! Checks `cmdline` files that contain expressions: renders them for machines that may request them.

use crate::explain::client::{ClientKind, EXAMPLE_MAC};
use crate::explain::observed_client::{neighbour, with_observed_client};
use crate::preview::{self, Preview};
use crate::templates::Failure;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::fetch::{Fetch, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use std::net::SocketAddr;

/// How many of the configured machines the check renders for.
const MAX_MACHINES: usize = 1000;

/// The request of a machine without an entry, with every identity that an iPXE can send.
const UNLISTED_MACHINE: &str = "machine/mac=02-00-00-00-00-01/uuid=5f2c8a107d3e4b6f9a1c0e2d4b6a8c10/\
                                serial=73616d706c65/platform=efi/arch=x86_64/menu.ipxe";

/// Warns of menu entries whose arguments cannot be rendered for any machine to which the server shows the menu, or for
/// machines without an entry in the configuration. A failure for only some configured machines causes no warning,
/// because the menu entry may be intended for the others.
pub fn diagnostics(context: &Preview) -> Vec<Diagnostic> {
    if context.site.menu_scan().is_none() {
        return Vec::new();
    }
    let machines = &context.site.plan.inventory;
    let of_machines =
        machines.iter().take(MAX_MACHINES).map(|machine| format!("machine/name={}/menu.ipxe", machine.name));
    let unlisted = failed(context, UNLISTED_MACHINE);
    let mut everywhere = unlisted.clone();
    for name in of_machines {
        if everywhere.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
        let Some(failed) = failed(context, &name) else { continue };
        everywhere = Some(match everywhere {
            None => failed,
            Some(earlier) => earlier.into_iter().filter(|failure| has(&failed, failure)).collect(),
        });
    }
    let everywhere = everywhere.unwrap_or_default();
    let unlisted_only = unlisted.unwrap_or_default().into_iter().filter(|failure| !has(&everywhere, failure));
    let unlisted_only =
        unlisted_only.map(|failure| warning(failure, " for a machine without an entry in the configuration"));
    everywhere.iter().cloned().map(|failure| warning(failure, "")).chain(unlisted_only).collect()
}

fn has(failed: &[Failure], failure: &Failure) -> bool {
    failed.iter().any(|other| other.template == failure.template)
}

fn warning(Failure { diagnostic, .. }: Failure, machines: &str) -> Diagnostic {
    let message = format!("this menu entry does not boot{machines}: {}", diagnostic.message);
    Diagnostic { severity: Severity::Warning, message, ..*diagnostic }
}

/// The failures for the machine that this requested name identifies. `None` if the server does not show that machine
/// the menu.
fn failed(context: &Preview, name: &str) -> Option<Vec<Failure>> {
    let (site, examples) = (&context.site, preview::example_links(None, None));
    let link = context.links.iter().chain(&examples).find(|link| !link.ipv4.is_empty())?;
    let network = link.ipv4[0];
    let address = neighbour(network).into();
    let observations =
        with_observed_client(Observations::new(0), ClientKind { arch: Arch::X64, ipxe: true }, EXAMPLE_MAC, address);
    let request = FileRequest {
        protocol: site.plan.offer.http.map_or(Protocol::Tftp, Protocol::Http),
        name: name.as_bytes(),
        server: network.address.into(),
        client: SocketAddr::new(address, 1024),
        interface: &link.name,
    };
    match fetch(&site.plan, &observations, &request).answer {
        Ok(Fetch::Menu(requester)) => Some(site.menu_failures(&requester, &request)),
        _ => None,
    }
}
