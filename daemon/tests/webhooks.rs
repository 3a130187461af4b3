//! Webhooks: calls to a receiver on another host, which checks their signatures. Needs root.

mod common;

use common::boot_once::{TestSite, machine_url};
use common::boot_requests::ask;
use common::server::{PROGRAM, Server};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{Host, Process, wait_for, wait_up_to};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/webhook-receiver.py");
const SECRET: &str = "an example of a secret for tests";
const MACHINES: &str = "
[profile.installer]
kernel = \"linux\"
[machine.web1]
mac = \"52:54:00:00:00:01\"
profile = \"installer\"
[machine.web2]
mac = \"52:54:00:00:00:02\"
profile = \"installer\"
";

/// The files of the test: the secret, and what receivers write.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        fs::write(files.secret(), format!("{SECRET}\n")).unwrap();
        files.set_mode(0o600);
        files
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.secret(), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The table of a webhook.
    fn webhook(&self, name: &str, url: &str, events: &str) -> String {
        format!("[webhook.{name}]\nurl = \"{url}\"\nevents = {events}\nsecret-file = {:?}\n", self.secret())
    }

    /// Starts a receiver on a host. `more` are its certificate and its key.
    fn receive(&self, host: &Host, port: u16, more: &[PathBuf]) -> Process {
        let mut command = Process::command("python3");
        command.arg(RECEIVER).arg(port.to_string()).arg(self.secret()).arg(self.0.path().join("calls")).args(more);
        command.stdin(Stdio::null()).stderr(File::create(self.0.path().join("log")).unwrap());
        let process = host.on(|| Process::spawn(&mut command));
        wait_for("the receiver", || host.on(|| std::net::TcpStream::connect(("192.0.2.107", port))).ok());
        process
    }

    /// The calls to a path of the receiver.
    fn calls(&self, path: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        let calls = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        calls
            .filter(|call| call["path"] == path)
            .inspect(|call| {
                assert_eq!((&call["is_signed"], &call["is_recent"]), (&true.into(), &true.into()), "{call}");
            })
            .collect()
    }

    fn wait_for_call(&self, path: &str) -> Value {
        wait_for(&format!("a call of {path}"), || self.calls(path).pop())
    }
}

fn start(config: &str) -> (TestSite, Server) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("templates")).unwrap();
    fs::write(directory.path().join("templates/report-url"), "{{ report_url }}").unwrap();
    TestSite::with_config(directory, &format!("{MACHINES}{config}"))
}

/// Boots a machine of the site, as far as its kernel.
fn boot(site: &TestSite, machine: u8) {
    site.request_address(machine);
    site.fetch(&machine_url(&format!("web{machine}"), "linux"), &["--output", "/dev/null"]);
}

/// Sends a report of the machine's installer.
fn report(site: &TestSite, machine: &str, body: &str) {
    let url = String::from_utf8(site.fetch(&machine_url(machine, "report-url"), &[])).unwrap();
    site.fetch(&url, &["--data-binary", body]);
}

