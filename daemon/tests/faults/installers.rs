//! Installations whose installer reports that they failed.

use super::common::boot_once::TestSite;
use super::network::verdicts;
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::thread;
use std::time::Duration;

cases![an_installer_that_reports_a_failure_is_the_verdict_and_one_that_ends_is_not,];

fn an_installer_that_reports_a_failure_is_the_verdict_and_one_that_ends_is_not() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("templates")).unwrap();
    fs::write(directory.path().join("templates/report-url"), "{{ report_url }}").unwrap();
    let (site, server) = TestSite::start_in(directory);
    let post = |machine: &str, body: &str| {
        let url = site.fetch(&format!("http://192.0.2.10:8080/machine/name={machine}/report-url"), &[]);
        let response = site.fetch(&String::from_utf8(url).unwrap(), &["--data-binary", body]);
        assert!(response.is_empty(), "{}", String::from_utf8_lossy(&response));
    };
    post("web1", r#"{"progress": "partitions"}"#);
    post("web1", r#"{"name":"subiquity/Shutdown/copy_logs_to_target","event_type":"finish","result":"SUCCESS"}"#);
    thread::sleep(Duration::from_secs(10));
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());

    post("web2", r#"{"progress": "no disk found", "result": "FAIL"}"#);
    let verdict = wait_for("the verdict", || verdicts(&server.log()).into_iter().next());
    assert_eq!(verdict.code, "install-failed", "{}", verdict.text);
    assert!(verdict.text.contains("no disk found"), "{}", verdict.text);
    // A second attempt of the same machine ends well.
    post("web2", r#"{"name":"subiquity/Shutdown/copy_logs_to_target","event_type":"finish","result":"SUCCESS"}"#);
    server.wait_for_line("web2 is installed, by the installer's webhook");
}
