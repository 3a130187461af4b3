//! Tests the control socket of the running server, and the commands that use it. Runs the real binary in network
//! namespaces. Needs root.

mod common;

use common::server::{PROGRAM, Server, one_network, request_loader, state_dir, unprivileged_with, vector};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{Host, Process, wait_for};
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The MAC address in the vector of a request to port 4011.
const MAC: &str = "02:00:00:00:01:07";

fn start(host: &Host) -> Server {
    let server = Server::start(host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    server
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Runs a command that must succeed, and returns its output.
fn output(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

/// Runs a command that must fail with status 1, and returns its error messages.
fn failure(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(status.code(), Some(1), "{}{}", text(&stdout), text(&stderr));
    text(&stderr)
}

fn status(server: &Server) -> Value {
    serde_json::from_str(&output(server.client(&["status", "--json", "-c", "CONFIG"]))).unwrap()
}

/// A running `watch`, and the file with its output.
struct Watch {
    process: Process,
    output: PathBuf,
}

impl Watch {
    /// Starts `watch` with these arguments, and returns when it receives events.
    fn start(server: &Server, name: &str, arguments: &[&str]) -> Watch {
        let path = server.directory.path().join(name);
        let client = server.client(&[&["watch", "-c", "CONFIG"], arguments].concat());
        let mut command = Process::command(PROGRAM);
        command.args(client.get_args()).stdin(Stdio::null()).stdout(File::create(&path).unwrap());
        command.stderr(File::create(path.with_extension("errors")).unwrap());
        for (name, value) in client.get_envs() {
            command.env(name, value.unwrap());
        }
        let watch = Watch { process: Process::spawn(&mut command), output: path };
        // The process has a connection if its descriptors contain a socket besides those of its runtime.
        let pid = watch.process.id();
        let connected = || {
            let sockets = fs::read_to_string("/proc/net/unix").unwrap();
            let inodes: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
                .ok()?
                .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned))
                .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
                .collect();
            // `sockets` is a table with the state in the sixth column (3: connected) and the inode in the seventh.
            let is_connected = |line: &str| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                columns.get(5) == Some(&"03") && inodes.iter().any(|inode| columns.get(6) == Some(&inode.as_str()))
            };
            sockets.lines().filter(|line| is_connected(line)).count().ge(&1).then_some(())
        };
        wait_for("a connection of watch", connected);
        watch
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.output.with_extension("errors")).unwrap()
    }

    /// Repeats an action until a line of the output contains this text. Returns that line.
    fn line_after(&self, action: impl Fn(), part: &str) -> String {
        let line = || self.text().lines().find(|line| line.contains(part)).map(str::to_owned);
        wait_for(&format!("{part:?} in the output of watch"), || {
            action();
            line()
        })
    }
}

/// Sends the offer of another server to port 68 of the link, from a machine on it. `options` follow the options 53 and
/// 54.
fn send_offer(machine: &Host, server: [u8; 4], yiaddr: [u8; 4], options: &[u8]) {
    let mut offer = vector("ovmf-x64-discover")[..240].to_vec();
    offer[0] = 2;
    offer[16..20].copy_from_slice(&yiaddr);
    offer.extend([53, 1, 2, 54, 4]);
    offer.extend(server);
    offer.extend(options);
    offer.push(255);
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    socket.set_broadcast(true).unwrap();
    socket.send_to(&offer, "255.255.255.255:68").unwrap();
}

