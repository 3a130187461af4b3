//! The commands that open and close the page.

use crate::common::server::{Server, one_network};
use crate::page::{PAGE, PASSWORD, Page};
use proxydhcpd_testbed::{Host, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};

/// A server with these lines in its configuration, and a machine.
fn start(lines: &str) -> (Server, Host, Host) {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), lines);
    server.wait_for_line("page for operators at");
    server.wait_for_line("ready");
    (server, host, machine)
}

fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.client(&[arguments, &["-c", "CONFIG"]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not ask for a password has ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn is_reachable(machine: &Host) -> bool {
    machine.on(|| TcpStream::connect(PAGE).is_ok())
}

#[test]
fn the_page_opens_at_once_stays_open_after_a_restart_and_closes() {
    let (server, host, machine) = start("");
    assert!(!is_reachable(&machine), "only this host reaches the page at first");
    let short = run(&server, &["web", "open"], "short\n");
    assert_eq!(short.status.code(), Some(1));
    assert!(text(&short.stderr).contains("fewer than 8 characters") && !is_reachable(&machine));

    let opened = run(&server, &["web", "open"], &format!("{PASSWORD}\n"));
    assert!(opened.status.success(), "{opened:?}");
    let status = text(&opened.stdout);
    assert!(status.contains("https://192.0.2.10:8067/") && status.contains("SHA-256 "), "{status}");
    assert!(status.contains("http://127.0.0.1:8067/\n") && is_reachable(&machine));

    let server = server.kill_and_restart(&host);
    server.wait_for_line("page for operators at https://192.0.2.10:8067/");
    assert!(!server.log().contains("/start/"), "a password is set");
    let again = run(&server, &["web", "open", "--plain-http"], "");
    assert!(text(&again.stdout).contains("plain HTTP: every host"), "{again:?}");

    let closed = run(&server, &["web", "close"], "");
    assert!(closed.status.success() && !text(&closed.stdout).contains("192.0.2.10"), "{closed:?}");
    assert!(!is_reachable(&machine));
    let server = server.kill_and_restart(&host);
    server.wait_for_line("page for operators at http://127.0.0.1:8067/");
    assert!(!is_reachable(&machine));
}

#[test]
fn closing_the_page_ends_its_connections() {
    let (server, _host, machine) = start("");
    assert!(run(&server, &["web", "open", "--plain-http"], &format!("{PASSWORD}\n")).status.success());
    let mut stream = machine.on(|| TcpStream::connect(PAGE).unwrap());
    assert!(run(&server, &["web", "close"], "").status.success());
    stream.set_read_timeout(Some(crate::page::TIMEOUT)).unwrap();
    let ended = stream.read(&mut [0]);
    let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(matches!(ended, Ok(0)) || ended.as_ref().is_err_and(is_reset), "{ended:?}");
}

#[test]
fn the_page_follows_the_addresses_of_the_served_networks() {
    let (server, host, machine) = start("");
    assert!(run(&server, &["web", "open", "--plain-http", "--link"], "").status.success());
    host.run("ip address add 192.0.2.11/24 dev eth0");
    machine.on(|| wait_for("the new address", || TcpStream::connect("192.0.2.11:8067").ok()));
    host.run("ip address del 192.0.2.11/24 dev eth0");
    server.wait_for_line("no longer at http://192.0.2.11:8067/");
}

#[test]
fn a_link_opens_the_page_without_a_password() {
    let (server, _host, machine) = start("");
    let opened = run(&server, &["web", "open", "--link", "--plain-http"], "");
    let output = text(&opened.stdout);
    let link = output.lines().find(|line| line.contains("/start/")).unwrap();
    assert!(link.starts_with("http://192.0.2.10:8067/start/"), "another machine can follow it: {link}");
    let page = Page { server, host: Host::new(), machine };
    page.machine.run("ip address add 192.0.2.108/24 dev eth0");
    let path = link.strip_prefix("http://192.0.2.10:8067").unwrap();
    let shown = page.get(path, "");
    assert!(shown.status == 200 && shown.body.contains("Plain HTTP:"), "{shown:?}");
}

#[test]
fn the_configuration_decides_and_is_not_touched() {
    let (server, _host, machine) = start("[web]\nlisten = \"127.0.0.1:8067\"\n");
    let config = server.directory.path().join("proxydhcpd.toml");
    let before = std::fs::read(&config).unwrap();
    for command in ["open", "close"] {
        let refused = run(&server, &["web", command], &format!("{PASSWORD}\n"));
        assert_eq!(refused.status.code(), Some(1));
        let error = text(&refused.stderr);
        assert!(
            error.contains("the configuration says where the page is") && error.contains("`listen` in [web]"),
            "{error}"
        );
    }
    assert!(!is_reachable(&machine));
    assert_eq!(std::fs::read(&config).unwrap(), before);
    let status = text(&run(&server, &["web", "status"], "").stdout);
    assert!(status.contains("as `listen` in [web] of the configuration says"), "{status}");
    server.edit_config("listen = \"127.0.0.1:8067\"", "enabled = false");
}

#[test]
fn a_password_ends_the_sessions_that_began_before_it() {
    let page = Page::start(crate::page::OPEN);
    let cookie = page.log_in();
    assert!(run(&page.server, &["web", "password"], "another password\n").status.success());
    assert_eq!(page.get("/api/v1/status", &cookie).status, 401);
    assert_eq!(page.post_form("/login", "", "password=another+password").status, 303);
    page.server.wait_for_line("a command set the password of the page");
}

#[test]
fn the_flag_opens_the_page_and_prints_a_link_for_another_machine() {
    let (host, machine) = one_network();
    host.run("ip address del 192.0.2.10/24 dev eth0");
    let server = Server::start(&host, &["-c", "CONFIG", "--open-page"]);
    server.wait_for_line("sets its password: http://127.0.0.1:8067/start/");
    // A client that watches the events from now on.
    let mut events = wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    events.set_read_timeout(Some(crate::page::TIMEOUT)).unwrap();
    events.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut see = |part: &str| {
        let mut octets = [0; 4096];
        while !seen.contains(part) {
            let count = events.read(&mut octets).unwrap();
            assert!(count > 0, "no {part:?} in {seen}");
            seen.push_str(&String::from_utf8_lossy(&octets[..count]));
        }
        seen.clone()
    };
    see("200 OK");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    server.wait_for_line("sets its password: http://192.0.2.10:8067/start/");
    assert!(run(&server, &["web", "token", "add", "last", "--scope", "read"], "").status.success());
    let seen = see("added the token last");
    assert!(seen.contains("page for operators at http://192.0.2.10:8067/") && !seen.contains("/start/"), "{seen}");
    assert!(is_reachable(&machine));
    let refused = run(&server, &["web", "close"], "");
    assert!(text(&refused.stderr).contains("--open-page"), "{refused:?}");
}
