//! The conditions of ISC dhcpd as expressions. `Err`: the condition asks for something that no rule knows, and this is
//! what.

use super::super::expression::{Atom, Expr, Field, Grammar, UNSUPPORTED_FACT, FieldSlice, FormattedMac, field_equals, field_exists};
use super::tokens::IscToken;

/// The option definitions of the file: name and code, the name with its space.
pub type OptionNames = Vec<(String, u8)>;

/// What dhcpd itself calls the options that matter.
const BUILT_IN: [(&str, u8); 8] = [
    ("vendor-class-identifier", 60),
    ("dhcp-client-identifier", 61),
    ("user-class", 77),
    ("pxe-system-type", 93),
    ("pxe-interface-id", 94),
    ("pxe-client-id", 97),
    ("bootfile-name", 67),
    ("tftp-server-name", 66),
];

pub fn option_code(names: &OptionNames, word: &str) -> Option<u8> {
    let of_file = names.iter().rev().find(|(name, _)| name == word).map(|(_, code)| *code);
    let number = || word.strip_prefix("unknown-").or(word.strip_prefix("option-"))?.parse().ok();
    let of_ipxe = ["ipxe.", "gpxe."].iter().any(|space| word.starts_with(space)).then_some(175);
    of_file
        .or(of_ipxe)
        .or_else(|| BUILT_IN.iter().find(|(name, _)| *name == word).map(|(_, code)| *code))
        .or_else(number)
}

pub struct IscConditions<'a> {
    pub names: &'a OptionNames,
}

/// A value of the language.
enum Value {
    Part(FieldSlice),
    Written(FormattedMac),
    Octets(Vec<u8>),
}

struct Reader<'a> {
    tokens: &'a [IscToken],
    at: usize,
    of: &'a IscConditions<'a>,
    depth: usize,
}

