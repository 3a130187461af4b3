//! Tests the doors for the reports of machines: POST over HTTP, the failed commands of scripts, and syslog. The binary
//! of the server serves them in network namespaces. Needs root.

mod common;

use common::boot_once::{CONFIG, TestSite};
use common::server::Server;
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use tempfile::TempDir;

fn start(more: &str) -> (TestSite, Server) {
    let directory = tempfile::tempdir().unwrap();
    add_template(&directory);
    TestSite::with_config(directory, &format!("{more}{CONFIG}"))
}

/// Adds a template that shows the URL for reports.
fn add_template(directory: &TempDir) {
    fs::create_dir(directory.path().join("templates")).unwrap();
    fs::write(directory.path().join("templates/report-url"), "{{ report_url }}").unwrap();
}

/// Returns the URL for the reports of this machine.
fn report_url(site: &TestSite, machine: &str) -> String {
    let url = site.fetch(&format!("http://192.0.2.10:8080/machine/name={machine}/report-url"), &[]);
    String::from_utf8(url).unwrap()
}

/// Posts a report, and returns the status and the length of the response's body.
fn post(site: &TestSite, url: &str, body: &str) -> String {
    let out = ["--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"];
    let arguments = [&out[..], &["--data-binary", body]].concat();
    String::from_utf8(site.fetch(url, &arguments)).unwrap()
}

