//! What `check` says of files `cmdline` with expressions: they are rendered for machines that may ask.

use crate::cli::client::{ClientKind, EXAMPLE_MAC};
use crate::cli::explain::neighbour;
use crate::cli::render::with_observed_client;
use crate::cli::context::{self, CliContext};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::templates::Failure;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::fetch::{Fetch, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::request::{Protocol, FileRequest};
use std::net::SocketAddr;

/// Machines of the configuration that are tried.
const MOST_MACHINES: usize = 1000;

/// A machine without an entry that says all that an iPXE can say of itself.
const SAMPLE: &str = "machine/mac=02-00-00-00-00-01/uuid=5f2c8a107d3e4b6f9a1c0e2d4b6a8c10/serial=73616d706c65/platform=efi/\
                      arch=x86_64/menu.ipxe";

/// Entries whose arguments cannot be made for any machine that is shown the menu, or not for a machine without an entry
/// in the configuration. What one machine of the configuration lacks is right: the entry may be meant for another.
pub fn diagnostics(setting: &CliContext) -> Vec<Diagnostic> {
    if setting.site.menu_scan().is_none() {
        return Vec::new();
    }
    let machines = &setting.site.plan.machines;
    let of_machine = |id: usize| format!("machine/name={}/menu.ipxe", machines.get(id as u32).name);
    let of_machines = (0..machines.len().min(MOST_MACHINES)).map(of_machine);
    let unlisted = failed(setting, SAMPLE);
    let mut everywhere = unlisted.clone();
    for name in of_machines {
        if everywhere.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
        let Some(failed) = failed(setting, &name) else { continue };
        everywhere = Some(match everywhere {
            None => failed,
            Some(before) => before.into_iter().filter(|failure| has(&failed, failure)).collect(),
        });
    }
    let everywhere = everywhere.unwrap_or_default();
    let elsewhere = unlisted.unwrap_or_default().into_iter().filter(|failure| !has(&everywhere, failure));
    let elsewhere = elsewhere.map(|failure| told_of(failure, " for a machine without an entry in the configuration"));
    everywhere.iter().cloned().map(|failure| told_of(failure, "")).chain(elsewhere).collect()
}

fn has(failed: &[Failure], failure: &Failure) -> bool {
    failed.iter().any(|other| other.template == failure.template)
}

fn told_of(Failure { diagnostic, .. }: Failure, whom: &str) -> Diagnostic {
    let message = format!("this entry of the menu does not boot{whom}: {}", diagnostic.message);
    Diagnostic { severity: Severity::Warning, message, ..*diagnostic }
}

/// What fails for the machine that asks by this name; `None`: it is not shown the menu.
fn failed(setting: &CliContext, name: &str) -> Option<Vec<Failure>> {
    let (site, examples) = (&setting.site, context::example_links(None, None));
    let link = setting.links.iter().chain(&examples).find(|link| !link.ipv4.is_empty())?;
    let network = link.ipv4[0];
    let address = neighbour(network).into();
    let memory = with_observed_client(Observations::new(0), ClientKind { arch: Arch::X64, ipxe: true }, EXAMPLE_MAC, address);
    let request = FileRequest {
        protocol: site.plan.http.map_or(Protocol::Tftp, Protocol::Http),
        name: name.as_bytes(),
        server: network.address.into(),
        client: SocketAddr::new(address, 1024),
        interface: &link.name,
    };
    match fetch(&site.plan, &memory, &request) {
        Ok(Fetch::Menu(asking)) => Some(site.menu_failures(&asking, &request)),
        _ => None,
    }
}
