//! The values of `[[rule]]`.

use crate::settings::architecture::parse_architecture;
use crate::settings::location::{Reference, SourceLocation};
use crate::settings::value::{TomlValue, ValueError, ValueResult, boolean, invalid, one_of, text};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::{Firmware, Rule};

/// A rule whose profile is not resolved.
#[derive(Debug)]
pub struct RawRule<'a> {
    /// The name, the conditions and the flags of the rule.
    pub rule: Rule,
    /// The profile to boot.
    pub profile: Option<Reference<'a>>,
    /// The location of the value of `as-ID`, if it is true.
    pub dialect_location: Option<SourceLocation<'a>>,
    /// The location of the rule's table.
    pub location: SourceLocation<'a>,
    /// Whether the table has errors. If so, the rule may have conditions that were not parsed.
    pub has_errors: bool,
}

impl<'a> RawRule<'a> {
    /// A rule without conditions.
    pub fn new(name: String, location: SourceLocation<'a>) -> Self {
        let rule = Rule { name, ..Rule::default() };
        RawRule { rule, profile: None, dialect_location: None, location, has_errors: false }
    }

    /// Sets the dialect by which to treat the machine, if the value is true.
    pub fn set_dialect(&mut self, id: &str, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        if boolean(value)? {
            self.rule.as_dialect = Dialect::from_id(id);
            self.dialect_location = Some(at.clone());
        }
        Ok(())
    }
}

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
