//! The program that sends a request.

use crate::wire::pxe::Features;

/// The program that sends a request. It shows how far the boot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The firmware.
    Firmware,
    /// gPXE. It cannot run a script that begins with `#!ipxe`, so it receives a loader, as firmware does.
    Gpxe,
    /// iPXE, with its features if it sent option 175.
    Ipxe(Option<Features>),
    /// An iPXE that receives our loader before its script: because it lacks these features, which the script needs, or,
    /// if the list is empty, because a rule requires the loader.
    ReplacedIpxe(Features),
    /// A program that the firmware loaded, such as the Windows boot manager, and that sends another request to port
    /// 4011.
    BootProgram,
}
