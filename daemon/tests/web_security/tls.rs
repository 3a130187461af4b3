//! The page with TLS.

use crate::common::server::request_loader;
use crate::page::{OWN_FORM, PAGE, Page, TIMEOUT, read_to_end};
use proxydhcpd_testbed::Host;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SECURE: &str = "[web]\nlisten = [\"192.0.2.10:8067\"]\n";

/// Runs curl on the machine. It takes any certificate.
fn curl(page: &Page, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--include", "--max-time", "20"]).args(arguments);
    let output = page.machine.on(|| command.output()).expect("curl is missing: run e2e/setup");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The fingerprint of the certificate that the server presents, by OpenSSL.
fn presented(machine: &Host) -> String {
    let script =
        format!("openssl s_client -connect {PAGE} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256");
    let output = machine.on(|| Command::new("sh").args(["-c", &script]).output()).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().rsplit_once('=').map(|(_, fingerprint)| fingerprint.to_owned()).unwrap_or_default()
}

/// Makes a certificate and its key.
fn make_certificate(certificate: &Path, key: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    command.args(["-subj", "/CN=boot.example.org"]).arg("-keyout").arg(key).arg("-out").arg(certificate);
    assert!(command.output().unwrap().status.success());
}

#[test]
fn other_hosts_use_tls_with_the_certificate_that_the_log_shows() {
    let page = Page::start(SECURE);
    let shown = presented(&page.machine);
    assert_eq!(shown.len(), 95);
    assert!(page.server.log().contains(&format!("its own certificate, with the SHA-256 fingerprint {shown}")));
    let state = page.server.directory.path().join("state");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-text", "-in"]).arg(state.join("web-certificate.pem"));
    let certificate = String::from_utf8(openssl.output().unwrap().stdout).unwrap();
    assert!(certificate.contains("IP Address:192.0.2.10") && certificate.contains("prime256v1"), "{certificate}");
    let reply = curl(
        &page,
        &["-X", "POST", "-H", "Sec-Fetch-Site: same-origin", "--data", "", &format!("https://{PAGE}{}", page.link())],
    );
    let cookie = reply.lines().find(|line| line.to_lowercase().starts_with("set-cookie: ")).unwrap();
    assert!(
        cookie[12..].starts_with("__Host-proxydhcpd-session=") && cookie.trim_end().ends_with("; Secure"),
        "{cookie}"
    );
    // After a restart, the certificate is the same.
    let Page { server, host, machine } = page;
    let server = server.kill_and_restart(&host);
    server.wait_for_line("page for operators at https://");
    assert_eq!(presented(&machine), shown);
}

#[test]
fn plain_http_on_the_port_of_tls_leads_to_https_and_begins_no_session() {
    let page = Page::start(SECURE);
    let reply = page.get("/network", "");
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://192.0.2.10:8067/network")));
    let posted = page.request("POST", &page.link(), OWN_FORM, "");
    assert_eq!((posted.status, posted.header("set-cookie")), (400, None));
    assert!(posted.body.contains("https://"));
    let split = page.get("/a%0d%0aSet-Cookie:%20a=b", "");
    assert_eq!(split.header("set-cookie"), None);
}

#[test]
fn garbage_and_slow_handshakes_end() {
    let page = Page::start(SECURE);
    let garbage: [&[u8]; 4] =
        [&[22, 3, 1, 255, 255, 0, 0, 0], &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0], &[0; 64], &[255; 5000]];
    for octets in garbage {
        let mut stream = page.connect_from("192.0.2.107");
        stream.write_all(octets).unwrap();
        let began = Instant::now();
        let reply = read_to_end(&mut stream);
        assert!(!reply.contains("HTTP/1.1 200") && began.elapsed() < TIMEOUT, "{octets:?}");
    }
    let mut slow: Vec<_> = (0..30).map(|_| page.connect_from("192.0.2.107")).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(&[22, 3, 1, 1, 0]).unwrap());
    assert_eq!(request_loader(&page.machine).as_deref(), Some("ipxe.efi"));
    assert!(curl(&page, &[&format!("https://{PAGE}/healthz")]).ends_with("ok\n"));
    let began = Instant::now();
    slow.iter_mut().for_each(|stream| drop(read_to_end(stream)));
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[test]
fn a_new_certificate_replaces_the_old_one_without_a_restart() {
    let files = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| files.path().join(name));
    make_certificate(&certificate, &key);
    let page = Page::start(&format!("{SECURE}certificate = {certificate:?}\nkey = {key:?}\n"));
    let first = presented(&page.machine);
    page.server.wait_for_line(&format!("the certificate of the configuration, with the SHA-256 fingerprint {first}"));
    fs::write(&certificate, "no certificate\n").unwrap();
    page.server.wait_for_line("the server uses the previous one");
    assert_eq!(presented(&page.machine), first);
    make_certificate(&certificate, &key);
    proxydhcpd_testbed::wait_for("the new certificate", || {
        let now = presented(&page.machine);
        (now.len() == 95 && now != first).then_some(())
    });
    assert_eq!(page.server.log().matches("cannot use the certificate").count(), 1);
}
