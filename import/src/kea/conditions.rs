//! Parses the `test` expressions of Kea's client classes. An `Err` contains the reason why rules cannot test the
//! expression.

use super::super::expression::{
    Atom, Expr, Field, FieldSlice, FormattedMac, Grammar, UNSUPPORTED_FACT, field_equals, field_exists,
};
use std::net::Ipv4Addr;

/// Kea's names of options in tests, and the codes of the options.
const OPTION_NAMES: [(&str, u8); 7] = [
    ("vendor-class-identifier", 60),
    ("dhcp-client-identifier", 61),
    ("user-class", 77),
    ("client-system", 93),
    ("client-ndi", 94),
    ("uuid-guid", 97),
    ("pxe-system-type", 93),
];

#[derive(Clone, Debug, PartialEq)]
enum KeaToken {
    Mark(&'static str),
    Word(String),
    /// A literal value: `'text'` or `0x0007`.
    Octets(Vec<u8>),
}

/// A value in a test.
enum Term {
    Part(FieldSlice),
    Formatted(FormattedMac),
    Octets(Vec<u8>),
}

/// Parses a test. `class` is a function that returns the condition of a class, for classes that the test names.
pub fn parse_test(text: &str, class: &dyn Fn(&str) -> Option<Expr>) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    let mut parser = KeaTestParser { tokens: &tokens, at: 0, class, depth: 0 };
    let expr = parser.parse_or()?;
    if parser.at < tokens.len() { Err("the test continues after its expected end".into()) } else { Ok(expr) }
}

struct KeaTestParser<'a> {
    tokens: &'a [KeaToken],
    at: usize,
    class: &'a dyn Fn(&str) -> Option<Expr>,
    depth: usize,
}

impl Grammar for KeaTestParser<'_> {
    fn accept(&mut self, word: &str) -> bool {
        let matches = match self.tokens.get(self.at) {
            Some(KeaToken::Mark(mark)) => *mark == word,
            Some(KeaToken::Word(known)) => known == word,
            _ => false,
        };
        self.at += usize::from(matches);
        matches
    }

    fn parse_fact(&mut self) -> Result<Expr, String> {
        if self.accept("member") {
            self.require("(")?;
            let name = self.octets()?;
            self.require(")")?;
            let name = String::from_utf8_lossy(&name).into_owned();
            return (self.class)(&name).ok_or_else(|| format!("no class named {name} is defined before it"));
        }
        if self.accept("unknown") {
            return Ok(Expr::atom(Atom::Known).negate());
        }
        let left = self.value()?;
        let Some(left) = left else {
            // `option[175].exists`
            let Some(Term::Part(part)) = self.exists_operand()? else { return Err(UNSUPPORTED_FACT.into()) };
            return field_exists(part.field).ok_or_else(|| UNSUPPORTED_FACT.into());
        };
        let negated = self.accept("!=");
        if !negated && !self.accept("==") {
            let is_single = matches!(self.tokens.get(self.at), Some(KeaToken::Word(word)) if word.starts_with('='));
            return Err(
                if is_single { "Kea compares with `==`, and rejects a single `=`" } else { UNSUPPORTED_FACT }.into()
            );
        }
        let right = self.value()?.ok_or(UNSUPPORTED_FACT)?;
        let (part, value) = match (left, right) {
            (Term::Part(part), Term::Octets(value)) | (Term::Octets(value), Term::Part(part)) => (part, value),
            (Term::Formatted(formatted), Term::Octets(value)) | (Term::Octets(value), Term::Formatted(formatted)) => {
                formatted.parse_octets(std::str::from_utf8(&value).map_err(|_| UNSUPPORTED_FACT)?)?
            }
            _ => return Err(UNSUPPORTED_FACT.into()),
        };
        let expr = field_equals(part, &value).ok_or(UNSUPPORTED_FACT)?;
        Ok(if negated { expr.negate() } else { expr })
    }

    fn depth(&mut self) -> &mut usize {
        &mut self.depth
    }
}

