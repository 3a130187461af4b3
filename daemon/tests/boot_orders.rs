//! Boot orders, and entries that the server keeps: the server's binary in network namespaces, asked through its control
//! socket by the API and by commands. Needs root.

mod common;

use common::boot_once::{TestSite, machine_url};
use common::server::Server;
use nix::sys::signal::Signal;
use proxydhcpd_testbed::wait_for;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

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
";

fn start() -> (TestSite, Server) {
    let (site, server) = TestSite::with_config(tempfile::tempdir().unwrap(), CONFIG);
    fs::write(server.boot.path().join("rescue"), [0; 700]).unwrap();
    wait_for_socket(&server);
    (site, server)
}

fn wait_for_socket(server: &Server) {
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
}

fn restart(site: &TestSite, server: Server) -> Server {
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    wait_for_socket(&server);
    server
}

/// Returns the kernel that the machine boots, `disk`, or `nothing` for a menu.
fn boots(site: &TestSite, url: &str) -> &'static str {
    let script = String::from_utf8(site.fetch(url, &[])).unwrap();
    let is_kernel = |kernel: &str| script.lines().any(|line| line.starts_with("kernel ") && line.contains(kernel));
    match () {
        () if is_kernel("/rescue") => "rescue",
        () if is_kernel("/linux") => "linux",
        () if script.contains("sanboot ") => "disk",
        () => "nothing",
    }
}

fn web1() -> String {
    machine_url("web1", "menu.ipxe")
}

