//! Parsers of the values of rules.

use super::architecture::parse_architecture;
use super::value::{TomlValue, ValueError, ValueResult, invalid, one_of, text};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::Firmware;

/// A pattern with `*` and `?`.
pub fn glob(value: &TomlValue<'_>) -> ValueResult<Glob> {
    text(value).map(Glob)
}

/// A pattern for names of interfaces. Brackets are an error, because no name of an interface contains them. Other kinds
/// of patterns have brackets.
pub fn interface(value: &TomlValue<'_>) -> ValueResult<Glob> {
    let name = glob(value)?;
    match name.0.contains(['[', ']']) {
        true => Err(vec![ValueError {
            span: value.span(),
            reason: Some(format!("`{}` matches no interface: patterns have no brackets", name.0)),
            help: Some("`*` stands for any characters, `?` for one; for several names, write a list".into()),
        }]),
        false => Ok(name),
    }
}

/// An architecture.
pub fn arch(value: &TomlValue<'_>) -> ValueResult<Arch> {
    let word = value.get_ref().as_str().ok_or_else(|| invalid(value.span()))?;
    parse_architecture(word).map_err(|help| {
        let reason = Some(format!("unknown architecture `{word}`"));
        vec![ValueError { span: value.span(), reason, help: Some(help) }]
    })
}

/// A kind of firmware.
pub fn firmware(value: &TomlValue<'_>) -> ValueResult<Firmware> {
    one_of(value, &Firmware::all().map(|kind| (kind.id(), kind)).collect::<Vec<_>>())
}
