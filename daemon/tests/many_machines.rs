//! Many machines at once: filters, boot orders, wakes, and entries from machines that were seen, by the API and by
//! commands. The server's binary in network namespaces. Needs root.

mod common;

use common::boot_once::TestSite;
use common::boot_requests::ask;
use common::server::Server;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_testbed::wait_for;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::time::Instant;

const CONFIG: &str = "
[profile.debian]
kernel = \"linux\"
[profile.rescue]
kernel = \"rescue\"
[profile.tools]
script = \"done-url\"
[machine.web1]
mac = \"52:54:00:00:00:01\"
profile = \"debian\"
[machine.web2]
mac = \"52:54:00:00:00:02\"
boot = \"never\"
[[rule]]
name = \"behind the first relay\"
relay = \"10.1.0.1\"
profile = \"debian\"
";

fn start() -> (TestSite, Server) {
    let (site, server) = TestSite::with_config(tempfile::tempdir().unwrap(), CONFIG);
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    // It opens a moment after the others, in case a DHCP server of this host needs its port.
    let server_address: IpAddr = [192, 0, 2, 10].into();
    let receives_relayed = || {
        bound_sockets(Transport::Udp, 67)
            .is_ok_and(|sockets| sockets.iter().any(|socket| socket.address == server_address))
    };
    wait_for("the socket for relays", || site.host.on(receives_relayed).then_some(()));
    site.machine.run("ip address add 10.1.0.1/24 dev eth0");
    site.machine.run("ip address add 10.2.0.1/24 dev eth0");
    site.host.run("ip route add 10.0.0.0/8 via 192.0.2.107");
    (site, server)
}

/// Sends a request to the API. Returns the status code and the JSON of the response.
fn request(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}", "--request", method]);
    curl.arg("--unix-socket").arg(server.control_socket()).args(["--header", "Content-Type: application/json"]);
    if *body != Value::Null {
        let file = server.directory.path().join("body");
        std::fs::write(&file, body.to_string()).unwrap();
        curl.arg("--data-binary").arg(format!("@{}", file.display()));
    }
    curl.arg(format!("http://localhost/api/v1/{path}"));
    let output = String::from_utf8(curl.output().expect("curl is missing: run e2e/setup").stdout).unwrap();
    let (body, code) = output.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

fn get(server: &Server, path: &str) -> Value {
    let (code, body) = request(server, "GET", path, &Value::Null);
    assert_eq!(code, 200, "{path}: {body}");
    body
}

fn post(server: &Server, path: &str, body: Value) -> Value {
    let (code, answer) = request(server, "POST", path, &body);
    assert_eq!(code, 200, "{path}: {answer}");
    answer
}

/// The identifiers of the machines of a page, and their total number.
fn listed(server: &Server, query: &str) -> (Vec<String>, u64) {
    let page = get(server, &format!("machines?{query}"));
    let ids = page["machines"].as_array().unwrap().iter().map(|machine| machine["id"].as_str().unwrap().to_owned());
    (ids.collect(), page["total"].as_u64().unwrap())
}

/// The problem, the remedy and the place of an error.
fn refusal(server: &Server, method: &str, path: &str, body: &Value) -> (u16, String, String, String) {
    let (code, error) = request(server, method, path, body);
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    assert!(!text("problem").is_empty() && !text("cure").is_empty(), "{method} {path}: {code} {error}");
    (code, text("problem"), text("cure"), text("where"))
}