#[test]
fn status_shows_interfaces_ports_counters_and_what_other_servers_do() {
    let (host, machine) = one_network();
    let server = start(&host);
    let before = status(&server);
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(before["interfaces"][0]["name"], "eth0");
    assert_eq!(before["interfaces"][0]["addresses"][0], "192.0.2.10/24");
    let ports: Vec<_> = before["ports"].as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect();
    assert!([67, 547, 4011, 69, 8080].iter().all(|port| ports.contains(port)), "{before}");
    assert_eq!(before["servers"], Value::Array(vec![]));

    send_offer(&machine, [192, 0, 2, 1], [192, 0, 2, 50], b"\x3c\x09PXEClient");
    send_offer(&machine, [192, 0, 2, 2], [192, 0, 2, 51], b"");
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    socket.send_to(b"nonsense", "192.0.2.10:4011").unwrap();
    let after = wait_for("both servers and the discarded packet", || {
        let status = status(&server);
        let counted = status["counters"]["malformed"].as_u64() == Some(1);
        (counted && status["servers"].as_array().unwrap().len() == 2).then_some(status)
    });
    let [rival, harmless] = [0, 1].map(|index| &after["servers"][index]);
    assert_eq!((&rival["address"], &rival["interferes"]), (&"192.0.2.1".into(), &true.into()));
    assert_eq!((&rival["interface"], &rival["sends_option_60"]), (&"eth0".into(), &true.into()));
    assert_eq!((&harmless["address"], &harmless["interferes"]), (&"192.0.2.2".into(), &false.into()));
    let shown = output(server.client(&["status", "-c", "CONFIG"]));
    for part in [
        "eth0  192.0.2.10/24",
        "8080  tcp  HTTP",
        "192.0.2.1 on eth0 assigns addresses and sends option 60 (PXEClient)",
        "192.0.2.2 on eth0 assigns addresses, and does not interfere",
        "1  malformed",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn watch_shows_every_event_live_as_text_and_as_json() {
    let (host, machine) = one_network();
    let server = start(&host);
    let watch = Watch::start(&server, "text", &["--color=always"]);
    let json = Watch::start(&server, "json", &["--json", "--machine", "02-00-00-00-01-07"]);
    let by_address = Watch::start(&server, "address", &["--machine", "192.0.2.107"]);
    let other = Watch::start(&server, "other", &["--machine", "52:54:00:00:00:99"]);
    let ask = || drop(request_loader(&machine));
    by_address.line_after(ask, "ipxe.efi");
    let line = watch.line_after(ask, "ipxe.efi");
    // The text has the colour of its severity, and is that of the log.
    assert!(line.contains("\u{1b}[") && line.contains(MAC) && line.contains("(x64 UEFI) on eth0"), "{line}");
    assert!(server.log().contains(MAC), "{}", server.log());
    let event = json.line_after(ask, "reply");
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!((&event["kind"], &event["service"], &event["level"]), (&"reply".into(), &"dhcp".into(), &"info".into()));
    assert_eq!((&event["machine"]["mac"], &event["link"]), (&MAC.into(), &"eth0".into()));
    assert!(event["time"].as_str().unwrap().starts_with("20") && event["fields"]["FILE"] == "ipxe.efi", "{event}");
    // The log has one line for repeated replies; the stream has all of them.
    let replies = || (json.text().matches("\"kind\":\"reply\"").count() >= 3).then_some(());
    wait_for("each reply", || {
        ask();
        replies()
    });
    let texts = json.text().matches(" ACK ipxe.efi from 192.0.2.10 (").count();
    assert!(texts >= 3, "each reply has its line: {}", json.text());
    assert_eq!(server.log().matches(" ACK ").count(), 1, "{}", server.log());
    // A packet that the log does not show at all.
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    let send = || assert_eq!(socket.send_to(b"nonsense", "192.0.2.10:4011").unwrap(), 8);
    watch.line_after(send, "a packet on eth0: no reply");
    assert_eq!(other.text(), "");
}

#[test]
fn watch_ends_with_ctrl_c_and_goes_on_after_a_restart_of_the_server() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("run").join("control.sock");
    let key = format!("control-socket = {socket:?}\n");
    let server = Server::start_configured(&host, directory, &key);
    server.wait_for_line("control socket");
    let mut watch = Watch::start(&server, "watch", &[]);
    // This one shows nothing before the restart.
    let quiet = Watch::start(&server, "quiet", &["--machine", MAC]);
    watch.line_after(|| server.signal(Signal::SIGHUP), "reloaded");
    assert_eq!(quiet.text(), "");
    server.signal(Signal::SIGTERM);
    watch.line_after(|| (), "stopped");
    wait_for("the message that the server is gone", || watch.errors().contains("waiting for it").then_some(()));
    assert!(!socket.exists(), "the server removes its socket");
    let before = watch.text().lines().count();
    let server = server.kill_and_restart(&host);
    server.wait_for_line("ready");
    wait_for("events of the new server", || {
        drop(request_loader(&machine));
        (watch.text().lines().skip(before).any(|line| line.contains("ipxe.efi"))).then_some(())
    });
    wait_for("events of the other watch", || {
        drop(request_loader(&machine));
        quiet.text().contains("ipxe.efi").then_some(())
    });
    watch.process.signal(Signal::SIGINT);
    assert_eq!(watch.process.wait().code(), Some(0));
}

#[test]
fn without_a_running_server_the_commands_say_so() {
    let host = Host::new();
    let mut server = start(&host);
    server.signal(Signal::SIGKILL);
    server.exit_code();
    for command in ["status", "watch"] {
        let error = failure(&mut server.client(&[command, "-c", "CONFIG"]));
        assert!(error.contains("the server is not running: no process listens at"), "{error}");
        assert!(error.contains("systemctl start proxydhcpd"), "{error}");
    }
    fs::remove_file(server.control_socket()).unwrap();
    let error = failure(&mut server.client(&["status", "-c", "CONFIG"]));
    assert!(error.contains("the server is not running") && error.contains("does not exist"), "{error}");
    server.edit_config("", "control-socket = false\n");
    let error = failure(&mut server.client(&["watch", "-c", "CONFIG"]));
    assert!(error.contains("switches the control socket off"), "{error}");
}

#[test]
fn the_socket_of_a_running_server_is_left_alone_and_that_of_an_ended_one_is_replaced() {
    let (host, other) = (Host::new(), one_network());
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let key = format!("control-socket = {socket:?}\n");
    let mut first = Server::start_configured(&host, directory, &key);
    first.wait_for_line("control socket");
    let second = Server::start_configured(&other.0, tempfile::tempdir().unwrap(), &key);
    second.wait_for_line("a running server uses it: machines boot, but");
    assert!(second.log().contains("WARN") && second.log().contains("choose another path"), "{}", second.log());
    assert!(request_loader(&other.1).is_some(), "it serves without the socket");
    first.signal(Signal::SIGKILL);
    first.exit_code();
    assert!(socket.exists());
    let second = second.kill_and_restart(&other.0);
    second.wait_for_line("control socket");
    assert_eq!(status(&second)["interfaces"][0]["name"], "eth0");
}

#[test]
fn without_the_socket_the_server_serves() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "control-socket = false\n");
    server.wait_for_line("ready");
    assert!(request_loader(&machine).is_some());
    assert!(!server.control_socket().exists() && !server.log().contains("control socket"), "{}", server.log());
}