impl KeaTestParser<'_> {
    /// Parses a value. `Ok(None)`: `option[...].exists` is next, and the position is unchanged.
    fn value(&mut self) -> Result<Option<Term>, String> {
        let part = |field| Ok(Some(Term::Part(FieldSlice { field, from: 0, length: None })));
        let start = self.at;
        let token = self.tokens.get(self.at).ok_or("the test ends too early")?.clone();
        self.at += 1;
        let word = match token {
            KeaToken::Octets(octets) => return Ok(Some(Term::Octets(octets))),
            KeaToken::Mark(_) => return Err(UNSUPPORTED_FACT.into()),
            KeaToken::Word(word) => word,
        };
        match word.as_str() {
            "substring" => self.substring().map(Some),
            "option" => {
                let code = self.index()?;
                match self.format()?.as_str() {
                    "exists" => {
                        self.at = start;
                        Ok(None)
                    }
                    _ => part(Field::Option(code.ok_or(UNSUPPORTED_FACT)?)),
                }
            }
            "relay4" if self.index()? == Some(1) => {
                self.format()?;
                part(Field::CircuitId)
            }
            "pkt4.mac" => part(Field::Mac),
            "pkt4.giaddr" | "relay4.giaddr" => part(Field::Relay),
            "pkt.iface" | "pkt4.iface" => part(Field::Interface),
            "hexstring" => self.hexstring().map(Some),
            word if word.parse::<Ipv4Addr>().is_ok() => {
                Ok(word.parse::<Ipv4Addr>().ok().map(|address| Term::Octets(address.octets().to_vec())))
            }
            "lcase" | "ucase" => {
                self.require("(")?;
                let value = self.parse_nested(Self::value)?;
                self.require(")")?;
                Ok(value)
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    fn exists_operand(&mut self) -> Result<Option<Term>, String> {
        self.at += 1;
        let code = self.index()?;
        self.format()?;
        Ok(code.map(|code| Term::Part(FieldSlice { field: Field::Option(code), from: 0, length: None })))
    }

    /// Parses the option in brackets, such as `[93]` or `[client-system]`, and returns its code.
    fn index(&mut self) -> Result<Option<u8>, String> {
        self.require("[")?;
        let Some(KeaToken::Word(word)) = self.tokens.get(self.at) else { return Err(UNSUPPORTED_FACT.into()) };
        self.at += 1;
        let named = OPTION_NAMES.iter().find(|(name, _)| *name == word.as_str()).map(|(_, code)| *code);
        let code = named.or_else(|| word.parse().ok());
        self.require("]")?;
        Ok(code)
    }

    /// Parses the format after an option: `.hex`, `.text` or `.exists`.
    fn format(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(KeaToken::Word(word)) if [".hex", ".text", ".exists"].contains(&word.as_str()) => {
                self.at += 1;
                Ok(word[1..].to_owned())
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    fn substring(&mut self) -> Result<Term, String> {
        self.require("(")?;
        let value = self.parse_nested(Self::value)?;
        self.require(",")?;
        let from = self.word()?.parse::<usize>().map_err(|_| UNSUPPORTED_FACT)?;
        self.require(",")?;
        let length = match self.word()?.as_str() {
            "all" => None,
            word => Some(word.parse::<usize>().map_err(|_| UNSUPPORTED_FACT)?),
        };
        self.require(")")?;
        match value {
            Some(Term::Part(FieldSlice { field, from: 0, length: None })) => {
                Ok(Term::Part(FieldSlice { field, from, length }))
            }
            Some(Term::Formatted(formatted @ FormattedMac { from: 0, length: None, .. })) => {
                Ok(Term::Formatted(formatted.slice(from, length)))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    /// Parses the rest of `hexstring(pkt4.mac, ':')`, after the name.
    fn hexstring(&mut self) -> Result<Term, String> {
        self.require("(")?;
        let value = self.parse_nested(Self::value)?;
        self.require(",")?;
        let separator = String::from_utf8(self.octets()?).map_err(|_| UNSUPPORTED_FACT)?;
        self.require(")")?;
        match value {
            Some(Term::Part(part @ FieldSlice { field: Field::Mac, .. })) => {
                Ok(Term::Formatted(FormattedMac { part, separator, zero_padded: true, from: 0, length: None }))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        let Some(KeaToken::Word(word)) = self.tokens.get(self.at) else { return Err(UNSUPPORTED_FACT.into()) };
        self.at += 1;
        Ok(word.clone())
    }

    fn octets(&mut self) -> Result<Vec<u8>, String> {
        let Some(KeaToken::Octets(octets)) = self.tokens.get(self.at) else { return Err(UNSUPPORTED_FACT.into()) };
        self.at += 1;
        Ok(octets.clone())
    }
}

fn tokens(text: &str) -> Result<Vec<KeaToken>, String> {
    const MARKS: [&str; 7] = ["==", "!=", "(", ")", "[", "]", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(*mark)) {
            tokens.push(KeaToken::Mark(mark));
            rest = &rest[mark.len()..];
        } else if first == '\'' {
            let (inner, after) = rest[1..].split_once('\'').ok_or("a quote is not closed")?;
            tokens.push(KeaToken::Octets(inner.as_bytes().to_vec()));
            rest = after;
        } else {
            let ends = |c: char| c.is_whitespace() || "=!()[],'".contains(c);
            let end = rest.find(ends).filter(|end| *end > 0).unwrap_or(rest.len());
            let word = &rest[..end];
            tokens.push(match word.strip_prefix("0x") {
                Some(digits) => KeaToken::Octets(hex(digits).ok_or_else(|| format!("{word} is not hexadecimal"))?),
                None => KeaToken::Word(word.to_owned()),
            });
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    padded.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The condition of a class that is built into Kea. `None`: the class is not built in.
pub fn built_in_class(name: &str) -> Option<Expr> {
    match name {
        "ALL" => Some(Expr::Const(true)),
        "KNOWN" => Some(Expr::atom(Atom::Known)),
        "UNKNOWN" => Some(Expr::atom(Atom::Known).negate()),
        _ => None,
    }
}

/// The condition of `VENDOR_CLASS_...`, a class that Kea derives from the whole text of option 60. `None`: the name
/// does not have this form. `Some(Err)`: the reason why rules cannot test the class.
pub fn vendor_class(name: &str) -> Option<Result<Expr, String>> {
    let text = name.strip_prefix("VENDOR_CLASS_")?;
    if !text.contains(":Arch:") && ["PXEClient", "HTTPClient"].iter().any(|word| text.starts_with(word)) {
        let reason = "Kea names the class after the whole vendor class, in which firmware appends more text \
                   (:Arch:00007:UNDI:003016)";
        return Some(Err(reason.into()));
    }
    let whole = FieldSlice { field: Field::Option(60), from: 0, length: None };
    Some(field_equals(whole, text.as_bytes()).ok_or_else(|| UNSUPPORTED_FACT.into()))
}

/// The condition that replaces an unsupported one. No machine meets this condition.
pub fn never() -> Expr {
    Expr::Const(false)
}

/// Parses `ADDRESS/PREFIX`. `None`: the text is not a network.
pub fn parse_subnet(text: &str) -> Option<Atom> {
    let (address, prefix) = text.split_once('/')?;
    Some(Atom::Subnet(address.trim().parse().ok()?, prefix.trim().parse().ok().filter(|prefix| *prefix <= 32)?))
}
