//! Finds loaders with a URL that the firmware cannot fetch, if no iPXE is offered that could fetch it instead.

use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_reading::diagnostic::Diagnostic;

/// A warning for each such loader. `hint` explains how to get iPXE for an architecture.
pub fn unfetchable_loaders(plan: &Plan, hint: impl Fn(Arch) -> String) -> Vec<Diagnostic> {
    let site = plan.offer.loaders.iter().map(|(arch, loader)| ("the configuration".to_owned(), *arch, loader));
    let of_profiles = plan.policy.profiles.iter().flat_map(|profile| {
        let name = format!("profile {}", profile.name);
        profile.loaders.iter().map(move |(arch, loader)| (name.clone(), *arch, loader))
    });
    let is_unfetchable = |(_, arch, loader): &(String, Arch, &Loader)| {
        let is_url_for_pxe =
            matches!(loader.remote_location(), Some((_, None))) && arch.transport() == Some(Transport::Tftp);
        let has_ipxe =
            plan.offer.loaders.get(arch).is_some_and(|site| site.is_ipxe() && site.remote_location().is_none());
        is_url_for_pxe && !has_ipxe
    };
    let named = site.chain(of_profiles).filter(is_unfetchable);
    let each =
        named.map(|(who, arch, loader)| warning(&format!("{who} names {} for {arch}", loader.name), arch, &hint));
    let every_other =
        plan.policy.profiles.iter().filter_map(|profile| Some((profile, profile.default_loader.as_ref()?)));
    let every_other = every_other.filter(|(profile, loader)| {
        !profile.loaders.contains_key(&Arch::BIOS) && is_unfetchable(&(String::new(), Arch::BIOS, loader))
    });
    let default_loader = every_other.map(|(profile, loader)| {
        let subject = format!("profile {} names {} for every other architecture", profile.name, loader.name);
        warning(&subject, Arch::BIOS, &hint)
    });
    each.chain(default_loader).collect()
}

fn warning(subject: &str, arch: Arch, hint: impl Fn(Arch) -> String) -> Diagnostic {
    let http = if arch.is_efi() { "; only UEFI HTTP boot gets it" } else { "" };
    let what = format!("{subject}, which PXE firmware cannot fetch: such machines get no reply{http}");
    Diagnostic::warning(what).help(format!(
        "PXE firmware fetches only from tftp://ADDRESS/; with an iPXE here, the server sends that first, and iPXE \
         fetches the URL: {}",
        hint(arch)
    ))
}
