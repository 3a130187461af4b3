//! Any configuration is read to settings and a plan, or to errors that point into its files.

use crate::located::{assert_located, assert_shown};
use crate::seeds;
use proxydhcpd::config::native;
use proxydhcpd_reading::diagnostic::{Severity, Source};
use std::path::Path;

/// Reads the input as proxydhcpd.toml and, after a zero octet, a file of `conf.d`.
pub fn check(data: &[u8]) {
    let parts = data.splitn(2, |octet| *octet == 0);
    let source = |(name, part): (&str, &[u8])| Source::new(name, part.into()).ok();
    let sources: Vec<Source> = ["proxydhcpd.toml", "conf.d/a.toml"].into_iter().zip(parts).filter_map(source).collect();
    let read = native::read(&sources, Path::new("/nonexistent"), true);
    for diagnostic in &read.diagnostics {
        assert_shown(diagnostic);
        if let Some(source) = sources.iter().find(|source| Some(&source.name) == diagnostic.file.as_ref()) {
            assert_located(diagnostic, source);
            assert!(diagnostic.location.is_some(), "no line: {diagnostic:?}");
        }
    }
    let is_valid = read.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    let is_toml = sources.iter().all(|source| source.text.parse::<toml::Table>().is_ok());
    assert!(!is_valid || is_toml, "a file that is no TOML has no error");
    for profile in &read.plan.profiles {
        let name = &profile.profile.name;
        assert!(!is_valid || proxydhcpd_reading::names::check_name(name).is_ok(), "{name:?}");
    }
}

/// The examples of the pages, whole and joined in pairs, and the example of the package.
pub fn seeds() -> Vec<Vec<u8>> {
    let examples = seeds::documented("toml");
    let pairs: Vec<Vec<u8>> = examples.windows(2).map(|pair| [&pair[0][..], &[0], &pair[1]].concat()).collect();
    examples.into_iter().chain(pairs).chain(seeds::files("dist", &["toml"])).collect()
}
