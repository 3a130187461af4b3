//! Conditions on machines, as values. The importers of ISC dhcpd and of Kea share them: both servers test the same
//! facts, each in a different language.

use proxydhcpd_reading::identifiers::parse_any_mac;
use std::net::Ipv4Addr;

/// One fact about a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// The client sends this architecture (option 93).
    Arch(u16),
    /// The client is iPXE.
    Ipxe,
    /// The client uses UEFI HTTP boot.
    Http,
    /// The client's vendor class (option 60) contains this text.
    VendorClass(String),
    /// The client's user class (option 77) contains this text.
    UserClass(String),
    /// The machine's MAC address has these octets. `None` matches any octet.
    Mac([Option<u8>; 6]),
    /// The relay sends this circuit ID (option 82).
    CircuitId(String),
    /// The machine has this UUID (option 97), in the octet order of the packet.
    Uuid([u8; 16]),
    /// The relay with this address forwards the requests.
    Relay(Ipv4Addr),
    /// The requests arrive on this interface of the server.
    Interface(String),
    /// The machine is in this network: address and prefix length.
    Subnet(Ipv4Addr, u8),
    /// The machine is a host of this group, given as an index into the groups of the program.
    Host(usize),
    /// The machine is one of the hosts in the file.
    Known,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Always true, or always false.
    Const(bool),
    /// A single fact.
    Atom(Atom),
    /// The inner condition does not hold.
    Not(Box<Expr>),
    /// All of these conditions hold.
    And(Vec<Expr>),
    /// At least one of these conditions holds.
    Or(Vec<Expr>),
}

/// The part of a request whose value a condition tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A DHCP option, by its code.
    Option(u8),
    /// The hardware address.
    Mac,
    /// The circuit ID of the relay (option 82).
    CircuitId,
    /// The address of the relay.
    Relay,
    /// The name of the server's interface.
    Interface,
}

/// A slice of the octets of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSlice {
    /// The field.
    pub field: Field,
    /// The offset of the first octet.
    pub from: usize,
    /// The number of octets. `None`: all octets to the end of the field.
    pub length: Option<usize>,
}

/// The error for a condition that tests something that rules cannot test.
pub const UNSUPPORTED_FACT: &str =
    "rules can test only the architecture, classes, addresses and UUID of a machine, and if it is iPXE";

/// The limit of nested parts in a condition. Conditions in real files have far fewer.
const MAX_DEPTH: usize = 64;

/// The grammar that the languages of ISC dhcpd and Kea share: `and` binds more tightly than `or`.
pub trait Grammar: Sized {
    /// Consumes the next token if it is this word. Returns whether it is.
    fn accept(&mut self, word: &str) -> bool;

    /// Parses one fact, in the syntax of the language.
    fn parse_fact(&mut self) -> Result<Expr, String>;

    /// Parses an operand of `and` or `or`.
    fn parse_term(&mut self) -> Result<Expr, String> {
        if self.accept("not") {
            return self.parse_nested(Self::parse_term).map(Expr::negate);
        }
        if self.accept("(") {
            let expr = self.parse_nested(Self::parse_or)?;
            self.require(")")?;
            return Ok(expr);
        }
        if self.accept("known") {
            return Ok(Expr::atom(Atom::Known));
        }
        self.parse_fact()
    }

    /// The number of nested parts around the current position.
    fn depth(&mut self) -> &mut usize;

    /// Consumes this word. `Err`: the next token is a different one.
    fn require(&mut self, word: &str) -> Result<(), String> {
        if self.accept(word) { Ok(()) } else { Err(format!("`{word}` is missing")) }
    }

