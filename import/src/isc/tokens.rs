//! Parses the tokens and statements of ISC dhcpd's language. A statement is a list of words that ends with `;` or a
//! block.

use proxydhcpd_reading::diagnostic::{Diagnostic, Source, Span};

/// A word, a quoted string or a punctuation mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IscToken {
    /// The octets, without quotes and escapes.
    pub text: Vec<u8>,
    /// Whether the token is a quoted string.
    pub quoted: bool,
    /// The span of the token in the file.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct IscStatement {
    /// The words up to `;` or `{`.
    pub words: Vec<IscToken>,
    /// The statements in the block of the statement. `None`: the statement ends with `;`.
    pub block: Option<Vec<IscStatement>>,
}

/// The limit of nested blocks. Real files have far fewer.
const MAX_DEPTH: usize = 64;

impl IscToken {
    /// The text of the token, empty if the octets are not UTF-8.
    pub fn word(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Whether the token is this keyword, in upper or lower case.
    pub fn is(&self, word: &str) -> bool {
        !self.quoted && self.word().eq_ignore_ascii_case(word)
    }
}

impl IscStatement {
    /// The offset of the statement's first word in the file.
    pub fn offset(&self) -> usize {
        self.words.first().map_or(0, |word| word.span.start)
    }

    /// The word with this index, in lower case. Empty if the statement has fewer words.
    pub fn word(&self, index: usize) -> String {
        self.words.get(index).map_or(String::new(), |word| word.word().to_ascii_lowercase())
    }

    /// The word with this index, as written. Empty if the statement has fewer words.
    pub fn text(&self, index: usize) -> String {
        self.words.get(index).map_or(String::new(), |word| String::from_utf8_lossy(&word.text).into_owned())
    }
}

/// Parses the file to statements.
pub fn parse_statements(source: &Source) -> Result<Vec<IscStatement>, Diagnostic> {
    let tokens = tokens(source)?;
    let mut at = 0;
    block(source, &tokens, &mut at, None, 0)
}

fn block(
    source: &Source,
    tokens: &[IscToken],
    at: &mut usize,
    opened: Option<&IscToken>,
    depth: usize,
) -> Result<Vec<IscStatement>, Diagnostic> {
    let mut statements = Vec::new();
    let mut words: Vec<IscToken> = Vec::new();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        let mark = if token.quoted { "" } else { token.word() };
        match mark {
            ";" if words.is_empty() => {}
            ";" => {
                check_complete(source, &words)?;
                statements.push(IscStatement { words: std::mem::take(&mut words), block: None });
            }
            // `option NAME code 121 = array of { integer 8, ip-address };`
            "{" if words.last().is_some_and(|word| word.is("=") || word.is("of")) => {
                let length = tokens[*at..].iter().position(|token| token.is("}")).map_or(0, |length| length + 1);
                words.extend_from_slice(&tokens[*at - 1..*at + length]);
                *at += length;
            }
            "{" if depth == MAX_DEPTH => return Err(source.error(token.span.clone(), "blocks are nested too deeply")),
            "{" => {
                check_complete(source, &words)?;
                let block = block(source, tokens, at, Some(token), depth + 1)?;
                statements.push(IscStatement { words: std::mem::take(&mut words), block: Some(block) });
            }
            "}" if opened.is_none() => return Err(source.error(token.span.clone(), "a `}` without a `{`")),
            "}" => match words.last() {
                Some(word) => return Err(unfinished(source, word)),
                None => return Ok(statements),
            },
            _ => words.push(token.clone()),
        }
    }
    match (words.last(), opened) {
        (Some(word), _) => Err(unfinished(source, word)),
        (None, Some(open)) => {
            Err(source.error(open.span.clone(), "a block without a closing `}`").help("add a `}` after the block"))
        }
        (None, None) => Ok(statements),
    }
}

/// The keywords that open a block. If such a word follows another one, it may be the name of the block.
const OPENERS: [&str; 12] = [
    "subnet",
    "subnet6",
    "shared-network",
    "group",
    "host",
    "pool",
    "pool6",
    "class",
    "subclass",
    "if",
    "elsif",
    "switch",
];

/// The first words of statements that never occur in an expression.
const STATEMENTS: [&str; 16] = [
    "allow",
    "authoritative",
    "ddns-update-style",
    "default-lease-time",
    "deny",
    "fixed-address",
    "ignore",
    "include",
    "lease",
    "match",
    "max-lease-time",
    "min-lease-time",
    "range",
    "server-identifier",
    "use-host-decl-names",
    "vendor-option-space",
];

/// The words after which a value follows.
const OPERATORS: [&str; 24] = [
    "(", ",", "=", "!=", "~=", "~~", "+", "-", "*", "/", "%", "&", "|", "^", "and", "or", "not", "if", "elsif", "with",
    "match", "return", "case", "~",
];

