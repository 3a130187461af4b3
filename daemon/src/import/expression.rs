//! What servers ask of a machine, as one kind of value: ISC dhcpd and Kea say the same things in two languages.

use crate::config::toml::value::parse_any_mac;
use std::net::Ipv4Addr;

/// One fact about a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    Arch(u16),
    Ipxe,
    /// It boots by UEFI HTTP boot.
    Http,
    VendorClass(String),
    UserClass(String),
    Mac([Option<u8>; 6]),
    CircuitId(String),
    Uuid([u8; 16]),
    /// The relay that the message comes from.
    Relay(Ipv4Addr),
    /// The server's interface that it arrives on.
    Interface(String),
    Subnet(Ipv4Addr, u8),
    /// One of the hosts that are given the same, by the number of their group.
    Host(usize),
    /// One of the hosts of the file, whichever.
    Known,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Const(bool),
    Atom(Atom),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Option(u8),
    /// The hardware address.
    Mac,
    /// The relay's circuit id.
    CircuitId,
    /// The address of the relay.
    Relay,
    /// The name of the server's interface.
    Interface,
}

/// A part of a field, from this octet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSlice {
    pub field: Field,
    pub from: usize,
    /// `None`: the whole rest.
    pub length: Option<usize>,
}

/// The facts that matter here, for a `why not` that names them.
pub const UNSUPPORTED_FACT: &str =
    "of what a machine says, rules know its architecture, classes, addresses, UUID and whether it is iPXE";

/// What is in what: no server's file comes near it.
const DEEPEST: usize = 64;

/// How conditions are joined, in both languages: `or` of `and`s.
pub trait Grammar: Sized {
    /// Goes past the word if it stands here.
    fn accept(&mut self, word: &str) -> bool;

    /// One fact, as each language says it.
    fn parse_fact(&mut self) -> Result<Expr, String>;

    /// What `and` and `or` join.
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

    /// In how much of what we are.
    fn depth(&mut self) -> &mut usize;

    fn require(&mut self, word: &str) -> Result<(), String> {
        if self.accept(word) { Ok(()) } else { Err(format!("there is no `{word}` where it has to stand")) }
    }

    /// One level deeper: parentheses, `not`, or the argument of a function.
    fn parse_nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if *self.depth() == DEEPEST {
            return Err("it is nested too deeply".into());
        }
        *self.depth() += 1;
        let read = read(self);
        *self.depth() -= 1;
        read
    }

    fn parse_or(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.parse_and()?];
        while self.accept("or") {
            parts.push(self.parse_and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn parse_and(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.parse_term()?];
        while self.accept("and") {
            parts.push(self.parse_term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }
}

impl Expr {
    pub fn atom(atom: Atom) -> Expr {
        Expr::Atom(atom)
    }

    pub fn negate(self) -> Expr {
        Expr::Not(Box::new(self))
    }

    /// The kinds of hosts that it asks for.
    pub fn collect_host_groups(&self, hosts: &mut Vec<usize>) {
        match self {
            Expr::Atom(Atom::Host(host)) if !hosts.contains(host) => hosts.push(*host),
            Expr::Const(_) | Expr::Atom(_) => {}
            Expr::Not(expr) => expr.collect_host_groups(hosts),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.collect_host_groups(hosts)),
        }
    }

    /// Whether it depends on this fact.
    pub fn depends_on(&self, fact: &Atom) -> bool {
        match self {
            Expr::Const(_) => false,
            Expr::Atom(atom) => atom == fact,
            Expr::Not(expr) => expr.depends_on(fact),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| part.depends_on(fact)),
        }
    }
}

/// A MAC address as lease servers read it: of an octet, a leading zero may be missing.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let octet = |part: &str| {
        let is_octet = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(part, 16).ok().filter(|_| is_octet)
    };
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    octets.and_then(|octets| octets.try_into().ok()).or_else(|| parse_any_mac(text))
}

