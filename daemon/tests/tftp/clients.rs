//! Tests with the TFTP clients that administrators use.

use crate::{BOTH_FAMILIES, RecordedEvent, TestServer, pattern, settings};
use proxydhcpd::serve::tftp::{Family, TftpRefusal};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use std::path::Path;
use std::process::{Command, Output};

/// The sizes of the files. The last one needs several reads, and is not a multiple of any block size.
const SIZES: [usize; 4] = [0, 511, 512, 300_001];

fn all() -> impl Iterator<Item = (Family, TftpConfig)> {
    BOTH_FAMILIES
        .into_iter()
        .flat_map(|family| [false, true].map(|single_port| (family, TftpConfig { single_port, ..settings() })))
}

/// Returns the server's address in the forms for command lines and for URLs.
fn loopback(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("127.0.0.1", "127.0.0.1"),
        Family::V6 => ("::1", "[::1]"),
    }
}

fn client(program: &str, package: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run ({error}): apt-get install {package}"))
}

fn fetches(program: &str, package: &str, sizes: &[usize], arguments: impl Fn((&str, &str), u16) -> Vec<String>) {
    for (family, settings) in all() {
        let single = settings.single_port;
        let served = TestServer::with_family(family, settings);
        for &size in sizes {
            let content = pattern(size);
            served.write_file("remote.bin", &content);
            let download_dir = tempfile::tempdir().unwrap();
            let arguments = arguments(loopback(family), served.port);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let output = client(program, package, download_dir.path(), &arguments);
            assert!(output.status.success(), "{program} {arguments:?}, single port {single}: {output:?}");
            // Not every client creates a local file if the remote file is empty.
            let got = std::fs::read(download_dir.path().join("local.bin")).unwrap_or_default();
            assert!(got == content, "{program} {arguments:?} got {} octets of {size}", got.len());
            let done =
                RecordedEvent::Ended { name: "remote.bin".into(), octets: size as u64, outcome: Outcome::Completed };
            assert_eq!(served.next_event(), done, "{program} {arguments:?}, single port {single}");
        }
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn tftp_hpa_fetches_without_options() {
    fetches("tftp", "tftp-hpa", &SIZES, |(host, _), port| {
        words(&format!("-m binary {host} {port} -c get remote.bin local.bin"))
    });
}

#[test]
fn atftp_fetches_without_options() {
    fetches("atftp", "atftp", &SIZES, |(host, _), port| words(&format!("-g -r remote.bin -l local.bin {host} {port}")));
}

#[test]
fn atftp_fetches_with_blksize_and_tsize_and_timeout() {
    fetches("atftp", "atftp", &SIZES, |(host, _), port| {
        let mut arguments = Vec::new();
        for option in ["blksize 1432", "tsize 0", "timeout 2"] {
            arguments.extend(["--option".to_owned(), option.to_owned()]);
        }
        arguments.extend(words(&format!("-g -r remote.bin -l local.bin {host} {port}")));
        arguments
    });
}

#[test]
fn atftp_fetches_in_windows() {
    fetches("atftp", "atftp", &SIZES, |(host, _), port| {
        let mut arguments = Vec::new();
        for option in ["blksize 1468", "windowsize 8"] {
            arguments.extend(["--option".to_owned(), option.to_owned()]);
        }
        arguments.extend(words(&format!("-g -r remote.bin -l local.bin {host} {port}")));
        arguments
    });
}

#[test]
fn curl_fetches_with_and_without_options() {
    // curl 7.88 mistakes the size of an empty file for a malformed OACK, so curl does not fetch an empty file with
    // options.
    for (option, sizes) in [("--tftp-blksize 1468", &SIZES[1..]), ("--tftp-no-options", &SIZES)] {
        fetches("curl", "curl", sizes, |(_, host), port| {
            words(&format!("-sS {option} -o local.bin tftp://{host}:{port}/remote.bin"))
        });
    }
}

#[test]
fn every_client_reports_a_missing_file_at_once() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        let port = served.port;
        let (host, in_url) = loopback(family);
        for (program, package, line) in [
            ("tftp", "tftp-hpa", format!("-m binary {host} {port} -c get remote.bin local.bin")),
            ("atftp", "atftp", format!("-g -r remote.bin -l local.bin {host} {port}")),
            ("curl", "curl", format!("-sS -o local.bin tftp://{in_url}:{port}/remote.bin")),
        ] {
            let download_dir = tempfile::tempdir().unwrap();
            let line = words(&line);
            let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
            let output = client(program, package, download_dir.path(), &arguments);
            let printed = format!("{output:?}").to_lowercase();
            // curl replaces the text of the ERROR by a different text, and reports the error in its exit status.
            assert!(printed.contains("not found") || output.status.code() == Some(68), "{program} {printed}");
            assert_eq!(served.next_event(), RecordedEvent::Refused(TftpRefusal::Fetch(Refusal::NotFound)), "{program}");
        }
    }
}