/// Checks that the words are one statement. `Err`: another statement begins within the words, or a word is left over,
/// because a `;` is missing. dhcpd refuses such a file, too.
fn check_complete(source: &Source, words: &[IscToken]) -> Result<(), Diagnostic> {
    let Some(first) = words.first() else { return Ok(()) };
    let begins = |at: &usize| begins(source, words, *at);
    let end = (1..words.len()).find(begins).or_else(|| left_over(first, words));
    end.map_or(Ok(()), |end| Err(unfinished(source, &words[end - 1])))
}

/// Whether a statement begins at this word. `at` is at least 1.
fn begins(source: &Source, words: &[IscToken], at: usize) -> bool {
    let (previous, token) = (&words[at - 1], &words[at]);
    let is_one_of = |token: &IscToken, known: &[&str]| known.iter().any(|word| token.is(word));
    // A statement may follow the labels `case 1:` and `default:` without a `;`.
    let is_label = !previous.quoted && previous.word().ends_with(':');
    if token.quoted || is_label || is_one_of(previous, &OPERATORS) {
        return false;
    }
    let next = words.get(at + 1);
    let is_first_in_line = || source.text[previous.span.end..token.span.start].contains('\n');
    match token.word().to_ascii_lowercase().as_str() {
        "filename" | "server-name" => next.is_some_and(|next| next.quoted),
        "next-server" => true,
        "hardware" => next.is_some_and(|next| is_one_of(next, &["ethernet", "token-ring", "fddi", "infiniband"])),
        // In `server-name option host-name`, the word `option` begins the value, not a statement.
        "option" => at > 1,
        word if OPENERS.contains(&word) => {
            let is_name = at == 1 && is_one_of(&words[0], &OPENERS);
            !is_name && !previous.is("else") && (at > 1 || is_first_in_line())
        }
        word => STATEMENTS.contains(&word) && is_first_in_line(),
    }
}

/// The index of the first word after the value, in a statement that has a single value or none. `None`: no word
/// follows, or the statement is of another kind.
fn left_over(first: &IscToken, words: &[IscToken]) -> Option<usize> {
    let value = match first.word().to_ascii_lowercase().as_str() {
        "filename" if words.get(1)?.quoted => 1,
        "next-server" if !words.iter().any(|word| word.is("(") || word.is("option")) => 1,
        "hardware" => 2,
        "authoritative" => 0,
        _ => return None,
    };
    (value + 1 < words.len()).then_some(value + 1)
}

fn unfinished(source: &Source, word: &IscToken) -> Diagnostic {
    source.error(word.span.clone(), "a statement without a `;`").help("add a `;` after it")
}

fn tokens(source: &Source) -> Result<Vec<IscToken>, Diagnostic> {
    const MARKS: &[u8] = b"{}();,=";
    let text = source.text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        let start = at;
        at += 1;
        match octet {
            b'#' => at += text[at..].iter().position(|octet| *octet == b'\n').unwrap_or(text.len() - at),
            b'"' => {
                let (value, end) =
                    quoted_string(text, at).ok_or_else(|| source.error(start..start + 1, "an unclosed quote"))?;
                at = end;
                tokens.push(IscToken { text: value, quoted: true, span: start..end });
            }
            b'!' | b'~' if text[at..].starts_with(b"=") => {
                at += 1;
                tokens.push(IscToken { text: text[start..at].to_vec(), quoted: false, span: start..at });
            }
            b'~' if text[at..].starts_with(b"~") => {
                at += 1;
                tokens.push(IscToken { text: text[start..at].to_vec(), quoted: false, span: start..at });
            }
            octet if octet.is_ascii_whitespace() => {}
            b'=' if text[at..].starts_with(b"=") => {
                let error = source.error(start..at + 1, "dhcpd compares with a single `=`, and rejects `==`");
                return Err(error.help("write `=`"));
            }
            octet if MARKS.contains(&octet) => {
                tokens.push(IscToken { text: vec![octet], quoted: false, span: start..at })
            }
            _ => {
                let ends =
                    |octet: &u8| octet.is_ascii_whitespace() || MARKS.contains(octet) || b"\"#!~".contains(octet);
                at += text[at..].iter().position(ends).unwrap_or(text.len() - at);
                tokens.push(IscToken { text: text[start..at].to_vec(), quoted: false, span: start..at });
            }
        }
    }
    Ok(tokens)
}

/// The text of the quoted string that starts at this offset, and the offset after its closing quote.
fn quoted_string(text: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    loop {
        match *text.get(at)? {
            b'"' => return Some((value, at + 1)),
            b'\\' => {
                let next = *text.get(at + 1)?;
                let hex = text.get(at + 2..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
                let hex = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| next == b'x');
                let octal = text.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
                let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
                let known = [(b't', b'\t'), (b'n', b'\n'), (b'r', b'\r')];
                let plain = known.iter().find(|(word, _)| *word == next).map_or(next, |(_, octet)| *octet);
                value.push(hex.or(octal).unwrap_or(plain));
                at += if hex.is_some() || octal.is_some() { 4 } else { 2 };
            }
            octet => {
                value.push(octet);
                at += 1;
            }
        }
    }
}