fn run(server: &Server, words: &[&str]) -> (Option<i32>, String, String) {
    let output = server.client(&[words, &["-c", "CONFIG"]].concat()).output().unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The UUID of the first of these machines, whose octets `ask` makes.
const UUID_A: &str = "2214005a-0000-080a-090a-0b0c0d0e0f10";
const RELAYED: [&str; 3] = ["00:14:22:00:00:0a", "00:14:22:00:00:0b", "52:54:00:00:00:0c"];

/// Three machines behind two relays, and web1 on the link. Waits until all are known.
fn seen() -> (TestSite, Server) {
    let (site, server) = start();
    let [first, second] = [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1)];
    ask(&site.machine, [0, 0x14, 0x22, 0, 0, 0xa], Some(first));
    ask(&site.machine, [0, 0x14, 0x22, 0, 0, 0xb], Some(second));
    ask(&site.machine, [0x52, 0x54, 0, 0, 0, 0xc], Some(first));
    ask(&site.machine, [0x52, 0x54, 0, 0, 0, 1], None);
    wait_for("four machines", || (listed(&server, "").1 == 4).then_some(()));
    (site, server)
}

fn ids(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn machines_are_chosen_by_relay_subnet_profile_verdict_and_text_also_from_the_history() {
    let (site, server) = seen();
    let [dell_a, dell_b, virtual_c] = RELAYED;
    let web1 = "52:54:00:00:00:01";
    let check = |server: &Server| {
        for (query, expected) in [
            ("relay=10.1.0.1", &[dell_a, virtual_c][..]),
            ("relay=10.3.0.1", &[]),
            ("subnet=10.2.0.0/16", &[dell_b]),
            ("subnet=10.0.0.0/8&search=DELL", &[dell_a, dell_b]),
            ("search=0c", &[virtual_c]),
            ("search=00-14-22", &[dell_a, dell_b]),
            ("search=qemu", &[virtual_c, web1]),
            ("search=WEB", &[web1]),
            ("search=%25", &[]),
            ("profile=debian", &[dell_a, virtual_c, web1]),
            ("profile=debian&relay=10.1.0.1&search=kvm", &[virtual_c]),
            ("verdict=boot-loop", &[]),
            ("subnet=&relay=&profile=&verdict=&search=", &[dell_a, dell_b, virtual_c, web1]),
        ] {
            let (found, total) = listed(server, query);
            assert_eq!(
                (found.iter().cloned().collect::<BTreeSet<_>>(), total),
                (ids(expected), found.len() as u64),
                "{query}"
            );
        }
        let (page, total) = listed(server, "profile=debian&limit=2&offset=1");
        assert_eq!((page.len(), total), (2, 3));
        let all = listed(server, "profile=debian").0;
        assert_eq!(page, all[1..]);
    };
    check(&server);
    let dell = &get(&server, "machines?search=00:0a")["machines"][0];
    assert_eq!((dell["vendor"].as_str(), dell["relay"].as_str()), (Some("Dell"), Some("10.1.0.1")));
    assert_eq!(dell["uuid"], UUID_A);
    let (code, text, _) = run(&server, &["machines", "--subnet", "10.2.0.0/16"]);
    assert_eq!((code, text.lines().count()), (Some(0), 1), "{text}");
    assert!(text.contains(&format!("{dell_b} (Dell)")) && text.contains("10.2.0.1"), "{text}");

    // A server that starts again knows the machines only from the history.
    wait_for("the history", || {
        let query = "SELECT count(*) || ' ' || count(relay) FROM boots";
        let file = server.directory.path().join("state/history.sqlite");
        let output = Command::new("sqlite3").arg(file).arg(query).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).trim() == "4 3").then_some(())
    });
    let server = server.kill_and_restart(&site.host);
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    wait_for("the history", || (listed(&server, "").1 == 4).then_some(()));
    check(&server);
    // Of a page, the machine that the server remembers comes first.
    ask(&site.machine, [0, 0x14, 0x22, 0, 0, 0xa], Some(Ipv4Addr::new(10, 1, 0, 1)));
    wait_for("a remembered machine", || {
        (get(&server, "machines?limit=1")["machines"][0]["is_remembered"] == true).then_some(())
    });
    check(&server);
    assert_eq!(listed(&server, "relay=10.1.0.1"), (vec![dell_a.to_owned(), virtual_c.to_owned()], 2));
    assert_eq!(listed(&server, "relay=10.1.0.1&limit=1&offset=1"), (vec![virtual_c.to_owned()], 2));
}

