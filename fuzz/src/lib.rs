//! The fuzz targets: each calls a property of `properties/`. This workspace is separate, because it needs a nightly
//! compiler.

pub use libfuzzer_sys;
pub use proxydhcpd_properties;

/// The fuzz target of the property with this name.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        use $crate::{libfuzzer_sys, proxydhcpd_properties};

        libfuzzer_sys::fuzz_target!(|data: &[u8]| proxydhcpd_properties::$name::check(data));
    };
}