/// Runs `status` as this user and group, without capabilities.
fn status_as(server: &Server, user: u32, group: u32) -> Output {
    let client = server.client(&["status", "-c", "CONFIG"]);
    let ids = [format!("--reuid={user}"), format!("--regid={group}")];
    let mut command = Command::new("setpriv");
    command.args(ids).args(["--clear-groups", "--bounding-set=-all", "--"]).arg(PROGRAM).args(client.get_args());
    command.env("RUNTIME_DIRECTORY", server.control_socket().parent().unwrap());
    command.output().unwrap()
}

#[test]
fn other_users_are_refused_with_a_sentence() {
    let server = start(&Host::new());
    fs::set_permissions(server.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let refused = status_as(&server, 54321, 54321);
    let error = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && error.contains("this user may not open the control socket"), "{error}");
    assert!(error.contains("run the command as root, or add the user to the group proxydhcpd"), "{error}");
    // Even if the mode of the file lets a user in, the server looks at the credentials.
    fs::set_permissions(server.control_socket(), Permissions::from_mode(0o666)).unwrap();
    let refused = status_as(&server, 54321, 54321);
    let error = text(&refused.stderr);
    assert!(refused.status.code() == Some(1), "{error}");
    assert!(error.contains("the user with the number 54321 may not use the control socket"), "{error}");
    let curl = curl(&server, &["--write-out", "%{http_code}", "http://localhost/api/v1/status"]);
    assert!(text(&curl.stdout).ends_with("200"), "root may: {}", text(&curl.stdout));
}

