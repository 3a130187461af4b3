//! What went over a segment, kept for whoever has to find out why a boot failed.

use crate::work_dir::WorkDir;
use crate::net::Segment;
use crate::process::Process;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Everything on a segment, in `NAME.pcap` while it runs and as text in `NAME.txt` once dropped.
#[derive(Debug)]
pub struct Capture {
    process: Option<Process>,
    pcap: PathBuf,
}

impl Capture {
    pub fn start(lab: &WorkDir, segment: &Segment, name: &str) -> Result<Capture> {
        let pcap = lab.file(&format!("{name}.pcap"));
        let mut command = Command::new("tcpdump");
        // On the bridge itself, promiscuous, so that packets between two ports are seen too; written one by one. With
        // room (in KiB) for what comes while the emulators have both processors.
        let arguments = ["-i", "br0", "-n", "-s", "0", "-B", "32768", "-U", "--immediate-mode", "-Z", "root", "-w"];
        command.args(arguments).arg(&pcap);
        let mut process = Process::start(lab, &segment.namespace, &format!("tcpdump-{name}"), &command)?;
        process.wait_for("listening on", Duration::from_secs(20))?;
        Ok(Capture { process: Some(process), pcap })
    }

    /// The packets so far that a filter (pcap-filter(7)) lets through, a line each.
    pub fn packets(&self, filter: &str) -> Result<Vec<String>> {
        let output = Command::new("tcpdump").args(["-n", "-e", "-r"]).arg(&self.pcap).arg(filter).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tcpdump {filter:?}: {}", complaint.trim());
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// When the first packet since then was sent that a filter lets through.
    pub fn first_time(&self, filter: &str, since: SystemTime) -> Result<SystemTime> {
        let output = Command::new("tcpdump").args(["-n", "-tt", "-r"]).arg(&self.pcap).arg(filter).output()?;
        let lines = String::from_utf8_lossy(&output.stdout);
        let seconds = lines.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
        let mut times = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds));
        times.find(|time| *time >= since).with_context(|| format!("the capture lacks {filter:?}"))
    }

    /// These fields of the packets so far that a display filter (wireshark-filter(4)) lets through, a line each.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
        let mut tshark = Command::new("tshark");
        tshark.args(["-n", "-T", "fields", "-E", "separator=/s", "-Y", filter, "-r"]).arg(&self.pcap);
        tshark.args(fields.iter().flat_map(|field| ["-e", field]));
        // Ours is no port that tshark takes for HTTP by itself in every release.
        tshark.args(["-d", "tcp.port==8080,http"]);
        let output = tshark.output()?;
        // A packet that is being written may be cut short, which is an error of status 2 and no loss here.
        ensure!(
            output.status.success() || !output.stdout.is_empty(),
            "tshark {filter:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.process = None;
        // A help for the reader, never a reason to fail: the pcap is what counts.
        let Ok(text) = File::create(self.pcap.with_extension("txt")) else { return };
        let mut tshark = Command::new("tshark");
        // Without the thousand DATA and ACK of a transfer, and multicast reports.
        tshark.args(["-n", "-Y", "!(tftp.opcode in {3, 4}) && !(icmpv6.type == 143)", "-r"]).arg(&self.pcap);
        let _ = tshark.stdout(text).stderr(Stdio::null()).status();
    }
}
