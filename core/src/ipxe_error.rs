//! The error numbers of iPXE (`${errno}`, and the end of the links that it prints), in words, and the commands that
//! fail with them.
//!
//! A number has four parts (iPXE's include/errno.h and include/ipxe/errfile.h): bits 30 to 24 are the POSIX error,
//! bits 23 to 13 the source file that reports it, bits 12 to 8 which of several errors of that file it is, and bits 7
//! to 0 the nearest error of the PXE specification, or of UEFI. iPXE numbers the POSIX errors itself, in
//! alphabetical order.

use core::fmt;

/// An error number of iPXE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpxeError(pub u32);

/// A command of an iPXE script that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptCommand {
    /// `kernel`.
    Kernel,
    /// `initrd`.
    Initrd,
    /// `boot`.
    Boot,
    /// `chain`.
    Chain,
    /// `sanboot`.
    Sanboot,
}

/// A source file of iPXE that reports errors: bits 23 to 13 of an error number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SourceFile(u32);

impl SourceFile {
    const MASK: u32 = 0x00ff_e000;
    const EXEC: SourceFile = SourceFile(0x0002_2000);
    const OPEN: SourceFile = SourceFile(0x0009_2000);
    const HTTP: SourceFile = SourceFile(0x000c_6000);
    const DNS: SourceFile = SourceFile(0x0011_6000);
    const TFTP: SourceFile = SourceFile(0x0012_6000);
    const TLS: SourceFile = SourceFile(0x000d_e000);
    const X509: SourceFile = SourceFile(0x0016_e000);
    const IMAGE: SourceFile = SourceFile(0x0000_8000);
    const IMAGE_TRUST: SourceFile = SourceFile(0x002b_e000);
    const VALIDATOR: SourceFile = SourceFile(0x002e_e000);
}

