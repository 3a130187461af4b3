//! The programs that start an iPXE with the script that lies beside it, as `build.rs` made them
//! ([`proxydhcpd_core::choose::WITH_SCRIPT`]).

use super::signature;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::{Loader, Plan};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const STARTERS: [(&str, &[u8]); 3] = [
    ("uefi-ia32", include_bytes!(concat!(env!("OUT_DIR"), "/with-script-uefi-ia32.efi"))),
    ("uefi-x64", include_bytes!(concat!(env!("OUT_DIR"), "/with-script-uefi-x64.efi"))),
    ("uefi-arm64", include_bytes!(concat!(env!("OUT_DIR"), "/with-script-uefi-arm64.efi"))),
];

/// What is sent for [`proxydhcpd_core::fetch::Fetch::WithScript`].
pub fn starter(arch: Arch) -> Option<&'static [u8]> {
    let id = arch.row()?.id;
    STARTERS.iter().find(|(of, program)| *of == id && !program.is_empty()).map(|(_, program)| *program)
}

/// The site's loaders that can be started so: [`Plan::with_script`].
pub fn able(plan: &Plan) -> BTreeMap<String, Arch> {
    let able = plan.loaders.iter().filter(|(arch, loader)| starter(**arch).is_some() && takes_a_command_line(loader));
    able.map(|(arch, loader)| (loader.name.clone(), *arch)).collect()
}

/// An iPXE of 2023 or later, by the name that it gives its command line (efi_cmdline.c). One that is signed is meant for
/// Secure Boot, which would refuse our program in front of it.
fn takes_a_command_line(loader: &Loader) -> bool {
    const ITS_NAME: &[u8] = b"<CMDLINE>";
    let Some(path) = loader.path.as_deref().map(Path::new) else { return false };
    let unsigned = signature::is_signed(path).is_ok_and(|signed| signed == Some(false));
    unsigned && fs::read(path).is_ok_and(|program| program.windows(ITS_NAME.len()).any(|window| window == ITS_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::{Image, identify, tests::efi};
    use proxydhcpd_core::arch::Program;

    #[test]
    fn a_starter_is_a_program_for_its_architecture() {
        for (id, program) in STARTERS.into_iter().filter(|(_, program)| !program.is_empty()) {
            let arch = Arch::by_id(id).unwrap();
            let Image::Efi(machine) = identify(program) else { panic!("{id}") };
            assert_eq!(Program::Efi(machine), arch.row().unwrap().program, "{id}");
        }
        assert!(starter(Arch::X64).is_some(), "rustup target add x86_64-unknown-uefi");
    }

    #[test]
    fn an_ipxe_takes_its_script_along_if_it_can_and_any_other_program_is_started_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let x64 = efi(0x8664);
        let mut plan = Plan::default();
        for (content, able) in [(&b"<CMDLINE>"[..], true), (b"autoexec.ipxe", false)] {
            let path = folder.path().join("snponly.efi");
            fs::write(&path, [&x64, content].concat()).unwrap();
            let loader = Loader { name: "snponly.efi".into(), path: path.to_str().map(Into::into) };
            plan.loaders = [(Arch::X64, loader)].into();
            assert_eq!(super::able(&plan).get("snponly.efi"), able.then_some(&Arch::X64));
        }
        plan.loaders.get_mut(&Arch::X64).unwrap().path = None;
        assert!(super::able(&plan).is_empty(), "it is on another server");
    }
}
