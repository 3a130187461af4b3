//! The users who may start protected items of the menu. Their file has the format of Apache's htdigest: a line for each
//! user, `user:realm:hash`, with the hash that RFC 7616 calls H(A1).

use md5::{Digest, Md5};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The realm of the users: iPXE shows it nowhere, but hashes it with the password.
pub const REALM: &str = "proxydhcpd";

/// The maximum size of the file, in octets.
const MAX_FILE: u64 = 256 << 10;

/// The users, each with the hash of the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuPasswords(BTreeMap<String, String>);

impl MenuPasswords {
    /// Reads the file. Returns the valid lines, and a warning for everything else: a user whose line is invalid cannot
    /// log in.
    pub fn read(path: &Path) -> (MenuPasswords, Vec<Diagnostic>) {
        let read = || -> io::Result<(String, u32)> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.len() > MAX_FILE {
                return Err(io::Error::other(format!("it has more than {MAX_FILE} octets")));
            }
            let mut text = String::new();
            file.take(MAX_FILE).read_to_string(&mut text)?;
            Ok((text, metadata.mode()))
        };
        let name = path.display().to_string();
        let (text, mode) = match read() {
            Ok(read) => read,
            Err(error) => {
                let warning = Diagnostic::warning(format!("cannot read {name}: {error}"));
                return (
                    MenuPasswords::default(),
                    vec![warning.help("no user can start a protected item of the menu")],
                );
            }
        };
        let (passwords, mut warnings) = MenuPasswords::parse(Source { name: name.clone(), text });
        if mode & 0o007 != 0 {
            let warning = Diagnostic::warning(format!("every user of this host can read {name}"));
            warnings.push(warning.help(format!("chmod o= {name}")));
        }
        (passwords, warnings)
    }

    pub(crate) fn parse(source: Source) -> (MenuPasswords, Vec<Diagnostic>) {
        let (mut passwords, mut warnings) = (BTreeMap::new(), Vec::new());
        let mut at = 0;
        for line in source.text.split_inclusive('\n') {
            let (start, text) = (at, line.trim());
            at += line.len();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let mut warn = |message: String| {
                let help = "`proxydhcpd menu-password USER` prints a valid line";
                warnings.push(source.warning(start..start + line.trim_end().len(), message).help(help));
            };
            let fields: Vec<&str> = text.split(':').collect();
            match fields[..] {
                [user, realm, _] if realm != REALM => {
                    warn(format!("the realm of {user} must be `{REALM}`, but is `{realm}`"));
                }
                [user, _, hash] if !user.is_empty() && is_hash(hash) => {
                    if passwords.insert(user.to_owned(), hash.to_ascii_lowercase()).is_some() {
                        warn(format!("{user} is listed twice: the last line counts"));
                    }
                }
                _ => warn(format!("this line is not `user:{REALM}:hash`")),
            }
        }
        (MenuPasswords(passwords), warnings)
    }

    /// The hash of the password of this user, in hexadecimal.
    pub fn hash(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }

    /// Whether no user can log in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The line of the file for this user.
///
/// # Errors
/// The file cannot have such a user, or no machine can send such a password.
pub fn line(user: &str, password: &str) -> Result<String, &'static str> {
    if user.is_empty() || !user.bytes().all(|octet| octet.is_ascii_graphic() && !b":\"\\#".contains(&octet)) {
        return Err("the name of a user has letters, digits and signs other than : \" \\ and #");
    }
    if password.is_empty() || !password.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ') {
        return Err("the password has letters, digits, signs and spaces of ASCII: iPXE takes no other keys");
    }
    Ok(format!("{user}:{REALM}:{}", md5_hex(&format!("{user}:{REALM}:{password}"))))
}

/// The MD5 hash of a text, in hexadecimal.
pub fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_user_is_that_of_htdigest() {
        // printf 'teacher:proxydhcpd:open sesame' | md5sum
        let expected = "teacher:proxydhcpd:3a355c24c1b095fe236dce302b6d2c3d";
        assert_eq!(line("teacher", "open sesame").as_deref(), Ok(expected));
        for (user, password) in [("", "a"), ("a:b", "c"), ("a\"", "c"), ("a", ""), ("a", "ü"), ("a b", "c")] {
            assert!(line(user, password).is_err(), "{user} {password}");
        }
    }

    #[test]
    fn a_line_that_no_user_can_have_is_a_warning_with_its_place() {
        let good = line("teacher", "x").unwrap();
        let text = format!("# users\n{good}\n\nother:realm:{}\nbroken\n{good}\n", "0".repeat(32));
        let (passwords, warnings) = MenuPasswords::parse(Source { name: "f".into(), text });
        assert!(passwords.hash("teacher").is_some() && passwords.hash("other").is_none());
        let places: Vec<_> =
            warnings.iter().map(|warning| warning.location.as_ref().map(|location| location.line)).collect();
        assert_eq!(places, [Some(4), Some(5), Some(6)]);
    }
}