/// A row of [`SENTENCES`]: the POSIX error, the source file and the number in that file, each only if the row requires
/// it, and the sentence.
type Row = (u8, Option<SourceFile>, Option<u8>, &'static str);

/// The errors that stop boots, the special ones first.
const SENTENCES: &[Row] = &[
    (EACCES, Some(SourceFile::X509), Some(4), EXPIRED),
    (EACCES, Some(SourceFile::X509), Some(11), USELESS),
    (EACCES, Some(SourceFile::X509), None, UNTRUSTED),
    (EACCES, Some(SourceFile::TLS), None, UNTRUSTED),
    (EACCES, Some(SourceFile::VALIDATOR), None, UNTRUSTED),
    (EPERM, Some(SourceFile::X509), None, UNTRUSTED),
    (EPERM, Some(SourceFile::TLS), None, UNTRUSTED),
    (EACCES, Some(SourceFile::IMAGE), None, UNSIGNED),
    (EACCES, Some(SourceFile::IMAGE_TRUST), None, UNSIGNED),
    (EACCES, Some(SourceFile::HTTP), None, "the server requires a password (HTTP 401)"),
    (EPERM, Some(SourceFile::HTTP), None, "the server denies access (HTTP 403)"),
    (ENOENT, Some(SourceFile::HTTP), None, "the server has no such file (HTTP 404)"),
    (EIO, Some(SourceFile::HTTP), Some(5), "the server failed (an HTTP status from 500)"),
    (EIO, Some(SourceFile::HTTP), None, "the server sent an HTTP status that iPXE does not expect"),
    (ENOENT, Some(SourceFile::TFTP), None, "the server has no such file (TFTP)"),
    (EACCES, Some(SourceFile::TFTP), None, "the server denies access (TFTP)"),
    (EPERM, Some(SourceFile::TFTP), None, "the server denies access (TFTP)"),
    (ETIMEDOUT, Some(SourceFile::DNS), None, "the DNS server does not answer"),
    (ENXIO, Some(SourceFile::DNS), None, "the DNS does not know the name of the server"),
    (EOPNOTSUPP, Some(SourceFile::OPEN), None, NO_PROTOCOL),
    (ENOTSUP, Some(SourceFile::OPEN), None, NO_PROTOCOL),
    (ENOEXEC, Some(SourceFile::EXEC), None, "this iPXE lacks the command"),
    (ENOEXEC, None, None, "this iPXE cannot start a file of this format: it is damaged, or for another architecture"),
    (ENOMEM, None, None, "the machine has too little memory"),
    (ENOBUFS, None, None, "the machine has too little memory"),
    (ENOSPC, None, None, "the machine has too little memory"),
    (EFBIG, None, None, "the file is too large for this machine"),
    (ECONNREFUSED, None, None, REFUSED),
    (ECONNRESET, None, None, "the server closed the connection, or no service listens on this port"),
    (ECONNABORTED, None, None, "the connection broke"),
    (ETIMEDOUT, None, None, "the server does not answer, or a firewall drops the packets"),
    (ENETUNREACH, None, None, "the machine has no route to the server"),
    (EHOSTUNREACH, None, None, "the machine has no route to the server"),
    (ENETDOWN, None, None, "the network of the machine is down"),
    (ENOENT, None, None, "there is no such file"),
    (EACCES, None, None, "permission denied: an untrusted signature or certificate"),
    (EPERM, None, None, "access denied"),
    (ENOTSUP, None, None, "this iPXE does not support that"),
    (EOPNOTSUPP, None, None, "this iPXE does not support that"),
    (ENOSYS, None, None, "this iPXE does not support that"),
    (EPROTO, None, None, "the server sent something that iPXE does not understand"),
    (ECANCELED, None, None, "a person stopped it at the machine"),
];

const EXPIRED: &str = "the certificate of the server is expired or not yet valid: is the clock of the machine right?";
/// An iPXE of 2025 reports this both for an unknown certificate authority and at a wrong time.
const USELESS: &str = "this iPXE does not trust the certificate of the server, or the clock of the machine is wrong";
const UNSIGNED: &str = "the file has no signature that this iPXE trusts";
const UNTRUSTED: &str = "this iPXE does not trust the certificate of the server";
const NO_PROTOCOL: &str = "this iPXE is built without the protocol of the URL";
const REFUSED: &str = "no service listens on this port of the server";

const EACCES: u8 = 0x02;
const ECANCELED: u8 = 0x0b;
const ECONNABORTED: u8 = 0x0d;
const ECONNREFUSED: u8 = 0x0e;
const ECONNRESET: u8 = 0x0f;
const EFBIG: u8 = 0x16;
const EHOSTUNREACH: u8 = 0x17;
const EIO: u8 = 0x1d;
const ENETDOWN: u8 = 0x26;
const ENETUNREACH: u8 = 0x28;
const ENOBUFS: u8 = 0x2a;
const ENOENT: u8 = 0x2d;
const ENOEXEC: u8 = 0x2e;
const ENOMEM: u8 = 0x31;
const ENOSPC: u8 = 0x34;
const ENOSYS: u8 = 0x37;
const ENOTSUP: u8 = 0x3c;
const ENXIO: u8 = 0x3e;
const EOPNOTSUPP: u8 = 0x3f;
const EPERM: u8 = 0x41;
const EPROTO: u8 = 0x43;
const ETIMEDOUT: u8 = 0x4c;

/// The names of the POSIX errors, in iPXE's order; the first has the number 1.
const POSIX_NAMES: [&str; 79] = [
    "E2BIG",
    "EACCES",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "EAFNOSUPPORT",
    "EAGAIN",
    "EALREADY",
    "EBADF",
    "EBADMSG",
    "EBUSY",
    "ECANCELED",
    "ECHILD",
    "ECONNABORTED",
    "ECONNREFUSED",
    "ECONNRESET",
    "EDEADLK",
    "EDESTADDRREQ",
    "EDOM",
    "EDQUOT",
    "EEXIST",
    "EFAULT",
    "EFBIG",
    "EHOSTUNREACH",
    "EIDRM",
    "EILSEQ",
    "EINPROGRESS",
    "EINTR",
    "EINVAL",
    "EIO",
    "EISCONN",
    "EISDIR",
    "ELOOP",
    "EMFILE",
    "EMLINK",
    "EMSGSIZE",
    "EMULTIHOP",
    "ENAMETOOLONG",
    "ENETDOWN",
    "ENETRESET",
    "ENETUNREACH",
    "ENFILE",
    "ENOBUFS",
    "ENODATA",
    "ENODEV",
    "ENOENT",
    "ENOEXEC",
    "ENOLCK",
    "ENOLINK",
    "ENOMEM",
    "ENOMSG",
    "ENOPROTOOPT",
    "ENOSPC",
    "ENOSR",
    "ENOSTR",
    "ENOSYS",
    "ENOTCONN",
    "ENOTDIR",
    "ENOTEMPTY",
    "ENOTSOCK",
    "ENOTSUP",
    "ENOTTY",
    "ENXIO",
    "EOPNOTSUPP",
    "EOVERFLOW",
    "EPERM",
    "EPIPE",
    "EPROTO",
    "EPROTONOSUPPORT",
    "EPROTOTYPE",
    "ERANGE",
    "EROFS",
    "ESPIPE",
    "ESRCH",
    "ESTALE",
    "ETIME",
    "ETIMEDOUT",
    "ETXTBSY",
    "EWOULDBLOCK",
    "EXDEV",
];

impl IpxeError {
    /// Parses the text of `${errno}`: hexadecimal digits after `0x`, without leading zeros.
    pub fn parse(text: &str) -> Option<IpxeError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let is_hexadecimal = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal).map(IpxeError)
    }

    /// The sentence for this error; `None` if the table has none.
    pub fn sentence(self) -> Option<&'static str> {
        let matches = |row: &&Row| {
            row.0 == self.posix()
                && row.1.is_none_or(|file| file == SourceFile(self.0 & SourceFile::MASK))
                && row.2.is_none_or(|number| number == self.disambiguator())
        };
        SENTENCES.iter().find(matches).map(|row| row.3)
    }

    /// The name of the POSIX error, such as `ENOENT`; `None` if the number has none.
    pub fn posix_name(self) -> Option<&'static str> {
        usize::from(self.posix()).checked_sub(1).and_then(|index| POSIX_NAMES.get(index)).copied()
    }

    /// Whether a person stopped the command at the machine.
    pub fn is_cancelled(self) -> bool {
        self.posix() == ECANCELED
    }

    /// Whether the machine has too little memory for the file.
    pub fn is_out_of_memory(self) -> bool {
        [ENOMEM, ENOBUFS, ENOSPC].contains(&self.posix())
    }

    fn posix(self) -> u8 {
        (self.0 >> 24) as u8 & 0x7f
    }

    fn disambiguator(self) -> u8 {
        (self.0 >> 8) as u8 & 0x1f
    }
}

