//! Parses the conditions of ISC dhcpd. An `Err` contains the reason why rules cannot test the condition.

use super::super::expression::{
    Atom, Expr, Field, FieldSlice, FormattedMac, Grammar, UNSUPPORTED_FACT, field_equals, field_exists,
};
use super::tokens::IscToken;

/// The options that the file defines, each as its name (with the option space) and its code.
pub type OptionNames = Vec<(String, u8)>;

/// dhcpd's names of the options that matter for network boot.
const BUILT_IN_NAMES: [(&str, u8); 8] = [
    ("vendor-class-identifier", 60),
    ("dhcp-client-identifier", 61),
    ("user-class", 77),
    ("pxe-system-type", 93),
    ("pxe-interface-id", 94),
    ("pxe-client-id", 97),
    ("bootfile-name", 67),
    ("tftp-server-name", 66),
];

/// The code of the option with this name. `None`: the name is unknown.
pub fn option_code(names: &OptionNames, word: &str) -> Option<u8> {
    let from_file = names.iter().rev().find(|(name, _)| name == word).map(|(_, code)| *code);
    let number = || word.strip_prefix("unknown-").or(word.strip_prefix("option-"))?.parse().ok();
    let ipxe_space = ["ipxe.", "gpxe."].iter().any(|space| word.starts_with(space)).then_some(175);
    from_file
        .or(ipxe_space)
        .or_else(|| BUILT_IN_NAMES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code))
        .or_else(number)
}

/// Parses conditions of a file.
pub struct IscConditions<'a> {
    /// The options that the file defines.
    pub names: &'a OptionNames,
}

/// A data expression (dhcp-eval(5)).
enum Datum {
    Part(FieldSlice),
    Formatted(FormattedMac),
    Octets(Vec<u8>),
}

struct IscConditionParser<'a> {
    tokens: &'a [IscToken],
    at: usize,
    context: &'a IscConditions<'a>,
    depth: usize,
}

