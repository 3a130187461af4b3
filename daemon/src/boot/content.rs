//! What is wrong with the content of a file that is offered: empty, cut short, or another kind of file than its purpose
//! needs. What is not known is not judged: iPXE starts more kinds of files than anybody lists.

pub mod compression;
pub mod initrd;
pub mod kernel;

/// What is wrong, as the end of a sentence that begins with the file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentFault {
    pub problem: String,
    pub fix: String,
}

impl ContentFault {
    fn new(what: impl Into<String>, cure: impl Into<String>) -> ContentFault {
        ContentFault { problem: what.into(), fix: cure.into() }
    }

    fn copy_again(what: impl Into<String>) -> ContentFault {
        ContentFault::new(what, "copy or download the file again")
    }

    fn cut_short(has: u64, wants: u64) -> ContentFault {
        ContentFault::copy_again(format!("is cut short: it should have {wants} octets and has {has}"))
    }
}

/// What is wrong with a file whatever it is for.
fn common_fault(head: &[u8]) -> Option<ContentFault> {
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