/// The sentence, and the number as in iPXE's links: `the server has no such file (HTTP 404), iPXE error 2d0c613b`.
/// For an unknown number, the POSIX name is the sentence.
impl fmt::Display for IpxeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sentence().or_else(|| self.posix_name()) {
            Some(text) => write!(f, "{text}, iPXE error {:08x}", self.0),
            None => write!(f, "iPXE error {:08x}", self.0),
        }
    }
}

impl ScriptCommand {
    /// All commands.
    const ALL: [ScriptCommand; 5] = [
        ScriptCommand::Kernel,
        ScriptCommand::Initrd,
        ScriptCommand::Boot,
        ScriptCommand::Chain,
        ScriptCommand::Sanboot,
    ];

    /// The command with this name.
    pub fn parse(name: &str) -> Option<ScriptCommand> {
        ScriptCommand::ALL.into_iter().find(|command| command.name() == name)
    }

    /// The name of the command.
    pub fn name(self) -> &'static str {
        match self {
            ScriptCommand::Kernel => "kernel",
            ScriptCommand::Initrd => "initrd",
            ScriptCommand::Boot => "boot",
            ScriptCommand::Chain => "chain",
            ScriptCommand::Sanboot => "sanboot",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    /// The numbers that iPXE 1.0.0 (January 2019) and 1.21.1 (May 2025) of Debian printed, on a BIOS machine in QEMU,
    /// and one of the latter on a UEFI machine: there the last octet is that of a UEFI error.
    #[test]
    fn numbers_of_real_ipxes_have_their_sentences() {
        for (number, sentence) in [
            ("0x2d0c613b", "the server has no such file (HTTP 404)"),
            ("0x2d0c618e", "the server has no such file (HTTP 404)"),
            ("0x410c613c", "the server denies access (HTTP 403)"),
            ("0x1d0c6539", "the server failed (an HTTP status from 500)"),
            ("0xf0a6039", "the server closed the connection, or no service listens on this port"),
            ("0x4c0a6035", "the server does not answer, or a firewall drops the packets"),
            ("0x280a6011", "the machine has no route to the server"),
            ("0x3e11613b", "the DNS does not know the name of the server"),
            ("0x2d12603b", "the server has no such file (TFTP)"),
            ("0x2d12613b", "the server has no such file (TFTP)"),
            ("0x3c092003", "this iPXE is built without the protocol of the URL"),
            ("0x2e022001", "this iPXE lacks the command"),
            ("0x216eb3c", USELESS),
        ] {
            assert_eq!(IpxeError::parse(number).unwrap().sentence(), Some(sentence), "{number}");
        }
        let [denied, exec] = ["0x410c613c", "0x2e008001"].map(|number| IpxeError::parse(number).unwrap());
        assert_eq!(denied.to_string(), "the server denies access (HTTP 403), iPXE error 410c613c");
        assert!(exec.sentence().unwrap().contains("format"));
    }

    #[test]
    fn an_expired_certificate_names_the_clock() {
        assert_eq!(IpxeError(0x0216_e43c).sentence(), Some(EXPIRED));
        assert_eq!(IpxeError(0x0216_e63c).sentence(), Some(UNTRUSTED));
    }

    #[test]
    fn any_number_has_words() {
        assert_eq!(IpxeError(0x1c00_0000).to_string(), "EINVAL, iPXE error 1c000000");
        assert_eq!(IpxeError(0).to_string(), "iPXE error 00000000");
        assert_eq!(IpxeError(u32::MAX).posix_name(), None);
        for posix in 0..=0xffu32 {
            for file in (0..0x800u32).step_by(7) {
                let error = IpxeError(posix << 24 | file << 13 | (file & 0x1f) << 8 | posix);
                assert!(format!("{error}").ends_with(&format!("{:08x}", error.0)));
            }
        }
        assert_eq!(
            (POSIX_NAMES[usize::from(ENOENT) - 1], POSIX_NAMES[usize::from(ETIMEDOUT) - 1]),
            ("ENOENT", "ETIMEDOUT")
        );
    }

    #[test]
    fn only_hexadecimal_numbers_are_parsed() {
        assert_eq!(IpxeError::parse("2D0c613b"), Some(IpxeError(0x2d0c_613b)));
        for invalid in ["", "0x", "0x2d0c613b0", "+1", "-1", "0x0x1", "g", " 1"] {
            assert_eq!(IpxeError::parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn every_command_is_parsed_from_its_name() {
        for command in ScriptCommand::ALL {
            assert_eq!(ScriptCommand::parse(command.name()), Some(command));
        }
        assert_eq!(ScriptCommand::parse("imgfree"), None);
    }
}
