//! The faults of kernels and initrds: a file is empty, truncated, or of a different kind than its purpose requires.
//! Unknown formats are no fault, because iPXE starts more kinds of files than any list could name.

/// A problem with the content of a file, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentFault {
    /// The problem, as the end of a sentence that begins with the file's name: `is empty`.
    pub problem: String,
    /// The fix for the operator.
    pub fix: String,
}

impl ContentFault {
    /// Makes a fault from its description.
    pub fn new(problem: impl Into<String>, fix: impl Into<String>) -> ContentFault {
        ContentFault { problem: problem.into(), fix: fix.into() }
    }

    /// A fault that another copy of the file does not have.
    pub fn copy_again(problem: impl Into<String>) -> ContentFault {
        ContentFault::new(problem, "copy or download the file again")
    }

    /// The fault of a file that has fewer octets than it should have.
    pub fn truncated(actual: u64, expected: u64) -> ContentFault {
        ContentFault::copy_again(format!("is truncated: it should have {expected} octets and has {actual}"))
    }
}

/// The fault of a file that cannot serve any purpose; `None` if no such fault is found.
pub fn common_fault(head: &[u8]) -> Option<ContentFault> {
    let begin = head[..head.len().min(512)].trim_ascii_start().to_ascii_lowercase();
    if head.is_empty() {
        return Some(ContentFault::copy_again("is empty"));
    }
    if begin.starts_with(b"<!doctype html") || begin.starts_with(b"<html") {
        return Some(ContentFault::copy_again("is a web page, perhaps the error message of a download"));
    }
    let zeros = head.len() >= 512 && head.iter().all(|octet| *octet == 0);
    zeros.then(|| ContentFault::copy_again("begins with nothing but zeros"))
}
