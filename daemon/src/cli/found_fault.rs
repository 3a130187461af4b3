//! A fault that `probe` or `doctor` found on this host or in its networks, and how both print it.

use super::output::{OutputError, print};
use proxydhcpd_reading::diagnostic::Diagnostic;
use serde_json::{Value, json};
use std::process::ExitCode;

/// One fault, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFault {
    /// The name for scripts: lower case, with hyphens. It never changes.
    pub code: &'static str,
    /// The interface, the address, the port or the file that has the fault.
    pub place: String,
    /// The fault in one sentence, with its cure; of a file, with the line in question.
    pub diagnostic: Diagnostic,
}

impl FoundFault {
    /// A fault with these texts.
    pub fn new(
        code: &'static str,
        place: impl Into<String>,
        summary: impl Into<String>,
        cure: impl Into<String>,
    ) -> FoundFault {
        FoundFault { code, place: place.into(), diagnostic: Diagnostic::warning(summary).help(cure) }
    }

    /// The fault as JSON.
    pub fn json(&self) -> Value {
        let Diagnostic { message, help, .. } = &self.diagnostic;
        json!({ "code": self.code, "summary": message, "cure": help, "where": self.place })
    }
}

/// Prints each fault with its cure on standard output, or that there is none.
pub fn print_all(faults: &[FoundFault]) -> Result<(), OutputError> {
    for fault in faults {
        print(format_args!("{}\n", fault.diagnostic.styled()))?;
    }
    if faults.is_empty() {
        print("no fault found\n")?;
    }
    Ok(())
}

/// The exit status: 0 without a fault, else 1.
pub fn exit_status(faults: &[FoundFault]) -> ExitCode {
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
