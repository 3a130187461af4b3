//! The list of dialects.

use super::{Dialect, raspberry_pi};
use crate::arch::Arch;

/// Every dialect.
const DIALECTS: [&Dialect; 1] = [&raspberry_pi::DIALECT];

impl Dialect {
    /// The dialect of the firmware that alone announces this architecture.
    pub fn for_arch(arch: Arch) -> Option<&'static Dialect> {
        DIALECTS.into_iter().find(|dialect| dialect.arch == arch)
    }
}