/// Runs a command that must succeed, and returns its output.
fn run(server: &Server, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = server.client(&[words, &["-c", "CONFIG"]].concat()).output().unwrap();
    assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Runs a command that must fail with status 1, and returns its error.
fn failure(server: &Server, words: &[&str]) -> String {
    let Output { status, stderr, .. } = server.client(&[words, &["-c", "CONFIG"]].concat()).output().unwrap();
    assert_eq!(status.code(), Some(1), "{words:?}");
    String::from_utf8(stderr).unwrap()
}

/// Sends a request to the API. Returns the status code and the JSON of the response.
fn request(server: &Server, method: &str, path: &str, headers: &[&str], body: &Value) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--request", method]);
    curl.arg("--unix-socket").arg(server.control_socket());
    for header in headers.iter().chain(&["Content-Type: application/json"]) {
        curl.args(["--header", header]);
    }
    curl.args(["--data", &body.to_string(), &format!("http://localhost/api/v1/{path}")]);
    let output = String::from_utf8(curl.output().expect("curl is missing: run e2e/setup").stdout).unwrap();
    let (body, code) = output.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn an_order_outlives_a_restart_and_a_reload_and_the_file_stays_until_it_is_cancelled() {
    let (site, server) = start();
    let config = server.directory.path().join("proxydhcpd.toml");
    let before = fs::read(&config).unwrap();
    assert_eq!(boots(&site, &web1()), "linux");
    assert_eq!(run(&server, &["boot", "web1", "rescue"]), "web1 boots rescue until you cancel that\n");
    assert_eq!(boots(&site, &web1()), "rescue");
    assert_eq!(fs::read(&config).unwrap(), before);

    let server = restart(&site, server);
    assert_eq!(boots(&site, &web1()), "rescue");
    server.edit_config("", "# a comment\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    assert_eq!(boots(&site, &web1()), "rescue");

    assert_eq!(
        run(&server, &["boot", "52-54-00-00-00-01", "--cancel"]),
        "the boot order of 52-54-00-00-00-01 is cancelled\n"
    );
    assert_eq!(boots(&site, &web1()), "linux");
    assert!(failure(&server, &["boot", "web1", "--cancel"]).contains("web1 has no boot order"));
    let server = restart(&site, server);
    assert_eq!(boots(&site, &web1()), "linux");
    drop(server);
}

#[test]
fn an_order_for_once_is_completed_by_the_fetched_kernel_and_then_the_machine_boots_its_disk() {
    let (site, server) = start();
    assert_eq!(run(&server, &["boot", "web1", "rescue", "--once"]), "web1 boots rescue once, and then its disk\n");
    assert_eq!(boots(&site, &web1()), "rescue");
    site.fetch(&machine_url("web1", "rescue"), &[]);
    server.wait_for_line("web1 completed its boot-once");
    assert_eq!(boots(&site, &web1()), "disk");
    let completed = wait_for("the completed order", || {
        let (_, order) = request(&server, "GET", "machines/web1/boot", &[], &Value::Null);
        (order["completed"] == true).then_some(order)
    });
    assert_eq!(completed, json!({ "profile": "rescue", "once": true, "completed": true }));
    let server = restart(&site, server);
    assert_eq!(boots(&site, &web1()), "disk");
    // A new order is a new boot.
    run(&server, &["boot", "web1", "rescue", "--once"]);
    assert_eq!(boots(&site, &web1()), "rescue");
    run(&server, &["boot", "web1", "--cancel"]);
    assert_eq!(boots(&site, &web1()), "linux");
}

#[test]
fn a_machine_without_an_entry_boots_what_is_ordered_for_its_address() {
    let (site, server) = start();
    let url = "http://192.0.2.10:8080/machine/mac=52-54-00-00-00-09/menu.ipxe";
    let before = boots(&site, url);
    run(&server, &["boot", "52:54:00:00:00:09", "rescue", "--once"]);
    assert_eq!(boots(&site, url), "rescue");
    let server = restart(&site, server);
    assert_eq!(boots(&site, url), "rescue");
    site.fetch("http://192.0.2.10:8080/machine/mac=52-54-00-00-00-09/rescue", &[]);
    server.wait_for_line("52-54-00-00-00-09 completed its boot-once");
    assert_eq!(boots(&site, url), "disk");
    run(&server, &["boot", "52:54:00:00:00:09", "--cancel"]);
    assert_eq!(boots(&site, url), before);
    assert_ne!(before, "rescue");
}

#[test]
fn an_order_that_cannot_be_followed_is_refused_with_its_cure() {
    let (site, server) = start();
    assert!(failure(&server, &["boot", "web1", "rescu"]).contains("did you mean `rescue`?"));
    assert!(failure(&server, &["boot", "web1", "tools", "--once"]).contains("would be for ever"));
    let never = failure(&server, &["boot", "web2", "rescue"]);
    assert!(never.contains("boot = \"never\"") && never.contains("proxydhcpd.toml:"), "{never}");
    assert!(failure(&server, &["boot", "web9", "rescue"]).contains("no machine web9 is known"));
    let (code, error) = request(&server, "POST", "machines/web1/boot", &[], &json!({ "profil": "rescue" }));
    assert_eq!((code, &error["where"]), (422, &"body".into()));
    assert_eq!(boots(&site, &web1()), "linux");
}

#[test]
fn an_entry_of_the_server_survives_a_restart_and_gives_way_to_one_that_a_person_wrote() {
    let (site, server) = start();
    let lab3 = "http://192.0.2.10:8080/machine/mac=52-54-00-00-00-03/menu.ipxe";
    run(&server, &["machine", "add", "lab3", "--mac", "52:54:00:00:00:03", "--profile", "rescue", "--set", "disk=sda"]);
    assert_eq!(boots(&site, lab3), "rescue");
    let shown = run(&server, &["machine", "show", "lab3"]);
    assert!(
        shown.starts_with("# the server keeps this entry\n[lab3]\n") && shown.contains("disk = \"sda\""),
        "{shown}"
    );
    let server = restart(&site, server);
    assert_eq!(boots(&site, lab3), "rescue");
    run(&server, &["machine", "edit", "lab3", "--profile", "debian", "--set", "disk="]);
    assert_eq!(boots(&site, lab3), "linux");
    assert!(!run(&server, &["machine", "show", "lab3"]).contains("disk"));

    server.edit_config("", "[machine.lab3]\nmac = \"52:54:00:00:00:03\"\nprofile = \"rescue\"\n");
    server.wait_for_line("INFO  reloaded");
    assert_eq!(boots(&site, lab3), "rescue");
    assert!(run(&server, &["machine", "show", "lab3"]).contains("proxydhcpd.toml:"));
    assert!(failure(&server, &["machine", "remove", "lab3"]).contains("proxydhcpd.toml:"));
}

#[test]
fn the_server_changes_no_entry_that_a_person_wrote_and_none_that_has_changed() {
    let (_site, server) = start();
    let put = |name: &str, headers: &[&str], profile: &str| {
        let settings = json!({ "mac": ["52:54:00:00:00:03"], "profile": profile });
        request(&server, "PUT", &format!("machines/{name}/entry"), headers, &settings)
    };
    let (code, error) = put("web1", &[], "rescue");
    let place = error["where"].as_str().unwrap().to_owned();
    let line = place.rsplit_once(':').unwrap().1.parse::<usize>().unwrap();
    let text = fs::read_to_string(server.directory.path().join("proxydhcpd.toml")).unwrap();
    assert_eq!((code, text.lines().nth(line - 1)), (409, Some("[machine.web1]")), "{place}");

    let (code, first) = put("lab3", &["If-None-Match: *"], "rescue");
    assert_eq!((code, &first["source"]), (200, &"server".into()));
    assert_eq!(put("lab3", &["If-None-Match: *"], "debian").0, 412);
    let condition = format!("If-Match: {}", first["etag"].as_str().unwrap());
    assert_eq!(put("lab3", &[&condition], "debian").0, 200);
    assert_eq!(put("lab3", &[&condition], "rescue").0, 412);
    let (code, error) = put("lab3", &[], "rescu");
    assert_eq!((code, &error["cure"]), (422, &"did you mean `rescue`?".into()), "{error}");
    let (_, entry) = request(&server, "GET", "machines/lab3/entry", &[], &Value::Null);
    assert_eq!(entry["profile"], "debian");
    assert_eq!(request(&server, "DELETE", "machines/lab3/entry", &[&condition], &Value::Null).0, 412);
    assert_eq!(request(&server, "DELETE", "machines/lab3/entry", &[], &Value::Null).0, 204);
    assert_eq!(request(&server, "DELETE", "machines/lab3/entry", &[], &Value::Null).0, 404);
}

#[test]
fn the_form_of_the_page_orders_and_cancels_for_a_caller_with_the_scope() {
    let (site, server) = start();
    let token = |scope: &str| run(&server, &["web", "token", "add", scope, "--scope", scope]).trim().to_owned();
    let (reader, operator) = (token("read"), token("boot"));
    let page = |token: &str, path: &str, arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--header"]);
        curl.arg(format!("Authorization: Bearer {token}")).args(arguments);
        curl.arg(format!("http://127.0.0.1:8067/machines/web1{path}"));
        let output = site.host.on(|| curl.output().expect("curl is missing: run e2e/setup"));
        let output = String::from_utf8(output.stdout).unwrap();
        let (body, code) = output.rsplit_once('\n').unwrap();
        (code.to_owned(), body.to_owned())
    };
    let form = ["--data", "profile=rescue"];
    assert_eq!(page(&reader, "/boot", &form).0, "403");
    assert_eq!(boots(&site, &web1()), "linux");
    assert_eq!(page(&operator, "/boot", &form).0, "303");
    assert_eq!(boots(&site, &web1()), "rescue");
    let shown = wait_for("the page of the machine", || {
        let (code, body) = page(&reader, "", &[]);
        (code == "200").then_some(body)
    });
    assert!(shown.contains("<code>rescue</code>, until you cancel that"), "{shown}");
    assert!(shown.contains("<option value=\"rescue\" selected>"), "{shown}");
    assert_eq!(page(&operator, "/boot", &["--data", "profile=rescu"]).0, "422");
    assert_eq!(page(&operator, "/cancel", &["--data", ""]).0, "303");
    assert_eq!(boots(&site, &web1()), "linux");
}
