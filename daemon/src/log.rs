//! Writes the log. Under systemd, it goes to the journal, with fields. In the background, it goes to the journal or to
//! syslog. Otherwise, it goes to standard error, one line per event.
//!
//! A message is a whole sentence. Fields are for searching (`journalctl MAC=52:54:00:12:34:56`). A line of text shows
//! only the fields whose values the sentence does not contain.

pub mod capture;

use nix::sys::stat::fstat;
use owo_colors::{OwoColorize, Style};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How the process runs, which decides where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMode {
    /// Standard error is a terminal, a file, or the journal.
    Foreground,
    /// Option `-d`: standard error is the terminal until the server is ready, then closed.
    Background,
}

/// Starts logging. Call it only once.
pub fn start(mode: LogMode, level: LevelFilter) {
    let under_systemd = mode == LogMode::Foreground && is_stderr_the_journal();
    let journal = if under_systemd || mode == LogMode::Background { journal() } else { None };
    let syslog = if journal.is_none() && mode == LogMode::Background { Syslog::open() } else { None };
    // Under systemd, standard error is not used in addition to the journal: the journal would contain every line twice.
    let terminal = (!under_systemd || journal.is_none()).then_some(Terminal);
    // Libraries log only warnings and errors.
    let filter = Targets::new().with_target("proxydhcpd", level).with_default(level.min(LevelFilter::WARN));
    tracing_subscriber::registry().with(filter).with(journal).with(syslog).with(terminal).init();
}

/// A requested name that is safe to print, because a sender of packets must not control the terminal. Control
/// characters, invisible characters and octets that are not UTF-8 are escaped, and the name is truncated to 200
/// characters. `...` replaces the token of a `done_url`, because a reader of the log could use the token.
#[derive(Clone, Copy, Debug)]
pub struct RequestedName<'a>(pub &'a [u8]);

impl fmt::Display for RequestedName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_separator = |octet: &u8| b"/\\".contains(octet);
        let mut printed = Vec::with_capacity(self.0.len());
        for part in self.0.split_inclusive(is_separator) {
            if contains_token(part) {
                printed.extend_from_slice(b"token=...");
                printed.extend(part.last().filter(|octet| is_separator(octet)));
            } else {
                printed.extend_from_slice(part);
            }
        }
        escape(f, &printed, 200)
    }
}

/// Whether a part of a name may contain a token. Any spelling counts, even if the server does not accept it: a token is
/// valid although the client has changed the case of the name, or escaped it. A doubly escaped token does not count,
/// because it is not usable.
fn contains_token(part: &[u8]) -> bool {
    let hexadecimal = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
    let (mut plain, mut rest) = (Vec::with_capacity(part.len()), part);
    while let [octet, behind @ ..] = rest {
        let escaped = behind.get(..2).filter(|_| *octet == b'%').and_then(hexadecimal);
        plain.push(escaped.unwrap_or(*octet));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    plain.windows(6).any(|word| word.eq_ignore_ascii_case(b"token="))
}

/// Writes octets as text, with escapes. Truncates the text after `max_characters`, where an escape counts as one
/// character.
fn escape(f: &mut impl fmt::Write, octets: &[u8], max_characters: usize) -> fmt::Result {
    let mut left = max_characters;
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                return f.write_char('\u{2026}');
            }
            left -= 1;
            match c {
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() || is_invisible(c) => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        for octet in chunk.invalid() {
            if left == 0 {
                return f.write_char('\u{2026}');
            }
            left -= 1;
            write!(f, "\\x{octet:02x}")?;
        }
    }
    Ok(())
}

/// Whether the character is zero-width, separates lines, or changes the direction of text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Whether standard error is the journal. JOURNAL_STREAM identifies the file that systemd passed as standard error
/// (systemd.exec(5)), but a shell may have redirected standard error since.
fn is_stderr_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn journal() -> Option<tracing_journald::Layer> {
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    let layer = tracing_journald::layer().ok()?;
    Some(
        layer
            .with_field_prefix(None)
            .with_priority_mappings(priorities)
            .with_syslog_identifier("proxydhcpd".to_owned()),
    )
}

/// An event as one line.
#[derive(Default)]
struct LogLine {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl LogLine {
    fn from_event(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        line
    }
}

/// The fields that a line does not show: the quirks apply to nearly every reply, and `explain` describes them; the
/// others are for programs.
const JOURNAL_FIELDS: [&str; 3] = ["QUIRKS", "STAGE", "MESSAGE_ID"];

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape_line(f, &self.message)?;
        let is_additional =
            |(name, value): &&(&str, String)| !JOURNAL_FIELDS.contains(name) && !self.message.contains(value);
        let additional = self.fields.iter().filter(is_additional);
        for (name, value) in additional {
            let quote = if value.is_empty() || value.contains(' ') { "\"" } else { "" };
            write!(f, " {name}={quote}")?;
            escape_line(f, value)?;
            f.write_str(quote)?;
        }
        Ok(())
    }
}

/// Escapes the whole line again, in case text from a client was not escaped before. Does not double a backslash, so
/// text that is already escaped stays the same.
fn escape_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut parts = text.split('\\');
    escape(f, parts.next().unwrap_or_default().as_bytes(), MAX_LINE)?;
    parts.try_for_each(|part| {
        f.write_char('\\')?;
        escape(f, part.as_bytes(), MAX_LINE)
    })
}

