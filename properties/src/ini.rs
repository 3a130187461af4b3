//! Any INI file is read to sections and values of itself, or to errors that point into it.

use crate::located::{assert_all_located, assert_located};
use crate::seeds;
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_reading::{ini, legacy};

/// The maximum length of a value with references to others, in octets: 64 KiB, and what a single key adds.
const MAX_VALUE: usize = (64 << 10) + (16 << 10);

/// Reads the input as proxy.ini.
pub fn check(data: &[u8]) {
    let source = match Source::new("proxy.ini", data.into()) {
        Ok(source) => source,
        Err(error) => {
            let text = String::from_utf8_lossy(data).into_owned();
            return assert_located(&error, &Source { name: "proxy.ini".into(), text });
        }
    };
    match ini::parse(&source) {
        Err(errors) => assert_all_located(&errors, &source),
        Ok(ini) => {
            for section in &ini.sections {
                assert!(source.text[section.span.clone()].starts_with(&format!("[{}]", section.name)));
                for item in ini.items(section, &source) {
                    match item {
                        Err(error) => assert_located(&error, &source),
                        Ok(item) => {
                            assert_eq!(source.text[item.key_span.clone()].to_lowercase(), item.key);
                            assert!(source.text.get(item.value_span.clone()).is_some(), "{item:?}");
                            assert!(item.value.len() <= MAX_VALUE && item.value.trim_end() == item.value, "{item:?}");
                        }
                    }
                }
            }
        }
    }
    match legacy::read(&source) {
        Err(errors) => assert_all_located(&errors, &source),
        Ok((_, warnings)) => warnings.iter().for_each(|warning| assert_located(warning, &source)),
    }
}

/// The files of pages and of tests.
pub fn seeds() -> Vec<Vec<u8>> {
    let files: [&[u8]; 6] = [
        b"[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.5\nfilename = a.0\n[ipxe]\nenabled = true\n\
          chainload_url = http://192.0.2.5/boot.ipxe\n",
        b"[DEFAULT]\ntftpd: 192.0.2.5\n[proxy]\nfilename=%(name)s ; no comment\nname = 100%%\n  more\n\n  lines\n",
        b"[proxy]\r\ntftpd = 192.0.2.5 # a comment\rfilename = \"a.0\"\n[pxe]\nx\n[proxy]\n",
        b"\xef\xbb\xbf[proxy]\nvendor_specific_information = k\xc3\xbcche\n",
        b"[proxy]\na = %(b)s%(b)s\nb = %(a)s\nc = 5%\n",
        b"[proxy]\nfilename=k\xfcche\n",
    ];
    files.into_iter().map(Vec::from).chain(seeds::documented("ini")).collect()
}
