//! Stories of played boots, as the commands `machines` and `story` show them. Needs root.

mod common;

use common::played_network::{PlayedNetwork, all_kinds, run_of};
use common::server::{Server, one_network, request_loader_as};
use nix::sys::signal::Signal;
use proxydhcpd::history::{BootFilter, History};
use proxydhcpd::settings::HistoryConfig;
use proxydhcpd_player::driver::machines;
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_testbed::{Host, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn output(mut command: Command) -> Output {
    command.output().unwrap()
}

fn json(server: &Server, arguments: &[&str]) -> Value {
    serde_json::from_str(&text(server, arguments)).unwrap()
}

fn text(server: &Server, arguments: &[&str]) -> String {
    let output = output(server.client(arguments));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_stories_of_all_kinds_of_boots_have_their_stages() {
    let kinds = all_kinds();
    let run = run_of(&kinds, kinds.len(), kinds.len());
    let network = PlayedNetwork::start(&run);
    let report = network.play(&run);
    let page = json(&network.server, &["machines", "-c", "CONFIG", "--json"]);
    let machines = page["machines"].as_array().unwrap();
    assert!(page["total"].as_u64().unwrap() as usize >= kinds.len(), "{page:#}");
    for boot in &report.boots {
        let mac = boot.mac.map(|octet| format!("{octet:02x}")).join(":");
        let machine = machines.iter().find(|machine| machine["hardware"] == mac);
        let machine = machine.unwrap_or_else(|| panic!("{} {mac} has no story", boot.kind));
        let last = &machine["last_boot"];
        assert!(last.get("verdict").is_none(), "{}: {last:#}", boot.kind);
        let stages: Vec<&str> =
            last["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
        assert!(stages.starts_with(&["asked", "offered"]), "{}: {stages:?}", boot.kind);
    }
    let failed = json(&network.server, &["machines", "-c", "CONFIG", "--failed", "--json"]);
    assert_eq!(failed["machines"].as_array().unwrap().len(), 0, "{failed:#}");
}

#[test]
fn a_story_shows_the_steps_of_a_boot_and_follows_it() {
    let kind = by_name("uefi-x64").unwrap();
    let run = run_of(&[kind], 1, 1);
    let network = PlayedNetwork::start(&run);
    let unknown = output(network.server.client(&["story", "-c", "CONFIG", "02:00:00:00:00:01"]));
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no boot of 02:00:00:00:00:01 is known"));

    let mac = machines(&run.kinds, run.seed, 1)[0].mac.map(|octet| format!("{octet:02x}")).join(":");
    let mut follow = network.server.client(&["story", "-c", "CONFIG", "--follow", &mac]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The command must have asked before the machine boots.
    let (mut stderr, mut warned) = (BufReader::new(follow.stderr.take().unwrap()), String::new());
    for _ in 0..2 {
        stderr.read_line(&mut warned).unwrap();
    }
    let waits = format!("warning: no boot of {mac} is known yet\n = help: waiting for it; ^C ends this command\n");
    assert_eq!(warned, waits);
    let report = network.play(&run);
    assert_eq!(report.failures().count(), 0, "{report}");
    std::thread::sleep(Duration::from_secs(2));
    follow.kill().unwrap();
    let followed = String::from_utf8(follow.wait_with_output().unwrap().stdout).unwrap();

    let story = text(&network.server, &["story", "-c", "CONFIG", &mac]);
    for stage in ["offered ", "loader ", "script ", "kernel ", "system "] {
        assert!(story.lines().any(|line| line.contains(stage)), "{stage} in\n{story}");
        assert!(followed.lines().any(|line| line.contains(stage)), "{stage} in\n{followed}");
    }
    assert!(story.starts_with(&mac) && !story.contains("failed:"), "{story}");
    let record = json(&network.server, &["story", "-c", "CONFIG", &mac, "--last", "--json"]);
    assert_eq!((record["hardware"].as_str(), record["boots"].as_array().unwrap().len()), (Some(&mac[..]), 1));
}

const WEB1: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const WEB2: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];

/// Requests a loader as this machine, and receives it.
fn boot(machine: &Host, mac: [u8; 6]) {
    let loader = request_loader_as(machine, mac).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--output", "/dev/null", &format!("tftp://192.0.2.10/{loader}")]);
    assert!(machine.on(|| curl.status().unwrap()).success());
}

fn stop(server: &Server) {
    server.signal(Signal::SIGTERM);
    server.wait_for_line("stopped");
}

fn began(boots: &Value) -> Vec<&str> {
    boots.as_array().unwrap().iter().map(|boot| boot["began"].as_str().unwrap()).collect()
}

#[test]
fn after_a_restart_the_commands_show_the_machines_and_the_boots_of_the_history() {
    let (host, machine) = one_network();
    let entries = "[machine.web1]\nmac = \"52:54:00:00:00:01\"\n";
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), entries);
    server.wait_for_line("ready");
    let history = History::new(&server.directory.path().join("state"), &HistoryConfig::default());
    let stored = || history.boots(&BootFilter::default()).unwrap_or_default().len();
    for (boots, mac) in [WEB1, WEB1, WEB1, WEB2].into_iter().enumerate() {
        boot(&machine, mac);
        wait_for("the boot in the history", || (stored() > boots).then_some(()));
    }
    let before = json(&server, &["story", "-c", "CONFIG", "web1", "--json"]);
    assert_eq!(began(&before["boots"]).len(), 3, "{before:#}");
    stop(&server);
    let server = server.kill_and_restart(&host);
    server.wait_for_line("ready");

    let list = |arguments: &[&str]| json(&server, &[&["machines", "-c", "CONFIG", "--json"], arguments].concat());
    let ids = |page: &Value| {
        let machines = page["machines"].as_array().unwrap();
        let id = |machine: &Value| (machine["id"].as_str().unwrap().to_owned(), machine["is_remembered"] == true);
        (machines.iter().map(id).collect::<Vec<_>>(), page["total"].as_u64().unwrap())
    };
    let [web1, web2] = ["52:54:00:00:00:01", "52:54:00:00:00:02"].map(str::to_owned);
    let page = list(&[]);
    assert_eq!(ids(&page), (vec![(web2.clone(), false), (web1.clone(), false)], 2));
    assert_eq!((&page["machines"][1]["entry"], &page["machines"][1]["boots"]), (&"web1".into(), &3.into()));
    assert_eq!(page["machines"][1]["last_boot"]["began"], before["boots"][2]["began"]);
    assert_eq!(ids(&list(&["--limit", "1"])), (vec![(web2.clone(), false)], 2));
    assert_eq!(ids(&list(&["--failed"])), (vec![], 0));
    let lines = text(&server, &["machines", "-c", "CONFIG"]);
    assert_eq!(lines.lines().filter(|line| line.ends_with("loader  (from the history)")).count(), 2, "{lines}");
    for name in ["web1", "52-54-00-00-00-01"] {
        let story = json(&server, &["story", "-c", "CONFIG", name, "--json"]);
        assert_eq!(began(&story["boots"]), began(&before["boots"]), "{name}");
        assert_eq!((&story["entry"], &story["hardware"]), (&"web1".into(), &(*web1).into()));
    }

    // Both had this address; the last one was the other.
    let story = json(&server, &["story", "-c", "CONFIG", "192.0.2.107", "--json"]);
    assert_eq!((began(&story["boots"]).len(), &story["hardware"]), (1, &(*web2).into()));

    boot(&machine, WEB1);
    // The thread of the stories follows the server within a moment.
    let both = (vec![(web1, true), (web2.clone(), false)], 2);
    wait_for("the machine that booted again", || (ids(&list(&[])) == both).then_some(()));
    assert_eq!(ids(&list(&["--limit", "1"])).1, 2);
    let earlier = |number: &str| {
        let story = json(&server, &["story", "-c", "CONFIG", "web1", "--earlier", number, "--json"]);
        let times: Vec<String> = began(&story["boots"]).into_iter().map(str::to_owned).collect();
        assert!(times.is_sorted(), "{times:?}");
        times
    };
    assert_eq!(earlier("0").len(), 1);
    let two = earlier("2");
    assert_eq!(
        (&two[..2], two.len()),
        (&began(&before["boots"])[1..].iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..], 3)
    );
    assert_eq!((earlier("3").len(), earlier("18446744073709551615").len()), (4, 4));
    // Later boots of the machine do not hide the other one, which only the history has.
    assert_eq!(began(&json(&server, &["story", "-c", "CONFIG", &web2, "--json"])["boots"]).len(), 1);
}
