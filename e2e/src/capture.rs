//! Packet captures of segments, for tests and for the analysis of failed boots.

use crate::process::Process;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::Segment;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A capture of all packets of a segment. While it runs, the packets are in `NAME.pcap`. When it is dropped, it writes
/// them as text to `NAME.txt`.
#[derive(Debug)]
pub struct Capture {
    process: Option<Process>,
    pcap: PathBuf,
}

impl Capture {
    /// Starts tcpdump, and returns when tcpdump captures.
    pub fn start(work: &WorkDir, segment: &Segment, name: &str) -> Result<Capture> {
        let pcap = work.file(&format!("{name}.pcap"));
        let mut command = Process::command("tcpdump");
        // tcpdump captures on the bridge in promiscuous mode, so packets between two ports are included, and writes
        // each packet at once. The buffer (in KiB) holds the packets that arrive while the emulators use both
        // processors.
        let arguments = ["-i", "br0", "-n", "-s", "0", "-B", "32768", "-U", "--immediate-mode", "-Z", "root", "-w"];
        command.args(arguments).arg(&pcap);
        let mut process = Process::start(work, segment.switch(), &format!("tcpdump-{name}"), &mut command)?;
        process.wait_for("listening on", Duration::from_secs(20))?;
        Ok(Capture { process: Some(process), pcap })
    }

    /// Returns the captured packets that match a filter (pcap-filter(7)), one line each.
    pub fn packets(&self, filter: &str) -> Result<Vec<String>> {
        let output = Command::new("tcpdump").args(["-n", "-e", "-r"]).arg(&self.pcap).arg(filter).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tcpdump {filter:?}: {}", stderr.trim());
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Returns the time of the first packet after `since` that matches a filter. It is an error if there is none.
    pub fn first_time(&self, filter: &str, since: SystemTime) -> Result<SystemTime> {
        let output = Command::new("tcpdump").args(["-n", "-tt", "-r"]).arg(&self.pcap).arg(filter).output()?;
        let lines = String::from_utf8_lossy(&output.stdout);
        let seconds = lines.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
        let mut times = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds));
        times.find(|time| *time >= since).with_context(|| format!("the capture lacks {filter:?}"))
    }

    /// Returns these fields of the captured packets that match a display filter (wireshark-filter(4)), one line for
    /// each packet.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
        let mut tshark = Command::new("tshark");
        tshark.args(["-n", "-T", "fields", "-E", "separator=/s", "-Y", filter, "-r"]).arg(&self.pcap);
        tshark.args(fields.iter().flat_map(|field| ["-e", field]));
        // Not every release of tshark decodes port 8080 as HTTP by default.
        tshark.args(["-d", "tcp.port==8080,http"]);
        let output = tshark.output()?;
        // The last packet may still be incomplete. tshark then exits with status 2, although its output is correct.
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
        // The pcap is the evidence, and the text only helps the reader, so an error here is ignored.
        let Ok(text) = File::create(self.pcap.with_extension("txt")) else { return };
        let mut tshark = Command::new("tshark");
        // The text omits multicast reports, and the thousands of DATA and ACK packets of transfers.
        tshark.args(["-n", "-Y", "!(tftp.opcode in {3, 4}) && !(icmpv6.type == 143)", "-r"]).arg(&self.pcap);
        let _ = tshark.stdout(text).stderr(Stdio::null()).status();
    }
}