#[test]
fn a_machine_reports_its_progress_as_text_as_json_and_as_its_installer_does() {
    let (site, server) = start("");
    let url = report_url(&site, "web1");
    assert!(url.starts_with("http://192.0.2.10:8080/machine/name=web1/token="), "{url}");
    let event = r#"{"name": "subiquity/Install/install", "event_type": "start", "description": "installing \u001b"}"#;
    for (body, line) in [
        ("Partitioning\nmore", "web1 reports \"Partitioning\""),
        (r#"{"progress": "copying \"files\"", "percent": 7}"#, r#"web1 reports "copying \"files\"""#),
        (event, r#"web1 reports "installing \u{1b}""#),
        (
            r#"{"progress": "no disk", "result": "FAIL"}"#,
            r#"the installation of web1 failed, by report_url: "no disk""#,
        ),
    ] {
        assert_eq!(post(&site, &url, body), "204 0", "{body}");
        server.wait_for_line(line);
    }
    assert_eq!(site.boots_kernel(), [true; 3]);
    let token = url.split_once("/token=").unwrap().1.split_once('/').unwrap().0;
    assert!(!server.log().contains(token), "{}", server.log());
}

#[test]
fn an_installed_machine_completes_its_boot_once_however_it_reports() {
    let (site, server) = start("");
    let [web1, web2, web3] = ["web1", "web2", "web3"].map(|machine| report_url(&site, machine));
    assert_eq!(post(&site, &format!("{web1}/phone-home"), "instance_id=i-1&hostname=web1&pub_key_rsa=A"), "204 0");
    server.wait_for_line("web1 is installed, by phone_home");
    let last = r#"{"name":"subiquity/Shutdown/copy_logs_to_target","event_type":"finish","result":"SUCCESS"}"#;
    assert_eq!(post(&site, &web2, last), "204 0");
    server.wait_for_line("web2 is installed, by the installer's webhook");
    server.wait_for_line("web2 completed its boot-once (/machine/name=web2/token=.../report)");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    site.fetch(&site.done_url("web3"), &[]);
    server.wait_for_line("web3 is installed, by done_url");
    assert_eq!(post(&site, &web3, "still here"), "204 0", "the token is valid until the boot-once is reset");
}

/// The events that the handler `webhook` of curtin 23.1.1 sent when it ran with the names of Ubuntu's installer, and
/// those of `curtin install`, whose last one has the log of the installation.
#[test]
fn the_webhook_of_curtin_reports_an_installation_to_its_end() {
    let event = |rest: &str| format!("{{{rest}, \"origin\": \"curtin\", \"timestamp\": 1796045667.5}}");
    let (site, server) = start("");
    let url = report_url(&site, "web1");
    let install = "\"name\": \"subiquity/Install/install/curtin_install\", \"description\": \"installing system\"";
    let note = "\"name\": \"subiquity/Network/apply\", \"description\": \"a note\"";
    let shutdown = "\"name\": \"subiquity/Shutdown/shutdown\", \"description\": \"mode=REBOOT\"";
    for (fields, line) in [
        (format!("{install}, \"event_type\": \"start\""), "web1 reports \"installing system\""),
        (format!("{note}, \"event_type\": \"info\""), "web1 reports \"a note\""),
        (format!("{shutdown}, \"event_type\": \"start\""), "web1 is installed, by the installer's webhook"),
    ] {
        assert_eq!(post(&site, &url, &event(&fields)), "204 0", "{fields}");
        server.wait_for_line(line);
    }

    let url = report_url(&site, "web2");
    let last = "{\"name\": \"cmd-install\", \"description\": \"curtin command install\", \"event_type\": \"finish\", \
                \"origin\": \"curtin\", \"timestamp\": 1796045667.5, \"level\": \"DEBUG\", \"result\": \"SUCCESS\", \
                \"files\": [{\"path\": \"/var/log/curtin/install.log\", \"content\": \"";
    let file = server.directory.path().join("last");
    fs::write(&file, format!("{last}{}\", \"encoding\": \"base64\"}}]}}", "QUJD".repeat(135_000))).unwrap();
    assert_eq!(post(&site, &url, &format!("@{}", file.display())), "204 0");
    server.wait_for_line("web2 is installed, by the installer's webhook");
    assert_eq!(site.boots_kernel(), [false, false, true]);
}

#[test]
fn a_report_is_refused_for_its_token_its_content_its_length_and_its_number() {
    let (site, server) = start("");
    let url = report_url(&site, "web1");
    let other = url.replace("name=web1", "name=web2");
    let without = "http://192.0.2.10:8080/machine/name=web1/report".to_owned();
    let unknown = "http://192.0.2.10:8080/machine/report".to_owned();
    for refused in [&other, &without, &unknown, &format!("{without}/phone-home")] {
        assert_eq!(post(&site, refused, "x"), "403 0", "{refused}");
    }
    server.wait_for_line("was refused: its token is missing, invalid or expired; use {{ report_url }} in a template");
    for unreadable in ["", "{\"a\": 1}", "{"] {
        assert_eq!(post(&site, &url, unreadable), "400 0", "{unreadable}");
    }
    assert_eq!(post(&site, &format!("{url}/phone-home"), "x=y"), "400 0");
    let long = server.directory.path().join("long");
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", &format!("@{}", long.display())];
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    for (more, expected) in [(0, "204"), (1, "413")] {
        fs::write(&long, vec![b'x'; (4 << 20) + more]).unwrap();
        assert_eq!(post(&site, &url, &format!("@{}", long.display())), format!("{expected} 0"));
        assert_eq!(site.fetch(&url, &[&status[..], &chunked].concat()), expected.as_bytes());
    }
    for (method, url) in [("GET", &url), ("PUT", &url), ("OPTIONS", &url)] {
        let answer = site.fetch(url, &["--request", method, "--include"]);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 40") && !answer.to_lowercase().contains("access-control"), "{answer}");
    }
    let statuses: Vec<String> = (0..80).map(|_| post(&site, &url, "again")).collect();
    assert!(statuses.contains(&"429 0".to_owned()), "{statuses:?}");
    server.wait_for_line("was refused: too many reports");
    assert_eq!(post(&site, &report_url(&site, "web2"), "another machine"), "204 0");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

/// A sender that has the token, but never ends its report, does not keep a connection for longer than ten seconds.
#[test]
fn a_report_that_does_not_end_is_refused() {
    let (site, server) = start("");
    let path = report_url(&site, "web1").replace("http://192.0.2.10:8080", "");
    let mut stream = site.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
    write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    server.wait_for_line("was refused: it did not arrive completely in time");
}

#[test]
fn a_site_without_boot_once_has_tokens_if_a_template_reports() {
    let directory = tempfile::tempdir().unwrap();
    add_template(&directory);
    let config = "[machine.web1]\nmac = \"52:54:00:00:00:01\"\n";
    let (site, server) = TestSite::with_config(directory, config);
    assert_eq!(post(&site, &report_url(&site, "web1"), "hello"), "204 0");
    server.wait_for_line("web1 reports \"hello\"");
}

#[test]
fn a_failed_command_is_reported_and_its_error_is_shown_in_words() {
    let (site, server) = start("");
    let url =
        "http://192.0.2.10:8080/machine/name=web1/mac=52-54-00-00-00-01/errno=0x2d0c613b/failed/kernel/debian/linux";
    let script = String::from_utf8(site.fetch(url, &[])).unwrap();
    assert!(
        script.contains("\necho debian/linux: the server has no such file (HTTP 404), iPXE error\necho 2d0c613b\n"),
        "{script}"
    );
    server.wait_for_line(
        "web1: the command `kernel` of its script failed for \"debian/linux\": the server has no such file (HTTP 404), \
         iPXE error 2d0c613b",
    );
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let browser = [&status[..], &["--user-agent", "Mozilla/5.0 (X11; Linux x86_64)"]].concat();
    assert_eq!(site.fetch(&url.replace("linux", "other"), &browser), b"403");
    assert_eq!(site.fetch(&url.replace("errno=0x2d0c613b/", ""), &status), b"404");
    assert_eq!(site.fetch(&url.replace("kernel", "imgfree"), &status), b"404");
    assert!(!server.log().contains("debian/other\""), "{}", server.log());
}

#[test]
fn the_memory_of_a_machine_is_reported_with_its_first_request() {
    let directory = tempfile::tempdir().unwrap();
    let (site, server) = TestSite::with_config(directory, CONFIG);
    let script =
        site.fetch("http://192.0.2.10:8080/machine/mac=52-54-00-00-00-01/memsize=/modules=0002.0002/menu.ipxe", &[]);
    assert!(script.starts_with(b"#!ipxe"));
    server.wait_for_line("web1 has 1024 MiB of memory");
}

#[test]
fn lines_of_syslog_are_received_from_known_machines_only() {
    let (site, server) = start("[syslog]\nport = 514\n");
    let socket = site.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    let send = |line: &str| socket.send_to(line.as_bytes(), "192.0.2.10:514").unwrap();
    send("<6>ipxe: too early");
    server.wait_for_line("its sender's address is not that of a machine that this server knows");
    site.request_address(1);
    let line = r#"web1: syslog 3 of "anna": "no \u{1b}[31mdisk""#;
    wait_for("the line of a known machine", || {
        send("<3>Nov 30 06:31:44 debian anna[5]: no \u{1b}[31mdisk\n");
        server.log().contains(line).then_some(())
    });
    send("no priority");
    server.wait_for_line("it contains nothing that this server understands");
    let entry = String::from_utf8(site.fetch("http://192.0.2.10:8080/boot.ipxe", &[])).unwrap();
    assert!(entry.contains("\nset syslog 192.0.2.10 ||\n"), "{entry}");
}

#[test]
fn without_its_key_no_syslog_is_received_and_no_script_names_it() {
    let (site, _server) = start("");
    let socket = site.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    socket.connect("192.0.2.10:514").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send(b"<6>ipxe: x").unwrap();
    assert_eq!(socket.recv(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    let entry = String::from_utf8(site.fetch("http://192.0.2.10:8080/boot.ipxe", &[])).unwrap();
    assert!(!entry.contains("syslog"), "{entry}");
}
