//! The table of loaders, with one line for each architecture. The server logs it at the start, and `check` prints it.

use super::distribution::Distribution;
use super::find::FoundLoaders;
use proxydhcpd_core::arch::{ARCHITECTURES, Arch, Prevalence};
use proxydhcpd_core::plan::offer::Loader;
use std::collections::BTreeMap;

/// A line of the table: an architecture and its loader.
#[derive(Debug, PartialEq, Eq)]
pub struct LoaderRow<'a> {
    /// The architecture. `None`: every architecture without a separate line.
    pub arch: Option<Arch>,
    /// The loader for the architecture, or how to get a loader.
    pub loader: Result<&'a Loader, String>,
}

/// The lines of the table: one for each architecture that has a loader, and one for each common architecture that has
/// none.
pub fn rows<'a>(
    loaders: &'a BTreeMap<Arch, Loader>,
    found: &FoundLoaders,
    system: &Distribution,
) -> Vec<LoaderRow<'a>> {
    ARCHITECTURES
        .iter()
        .map(|row| (Arch(row.code), row.prevalence))
        .filter_map(|(arch, prevalence)| match loaders.get(&arch) {
            Some(loader) => Some(LoaderRow { arch: Some(arch), loader: Ok(loader) }),
            None if prevalence == Prevalence::Common => {
                Some(LoaderRow { arch: Some(arch), loader: Err(hint(arch, found, system)) })
            }
            None => None,
        })
        .collect()
}

/// How to get a loader for this architecture: by fixing the unusable file that was found, or by installing a package.
pub fn hint(arch: Arch, found: &FoundLoaders, system: &Distribution) -> String {
    let unusable = found.unusable.iter().find(|unusable| unusable.archs.contains(&arch));
    match unusable {
        Some(unusable) if unusable.archs.len() == 1 => {
            format!("{} cannot be used ({}): {}", unusable.path.display(), unusable.reason, unusable.fix)
        }
        Some(unusable) => format!(
            "{} cannot be used ({}): {}; or, if that is for another architecture: {}",
            unusable.path.display(),
            unusable.reason,
            unusable.fix,
            system.hint(arch)
        ),
        None => system.hint(arch),
    }
}

/// Returns the table as text with aligned columns, one line for each architecture.
pub fn render(rows: &[LoaderRow<'_>]) -> String {
    let width = rows.iter().map(|row| row.arch_name().len()).max().unwrap_or(0);
    rows.iter().map(|row| format!("{:width$}  {}\n", row.arch_name(), row.loader_text())).collect()
}

impl LoaderRow<'_> {
    /// The name of the architecture.
    pub fn arch_name(&self) -> String {
        self.arch.map_or_else(|| "every other".to_owned(), |arch| arch.to_string())
    }

    /// The file of the loader, or how to get a loader.
    pub fn loader_text(&self) -> String {
        match &self.loader {
            Ok(Loader { path: Some(path), .. }) => path.clone(),
            Ok(Loader { name, path: None }) => format!("{name} (from the other TFTP server)"),
            Err(hint) => format!("no loader: {hint}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_loaders_and_hints() {
        let loader = Loader { name: "snponly.efi".into(), path: Some("/usr/lib/ipxe/snponly.efi".into()) };
        let loaders = BTreeMap::from([(Arch::X64, loader)]);
        let text = render(&rows(&loaders, &FoundLoaders::default(), &Distribution::DebianX86));
        assert_eq!(
            text,
            "x86 BIOS           no loader: apt install ipxe\n\
             x86 UEFI           no loader: put ipxe-ia32.efi into the boot directory\n\
             x64 UEFI           /usr/lib/ipxe/snponly.efi\n\
             ARM 32 UEFI        no loader: put ipxe-arm32.efi into the boot directory\n\
             ARM 64 UEFI        no loader: make loaders\n\
             RISC-V 64 UEFI     no loader: make loaders\n\
             LoongArch 64 UEFI  no loader: make loaders\n"
        );
    }
}