impl IscConditions<'_> {
    /// Parses a whole condition.
    pub fn parse(&self, tokens: &[IscToken]) -> Result<Expr, String> {
        let mut parser = IscConditionParser { tokens, at: 0, context: self, depth: 0 };
        let expr = parser.parse_or()?;
        match tokens.get(parser.at) {
            Some(token) => Err(format!("`{}` is not supported here", token.word())),
            None => Ok(resolve_user_class(expr)),
        }
    }

    /// Parses the field of `match FIELD`, whose value decides in which subclass a machine is.
    pub fn parse_field(&self, tokens: &[IscToken]) -> Result<FieldSlice, String> {
        let mut parser = IscConditionParser { tokens, at: 0, context: self, depth: 0 };
        match parser.value()? {
            Datum::Part(part) => Ok(part),
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    /// The condition of `spawn with FIELD`, which holds if the machine sends that field.
    pub fn parse_spawn(&self, tokens: &[IscToken]) -> Result<Expr, String> {
        let part = self.parse_field(tokens)?;
        match part.field {
            Field::Option(77) => Ok(Expr::atom(Atom::Ipxe)),
            field => field_exists(field).ok_or_else(|| UNSUPPORTED_FACT.into()),
        }
    }
}

/// The octets that a subclass matches: a text, or a hardware address with its type first. `None`: the word is neither.
pub fn subclass_octets(token: &IscToken) -> Option<Vec<u8>> {
    if token.quoted { Some(token.text.clone()) } else { parse_hex(token.word()) }
}

fn parse_hex(word: &str) -> Option<Vec<u8>> {
    let word = word.strip_prefix("0x").unwrap_or(word);
    word.split([':', '-']).map(|octet| u8::from_str_radix(octet, 16).ok()).collect()
}

impl Grammar for IscConditionParser<'_> {
    fn accept(&mut self, word: &str) -> bool {
        let matches = self.peek(word);
        self.at += usize::from(matches);
        matches
    }

    fn parse_fact(&mut self) -> Result<Expr, String> {
        if self.accept("exists") {
            let word = self.tokens.get(self.at).map_or(String::new(), |token| token.word().to_ascii_lowercase());
            self.at += 1;
            let code = option_code(self.context.names, &word);
            return match code {
                Some(77) => Ok(any_user_class()),
                code => code.and_then(|code| field_exists(Field::Option(code))).ok_or_else(|| UNSUPPORTED_FACT.into()),
            };
        }
        if self.accept("extract-int") {
            return self.extract_int();
        }
        let left = self.value()?;
        let negated = self.accept("!=");
        if !negated && !self.accept("=") {
            return Err(UNSUPPORTED_FACT.into());
        }
        let right = self.value()?;
        let (part, value) = match (left, right) {
            (Datum::Part(part), Datum::Octets(value)) | (Datum::Octets(value), Datum::Part(part)) => (part, value),
            (Datum::Formatted(formatted), Datum::Octets(value))
            | (Datum::Octets(value), Datum::Formatted(formatted)) => {
                formatted.parse_octets(std::str::from_utf8(&value).map_err(|_| UNSUPPORTED_FACT)?)?
            }
            _ => return Err(UNSUPPORTED_FACT.into()),
        };
        let expr = compare(part, &value).ok_or(UNSUPPORTED_FACT)?;
        Ok(if negated { expr.negate() } else { expr })
    }

    fn depth(&mut self) -> &mut usize {
        &mut self.depth
    }

    fn parse_and(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.parse_term()?];
        while self.accept("and") {
            parts.push(self.parse_term()?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        // A test of the option's value implies `exists`, so `exists` is redundant.
        let is_value_test = |part: &Expr| matches!(part, Expr::Atom(Atom::Ipxe | Atom::UserClass(_)));
        if parts.iter().any(|part| is_value_test(part) && *part != any_user_class()) {
            parts.retain(|part| *part != any_user_class());
        }
        Ok(Expr::And(parts))
    }
}

impl IscConditionParser<'_> {
    fn peek(&self, word: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(word))
    }

    fn value(&mut self) -> Result<Datum, String> {
        let token = self.tokens.get(self.at).ok_or("the condition ends too early")?;
        self.at += 1;
        if token.quoted {
            return Ok(Datum::Octets(token.text.clone()));
        }
        let whole = |field| Ok(Datum::Part(FieldSlice { field, from: 0, length: None }));
        match token.word().to_ascii_lowercase().as_str() {
            "option" => {
                let word = self.tokens.get(self.at).map_or(String::new(), |token| token.word().to_ascii_lowercase());
                self.at += 1;
                match option_code(self.context.names, &word) {
                    _ if word == "agent.circuit-id" => whole(Field::CircuitId),
                    Some(code) => whole(Field::Option(code)),
                    None => Err(UNSUPPORTED_FACT.into()),
                }
            }
            // The first octet of `hardware` is the hardware type.
            "hardware" => Ok(Datum::Part(FieldSlice { field: Field::Mac, from: 0, length: None })),
            "substring" => self.substring(),
            "lcase" | "ucase" => {
                self.require("(")?;
                let value = self.parse_nested(Self::value)?;
                self.require(")")?;
                Ok(value)
            }
            "binary-to-ascii" => self.binary_to_ascii(),
            "encode-int" => {
                self.require("(")?;
                let number: u32 = self.number()?.try_into().map_err(|_| UNSUPPORTED_FACT)?;
                self.require(",")?;
                let bits = self.number()?;
                self.require(")")?;
                let octets = number.to_be_bytes();
                Ok(Datum::Octets(octets[4 - (bits / 8).min(4)..].to_vec()))
            }
            word => parse_hex(word).map(Datum::Octets).ok_or_else(|| UNSUPPORTED_FACT.into()),
        }
    }

    /// Parses the rest of `extract-int(option arch, 16) = 7`, after the first word.
    fn extract_int(&mut self) -> Result<Expr, String> {
        self.require("(")?;
        let value = self.parse_nested(Self::value)?;
        self.require(",")?;
        let octets = self.number()? / 8;
        self.require(")")?;
        let negated = self.accept("!=");
        if !negated && !self.accept("=") {
            return Err(UNSUPPORTED_FACT.into());
        }
        let number: u32 = self.number()?.try_into().map_err(|_| UNSUPPORTED_FACT)?;
        let Datum::Part(part) = value else { return Err(UNSUPPORTED_FACT.into()) };
        let part = FieldSlice { length: Some(octets), ..part };
        let number = number.to_be_bytes();
        let expr = compare(part, &number[number.len() - octets.clamp(1, 4)..]).ok_or(UNSUPPORTED_FACT)?;
        Ok(if negated { expr.negate() } else { expr })
    }

    fn substring(&mut self) -> Result<Datum, String> {
        self.require("(")?;
        let value = self.parse_nested(Self::value)?;
        self.require(",")?;
        let from = self.number()?;
        self.require(",")?;
        let length = self.number()?;
        self.require(")")?;
        match value {
            Datum::Part(FieldSlice { field, from: offset, length: None }) => {
                Ok(Datum::Part(FieldSlice { field, from: offset + from, length: Some(length) }))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    /// Parses the rest of `binary-to-ascii(16, 8, ":", substring(hardware, 1, 3))`, after the first word.
    fn binary_to_ascii(&mut self) -> Result<Datum, String> {
        self.require("(")?;
        let base = self.number()?;
        self.require(",")?;
        let width = self.number()?;
        self.require(",")?;
        let separator = self.value()?;
        self.require(",")?;
        let value = self.parse_nested(Self::value)?;
        self.require(")")?;
        let (16, 8, Datum::Octets(separator)) = (base, width, separator) else { return Err(UNSUPPORTED_FACT.into()) };
        let separator = String::from_utf8(separator).map_err(|_| UNSUPPORTED_FACT)?;
        match value {
            Datum::Part(part @ FieldSlice { field: Field::Mac, .. }) => {
                Ok(Datum::Formatted(FormattedMac { part, separator, zero_padded: false, from: 0, length: None }))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    fn number(&mut self) -> Result<usize, String> {
        let token = self.tokens.get(self.at).ok_or("the condition ends too early")?;
        self.at += 1;
        token.word().parse().map_err(|_| UNSUPPORTED_FACT.to_owned())
    }
}

/// The condition that the slice equals the value. `hardware` begins with an octet for the hardware type, where 1 is
/// Ethernet. `None`: rules cannot test this condition.
pub fn compare(part: FieldSlice, value: &[u8]) -> Option<Expr> {
    match (part.field, part.from) {
        (Field::Mac, 0) => match value.split_first() {
            Some((1, address)) => {
                field_equals(FieldSlice { length: part.length.map(|length| length.saturating_sub(1)), ..part }, address)
            }
            _ => Some(Expr::Const(false)),
        },
        (Field::Mac, from) => field_equals(FieldSlice { from: from - 1, ..part }, value),
        _ => field_equals(part, value),
    }
}

/// A placeholder for `exists user-class` until the whole condition is parsed, because another part of the condition may
/// test the value.
fn any_user_class() -> Expr {
    Expr::atom(Atom::UserClass(String::new()))
}

/// Replaces `exists user-class` by a test for iPXE, because firmware sends no user class.
fn resolve_user_class(expr: Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(resolve_user_class).collect();
    match expr {
        expr if expr == any_user_class() => Expr::atom(Atom::Ipxe),
        Expr::Not(expr) => resolve_user_class(*expr).negate(),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        expr => expr,
    }
}
