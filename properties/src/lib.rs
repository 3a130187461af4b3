//! The properties that hold for any input. Each is a function of octets that panics if the property does not hold. The
//! fuzz targets in `fuzz/` call these functions with the inputs that they find; the test `corpus` calls them with the
//! seeds and with the kept inputs, on stable Rust and in seconds.
//!
//! A property states its rule independently of the code that it checks. It keeps nothing between two inputs, so that an
//! input alone repeats a failure.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[macro_use]
mod property;

mod input;
mod located;
mod plans;
mod seeds;

pub mod corpus;

pub mod answer;
pub mod dhcp4;
pub mod dhcp6;
pub mod fetch;
pub mod ini;
pub mod overhear;
pub mod replay;
pub mod signature;
pub mod story;
pub mod syslog;
pub mod tftp;
pub mod transfer;
pub mod url;

#[cfg(feature = "daemon")]
mod daemon;
#[cfg(feature = "daemon")]
pub use daemon::*;

pub use property::Property;

/// The properties of the crates below the daemon.
const LOWER: &[Property] =
    properties!(answer, dhcp4, dhcp6, fetch, ini, overhear, replay, signature, story, syslog, tftp, transfer, url,);

/// All properties.
pub fn all() -> impl Iterator<Item = &'static Property> {
    #[cfg(feature = "daemon")]
    let upper = daemon::PROPERTIES;
    #[cfg(not(feature = "daemon"))]
    let upper = &[];
    LOWER.iter().chain(upper)
}

/// The property with this name.
pub fn by_name(name: &str) -> Option<&'static Property> {
    all().find(|property| property.name == name)
}
