//! The reasons for which a machine cannot be added.

use core::fmt;

/// Why a machine cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// Another machine has the same name.
    NameTaken,
    /// The list has 2^30 machines, or the machine exceeds a limit: 255 octets for the name, 65,535 for the serial
    /// number, 1 MiB for the variables, 65,535 addresses.
    TooLarge,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken => "another machine has this name",
            Self::TooLarge => "too much text: the variables of a machine may have 1 MiB",
        })
    }
}