/// The server runs as an unprivileged user, which is a member of the group.
#[test]
fn members_of_the_group_and_the_servers_user_may_use_the_socket() {
    let (host, files) = (Host::new(), state_dir());
    let write = |name: &str, line: &str| {
        let system = fs::read_to_string(Path::new("/etc").join(name)).unwrap();
        fs::write(files.path().join(name), format!("{system}{line}")).unwrap();
    };
    write("group", "proxydhcpd:x:54300:alice\n");
    write("passwd", "alice:x:54301:54301::/:/bin/sh\n");
    let mount = format!(
        "mount --bind {0}/group /etc/group && mount --bind {0}/passwd /etc/passwd && exec \"$0\" \"$@\"",
        files.path().display()
    );
    let arguments = ["--mount", "sh", "-c", &mount, PROGRAM, "-c", "CONFIG"];
    let server = Server::start_program("unshare", &host, &arguments);
    server.wait_for_line("ready");
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    fs::set_permissions(server.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let file = fs::metadata(server.control_socket()).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&file), 54300, "the socket belongs to the group");
    // A user whose primary group it is.
    let member = status_as(&server, 54399, 54300);
    assert!(member.status.success(), "{}", text(&member.stderr));
    // A user who is listed as a member, and whose session has the group.
    let client = server.client(&["status", "-c", "CONFIG"]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=54301", "--regid=54301", "--groups=54300", "--", PROGRAM]).args(client.get_args());
    command.env("RUNTIME_DIRECTORY", server.control_socket().parent().unwrap());
    output(command);
    // A user whose session has the group, but who is no member of it.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=54302", "--regid=54302", "--groups=54300", "--", PROGRAM]).args(client.get_args());
    command.env("RUNTIME_DIRECTORY", server.control_socket().parent().unwrap());
    assert!(failure(&mut command).contains("may not use the control socket"));
}

#[test]
fn an_unprivileged_server_lets_its_user_ask() {
    let (host, _machine) = one_network();
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    let words = unprivileged_with("-all");
    let mut command = Command::new("setpriv");
    command.args(words).arg("status").env("RUNTIME_DIRECTORY", server.control_socket().parent().unwrap());
    assert!(output(command).contains("eth0  192.0.2.10/24"));
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

fn curl(server: &Server, arguments: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--unix-socket"]).arg(server.control_socket()).args(arguments);
    curl.output().expect("curl is missing: run e2e/setup")
}

#[test]
fn every_path_of_the_description_exists_and_errors_have_a_cure() {
    let server = start(&Host::new());
    let get = |path: &str| {
        let url = format!("http://localhost{path}");
        text(&curl(&server, &["--write-out", "\n%{http_code}", "--max-time", "1", &url]).stdout)
    };
    let document = get("/api/v1/openapi.json");
    let document: Value = serde_json::from_str(document.trim_end_matches("\n200")).unwrap();
    // A path without GET only changes something: `web_security` requests those.
    let paths: Vec<&String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, path)| path["get"].is_object())
        .map(|(path, _)| path)
        .collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        // No machine has booted, so there is no story.
        let (path, code) = match path.contains("{id}") {
            true => (path.replace("{id}", "nothing"), "\n404"),
            false => (path.clone(), "\n200"),
        };
        assert!(get(&path).ends_with(code), "{path}: {}", get(&path));
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for schema in ["Status", "EventRecord", "ApiError", "HeardServerStatus"] {
        assert!(schemas.contains_key(schema), "{schema} is not described");
    }
    let missing = get("/api/v1/nothing");
    let (body, code) = missing.rsplit_once('\n').unwrap();
    let error: Value = serde_json::from_str(body).unwrap();
    assert_eq!((code, &error["where"]), ("404", &"path".into()));
    assert!(error["problem"].as_str().unwrap().contains("/api/v1/nothing") && error["cure"].is_string());
    let method = curl(&server, &["--request", "POST", "http://localhost/api/v1/status"]);
    assert!(text(&method.stdout).contains("does not support the method POST"));
    let unknown = failure(&mut server.client(&["watch", "--machine", "no such", "-c", "CONFIG"]));
    assert!(unknown.contains("`no such` is neither a MAC address, nor an IP address, nor the name"), "{unknown}");
}

