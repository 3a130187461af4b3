//! The scopes of callers.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The actions that a caller may take. Each scope contains those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See the machines, their stories and events
    Read,
    /// Choose what a machine boots next, and wake it
    Boot,
    /// Change the entries of machines
    Write,
}

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Boot => "boot",
            Scope::Write => "write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
