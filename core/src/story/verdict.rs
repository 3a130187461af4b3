//! The verdict about a boot that failed: what the server saw, and the remedy. A verdict states only what the server
//! saw. If several causes fit, it lists them in the order of their likelihood, each with the way to recognise it.

use super::names::{NameId, Names};
use super::verdict_code::VerdictCode;
use crate::observations::finding::{Advice, Finding};
use core::fmt;
use core::net::IpAddr;

/// The verdict about a boot.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The kind of failure.
    pub code: VerdictCode,
    /// The evidence.
    pub evidence: Evidence,
}

/// The evidence for a verdict.
#[derive(Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The machine did not take the server's offer.
    Finding(Finding),
    /// The facts that the texts of the code need; the others are empty.
    Facts(Facts),
}

/// The facts that the text of a verdict needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The file, or the program, that the verdict is about.
    pub file: NameId,
    /// A reason in words, with its remedy.
    pub detail: NameId,
    /// Another host.
    pub address: Option<IpAddr>,
    /// A number: of requests, octets or seconds, or an errno.
    pub number: u32,
}

/// The text of a verdict: the observation and then the remedy, each in whole sentences.
#[derive(Clone, Copy, Debug)]
pub struct VerdictText<'a> {
    verdict: &'a Verdict,
    names: &'a Names,
}

/// The observation of a verdict, without the remedy.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a>(pub VerdictText<'a>);

/// The remedy of a verdict: the causes and what to do.
#[derive(Clone, Copy, Debug)]
pub struct Remedy<'a>(pub VerdictText<'a>);

impl Verdict {
    /// The text of the verdict.
    pub fn text<'a>(&'a self, names: &'a Names) -> VerdictText<'a> {
        VerdictText { verdict: self, names }
    }

    /// Ends the uses of the verdict's texts.
    pub fn release(&self, names: &mut Names) {
        if let Evidence::Facts(facts) = &self.evidence {
            names.release(facts.file);
            names.release(facts.detail);
        }
    }
}

impl VerdictText<'_> {
    fn facts(&self) -> Facts {
        match &self.verdict.evidence {
            Evidence::Facts(facts) => *facts,
            Evidence::Finding(_) => Facts::default(),
        }
    }

    /// Replaces `{file}`, `{detail}`, `{address}` and `{number}` in a text of the table.
    fn write(&self, f: &mut fmt::Formatter<'_>, template: &str) -> fmt::Result {
        let facts = self.facts();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            f.write_str(before)?;
            let (key, after) = after.split_once('}').unwrap_or((after, ""));
            match (key, facts.address) {
                ("file", _) => f.write_str(self.names.text(facts.file))?,
                ("detail", _) => f.write_str(self.names.text(facts.detail))?,
                ("number", _) => write!(f, "{}", facts.number)?,
                ("address", Some(address)) => write!(f, "{address}")?,
                _ => {}
            }
            rest = after;
        }
        f.write_str(rest)
    }
}

impl fmt::Display for Observation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Observation(text) = self;
        match &text.verdict.evidence {
            Evidence::Finding(finding) => write!(f, "The machine {}", finding.diagnosis),
            Evidence::Facts(_) => text.write(f, text.verdict.code.row().observation),
        }
    }
}

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remedy(text) = self;
        match &text.verdict.evidence {
            Evidence::Finding(finding) => Advice(finding).fmt(f),
            Evidence::Facts(_) => text.write(f, text.verdict.code.row().remedy),
        }
    }
}

impl fmt::Display for VerdictText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", Observation(*self), Remedy(*self))
    }
}
