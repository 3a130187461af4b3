//! Tests the metrics of the real binary in network namespaces, and that the dashboard, the alerts and their page use
//! what the server has. Prometheus's `promtool` judges the formats. Needs root.

#[path = "../common/mod.rs"]
mod common;
mod exposition;
mod queries;

use common::played_network::{PlayedNetwork, run_of};
use common::server::{Server, one_network, vector};
use exposition::Exposition;
use proxydhcpd::web::metrics::table::{METRICS, MetricKind};
use proxydhcpd_core::story::VERDICTS;
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_testbed::{Host, cache, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const URL: &str = "http://127.0.0.1:8067";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Runs curl on a host, and returns its standard output.
fn curl(host: &Host, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "10"]).args(arguments);
    let output = host.on(|| command.output()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The status of a response.
fn status(host: &Host, path: &str) -> String {
    curl(host, &["--output", "/dev/null", "--write-out", "%{http_code}", &format!("{URL}{path}")])
}

/// Logs in by the link in the log, and returns the cookie.
fn log_in(host: &Host, server: &Server) -> String {
    server.wait_for_line("/start/");
    let log = server.log();
    let (_, secret) = log.split_once("/start/").unwrap();
    let secret = secret.split_whitespace().next().unwrap();
    let origin = format!("Origin: {URL}");
    let link = format!("{URL}/start/{secret}");
    let response = curl(host, &["--include", "--header", &origin, "--data", "password=&again=", &link]);
    let cookie = response.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect(&response);
    format!("Cookie: {}", cookie.split(';').next().unwrap())
}

/// Runs promtool with this input. Returns whether it succeeded, and its output.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(cache::path("tools/promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A write fails if promtool has ended early. Its output says why.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn assert_promtool(arguments: &[&str], input: &str) {
    let (succeeded, output) = promtool(arguments, input);
    assert!(succeeded, "promtool {arguments:?}: {output}\n{input}");
}

/// Prometheus reads OpenMetrics from files whose samples have times.
fn assert_open_metrics(text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let lines = text.lines().map(|line| match line.starts_with('#') {
        true => format!("{line}\n"),
        false => format!("{line} 1700000000\n"),
    });
    let (file, blocks) = (directory.path().join("metrics"), directory.path().join("blocks"));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let [file, blocks] = [&file, &blocks].map(|path| path.to_str().unwrap());
    assert_promtool(&["tsdb", "create-blocks-from", "openmetrics", file, blocks], "");
}