/// The maximum length of each part that [`escape_line`] writes, in characters.
const MAX_LINE: usize = 2000;

/// A line for a terminal, in colour. The resolution of the time, which has the format of RFC 3339 in UTC, is reduced to
/// one second.
pub fn terminal_line(time: &str, level: Level, text: impl fmt::Display) -> String {
    let time = format!("{}Z", time.get(.."2026-01-01T00:00:00".len()).unwrap_or(time));
    let (word, style) = match level {
        Level::ERROR => ("ERROR", Style::new().red().bold()),
        Level::WARN => ("WARN", Style::new().yellow().bold()),
        Level::INFO => ("INFO", Style::new().green()),
        Level::DEBUG => ("DEBUG", Style::new().blue()),
        Level::TRACE => ("TRACE", Style::new().dimmed()),
    };
    format!("{} {word:5} {text}\n", time.dimmed(), word = word.style(style))
}

/// Writes lines to standard error.
struct Terminal;

impl<S: Subscriber> Layer<S> for Terminal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut time = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let line = terminal_line(&time, *event.metadata().level(), LogLine::from_event(event));
        // If standard error is closed, the server cannot log the error.
        let _ = anstream::stderr().lock().write_all(line.as_bytes());
    }
}

/// Sends datagrams to /dev/log, in the format of RFC 3164, but without time and host. The receiver adds both (section
/// 4.3.2).
struct Syslog {
    socket: UnixDatagram,
    process: u32,
}

impl Syslog {
    fn open() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        // A syslog daemon that hangs must not block the server.
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, process: std::process::id() })
    }

    fn send(&self, path: &Path, severity: u8, line: &str) -> io::Result<usize> {
        const DAEMON: u8 = 3;
        let datagram = format!("<{}>proxydhcpd[{}]: {line}", DAEMON * 8 + severity, self.process);
        self.socket.send_to(datagram.as_bytes(), path)
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        // An error is ignored, so that the server also works without syslog, or while syslog restarts. The Python
        // daemon did not even start in these cases.
        let _ = self.send(Path::new("/dev/log"), severity, &LogLine::from_event(event).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_from_a_client_are_escaped() {
        let sent = b"a\x1b[2J\nb\\\xff\xe2\x80\xaex \xc3\xbc";
        assert_eq!(RequestedName(sent).to_string(), "a\\u{1b}[2J\\nb\\\\\\xff\\u{202e}x \u{fc}");
    }

    #[test]
    fn the_token_in_a_name_is_not_printed() {
        for (name, printed) in [
            ("/machine/name=web1/token=0011/done", "/machine/name=web1/token=.../done"),
            ("name=web1\\token=0011\\done", "name=web1\\\\token=...\\\\done"),
            ("token=0011", "token=..."),
            ("/Token=0011", "/token=..."),
            ("/machine/name=web1/%74oken=0011/done", "/machine/name=web1/token=.../done"),
            ("/machine/name=web1/TOKEN%3d0011/done", "/machine/name=web1/token=.../done"),
            ("name=web1%2ftoken=0011%2fdone", "token=..."),
            ("x token=0011/done", "token=.../done"),
            ("debian/tokens/linux%", "debian/tokens/linux%"),
        ] {
            assert_eq!(RequestedName(name.as_bytes()).to_string(), printed);
        }
    }

    #[test]
    fn a_long_name_is_truncated() {
        let long = [b'a'; 5000];
        assert_eq!(RequestedName(&long).to_string().chars().count(), 201);
        assert_eq!(RequestedName(&[0xff; 5000]).to_string().len(), 200 * 4 + '\u{2026}'.len_utf8());
        assert_eq!(RequestedName(&long[..200]).to_string().len(), 200);
    }

    #[test]
    fn a_line_shows_the_fields_that_its_sentence_does_not_contain() {
        let fields = [("mac", "52:54:00:12:34:56"), ("arch", "x64 UEFI"), ("xid", "\x07"), ("QUIRKS", "raspberry-pi")];
        let fields = fields.map(|(name, value)| (name, value.to_owned())).to_vec();
        let line = LogLine { message: "answered 52:54:00:12:34:56".into(), fields };
        assert_eq!(line.to_string(), "answered 52:54:00:12:34:56 arch=\"x64 UEFI\" xid=\\u{7}");
    }

    #[test]
    fn escaping_twice_changes_nothing() {
        let once = RequestedName(b"\\x \x1b").to_string();
        assert_eq!(LogLine { message: once.clone(), fields: vec![] }.to_string(), once);
    }

    #[test]
    fn syslog_receives_a_datagram_of_rfc_3164() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::open().unwrap();
        syslog.send(&path, 6, "answered").unwrap();
        let mut datagram = [0; 200];
        let length = receiver.recv(&mut datagram).unwrap();
        let expected = format!("<30>proxydhcpd[{}]: answered", std::process::id());
        assert_eq!(String::from_utf8_lossy(&datagram[..length]), expected);
        drop(receiver);
        assert!(syslog.send(&path, 6, "no receiver").is_err());
    }
}