#[test]
fn a_boot_that_failed_has_one_call_once_its_verdict_has_settled_and_one_that_goes_on_has_none() {
    let files = Files::new();
    let url = "http://192.0.2.107:9000";
    let hooks = files.webhook("alerts", &format!("{url}/ok"), "[\"install-failed\", \"installed\"]")
        + &files.webhook("all", &format!("{url}/all"), "\"verdict\"")
        + &files.webhook("other", &format!("{url}/other"), "[\"kernel-missing\", \"script\"]");
    let (site, server) = start(&hooks);
    let _receiver = files.receive(&site.machine, 9000, &[]);
    boot(&site, 1);
    report(&site, "web1", r#"{"progress": "no mirror found", "result": "FAIL"}"#);
    server.wait_for_line("no mirror found");
    report(
        &site,
        "web1",
        r#"{"name":"subiquity/Shutdown/copy_logs_to_target","event_type":"finish","result":"SUCCESS"}"#,
    );
    let installed = files.wait_for_call("/ok");
    assert_eq!(installed["body"]["type"], "stage");
    assert_eq!(installed["body"]["data"]["stage"], "installed");
    assert_eq!(installed["body"]["data"]["machine"]["entry"], "web1");

    ask(&site.machine, [0x52, 0x54, 0, 0, 0, 2], None);
    boot(&site, 2);
    report(&site, "web2", r#"{"progress": "no disk found", "result": "FAIL"}"#);
    let began = Instant::now();
    let failed = wait_up_to(Duration::from_secs(50), "the call for a verdict", || files.calls("/all").pop());
    assert!(began.elapsed() > Duration::from_secs(25), "{:?}", began.elapsed());
    assert_eq!(failed["body"]["type"], "verdict");
    let data = &failed["body"]["data"];
    assert_eq!((&data["machine"]["entry"], &data["verdict"]["code"]), (&"web2".into(), &"install-failed".into()));
    assert_eq!(data["machine"]["hardware"], "52:54:00:00:00:02");
    assert!(data["verdict"]["observation"].as_str().unwrap().contains("no disk found"), "{data}");
    assert!(!data["verdict"]["remedy"].as_str().unwrap().is_empty());
    assert_eq!((&data["boot"]["verdict"], &data["boot"]["steps"]), (&Value::Null, &Value::Array(Vec::new())));
    assert_has(&failed["body"], &documented_call(), "the call");
    let calls = wait_for("both webhooks", || Some(files.calls("/ok")).filter(|calls| calls.len() == 2));
    assert_eq!(calls[1]["body"], failed["body"]);
    assert_ne!(calls[1]["id"], failed["id"]);
    assert_eq!((files.calls("/all").len(), files.calls("/other").len()), (1, 0));
    assert!(!server.log().contains(SECRET));
}

/// The call that docs/webhooks.md shows.
fn documented_call() -> Value {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks.md")).unwrap();
    let call = page.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    serde_json::from_str(call).unwrap()
}

/// Asserts that a value has every field that is shown, with the same type.
fn assert_has(actual: &Value, shown: &Value, place: &str) {
    match shown {
        Value::Object(fields) => {
            for (name, shown) in fields {
                let field = actual.get(name).unwrap_or_else(|| panic!("{place} has no field {name}: {actual}"));
                assert_has(field, shown, name);
            }
        }
        Value::String(_) => assert!(actual.is_string(), "{place}: {actual}"),
        _ => panic!("{place}: {shown}"),
    }
}

#[test]
fn a_receiver_that_fails_is_called_again_and_no_receiver_delays_a_boot_or_the_stop() {
    let files = Files::new();
    let hook = |name: &str| files.webhook(name, &format!("http://192.0.2.107:9000/{name}"), "\"kernel\"");
    let hooks = ["flaky", "hang", "redirect", "endless"].map(hook).concat();
    let absent = files.webhook("absent", "http://192.0.2.107:9001/absent", "\"kernel\"");
    let (site, mut server) = start(&format!("{hooks}{absent}"));
    let _receiver = files.receive(&site.machine, 9000, &[]);
    boot(&site, 1);
    server.wait_for_line("cannot call the webhook absent: cannot connect to 192.0.2.107:9001: Connection refused");
    let _late = files.receive(&site.machine, 9001, &[]);
    files.wait_for_call("/absent");
    server.wait_for_line("the webhook absent takes calls again");
    server.wait_for_line("called the webhook endless");
    let flaky = wait_for("the third attempt", || Some(files.calls("/flaky")).filter(|calls| calls.len() == 3));
    assert!(flaky.iter().all(|call| call["id"] == flaky[0]["id"] && call["body"] == flaky[0]["body"]), "{flaky:#?}");
    server.wait_for_line("the webhook flaky takes calls again");
    server.wait_for_line("redirect: 192.0.2.107:9000 responded with the status 307 Temporary Redirect");
    assert_eq!(files.calls("/target").len(), 0);
    assert_eq!(files.calls("/endless").len(), 1);
    wait_up_to(Duration::from_secs(15), "the timeout", || {
        server.log().contains("hang: 192.0.2.107:9000 did not respond within 10 s").then_some(())
    });
    // While a call hangs, another machine boots, and the server stops at once.
    boot(&site, 2);
    wait_for("the second call", || (files.calls("/hang").len() >= 2).then_some(()));
    let began = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_receiver_with_https_needs_a_certificate_of_a_trusted_authority() {
    let files = Files::new();
    let directory = files.0.path();
    fs::write(directory.join("names"), "subjectAltName=IP:192.0.2.107\n").unwrap();
    for words in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=receiver",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    ] {
        let output = Command::new("openssl").current_dir(directory).args(words.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let hook = |name: &str| files.webhook(name, &format!("https://192.0.2.107:9443/{name}"), "\"kernel\"");
    let ca = format!("ca-file = {:?}\n", directory.join("ca.pem"));
    let (site, server) = start(&[hook("trusted"), ca, hook("unknown")].concat());
    let _receiver = files.receive(&site.machine, 9443, &["cert.pem", "key.pem"].map(|name| directory.join(name)));
    boot(&site, 1);
    assert_eq!(files.wait_for_call("/trusted")["body"]["data"]["stage"], "kernel");
    server.wait_for_line("cannot call the webhook unknown: no TLS with 192.0.2.107:9443: invalid peer certificate");
    assert_eq!(files.calls("/unknown").len(), 0);
}

#[test]
fn a_reload_applies_changed_webhooks() {
    let files = Files::new();
    let old = files.webhook("old", "http://192.0.2.107:9000/old", "\"kernel\"");
    // Without a webhook at the start, the sandbox closes TCP connections (daemon/tests/sandbox).
    let (site, server) = start(&files.webhook("first", "http://192.0.2.107:9000/first", "\"installed\""));
    let _receiver = files.receive(&site.machine, 9000, &[]);
    let reload = |from: &str, to: &str, times: usize| {
        server.edit_config(from, to);
        server.signal(Signal::SIGHUP);
        wait_for("the reload", || (server.log().matches("INFO  reloaded").count() >= times).then_some(()));
    };
    reload("", &old, 1);
    boot(&site, 1);
    files.wait_for_call("/old");
    reload("webhook.old", "webhook.new", 2);
    reload("9000/old", "9000/new", 3);
    site.request_address(2);
    boot(&site, 2);
    files.wait_for_call("/new");
    assert_eq!(files.calls("/old").len(), 1);
}

#[test]
fn check_reports_what_is_wrong_with_its_place() {
    let files = Files::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    let check = |text: &str| {
        fs::write(&file, format!("boot-dir = {:?}\n{text}", directory.path())).unwrap();
        let output = Command::new(PROGRAM).args(["check", "-c"]).arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        (output.status.success(), text)
    };
    let hook = |name: &str, url: &str, events: &str| files.webhook(name, url, events);
    let (valid, text) = check(&hook("a", "https://alerts.example.org/x", "\"verdict\""));
    assert!(valid && !text.contains("webhook"), "{text}");
    for (config, place, message) in [
        (hook("a", "ftp://x/", "\"verdict\""), ":3:7", "`url` must be a URL that begins with http:// or https://"),
        (hook("a", "https://me:pw@x/", "\"verdict\""), ":3:7", "without a user"),
        (hook("a", "https://x/", "[\"verdict\", \"kernel-mising\"]"), ":4:22", "did you mean \"kernel-missing\"?"),
        ("[webhook.a]\nurl = \"http://x/\"\n".to_owned(), ":2:10", "the webhook `a` has no `secret-file`"),
        ("[webhook.a]\nuri = \"http://x/\"\n".to_owned(), ":3:1", "did you mean `url`?"),
    ] {
        let (valid, text) = check(&config);
        assert!(!valid && text.contains(place) && text.contains(message), "{message}: {text}");
    }
    let twice = hook("a", "https://x/", "\"system\"") + &hook("b", "https://x/", "\"verdict\"");
    assert!(check(&twice).1.contains("the webhook `b` has the URL of `a`"));
    files.set_mode(0o604);
    let (_, readable) = check(&hook("a", "https://x/", "\"verdict\""));
    assert!(readable.contains(":5:15") && readable.contains("other users may read or write it"), "{readable}");
    fs::remove_file(files.secret()).unwrap();
    let (_, missing) = check(&hook("a", "https://x/", "\"verdict\""));
    assert!(
        missing.contains("cannot use the secret in") && missing.contains("does not call the webhook `a`"),
        "{missing}"
    );
}

#[test]
fn the_receiver_in_the_docs_verifies_and_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks.md");
    let page = fs::read_to_string(page).unwrap();
    let program = page.split_once("```python\n").unwrap().1.split_once("```").unwrap().0;
    let files = Files::new();
    let (site, server) = start(&files.webhook("docs", "http://192.0.2.107:9000/", "\"kernel\""));
    let printed = files.0.path().join("printed");
    let mut command = Process::command("python3");
    command.args(["-c", program, "9000"]).arg(files.secret()).stdin(Stdio::null());
    command.stdout(File::create(&printed).unwrap()).stderr(Stdio::null());
    let _receiver = site.machine.on(|| Process::spawn(&mut command));
    wait_for("the receiver", || site.machine.on(|| std::net::TcpStream::connect("192.0.2.107:9000")).ok());
    boot(&site, 1);
    wait_for("its line", || fs::read_to_string(&printed).unwrap().contains("web1 kernel\n").then_some(()));
    server.wait_for_line("called the webhook docs");
    // A forged call is refused.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", "%{http_code}", "--output", "/dev/null", "--data", "{}"]);
    curl.args(["--header", "webhook-id: 1", "--header", "webhook-timestamp: 1", "--header", "webhook-signature: v1,x"]);
    let forged = site.machine.on(|| curl.arg("http://192.0.2.107:9000/").output().unwrap().stdout);
    assert_eq!(String::from_utf8(forged).unwrap(), "403");
}
