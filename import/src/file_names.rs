//! Whether this server accepts a file or a text that another configuration names. A line with one that it refuses has
//! no equivalent; in the new file, it would be an error.

use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::shape::MAX_URL_LENGTH;
use proxydhcpd_core::url::is_url;

/// The reason why the server refuses the name of a kernel or an initrd: a path in the boot directory, or a URL. `None`:
/// it accepts the name.
pub fn refused_file(name: &str) -> Option<String> {
    match is_url(name) {
        true => refused_text(name),
        false => normalize(name.as_bytes()).err().map(|reason| format!("this server sends no file with {reason}")),
    }
}

/// The reason why the server refuses the name of a loader or a script, which is part of a DHCP reply. `None`: it
/// accepts the name.
pub fn refused_loader(name: &str) -> Option<String> {
    if !is_url(name) {
        return refused_file(name);
    }
    let octets = name.len();
    if octets > MAX_URL_LENGTH {
        return Some(format!("the URL has {octets} octets, and firmware accepts at most {MAX_URL_LENGTH}"));
    }
    refused_text(name).or_else(|| name.contains(' ').then(|| "a URL has no spaces".to_owned()))
}

/// The reason why the server refuses a text. `None`: it accepts the text.
pub fn refused_text(text: &str) -> Option<String> {
    let control = text.chars().find(|c| c.is_control())?;
    Some(format!("it has the control character U+{:04X}", u32::from(control)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_as_the_server_refuses_them() {
        for name in ["pxelinux.0", "/a b/c.efi", "http://192.0.2.5/a", "grüße.efi"] {
            assert_eq!((refused_file(name), refused_loader(name)), (None, None), "{name}");
        }
        for name in ["a\u{1}b", "a\tb", "a\u{7f}", "../a", "/", "http://192.0.2.5/\n"] {
            assert!(refused_file(name).is_some() && refused_loader(name).is_some(), "{name:?}");
        }
        let long = format!("http://192.0.2.5/{}", "a".repeat(300));
        for url in ["tftp://192.0.2.5/a b", &long] {
            assert!(refused_file(url).is_none() && refused_loader(url).is_some(), "{url}");
        }
        assert_eq!(refused_text("a\tb").as_deref(), Some("it has the control character U+0009"));
    }
}
