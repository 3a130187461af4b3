//! A line of syslog, as a machine sends it, is read to parts of itself; a line that is written as RFC 5424 says is read
//! to what was written.

use crate::input::{Input, sized};
use proxydhcpd_core::wire::syslog::SyslogLine;

/// Reads the line as it is, and a line with these parts: priority, program, process and text.
pub fn check(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    if let Some(SyslogLine { severity, program, text }) = SyslogLine::parse(&line) {
        assert!(severity <= 7 && !text.is_empty() && text == text.trim());
        assert!(is_part(&line, program) && is_part(&line, text), "{program:?} {text:?}");
        assert!(!program.contains(' '), "{program:?}");
    }
    let mut input = Input::new(data);
    let priority = input.next::<u8>();
    let (program, text) = (input.text(), input.text());
    let is_word = !program.is_empty() && program != "-" && program.chars().all(|c| c.is_ascii_graphic());
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if priority <= 191 && is_word && is_plain {
        let line = format!("<{priority}>1 2026-11-30T06:31:44Z host {program} - - [a@1 b=\"\\]\\\"]\"] {text}");
        let expected = SyslogLine { severity: priority % 8, program: &program, text: &text };
        assert_eq!(SyslogLine::parse(&line), Some(expected), "{line}");
    }
}

/// Whether the part is a slice of the whole.
fn is_part(whole: &str, part: &str) -> bool {
    let (whole, part) = (whole.as_bytes().as_ptr_range(), part.as_bytes().as_ptr_range());
    part.is_empty() || whole.start <= part.start && part.end <= whole.end
}

/// Lines of iPXE, of installers and of the RFCs.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 9] = [
        b"<6>ipxe: net0: 192.0.2.7/24\n",
        b"<14>pc1 11223344-5566-7788-99aa-bbccddeeff00 ipxe: ok",
        b"<13>Nov  9 06:31:44 debian anna[512]: starting\0",
        b"<30>Nov 19 06:31:44 main-menu[1]: INFO: Falling back",
        b"<11>no program here",
        b"<165>1 2026-11-30T06:31:44Z host anaconda 12 - - copying",
        b"<0>1 - - - - - [a@1 b=\"]\\\"]\"][c] \xef\xbb\xbfx",
        b"<7>a sentence with many words: text",
        b"<1>1 - - - - - [",
    ];
    let parts = [&[165][..], &sized(b"anaconda"), &sized(b"copying")].concat();
    lines.into_iter().map(Vec::from).chain([parts]).collect()
}