#[test]
fn a_wrong_value_is_refused_with_what_was_probably_meant() {
    let (_site, server) = start();
    for (query, place, cure) in [
        ("subnet=10.1.0.0", "subnet", "192.0.2.0/24"),
        ("relay=here", "relay", "10.1.0.1"),
        ("verdict=boot-lop", "verdict", "did you mean `boot-loop`?"),
        ("profile=debain", "profile", "did you mean `debian`?"),
        ("limit=1001", "limit", "offset"),
        ("limit=many", "query", "openapi"),
        ("subnte=10.1.0.0/16", "query", "openapi"),
    ] {
        let refused = refusal(&server, "GET", &format!("machines?{query}"), &Value::Null);
        assert_eq!((refused.0, refused.3.as_str()), (400, place), "{query}: {refused:?}");
        assert!(refused.2.contains(cure), "{query}: {refused:?}");
    }
    let (code, _, errors) = run(&server, &["machines", "--limit", "1001"]);
    assert_eq!(code, Some(2), "{errors}");
    let (code, _, errors) = run(&server, &["machines", "--verdict", "boot-lop"]);
    assert!(code == Some(1) && errors.contains("did you mean `boot-loop`?"), "{errors}");
    for (path, body, code, place) in [
        ("boots", json!({ "profile": "rescue" }), 400, "machines"),
        ("boots", json!({ "profile": "rescue", "machines": ["web1"], "all_that_match": {} }), 400, "all_that_match"),
        ("boots", json!({ "profile": "rescue", "machines": vec!["web1"; 10_001] }), 400, "machines"),
        ("boots", json!({ "profile": "rescue", "all_that_match": { "subnte": "10.0.0.0/8" } }), 422, "body"),
        ("boots", json!({ "profile": "rescue", "all_that_match": { "subnet": "10" } }), 400, "subnet"),
        ("boots", json!({ "profile": "resuce", "machines": ["web1"] }), 422, "profile"),
        ("boots", json!({ "profile": "debian", "machines": ["web1".repeat(300_000)] }), 413, "body"),
        ("boots/cancel", json!({}), 400, "machines"),
        ("wakes", json!({ "all_that_match": { "verdict": "x" } }), 400, "verdict"),
        ("explain", json!({ "client": "ufei-x64" }), 400, "client"),
        ("explain", json!({ "client": "bios", "machine": "web9" }), 404, "machine"),
        ("explain", json!({ "machine": "web1" }), 400, "client"),
        ("explain", json!({ "client": "bios", "relay": "2001:db8::1" }), 400, "ipv6"),
        ("explain", json!({ "packet": "xyz" }), 400, "packet"),
        ("machines/02:00:00:00:00:77/entry", json!({}), 404, "machine"),
    ] {
        let refused = refusal(&server, "POST", path, &body);
        assert_eq!((refused.0, refused.3.as_str()), (code, place), "{path}: {refused:?}");
    }
}

