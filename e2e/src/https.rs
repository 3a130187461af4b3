//! A web server with HTTPS, whose certificate is not valid yet: to a machine whose clock is wrong, every certificate is
//! like that.

use crate::process::Process;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::Host;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The configuration of `openssl ca`, which is the only command of OpenSSL 3.0 that takes a first day.
const AUTHORITY: &str = "[ca]
default_ca = site
[site]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
";

/// Starts the server on port 443 of a host with this address. It sends the files of this directory.
pub fn https_server(work: &WorkDir, host: &Host, address: &str, root: &Path) -> Result<Process> {
    let directory = certificate(work, address)?;
    let mut command = Process::command("openssl");
    command.current_dir(root).args(["s_server", "-accept", "443", "-WWW"]);
    command.arg("-key").arg(directory.join("key.pem")).arg("-cert").arg(directory.join("certificate.pem"));
    let mut process = Process::start(work, host, "https-server", &mut command)?;
    process.wait_for("ACCEPT", START_TIMEOUT)?;
    Ok(process)
}

/// Makes a key and a certificate that is valid from 2099 on, and returns their directory.
fn certificate(work: &WorkDir, name: &str) -> Result<PathBuf> {
    let directory = work.new_directory("https")?;
    for (file, text) in [("authority.conf", AUTHORITY), ("index.txt", ""), ("serial", "01\n")] {
        fs::write(directory.join(file), text)?;
    }
    let subject = format!("/CN={name}");
    openssl(&directory, &format!("req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj {subject}"))?;
    let validity = "-startdate 20990101000000Z -enddate 21000101000000Z";
    let files = "-config authority.conf -keyfile key.pem -in request.pem -out certificate.pem";
    openssl(&directory, &format!("ca -batch -selfsign -notext {validity} {files}"))?;
    Ok(directory)
}

fn openssl(directory: &Path, words: &str) -> Result<()> {
    let output = Command::new("openssl").current_dir(directory).args(words.split_whitespace()).output();
    let output = output.context("openssl: run e2e/setup")?;
    ensure!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
