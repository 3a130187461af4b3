//! Locations in the files of the configuration.

use proxydhcpd_reading::diagnostic::{Diagnostic, FileLocation, Source, Span};
use std::fmt;

/// A location in one of the files.
#[derive(Clone, Debug)]
pub struct SourceLocation<'a> {
    /// The file.
    pub source: &'a Source,
    /// The octets in question.
    pub span: Span,
}

/// A name that refers to a profile or a file, or another text, with its location.
pub type Reference<'a> = (String, SourceLocation<'a>);

impl<'a> SourceLocation<'a> {
    /// The location of another part of the same file.
    pub fn part(&self, span: Span) -> SourceLocation<'a> {
        SourceLocation { source: self.source, span }
    }

    /// Converts the location to one that does not refer to the source.
    pub fn to_file_location(&self) -> FileLocation {
        self.source.file_location(self.span.clone())
    }

    /// An error at this location.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.source.error(self.span.clone(), message)
    }

    /// A warning at this location.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.source.warning(self.span.clone(), message)
    }
}

/// Prints `FILE:LINE`, so that a diagnostic at another location can refer to this one.
impl fmt::Display for SourceLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name, self.source.line_number(self.span.start))
    }
}