#[test]
fn after_played_boots_the_figures_are_right_and_every_query_finds_its_series() {
    let kinds = ["bios", "uefi-x64", "uefi-x64-ipv6", "installs-once"].map(|name| by_name(name).unwrap());
    let run = run_of(&kinds, 8, 4);
    let network = PlayedNetwork::start(&run);
    let cookie = log_in(&network.host, &network.server);
    let scrape = || curl(&network.host, &["--header", &cookie, &format!("{URL}/metrics")]);
    curl(&network.host, &["http://10.77.0.2:8080/missing"]);
    let report = network.play(&run);
    assert_eq!(report.failures().count(), 0, "{report}");
    let boots = report.boots.len() as f64;
    let ran = |count: &Exposition| count.sum("proxydhcpd_boots_total", &[("outcome", "system")]);
    let (text, found) = wait_for("the system of each boot that has one", || {
        let text = scrape();
        let found = Exposition::parse(&text);
        let systems = report.boots.iter().filter(|boot| boot.outcome == Ok(proxydhcpd_player::kinds::End::System));
        (ran(&found) == systems.count() as f64).then_some((text, found))
    });
    let begun = |firmware: &str| found.sum("proxydhcpd_boots_begun_total", &[("firmware", firmware)]);
    let of_kind = |kinds: &[&str]| report.boots.iter().filter(|boot| kinds.contains(&boot.kind)).count() as f64;
    assert_eq!(begun("uefi-x64"), of_kind(&["uefi-x64", "uefi-x64-ipv6", "installs-once"]), "{text}");
    assert_eq!(begun("bios"), of_kind(&["bios"]));
    assert_eq!(found.sum("proxydhcpd_boots_begun_total", &[]), boots);
    assert_eq!(found.sum("proxydhcpd_boots_total", &[("outcome", "failed")]), 0.0);
    assert_eq!(found.sum("proxydhcpd_verdicts_total", &[]), 0.0);
    let installed = of_kind(&["installs-once"]) / by_name("installs-once").unwrap().ends.len() as f64;
    assert_eq!(found.sum("proxydhcpd_boots_total", &[("outcome", "installed")]), installed);
    let stage =
        |suffix: &str, stage| found.sum(&format!("proxydhcpd_boot_duration_seconds_{suffix}"), &[("stage", stage)]);
    assert_eq!((stage("count", "offered"), stage("count", "system")), (boots, ran(&found)));
    let within = |bound| found.sum("proxydhcpd_boot_duration_seconds_bucket", &[("stage", "system"), ("le", bound)]);
    assert_eq!(within("+Inf"), ran(&found));
    assert!(within("1") <= within("60") && stage("sum", "system") > 0.0, "{text}");

    // Every file that a machine received is in the octets.
    let octets: u64 = report.boots.iter().map(|boot| boot.octets).sum();
    assert!(found.sum("proxydhcpd_transfer_octets_total", &[]) >= octets as f64, "{octets} octets: {text}");
    for service in ["tftp", "http"] {
        assert!(
            found.sum("proxydhcpd_transfers_total", &[("service", service), ("outcome", "complete")]) >= boots / 2.0
        );
    }
    let missing = [("reason", "http:refused:not-found")];
    assert_eq!(found.sum("proxydhcpd_failures_total", &missing), 1.0, "{text}");
    let log = network.log_of_boots();
    let replies = |family, kind| found.sum("proxydhcpd_replies_total", &[("family", family), ("kind", kind)]);
    assert!(
        replies("ipv4", "loader") > 0.0 && replies("ipv4", "script") > 0.0 && replies("ipv6", "loader") > 0.0,
        "{log}"
    );
    assert_eq!(found.sum("proxydhcpd_machines", &[]), installed);
    assert_eq!(found.sum("proxydhcpd_interfaces", &[]), 1.0);
    for gauge in ["proxydhcpd_alive", "proxydhcpd_ready", "proxydhcpd_history_up"] {
        assert_eq!(found.sum(gauge, &[]), 1.0, "{gauge}");
    }
    assert!(found.sum("proxydhcpd_reloads_total", &[("outcome", "applied")]) >= 1.0, "{text}");
    assert_eq!(found.sum("proxydhcpd_web_logins_total", &[("outcome", "accepted")]), 1.0);
    assert_eq!(found.sum("proxydhcpd_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);

    assert_table(&found);
    for query in queries::of_dashboard().iter().chain(&queries::of_alerts()) {
        assert_query(query, &found);
    }
    assert_promtool(&["check", "metrics"], &text);
}

/// The table has every metric of the server with its labels, and the server every metric of the table.
fn assert_table(found: &Exposition) {
    let names: BTreeSet<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    assert_eq!(found.families, names);
    for metric in METRICS {
        let series = match metric.kind {
            MetricKind::Histogram => format!("{}_count", metric.full_name()),
            _ => metric.full_name(),
        };
        assert_eq!(found.labels(&series), metric.labels.iter().copied().collect(), "{series}");
    }
}

fn assert_query(query: &str, found: &Exposition) {
    let selectors = queries::selectors(query);
    assert!(!selectors.is_empty() || query.contains("up{job"), "{query}");
    for selector in &selectors {
        assert!(found.has(&selector.name, &[]), "no {}: {query}", selector.name);
        for (label, values) in &selector.labels {
            for value in values {
                assert!(found.has(&selector.name, &[(label, value)]), "no {label}={value}: {query}");
            }
        }
        for label in queries::grouping(query) {
            assert!(found.labels(&selector.name).contains(&*label), "no label {label}: {query}");
        }
    }
}

#[test]
fn the_metrics_need_a_login_and_come_in_the_format_that_a_program_accepts() {
    let (host, _machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    let cookie = log_in(&host, &server);
    assert_eq!(
        (status(&host, "/metrics"), status(&host, "/healthz"), status(&host, "/readyz")),
        ("401".into(), "200".into(), "200".into())
    );
    let metrics = format!("{URL}/metrics");
    let get = |accept: &str| {
        curl(&host, &["--include", "--header", &cookie, "--header", &format!("Accept: {accept}"), &metrics])
    };
    let text = get("text/plain");
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    assert!(!text.contains("# EOF") && text.contains("# TYPE proxydhcpd_replies_total counter\n"), "{text}");
    let prometheus = format!("{OPEN_METRICS};q=0.75,text/plain;version=0.0.4;q=0.25,*/*;q=0.1");
    let response = get(&prometheus);
    assert!(
        response.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{response}"
    );
    assert!(response.contains("# TYPE proxydhcpd_replies counter\n") && response.ends_with("\n# EOF\n"), "{response}");
    assert!(response.contains("# UNIT proxydhcpd_boot_duration_seconds seconds\n"), "{response}");
    assert_open_metrics(response.split_once("\r\n\r\n").unwrap().1);
}

#[test]
fn a_server_without_an_interface_is_alive_and_not_ready() {
    let (host, _machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("page for operators at");
    let becomes = |expected: &str| wait_for(expected, || (status(&host, "/readyz") == expected).then_some(()));
    becomes("200");
    host.run("ip link set eth0 down");
    becomes("503");
    assert_eq!(curl(&host, &[&format!("{URL}/readyz")]), "no interface is served; the log says why\n");
    assert_eq!(status(&host, "/healthz"), "200");
    host.run("ip link set eth0 up");
    becomes("200");
}

#[test]
fn a_thousand_odd_clients_add_no_label() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_configured(&host, directory, "[web]\nmetrics-without-login = true\n");
    server.wait_for_line("page for operators at");
    let scrape = || Exposition::parse(&curl(&host, &[&format!("{URL}/metrics")]));
    let before = scrape();
    assert!(before.len() < 200, "{} series", before.len());
    let request = vector("ovmf-x64-request-4011");
    let arch = request.windows(2).position(|window| window == [93, 2]).unwrap() + 2;
    let class = request.windows(9).position(|window| window == b"PXEClient").unwrap();
    let [dhcp, files] = [(); 2].map(|()| machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap()));
    for number in 0..1000_u16 {
        let mut odd = request.clone();
        odd[28..34].copy_from_slice(&[2, 0xdd, 0, 0, (number >> 8) as u8, number as u8]);
        odd[arch..arch + 2].copy_from_slice(&(number * 7).to_be_bytes());
        if number % 3 == 0 {
            odd[class..class + 9].copy_from_slice(format!("ODD{number:06}").as_bytes());
        }
        dhcp.send_to(&odd, "192.0.2.10:4011").unwrap();
        let read = format!("\0\x01odd-{number}\0octet\0");
        files.send_to(read.as_bytes(), "192.0.2.10:69").unwrap();
        if number % 10 == 0 {
            let mut http = machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
            http.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            write!(http, "ODD{number} /odd-{number} HTTP/1.1\r\nHost: odd\r\nConnection: close\r\n\r\n").unwrap();
            // The server may close the connection before it has read everything.
            http.read_to_end(&mut Vec::new()).ok();
        }
    }
    let answered = |found: &Exposition| {
        let change = |name| found.sum(name, &[]) - before.sum(name, &[]);
        change("proxydhcpd_silences_total") + change("proxydhcpd_replies_total") + change("proxydhcpd_failures_total")
    };
    let after = wait_for("the odd clients in the figures", || Some(scrape()).filter(|after| answered(after) >= 500.0));
    assert!(after.len() < before.len() + 150, "{} series, before {}", after.len(), before.len());
    let odd: Vec<_> = after.label_values().into_iter().filter(|value| value.to_lowercase().contains("odd")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let reports = after.label_values().into_iter().filter(|value| value.contains("02:dd") || value.starts_with("192."));
    assert_eq!(reports.count(), 0);
    assert_eq!(after.sum("proxydhcpd_machines", &[]), 0.0);
}

#[test]
fn promtool_accepts_the_alerts_the_dashboard_and_the_scrape_configuration() {
    let alerts = queries::file("alerts.yml");
    assert_promtool(&["check", "rules", alerts.to_str().unwrap()], "");
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/alerts-test.yml");
    let tests = fs::read_to_string(data).unwrap().replace("RULES", alerts.to_str().unwrap());
    assert_promtool(&["test", "rules", &write("tests.yml", tests)], "");
    let rules = queries::of_dashboard().into_iter().enumerate().map(|(number, query)| {
        format!("      - record: panel:{number}\n        expr: {}\n", serde_json::to_string(&query).unwrap())
    });
    let rules = format!("groups:\n  - name: dashboard\n    rules:\n{}", rules.collect::<String>());
    assert_promtool(&["check", "rules", &write("dashboard.yml", rules)], "");
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md")).unwrap();
    let (_, example) = page.split_once("```yaml\n").unwrap();
    let example = example.split_once("```").unwrap().0;
    let token = write("token", "secret".to_owned());
    let example = example.replace("/etc/prometheus/proxydhcpd.token", &token);
    let example = example.replace("/etc/prometheus/proxydhcpd.pem", &write("ca.pem", String::new()));
    let example = example.replace("/etc/prometheus/proxydhcpd-alerts.yml", alerts.to_str().unwrap());
    assert_promtool(&["check", "config", &write("prometheus.yml", example)], "");
}

#[test]
fn the_page_explains_each_alert_and_counts_the_verdicts() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring.md")).unwrap();
    let alerts = fs::read_to_string(queries::file("alerts.yml")).unwrap();
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let explained: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `Proxydhcpd")?.split('`').next()).collect();
    let names: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("Proxydhcpd")).collect();
    assert_eq!(explained, names);
    assert!(page.contains(&format!("the {} [verdicts]", VERDICTS.len())));
}
