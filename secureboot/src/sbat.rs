//! The SBAT section, by which shim recognises programs that are revoked.

use crate::pe::Pe;
use crate::text::printable;

/// A component of a program and its generation, which shim compares with its list of revoked programs.
#[derive(Clone, Debug)]
pub struct SbatComponent {
    /// The component's name: `shim`, `grub`.
    pub name: String,
    /// The generation number, as text.
    pub generation: String,
    /// The version of the package from which the component was built.
    pub version: String,
}

/// The SBAT components of a program, without verifying its signatures. Returns an empty list for other files.
pub fn sbat_components(file: &[u8]) -> Vec<SbatComponent> {
    Pe::parse(file).map_or(Vec::new(), |pe| components(&pe))
}

/// Reads the section `.sbat`. Its lines are comma-separated values: component, generation, vendor, package, version and
/// address.
pub(crate) fn components(pe: &Pe<'_>) -> Vec<SbatComponent> {
    const MAX_COMPONENTS: usize = 32;
    let text = String::from_utf8_lossy(pe.section(".sbat").unwrap_or_default());
    let component = |line: &str| {
        let mut values = line.split(',').map(printable);
        let name = values.next().filter(|name| !name.is_empty())?;
        Some(SbatComponent { name, generation: values.next()?, version: values.nth(2).unwrap_or_default() })
    };
    text.trim_end_matches('\0').lines().take(MAX_COMPONENTS).filter_map(component).collect()
}
