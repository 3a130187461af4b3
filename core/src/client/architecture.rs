//! Finds the architecture of a client in its packet.

use super::{Class, IgnoreReason, Program};
use crate::arch::Arch;

/// Where the architecture was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchSource {
    /// Option 93, the code at this index.
    Option93(usize),
    /// The digits of option 60 (`PXEClient:Arch:00007`), because option 93 is absent or unusable.
    ClassDigits,
    /// Option 61 of DHCPv6, the code at this index.
    Option61(usize),
    /// Assumed: a PXE client without an architecture is an old BIOS ROM, if nothing contradicts that.
    Assumed,
}

/// Selects the architecture from the list in the option (RFC 4578 2.1): the first code for the transport of the class,
/// or else the first assigned code, or else the digits of the vendor class. If the option has an odd or zero length,
/// the server disregards the option, but not the packet. If no architecture is found, a PXE client that states no code
/// counts as BIOS; for any other client, the function returns an error.
pub fn select_architecture(
    option: &[u8],
    class: Class,
    vendor_class: &[u8],
    by_option: fn(usize) -> ArchSource,
) -> Result<(Arch, ArchSource), IgnoreReason> {
    let option = if option.len().is_multiple_of(2) { option } else { &[] };
    let codes = || option.chunks_exact(2).map(|pair| Arch(u16::from_be_bytes([pair[0], pair[1]])));
    let matches_transport = |arch: Arch| arch.transport() == Some(class.transport());
    let index = codes().position(matches_transport).or_else(|| codes().position(|arch| arch.info().is_some()));
    if let Some((index, arch)) = index.and_then(|index| Some((index, codes().nth(index)?))) {
        return Ok((arch, by_option(index)));
    }
    if let Some(arch) = class_digits(vendor_class, class).filter(|arch| arch.info().is_some()) {
        return Ok((arch, ArchSource::ClassDigits));
    }
    match (codes().next(), class) {
        (Some(unknown), _) => Err(IgnoreReason::UnknownArchitecture(unknown)),
        (None, Class::Pxe) => Ok((Arch::BIOS, ArchSource::Assumed)),
        (None, Class::Http | Class::UBoot) => Err(IgnoreReason::NoArchitecture),
    }
}

/// The architecture in a vendor class such as `PXEClient:Arch:00007...`, which contains five decimal digits; `None`
/// without digits. U-Boot writes hexadecimal digits, which the server recognises only if one of them is a letter.
fn class_digits(vendor_class: &[u8], class: Class) -> Option<Arch> {
    let digits = vendor_class.strip_prefix(class.vendor_class().as_bytes())?.strip_prefix(b":Arch:")?.get(..5)?;
    let radix = if digits.iter().all(u8::is_ascii_digit) { 10 } else { 16 };
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok().map(Arch)
}

/// Accepts an unassigned code other than 255 from iPXE, whose script is the same for every architecture (iPXE on s390x
/// sends 65535).
pub fn accept_for_script(
    found: Result<(Arch, ArchSource), IgnoreReason>,
    program: Program,
    by_option: fn(usize) -> ArchSource,
) -> Result<(Arch, ArchSource), IgnoreReason> {
    match found {
        Err(IgnoreReason::UnknownArchitecture(arch)) if matches!(program, Program::Ipxe(_)) && arch.0 != 255 => {
            Ok((arch, by_option(0)))
        }
        found => found,
    }
}
