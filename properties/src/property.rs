//! A property as a value.

/// A property with its seeds.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The name of its module, of its fuzz target and of its corpus.
    pub name: &'static str,
    /// Panics if the property does not hold for this input.
    pub check: fn(&[u8]),
    /// Inputs from the files of this repository, with which the fuzzer begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The properties in modules with these names.
macro_rules! properties {
    ($($name:ident),* $(,)?) => {
        &[$(Property { name: stringify!($name), check: $name::check, seeds: $name::seeds }),*]
    };
}
