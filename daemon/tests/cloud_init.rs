//! Tests the reports of cloud-init: the real one reads its templates from the server, and reports over its webhook and
//! by its module `phone_home`. Needs root.

mod common;

use common::boot_once::{CONFIG, TestSite};
use proxydhcpd_testbed::{cache, wait_for};
use std::fs;
use std::process::Command;

/// The configuration of the image. Its only module is the one under test; the network of the test stays as it is.
const IMAGE: &str = "\
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: []
cloud_config_modules: []
cloud_final_modules: [phone-home]
system_info: {distro: debian}
";

/// The templates of the machine, as docs/templates.md shows them.
const TEMPLATES: [(&str, &str); 3] = [
    ("meta-data", "instance-id: {{ machine.mac | tojson }}\nlocal-hostname: {{ machine.name | tojson }}\n"),
    (
        "user-data",
        "#cloud-config\n\
         phone_home: {{ {\"url\": report_url ~ \"/phone-home\", \"post\": [\"instance_id\", \"hostname\", \"fqdn\"], \
         \"tries\": 5} | tojson }}\n\
         reporting:\n  proxydhcpd: {{ {\"type\": \"webhook\", \"endpoint\": report_url} | tojson }}\n",
    ),
    ("vendor-data", "#cloud-config\n"),
];

/// Runs cloud-init as at the first start of an image: first the stage that finds the data, then the last one. The
/// directories to which it writes are private: `$1` has the configuration of the image, `$2` the program, `$3` the
/// kernel's arguments.
const FIRST_START: &str = r#"
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/etc /var/lib/work
mount -t overlay -o lowerdir=/etc,upperdir=/var/lib/etc,workdir=/var/lib/work overlay /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p /etc/cloud
cp "$1" /etc/cloud/cloud.cfg
export PYTHONPATH="$2" PYTHONDONTWRITEBYTECODE=1 DEBUG_PROC_CMDLINE="$3"
/usr/bin/python3 -m cloudinit.cmd.main init &&
  /usr/bin/python3 -m cloudinit.cmd.main modules --mode=final ||
  { cat /var/log/cloud-init.log; exit 1; }
"#;

#[test]
fn a_machine_whose_cloud_init_phones_home_is_installed() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("templates/cloud")).unwrap();
    for (name, text) in TEMPLATES {
        fs::write(directory.path().join("templates/cloud").join(name), text).unwrap();
    }
    let image = directory.path().join("cloud.cfg");
    fs::write(&image, IMAGE).unwrap();
    let (site, server) = TestSite::with_config(directory, CONFIG);
    site.request_address(1);
    let mut start = Command::new("unshare");
    start.args(["--mount", "--uts", "sh", "-eufc", FIRST_START, "first-start"]).arg(&image);
    start.arg(cache::path("tools/cloudinit").parent().unwrap());
    start.arg("ds=nocloud-net;s=http://192.0.2.10:8080/machine/name=web1/cloud/");
    let output = site.machine.on(|| start.output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    server.wait_for_line("web1 is installed, by phone_home");
    server.wait_for_line("web1 completed its boot-once (/machine/name=web1/token=.../report/phone-home)");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let log = server.log();
    assert!(log.contains("web1 reports \"activating datasource\""), "{log}");
    assert!(!log.contains("the installation of web1 failed") && !log.contains("was refused"), "{log}");
    let requests = log.lines().filter(|line| line.contains("GET /machine/name=web1/cloud/"));
    assert_eq!(requests.count(), TEMPLATES.len(), "cloud-init requests each file once: {log}");

    // The thread of the stories follows the log within a moment. The requests above named other entries as well.
    let story = wait_for("the installed machine in its story", || {
        let output = server.client(&["story", "-c", "CONFIG", "52:54:00:00:00:01"]).output().unwrap();
        let story = String::from_utf8(output.stdout).unwrap();
        story.contains("installed  the machine reports: installed").then_some(story)
    });
    let position = |part: &str| story.find(part).unwrap_or_else(|| panic!("{part} in {story}"));
    assert!(position("system     the machine reports (progress): \"activating datasource\"") < position("installed"));
    assert!(!story.contains("failed"), "{story}");
}