    /// Parses a part that is nested: in parentheses, after `not`, or as the argument of a function.
    fn parse_nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if *self.depth() == MAX_DEPTH {
            return Err("it is nested too deeply".into());
        }
        *self.depth() += 1;
        let parsed = parse(self);
        *self.depth() -= 1;
        parsed
    }

    /// Parses terms joined by `or`.
    fn parse_or(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.parse_and()?];
        while self.accept("or") {
            parts.push(self.parse_and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    /// Parses terms joined by `and`.
    fn parse_and(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.parse_term()?];
        while self.accept("and") {
            parts.push(self.parse_term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }
}

impl Expr {
    /// The condition that this fact holds.
    pub fn atom(atom: Atom) -> Expr {
        Expr::Atom(atom)
    }

    /// The opposite condition, which holds if this condition does not.
    pub fn negate(self) -> Expr {
        Expr::Not(Box::new(self))
    }

    /// Collects the host groups that the condition names.
    pub fn collect_host_groups(&self, hosts: &mut Vec<usize>) {
        match self {
            Expr::Atom(Atom::Host(host)) if !hosts.contains(host) => hosts.push(*host),
            Expr::Const(_) | Expr::Atom(_) => {}
            Expr::Not(expr) => expr.collect_host_groups(hosts),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.collect_host_groups(hosts)),
        }
    }

    /// Whether the condition depends on this fact.
    pub fn depends_on(&self, fact: &Atom) -> bool {
        match self {
            Expr::Const(_) => false,
            Expr::Atom(atom) => atom == fact,
            Expr::Not(expr) => expr.depends_on(fact),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| part.depends_on(fact)),
        }
    }
}

/// Parses a MAC address as DHCP servers do: the leading zero of an octet is optional. `None`: the text is no MAC
/// address.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let octet = |part: &str| {
        let is_octet = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(part, 16).ok().filter(|_| is_octet)
    };
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    octets.and_then(|octets| octets.try_into().ok()).or_else(|| parse_any_mac(text))
}

/// The condition that this slice of a field equals the value. `None`: rules cannot test this condition.
pub fn field_equals(part: FieldSlice, value: &[u8]) -> Option<Expr> {
    // A slice that is shorter than the value never equals it.
    if part.length.is_some_and(|length| length < value.len()) {
        return Some(Expr::Const(false));
    }
    let text = || String::from_utf8(value.to_vec()).ok().filter(|text| !text.is_empty());
    match part.field {
        Field::Option(93) if part.from == 0 && value.len() == 2 => {
            Some(Expr::atom(Atom::Arch(u16::from_be_bytes([value[0], value[1]]))))
        }
        Field::Option(93) if part.from == 1 && value.len() == 1 => Some(Expr::atom(Atom::Arch(value[0].into()))),
        Field::Option(60) => vendor_class(part.from, &text()?),
        Field::Option(77) => Some(Expr::atom(user_class(&text()?))),
        Field::Option(97) if part.from == 0 && value.len() == 17 && value[0] == 0 => {
            Some(Expr::atom(Atom::Uuid(value[1..].try_into().ok()?)))
        }
        Field::Mac if part.from + value.len() <= 6 => {
            let mut octets = [None; 6];
            octets[part.from..part.from + value.len()].iter_mut().zip(value).for_each(|(o, v)| *o = Some(*v));
            Some(Expr::atom(Atom::Mac(octets)))
        }
        Field::Relay if part.from == 0 => {
            let address: [u8; 4] = value.try_into().ok()?;
            (address != [0; 4]).then(|| Expr::atom(Atom::Relay(address.into())))
        }
        Field::Interface if part.from == 0 && part.length.is_none() => Some(Expr::atom(Atom::Interface(text()?))),
        Field::CircuitId if part.from == 0 && part.length.is_none() => Some(Expr::atom(Atom::CircuitId(text()?))),
        _ => None,
    }
}

/// A hardware address that the configuration formats as text, `52:54:00:00:00:01`, or a substring of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormattedMac {
    /// The octets that are formatted.
    pub part: FieldSlice,
    /// The separator between octets.
    pub separator: String,
    /// Whether each octet has two digits: Kea writes `08`, dhcpd `8`.
    pub zero_padded: bool,
    /// The offset of the substring.
    pub from: usize,
    /// The length of the substring. `None`: the substring extends to the end of the text.
    pub length: Option<usize>,
}

impl FormattedMac {
    /// A substring of this text.
    pub fn slice(self, from: usize, length: Option<usize>) -> FormattedMac {
        FormattedMac { from: self.from + from, length, ..self }
    }