impl IscConditions<'_> {
    pub fn parse(&self, tokens: &[IscToken]) -> Result<Expr, String> {
        let mut reader = Reader { tokens, at: 0, of: self, depth: 0 };
        let expr = reader.parse_or()?;
        match tokens.get(reader.at) {
            Some(token) => Err(format!("`{}` is not understood there", token.word())),
            None => Ok(of_programs(expr)),
        }
    }

    /// What a class is matched by, for its subclasses: the field.
    pub fn parse_field(&self, tokens: &[IscToken]) -> Result<FieldSlice, String> {
        let mut reader = Reader { tokens, at: 0, of: self, depth: 0 };
        match reader.value()? {
            Value::Part(part) => Ok(part),
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    /// What a class is spawned by: machines in which it has a value are in the class.
    pub fn parse_spawn(&self, tokens: &[IscToken]) -> Result<Expr, String> {
        let part = self.parse_field(tokens)?;
        match part.field {
            Field::Option(77) => Ok(Expr::atom(Atom::Ipxe)),
            field => field_exists(field).ok_or_else(|| UNSUPPORTED_FACT.into()),
        }
    }
}

/// The octets that a subclass names: a text, or a hardware address with its type in front.
pub fn subclass_octets(token: &IscToken) -> Option<Vec<u8>> {
    if token.quoted { Some(token.text.clone()) } else { hex(token.word()) }
}

fn hex(word: &str) -> Option<Vec<u8>> {
    let word = word.strip_prefix("0x").unwrap_or(word);
    word.split([':', '-']).map(|octet| u8::from_str_radix(octet, 16).ok()).collect()
}

impl Grammar for Reader<'_> {
    fn accept(&mut self, word: &str) -> bool {
        let there = self.peek(word);
        self.at += usize::from(there);
        there
    }

    fn parse_fact(&mut self) -> Result<Expr, String> {
        if self.accept("exists") {
            let word = self.tokens.get(self.at).map_or(String::new(), |token| token.word().to_ascii_lowercase());
            self.at += 1;
            let code = option_code(self.of.names, &word);
            return match code {
                Some(77) => Ok(any_user_class()),
                code => code.and_then(|code| field_exists(Field::Option(code))).ok_or_else(|| UNSUPPORTED_FACT.into()),
            };
        }
        if self.accept("extract-int") {
            return self.integer();
        }
        let left = self.value()?;
        let negated = self.accept("!=");
        if !negated && !self.accept("=") {
            return Err(UNSUPPORTED_FACT.into());
        }
        let right = self.value()?;
        let (part, value) = match (left, right) {
            (Value::Part(part), Value::Octets(value)) | (Value::Octets(value), Value::Part(part)) => (part, value),
            (Value::Written(written), Value::Octets(value)) | (Value::Octets(value), Value::Written(written)) => {
                written.parse_octets(std::str::from_utf8(&value).map_err(|_| UNSUPPORTED_FACT)?)?
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
        // Where its value is asked for, the option is there.
        let of_value = |part: &Expr| matches!(part, Expr::Atom(Atom::Ipxe | Atom::UserClass(_)));
        if parts.iter().any(|part| of_value(part) && *part != any_user_class()) {
            parts.retain(|part| *part != any_user_class());
        }
        Ok(Expr::And(parts))
    }
}

impl Reader<'_> {
    fn peek(&self, word: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(word))
    }

    fn value(&mut self) -> Result<Value, String> {
        let token = self.tokens.get(self.at).ok_or("it ends too early")?;
        self.at += 1;
        if token.quoted {
            return Ok(Value::Octets(token.text.clone()));
        }
        let whole = |field| Ok(Value::Part(FieldSlice { field, from: 0, length: None }));
        match token.word().to_ascii_lowercase().as_str() {
            "option" => {
                let word = self.tokens.get(self.at).map_or(String::new(), |token| token.word().to_ascii_lowercase());
                self.at += 1;
                match option_code(self.of.names, &word) {
                    _ if word == "agent.circuit-id" => whole(Field::CircuitId),
                    Some(code) => whole(Field::Option(code)),
                    None => Err(UNSUPPORTED_FACT.into()),
                }
            }
            // Its first octet is the type.
            "hardware" => Ok(Value::Part(FieldSlice { field: Field::Mac, from: 0, length: None })),
            "substring" => self.substring(),
            "lcase" | "ucase" => {
                self.require("(")?;
                let value = self.parse_nested(Self::value)?;
                self.require(")")?;
                Ok(value)
            }
            "binary-to-ascii" => self.written(),
            "encode-int" => {
                self.require("(")?;
                let number: u32 = self.number()?.try_into().map_err(|_| UNSUPPORTED_FACT)?;
                self.require(",")?;
                let bits = self.number()?;
                self.require(")")?;
                let octets = number.to_be_bytes();
                Ok(Value::Octets(octets[4 - (bits / 8).min(4)..].to_vec()))
            }
            word => hex(word).map(Value::Octets).ok_or_else(|| UNSUPPORTED_FACT.into()),
        }
    }

    /// `extract-int(option arch, 16) = 7`, from behind its first word on.
    fn integer(&mut self) -> Result<Expr, String> {
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
        let Value::Part(part) = value else { return Err(UNSUPPORTED_FACT.into()) };
        let part = FieldSlice { length: Some(octets), ..part };
        let number = number.to_be_bytes();
        let expr = compare(part, &number[number.len() - octets.clamp(1, 4)..]).ok_or(UNSUPPORTED_FACT)?;
        Ok(if negated { expr.negate() } else { expr })
    }

    fn substring(&mut self) -> Result<Value, String> {
        self.require("(")?;
        let value = self.parse_nested(Self::value)?;
        self.require(",")?;
        let from = self.number()?;
        self.require(",")?;
        let length = self.number()?;
        self.require(")")?;
        match value {
            Value::Part(FieldSlice { field, from: before, length: None }) => {
                Ok(Value::Part(FieldSlice { field, from: before + from, length: Some(length) }))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    /// `binary-to-ascii(16, 8, ":", substring(hardware, 1, 3))`, from behind its name on.
    fn written(&mut self) -> Result<Value, String> {
        self.require("(")?;
        let base = self.number()?;
        self.require(",")?;
        let width = self.number()?;
        self.require(",")?;
        let mark = self.value()?;
        self.require(",")?;
        let value = self.parse_nested(Self::value)?;
        self.require(")")?;
        let (16, 8, Value::Octets(mark)) = (base, width, mark) else { return Err(UNSUPPORTED_FACT.into()) };
        let mark = String::from_utf8(mark).map_err(|_| UNSUPPORTED_FACT)?;
        match value {
            Value::Part(part @ FieldSlice { field: Field::Mac, .. }) => {
                Ok(Value::Written(FormattedMac { part, separator: mark, zero_padded: false, from: 0, length: None }))
            }
            _ => Err(UNSUPPORTED_FACT.into()),
        }
    }

    fn number(&mut self) -> Result<usize, String> {
        let token = self.tokens.get(self.at).ok_or("it ends too early")?;
        self.at += 1;
        token.word().parse().map_err(|_| UNSUPPORTED_FACT.to_owned())
    }
}

/// `hardware` begins with an octet for its type, which is 1 for Ethernet.
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

/// `exists user-class`, until it is known whether its value is asked for as well.
fn any_user_class() -> Expr {
    Expr::atom(Atom::UserClass(String::new()))
}

/// Firmware sends no user class: what sends any is taken for iPXE.
fn of_programs(expr: Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(of_programs).collect();
    match expr {
        expr if expr == any_user_class() => Expr::atom(Atom::Ipxe),
        Expr::Not(expr) => of_programs(*expr).negate(),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        expr => expr,
    }
}
