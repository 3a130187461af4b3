//! The iPXE wrapper, a program that starts iPXE together with a script, and the iPXE loaders that it can start.

use super::built;
use crate::boot_files::image;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::Loader;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The wrapper that the server sends to machines of this architecture; `None` if no wrapper is built for it.
pub fn program(arch: Arch) -> Option<&'static [u8]> {
    built::for_arch(&built::IPXE_WRAPPER, arch)
}

/// The site's loaders that the wrapper can start, by name: the plan's `ipxe_wrappers`.
pub fn wrappable_loaders(plan: &Plan) -> BTreeMap<String, Arch> {
    let wrappable =
        plan.offer.loaders.iter().filter(|(arch, loader)| program(**arch).is_some() && takes_a_command_line(loader));
    wrappable.map(|(arch, loader)| (loader.name.clone(), *arch)).collect()
}

/// Whether the loader is an unsigned iPXE of 2023 or later. It contains the name that iPXE gives to its command line
/// (efi_cmdline.c). A signed iPXE is meant for Secure Boot, which would refuse the unsigned wrapper.
fn takes_a_command_line(loader: &Loader) -> bool {
    const COMMAND_LINE_NAME: &[u8] = b"<CMDLINE>";
    let Some(path) = loader.path.as_deref().map(Path::new) else { return false };
    let unsigned = image::is_signed(path).is_ok_and(|signed| signed == Some(false));
    unsigned
        && fs::read(path)
            .is_ok_and(|program| program.windows(COMMAND_LINE_NAME.len()).any(|window| window == COMMAND_LINE_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::efi;

    #[test]
    fn only_an_ipxe_with_a_command_line_is_wrapped() {
        let directory = tempfile::tempdir().unwrap();
        let x64 = efi(0x8664);
        let mut plan = Plan::default();
        for (content, wrappable) in [(&b"<CMDLINE>"[..], true), (b"autoexec.ipxe", false)] {
            let path = directory.path().join("snponly.efi");
            fs::write(&path, [&x64, content].concat()).unwrap();
            let loader = Loader { name: "snponly.efi".into(), path: path.to_str().map(Into::into) };
            plan.offer_mut().loaders = [(Arch::X64, loader)].into();
            assert_eq!(super::wrappable_loaders(&plan).get("snponly.efi"), wrappable.then_some(&Arch::X64));
        }
        plan.offer_mut().loaders.get_mut(&Arch::X64).unwrap().path = None;
        assert!(super::wrappable_loaders(&plan).is_empty(), "it is on another server");
    }
}