#[test]
fn orders_for_many_machines_keep_their_order_and_each_has_its_result() {
    let (_site, server) = seen();
    let order = |body: Value| post(&server, "boots", body);
    let list = ["web1", "web2", "52:54:00:00:00:0c", "192.0.2.250", "web1"];
    let would = order(json!({ "machines": list, "profile": "rescue", "dry_run": true }));
    assert_eq!((&would["dry_run"], &would["succeeded"], &would["failed"]), (&json!(true), &json!(3), &json!(2)));
    assert_eq!(request(&server, "GET", "machines/web1/boot", &Value::Null).0, 404, "a dry run orders nothing");
    let done = order(json!({ "machines": list, "profile": "rescue" }));
    assert_eq!(done["results"], would["results"]);
    let results = done["results"].as_array().unwrap();
    let machines: Vec<&str> = results.iter().map(|result| result["machine"].as_str().unwrap()).collect();
    assert_eq!(machines, list);
    assert_eq!(results[2]["name"], "52-54-00-00-00-0c");
    assert!(results[1]["error"]["problem"].as_str().unwrap().contains("protects its disk"), "{done}");
    assert!(results[3]["error"]["problem"].as_str().unwrap().contains("no machine 192.0.2.250"), "{done}");
    assert_eq!(get(&server, "machines/web1/boot")["profile"], "rescue");
    let explained = post(&server, "explain", json!({ "machine": "web1" }));
    assert!(explained.to_string().contains("rescue"), "{explained}");

    let cancelled = post(&server, "boots/cancel", json!({ "machines": ["web1", "web1", "web2"] }));
    assert_eq!((&cancelled["succeeded"], &cancelled["failed"]), (&json!(1), &json!(2)), "{cancelled}");
    assert_eq!(request(&server, "GET", "machines/web1/boot", &Value::Null).0, 404);

    let matched = order(json!({ "all_that_match": { "relay": "10.1.0.1" }, "profile": "rescue" }));
    assert_eq!((&matched["succeeded"], &matched["failed"]), (&json!(2), &json!(0)), "{matched}");
    assert_eq!(get(&server, "machines/00:14:22:00:00:0a/boot")["profile"], "rescue");
}

