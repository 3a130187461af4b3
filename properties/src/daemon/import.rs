//! The configuration of another server is converted to a configuration that this server accepts, or to errors that
//! point into its text.

use crate::located::assert_located;
use crate::seeds;
use proxydhcpd::config::native;
use proxydhcpd_core::link::Network4;
use proxydhcpd_import::{HostInfo, ImportFormat, ServerInfo, import};
use proxydhcpd_reading::diagnostic::{Severity, Source};
use std::net::Ipv4Addr;
use std::path::Path;

const FORMATS: [Option<ImportFormat>; 8] = [
    None,
    Some(ImportFormat::Ini),
    Some(ImportFormat::Dnsmasq),
    Some(ImportFormat::Isc),
    Some(ImportFormat::Kea),
    Some(ImportFormat::Uci),
    Some(ImportFormat::CommandLine),
    Some(ImportFormat::Csv),
];
/// Lines that name other files. The properties depend on no file of the host.
const READS_FILES: [&str; 8] =
    ["conf-file", "conf-dir", "hostsfile", "hostsdir", "optsfile", "optsdir", "addn-hosts", "include"];

/// Reads the choice of the format, and the text.
pub fn check(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(source) = Source::new("other.conf", text.into()) else { return };
    if READS_FILES.iter().any(|word| source.text.contains(word)) {
        return;
    }
    let mut host = HostInfo::new(ServerInfo { default_boot_dir: "/nonexistent/boot", loader_fault: |_, _| None });
    host.networks = vec![("eth0".into(), Network4 { address: Ipv4Addr::new(192, 0, 2, 10), prefix: 24 })];
    match import(&source, FORMATS[usize::from(*choice) % FORMATS.len()], &host) {
        Err(errors) => {
            assert!(errors.iter().any(|error| error.severity != Severity::Warning), "no error");
            errors.iter().for_each(|error| assert_located(error, &source));
        }
        Ok(text) => {
            let imported = Source::new("proxydhcpd.toml", text.clone().into()).expect("UTF-8");
            let read = native::read(&[imported], Path::new("/nonexistent"), true);
            let error = read.diagnostics.iter().find(|diagnostic| diagnostic.severity != Severity::Warning);
            if let Some(error) = error {
                panic!("this server refuses what it imported: {error}\n{text}");
            }
        }
    }
}

/// The configurations in the tests and pages.
pub fn seeds() -> Vec<Vec<u8>> {
    let directories = [("import", 2), ("import-isc", 3), ("import-kea", 4)];
    let of_tests = directories.into_iter().flat_map(|(directory, format)| {
        let files = seeds::named_files(&format!("daemon/testdata/{directory}"), &["conf", "json"]).into_iter();
        files.flat_map(move |(_, text)| {
            // In the tests, `$T` is the directory of the boot files.
            let text = String::from_utf8_lossy(&text).replace("$T", "/nonexistent");
            [0, format].map(|choice| [&[choice], text.as_bytes()].concat())
        })
    });
    let others: [(u8, &[u8]); 5] = [
        (1, b"[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.5\nfilename = a.0\n"),
        (
            5,
            b"config dnsmasq\n\toption enable_tftp '1'\n\tlist server '192.0.2.5'\n\
              config boot linux\n\toption filename 'a.0'\n",
        ),
        (6, b"ExecStart=/usr/sbin/dnsmasq --dhcp-boot=a.0,server,192.0.2.5 --pxe-service=x86PC,Install,b\n"),
        (7, b"name,mac,profile\nweb1,52:54:00:12:34:56,\n"),
        (0, b"label linux\n  kernel a\n"),
    ];
    of_tests.chain(others.into_iter().map(|(choice, text)| [&[choice], text].concat())).collect()
}