    /// The octets whose formatted form is this text, and the slice that contains them. `Err`: no octets have this form,
    /// or rules cannot test the slice.
    pub fn parse_octets(&self, text: &str) -> Result<(FieldSlice, Vec<u8>), String> {
        let FormattedMac { part, separator, zero_padded: zeros, from, length } = self;
        let trimmed = text.strip_suffix(separator.as_str()).unwrap_or(text);
        let parts: Vec<&str> = match separator.as_str() {
            "" if *zeros && trimmed.is_ascii() => {
                (0..trimmed.len()).step_by(2).filter_map(|at| trimmed.get(at..at + 2)).collect()
            }
            "" => return Err(UNSUPPORTED_FACT.into()),
            separator => trimmed.split(separator).collect(),
        };
        let octet = |part: &&str| {
            let is_hex = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| is_hex)
        };
        let octets: Vec<u8> = parts.iter().map(octet).collect::<Option<_>>().ok_or(UNSUPPORTED_FACT)?;
        let format_octet = |octet: &u8| if *zeros { format!("{octet:02x}") } else { format!("{octet:x}") };
        let formatted = octets.iter().map(format_octet).collect::<Vec<_>>().join(separator);
        if !formatted.eq_ignore_ascii_case(trimmed) {
            return Err(format!("the server formats it as {formatted}, which never equals {text}"));
        }
        // With leading zeros, each octet has a fixed width, so a substring may start at any octet.
        let width = 2 + separator.len();
        let is_truncated = length.is_some_and(|length| length != text.len());
        if from % width != 0 || is_truncated || (!zeros && *from > 0) {
            return Err(UNSUPPORTED_FACT.into());
        }
        let octet = from / width;
        let is_to_the_end = length.is_none() && part.length.is_none();
        let rest = 6usize.saturating_sub(part.from + octet);
        if is_to_the_end && octets.len() < rest.min(6) {
            return Err(format!("the server formats the whole address, which never equals {text}"));
        }
        Ok((FieldSlice { from: part.from + octet, length: Some(octets.len()), ..*part }, octets))
    }
}

/// The condition that the request contains this field. `None`: rules cannot test this condition.
pub fn field_exists(field: Field) -> Option<Expr> {
    match field {
        // Every network boot client sends these fields.
        Field::Option(60 | 93 | 94 | 97) | Field::Mac => Some(Expr::Const(true)),
        Field::Option(175) => Some(Expr::atom(Atom::Ipxe)),
        _ => None,
    }
}

/// The condition that the vendor class has this text at this offset. Firmware sends `PXEClient:Arch:00007:UNDI:003016`,
/// so the condition tests the architecture or the kind of boot if the text contains one of them. `None`: rules cannot
/// test this condition.
fn vendor_class(from: usize, text: &str) -> Option<Expr> {
    const PXE: &str = "PXEClient";
    const HTTP: &str = "HTTPClient";
    const ARCH: &str = ":Arch:";
    let code = |digits: &str| digits.get(..5)?.parse().ok().map(|code| Expr::atom(Atom::Arch(code)));
    let is_prefix_of = |word: &str| word.starts_with(text) && from == 0 && text.len() > 3;
    let rest_after = |word: &str| text.strip_prefix(word).filter(|_| from == 0);
    if is_prefix_of(PXE) {
        return Some(Expr::atom(Atom::Http).negate());
    }
    if is_prefix_of(HTTP) {
        return Some(Expr::atom(Atom::Http));
    }
    for (word, is_http) in [(PXE, false), (HTTP, true)] {
        let class_only = if is_http { Expr::atom(Atom::Http) } else { Expr::atom(Atom::Http).negate() };
        let Some(rest) = rest_after(word) else { continue };
        return match rest.strip_prefix(ARCH) {
            Some(digits) => code(digits),
            None if ARCH.starts_with(rest) => Some(class_only),
            None => None,
        };
    }
    if [PXE.len() + ARCH.len(), HTTP.len() + ARCH.len()].contains(&from) && text.len() == 5 {
        return code(text);
    }
    if from == PXE.len() && text.starts_with(ARCH) {
        return code(&text[ARCH.len()..]);
    }
    (from == 0).then(|| Expr::atom(Atom::VendorClass(text.to_owned())))
}

fn user_class(text: &str) -> Atom {
    match text {
        "iPXE" => Atom::Ipxe,
        text => Atom::UserClass(text.to_owned()),
    }
}