#[test]
fn commands_choose_machines_by_the_same_conditions_and_ask_first() {
    let (_site, server) = seen();
    let (code, text, errors) = run(&server, &["boot", "--relay", "10.1.0.1", "rescue"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(errors.contains("choose 2 machines") && errors.contains("--yes"), "{errors}");
    assert_eq!(request(&server, "GET", &format!("machines/{}/boot", RELAYED[0]), &Value::Null).0, 404);
    let (code, text, _) = run(&server, &["boot", "--relay", "10.1.0.1", "rescue", "--dry-run"]);
    assert_eq!((code, text.lines().count()), (Some(0), 3), "{text}");
    let (code, text, errors) = run(&server, &["boot", "--relay", "10.1.0.1", "rescue", "--yes"]);
    assert_eq!((code, text.as_str()), (Some(0), "2 machines boot rescue until you cancel that\n"), "{errors}");
    assert_eq!(get(&server, &format!("machines/{}/boot", RELAYED[0]))["profile"], "rescue");
    // One machine needs no question.
    let (code, text, errors) = run(&server, &["boot", "--relay", "10.2.0.1", "rescue"]);
    assert_eq!((code, text.as_str()), (Some(0), "1 machine boot rescue until you cancel that\n"), "{errors}");
    let (code, text, errors) = run(&server, &["boot", "web1", "web2", "rescue"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(errors.contains("web2: ") && text.starts_with("1 machine boot rescue"), "{text}{errors}");
    let (code, text, _) = run(&server, &["boot", "--cancel", "--subnet", "10.0.0.0/8", "--yes"]);
    assert_eq!((code, text.as_str()), (Some(0), "3 machines boot again what their entries say\n"));
    assert_eq!(run(&server, &["boot", "rescue"]).0, Some(2));
    let (code, text, errors) = run(&server, &["wake", "--search", "web1"]);
    assert_eq!((code, text.as_str()), (Some(0), "1 machine receive a packet to wake them\n"), "{errors}");
}

#[test]
fn an_entry_is_made_from_a_machine_that_was_seen() {
    let (_site, server) = seen();
    let [dell_a, dell_b, _] = RELAYED;
    let path = format!("machines/{dell_a}/entry");
    let (code, entry) =
        request(&server, "POST", &path, &json!({ "name": "lab1", "profile": "debian", "boot": "once" }));
    assert_eq!(code, 201, "{entry}");
    assert_eq!((&entry["name"], &entry["source"], &entry["mac"]), (&json!("lab1"), &json!("server"), &json!([dell_a])));
    assert_eq!(entry["uuid"], UUID_A);
    assert_eq!(get(&server, "machines/lab1/entry"), entry);
    let refused = refusal(&server, "POST", &path, &json!({ "name": "lab2" }));
    assert_eq!(refused.0, 409);
    assert!(refused.1.contains("has the entry lab1"), "{refused:?}");
    let taken = refusal(&server, "POST", &format!("machines/{dell_b}/entry"), &json!({ "name": "web2" }));
    assert!(taken.0 == 409 && taken.1.contains("an entry web2 already"), "{taken:?}");
    let profile = refusal(&server, "POST", &format!("machines/{dell_b}/entry"), &json!({ "profile": "debain" }));
    assert!(profile.0 == 422 && profile.2.contains("debian"), "{profile:?}");
    let (code, text, errors) = run(&server, &["machine", "add", "--from", dell_b, "--profile", "debian"]);
    assert_eq!((code, text.as_str()), (Some(0), "the server keeps the entry 00-14-22-00-00-0b\n"), "{errors}");
    // An order for a machine without an entry does not hinder its entry.
    post(&server, "boots", json!({ "machines": [RELAYED[2]], "profile": "rescue" }));
    let (code, entry) = request(&server, "POST", &format!("machines/{}/entry", RELAYED[2]), &json!({ "name": "lab3" }));
    assert_eq!(code, 201, "{entry}");
}

#[test]
fn explain_check_and_servers_answer_as_the_commands_do() {
    let (_site, server) = start();
    let explained = post(&server, "explain", json!({ "client": "uefi-x64", "machine": "web1" }));
    let (code, text, errors) =
        run(&server, &["explain", "--client", "uefi-x64", "--machine", "web1", "--json", "--server", "192.0.2.10/24"]);
    assert_eq!(code, Some(0), "{errors}");
    let printed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(explained["answered"], true);
    assert_eq!(explained["explanations"].as_array().unwrap().len(), printed.as_array().unwrap().len());
    let verdicts = |list: &Value| list.as_array().unwrap().iter().map(|it| it["verdict"].clone()).collect::<Vec<_>>();
    assert_eq!(verdicts(&explained["explanations"]), verdicts(&printed));

    assert_eq!(get(&server, "check")["ok"], true);
    server.edit_config("kernel = \"rescue\"", "kernle = \"rescue\"");
    let found = get(&server, "check");
    assert_eq!(found["ok"], false);
    let finding = found["findings"].as_array().unwrap().iter().find(|it| it["severity"] == "error").unwrap();
    assert!(finding["file"].as_str().unwrap().ends_with("proxydhcpd.toml"), "{finding}");
    assert!(finding["line"].as_u64().is_some() && finding["column"] == 1, "{finding}");
    assert!(finding["cure"].as_str().unwrap().contains("kernel"), "{finding}");
    assert_eq!(get(&server, "servers"), json!({ "servers": [], "interfering": false }));
}

/// Three thousand machines need one change of the site and two waits for the disk, not three thousand.
#[test]
fn three_thousand_orders_take_seconds() {
    let (_site, server) = start();
    let machines: Vec<String> = (0..3000).map(|n: u32| format!("02:00:00:00:{:02x}:{:02x}", n >> 8, n & 255)).collect();
    let began = Instant::now();
    let done = post(&server, "boots", json!({ "machines": machines, "profile": "rescue" }));
    let ordered = began.elapsed();
    assert_eq!((&done["succeeded"], &done["failed"]), (&json!(3000), &json!(0)));
    let first = post(&server, "boots", json!({ "machines": ["web1"], "profile": "rescue" }));
    assert_eq!(first["succeeded"], 1);
    let began = Instant::now();
    let done = post(&server, "boots/cancel", json!({ "machines": machines }));
    assert_eq!((&done["succeeded"], &done["failed"]), (&json!(3000), &json!(0)));
    println!("3000 orders in {ordered:?}, cancelled in {:?}", began.elapsed());
    assert_eq!(get(&server, "machines/web1/boot")["profile"], "rescue");
    assert_eq!(request(&server, "GET", &format!("machines/{}/boot", machines[2999]), &Value::Null).0, 404);
    // A change of the site and a wait for the disk for each machine would take minutes.
    assert!(ordered.as_secs() < 30, "{ordered:?}");
}