/// Whether that part of the field is this value; `None`: we have no such fact.
pub fn field_equals(part: FieldSlice, value: &[u8]) -> Option<Expr> {
    // A part cut to another length than the value's is never equal to it.
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

/// A hardware address as text, `52:54:00:00:00:01`, or a part of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormattedMac {
    /// The octets that are written.
    pub part: FieldSlice,
    pub separator: String,
    /// dhcpd writes `8` where Kea writes `08`.
    pub zero_padded: bool,
    pub from: usize,
    pub length: Option<usize>,
}

impl FormattedMac {
    pub fn slice(self, from: usize, length: Option<usize>) -> FormattedMac {
        FormattedMac { from: self.from + from, length, ..self }
    }

    /// The octets that are written so. `Err`: why it is never equal, or no rule says it.
    pub fn parse_octets(&self, text: &str) -> Result<(FieldSlice, Vec<u8>), String> {
        let FormattedMac { part, separator: mark, zero_padded: zeros, from, length } = self;
        let whole = text.strip_suffix(mark.as_str()).unwrap_or(text);
        let parts: Vec<&str> = match mark.as_str() {
            "" if *zeros && whole.is_ascii() => {
                (0..whole.len()).step_by(2).filter_map(|at| whole.get(at..at + 2)).collect()
            }
            "" => return Err(UNSUPPORTED_FACT.into()),
            mark => whole.split(mark).collect(),
        };
        let octet = |part: &&str| {
            let is_hex = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| is_hex)
        };
        let octets: Vec<u8> = parts.iter().map(octet).collect::<Option<_>>().ok_or(UNSUPPORTED_FACT)?;
        let as_written = |octet: &u8| if *zeros { format!("{octet:02x}") } else { format!("{octet:x}") };
        let right = octets.iter().map(as_written).collect::<Vec<_>>().join(mark);
        if !right.eq_ignore_ascii_case(whole) {
            return Err(format!("the server writes {right}, which is never equal to {text}"));
        }
        // Where octets have a fixed width, so has a part of them.
        let width = 2 + mark.len();
        let is_cut = length.is_some_and(|length| length != text.len());
        if from % width != 0 || is_cut || (!zeros && *from > 0) {
            return Err(UNSUPPORTED_FACT.into());
        }
        let octet = from / width;
        let all = length.is_none() && part.length.is_none();
        let rest = 6usize.saturating_sub(part.from + octet);
        if all && octets.len() < rest.min(6) {
            return Err(format!("the server writes the whole address, which is never equal to {text}"));
        }
        Ok((FieldSlice { from: part.from + octet, length: Some(octets.len()), ..*part }, octets))
    }
}

/// Whether the field is there at all.
pub fn field_exists(field: Field) -> Option<Expr> {
    match field {
        // Every machine that boots sends these.
        Field::Option(60 | 93 | 94 | 97) | Field::Mac => Some(Expr::Const(true)),
        Field::Option(175) => Some(Expr::atom(Atom::Ipxe)),
        _ => None,
    }
}

/// The class of PXE firmware, `PXEClient:Arch:00007:UNDI:003016`, is told apart by what is in it.
fn vendor_class(from: usize, text: &str) -> Option<Expr> {
    const PXE: &str = "PXEClient";
    const HTTP: &str = "HTTPClient";
    const ARCH: &str = ":Arch:";
    let code = |digits: &str| digits.get(..5)?.parse().ok().map(|code| Expr::atom(Atom::Arch(code)));
    let whole = |word: &str| word.starts_with(text) && from == 0 && text.len() > 3;
    let behind = |word: &str| text.strip_prefix(word).filter(|_| from == 0);
    if whole(PXE) {
        return Some(Expr::atom(Atom::Http).negate());
    }
    if whole(HTTP) {
        return Some(Expr::atom(Atom::Http));
    }
    for (word, is_http) in [(PXE, false), (HTTP, true)] {
        let of_word = if is_http { Expr::atom(Atom::Http) } else { Expr::atom(Atom::Http).negate() };
        let Some(rest) = behind(word) else { continue };
        return match rest.strip_prefix(ARCH) {
            Some(digits) => code(digits),
            None if ARCH.starts_with(rest) => Some(of_word),
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
