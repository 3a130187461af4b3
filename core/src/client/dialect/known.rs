//! The list of dialects.

use super::{Dialect, raspberry_pi};
use crate::arch::Arch;

/// Every dialect.
const DIALECTS: &[&Dialect] = &[&raspberry_pi::DIALECT];

impl Dialect {
    /// Every dialect.
    pub fn all() -> impl Iterator<Item = &'static Dialect> {
        DIALECTS.iter().copied()
    }

    /// The dialect with this id, such as `raspberry-pi`; `None` for an unknown id.
    pub fn from_id(id: &str) -> Option<&'static Dialect> {
        Self::all().find(|dialect| dialect.id == id)
    }

    /// The dialect of the firmware that alone announces this architecture.
    pub fn for_arch(arch: Arch) -> Option<&'static Dialect> {
        Self::all().find(|dialect| dialect.arch == arch)
    }
}