#[test]
fn a_stream_continues_after_the_last_event_of_a_client() {
    let (host, _machine) = one_network();
    let server = start(&host);
    let watch = Watch::start(&server, "watch", &["--json"]);
    let reload = || {
        server.signal(Signal::SIGHUP);
        // Two signals at once count as one.
        std::thread::sleep(Duration::from_millis(200));
    };
    let ids = || {
        let records = watch.text();
        let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let reloaded = records.filter(|record| record["kind"] == "reloaded");
        reloaded.map(|record| record["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ids = wait_for("three reloads", || {
        reload();
        Some(ids()).filter(|ids| ids.len() >= 3)
    });
    let header = format!("Last-Event-ID: {}", ids[0]);
    let url = "http://localhost/api/v1/events";
    let continued = text(&curl(&server, &["--max-time", "1", "--header", &header, url]).stdout);
    let first = continued.lines().next().unwrap_or_default();
    assert!(!continued.contains(&format!("id: {}\n", ids[0])), "{continued}");
    assert!(ids[1..].iter().all(|id| continued.contains(&format!("id: {id}\n"))), "{first}\n{continued}");
    let anew = text(&curl(&server, &["--max-time", "1", url]).stdout);
    assert!(ids.iter().all(|id| !anew.contains(id)), "{anew}");
}

/// Reads until the server closes the connection.
fn read_to_end(mut stream: &UnixStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => {}
        // The server closes a connection without reading all that it received.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    text(&octets)
}

#[test]
fn connections_and_requests_are_limited() {
    let (host, machine) = one_network();
    let server = start(&host);
    let connect = || UnixStream::connect(server.control_socket()).unwrap();
    let mut idle: Vec<UnixStream> = (0..32).map(|_| connect()).collect();
    // A connection that has closed may still count for a moment.
    let refused = wait_for("a refused connection", || {
        let mut stream = connect();
        stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok();
        Some(read_to_end(&stream)).filter(|response| response.starts_with("HTTP/1.1 503"))
    });
    assert!(refused.contains("all 32 connections of the control socket are in use"), "{refused}");
    let message = wait_for("a refused command", || {
        let Output { status, stderr, .. } = server.client(&["status", "-c", "CONFIG"]).output().ok()?;
        // A place that became free.
        idle.extend(status.success().then(connect));
        (!status.success()).then(|| text(&stderr))
    });
    let busy = "error: all 32 connections of the control socket are in use\n = help: end some `proxydhcpd watch`\n";
    assert_eq!(message, busy);
    assert!(request_loader(&machine).is_some(), "machines boot nevertheless");
    drop(idle);
    wait_for("a free connection", || {
        server.client(&["status", "-c", "CONFIG"]).output().ok()?.status.success().then_some(())
    });
    let mut long = connect();
    // The server may close the connection before it has read everything.
    let _ = long.write_all(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)).as_bytes());
    let response = read_to_end(&long);
    assert!(response.starts_with("HTTP/1.1 4") || response.is_empty(), "{response}");
    // A client that sends no request loses its connection.
    assert_eq!(read_to_end(&connect()), "");
}

#[test]
fn a_watcher_that_reads_nothing_takes_no_memory_and_delays_no_answer() {
    let (host, machine) = one_network();
    let server = start(&host);
    let mut lazy = UnixStream::connect(server.control_socket()).unwrap();
    lazy.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut head = [0; 12];
    lazy.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let memory = || resident(server.pid());
    let before = memory();
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    for _ in 0..50_000 {
        socket.send_to(b"nonsense", "192.0.2.10:4011").unwrap();
    }
    // The kernel drops some packets of the storm.
    wait_for("an answer", || request_loader(&machine));
    let grown = memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} octets for a watcher that reads nothing");
}

/// Returns the resident memory of a process, in octets.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
