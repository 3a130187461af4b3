//! Real configurations, rebuilt from public sources with documentation addresses: with the imported configuration, the
//! server sends each of nine kinds of machines the same as the packaged dnsmasq. Needs root.
//!
//! Each directory of `testdata/import` has `dnsmasq.conf`, its `source`, the boot `files` with their kinds, and the
//! `notes` that the import writes above its tables. `$T` is the directory of the files. `UPDATE_NOTES=1` writes the
//! notes again.

use super::machine::{BootResult, Vector, all_vectors, boot_result};
use super::{SERVER, this_host};
use proxydhcpd_core::link::Network4;
use proxydhcpd_import::{HostInfo, import};
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_testbed::loaders::fake_loader;
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::{Host, Process, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use tempfile::TempDir;

/// The nine kinds of machines, each with the vector of its DISCOVER.
const KINDS: [(&str, &str); 9] = [
    ("bios", "bios-intel-discover"),
    ("uefi-x64", "ovmf-x64-discover"),
    ("uefi-bc", "x64-announcing-arch-9-discover"),
    ("ia32", "ovmf-ia32-discover"),
    ("arm64", "aavmf-arm64-discover"),
    ("http-x64", "http-x64-discover"),
    ("ipxe-bios", "ipxe-x64-discover"),
    ("ipxe-x64", "ipxe-x64-discover"),
    ("pi3", "raspberry-pi3-discover"),
];

/// The known differences from dnsmasq, with their reasons. In none of them does a machine boot only from dnsmasq.
const DIFFERENCES: [(&str, &str, &str); 10] = [
    (
        "raspberry-pi-guide",
        "bios",
        "a menu for Raspberry Pis with the machine's disk: without a reply the machine boots that, too",
    ),
    ("raspberry-pi-guide", "ipxe-bios", "the same"),
    ("phicomm-n1", "bios", "a menu with only the machine's disk"),
    (
        "nvme-tools-lease-server",
        "uefi-x64",
        "as a lease server, dnsmasq sends it a BIOS program, despite its pxe-service",
    ),
    ("nvme-tools-lease-server", "uefi-bc", "the same"),
    ("nvme-tools-lease-server", "ipxe-x64", "the same"),
    ("school-network", "uefi-bc", "the file distinguishes only code 7, so dnsmasq sends a UEFI machine a BIOS program"),
    ("homelab-dnsmasq", "uefi-bc", "the same"),
    ("automated-cluster-deployment", "ia32", "dnsmasq sends it a program for x64, which it cannot start"),
    ("usb-less-boot", "arm64", "dnsmasq names a file that does not exist"),
];

struct Site {
    name: String,
    directory: TempDir,
    conf: String,
    expected: PathBuf,
}

impl Site {
    fn all() -> Vec<Site> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/import");
        let mut directories: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        directories.sort();
        directories.iter().map(|directory| Site::from_directory(directory)).collect()
    }

    fn from_directory(from: &Path) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("tftp");
        fs::create_dir(&root).unwrap();
        let read =
            |name: &str| fs::read_to_string(from.join(name)).unwrap_or_else(|error| panic!("{from:?} {name}: {error}"));
        assert!(read("source").lines().any(|line| line.contains(": ")), "{from:?} names its source");
        for (name, kind) in read("files").lines().filter_map(|line| line.split_once(' ')) {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, fake_loader(kind)).unwrap();
        }
        let conf = read("dnsmasq.conf").replace("$T", root.to_str().unwrap());
        fs::write(directory.path().join("dnsmasq.conf"), &conf).unwrap();
        let name = from.file_name().unwrap().to_str().unwrap().to_owned();
        Site { name, directory, conf, expected: from.join("notes") }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("tftp")
    }

    /// Removes the boot directory or a leading slash from a name, because the name still refers to the same file.
    fn relative(&self, boot_result: BootResult) -> BootResult {
        match boot_result {
            BootResult::File(name, server) if !name.contains("://") => {
                let name = name.strip_prefix(self.root().to_str().unwrap()).unwrap_or(&name);
                BootResult::File(name.trim_start_matches('/').to_owned(), server)
            }
            other => other,
        }
    }

    /// Whether the server replies to this kind although dnsmasq does not, as docs/migrating-from-dnsmasq.md describes.
    fn replies_only_here(&self, kind: &str) -> bool {
        let says = |key: &str| self.conf.lines().any(|line| line.trim_start().starts_with(key));
        let as_a_proxy = self.conf.contains("proxy") && !says("pxe-service") && !says("pxe-prompt");
        // As a lease server, dnsmasq sends no program to UEFI machines for a pxe-service.
        let by_service = !self.conf.contains("proxy") && says("pxe-service");
        matches!(kind, "http-x64" | "uefi-bc") || as_a_proxy || by_service
    }

    fn imported(&self) -> String {
        let source = Source::new("dnsmasq.conf", self.conf.clone().into_bytes()).unwrap();
        let networks = vec![("eth0".to_owned(), Network4 { address: SERVER, prefix: 24 })];
        let host = HostInfo { networks, tftp_dirs: vec![self.root()], ..this_host() };
        import(&source, None, &host).unwrap_or_else(|errors| panic!("{}: {}", self.name, errors[0]))
    }
}

#[test]
fn every_line_of_the_corpus_that_is_not_imported_unchanged_has_its_note() {
    let mut failures = Vec::new();
    for site in Site::all() {
        let imported = site.imported().replace(site.root().to_str().unwrap(), "$T");
        let notes: String =
            imported.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let locations =
            notes.lines().filter_map(|line| line.strip_prefix("#   line ")?.split_once(": ")).map(|(line, _)| line);
        let mut seen = BTreeSet::new();
        assert!(locations.into_iter().all(|line| seen.insert(line.to_owned())), "{}: twice in\n{notes}", site.name);
        if std::env::var_os("UPDATE_NOTES").is_some() {
            fs::write(&site.expected, &notes).unwrap();
        }
        if fs::read_to_string(&site.expected).unwrap_or_default() != notes {
            failures.push(format!("{}:\n{notes}", site.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_imported_site_boots_what_dnsmasq_booted() {
    let sites = Mutex::new(Site::all());
    let differences = Mutex::new(Vec::new());
    let machines = machines();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let network = raw::network();
                loop {
                    let Some(site) = sites.lock().unwrap().pop() else { break };
                    let found = compare(&network, &site, &machines);
                    differences.lock().unwrap().extend(found);
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    let known = |site: &str, kind: &str| DIFFERENCES.iter().any(|(known, of, _)| *known == site && *of == kind);
    let new: Vec<&str> =
        differences.iter().filter(|(site, kind, _)| !known(site, kind)).map(|(.., text)| text.as_str()).collect();
    assert!(new.is_empty(), "{} differences:\n{}", new.len(), new.join("\n"));
    for (site, kind, _) in &DIFFERENCES {
        assert!(
            differences.iter().any(|(of, other, _)| of == *site && *other == *kind),
            "{site} {kind} is no difference any more"
        );
    }
}

/// Returns the nine kinds of machines, each with its packet.
pub fn machines() -> Vec<(&'static str, Vector)> {
    let vectors: Vec<Vector> = all_vectors().collect();
    let machine = |(kind, vector): (&'static str, &str)| {
        let from = vectors.iter().find(|known| known.name == vector).unwrap();
        let mut octets = from.octets.clone();
        if kind == "ipxe-bios" {
            let replace = |octets: &mut Vec<u8>, old: &[u8], new: &[u8]| {
                let at = octets.windows(old.len()).position(|part| part == old).unwrap();
                octets[at..at + old.len()].copy_from_slice(new);
            };
            replace(&mut octets, &[93, 2, 0, 7], &[93, 2, 0, 0]);
            replace(&mut octets, b"Arch:00007", b"Arch:00000");
            octets[33] = 1;
        }
        (kind, Vector { name: from.name.clone(), octets, from: from.from, to: from.to })
    };
    KINDS.map(machine).into()
}

/// Returns the differences from dnsmasq: the site, the kind, and both results.
fn compare(
    (server, client): &(Host, Host),
    site: &Site,
    machines: &[(&'static str, Vector)],
) -> Vec<(String, &'static str, String)> {
    let ask_all = |process: &Process| -> Vec<Option<BootResult>> {
        let wire = client.on(RawSocket::open);
        let ask = |request: &Vector| {
            wire.received_so_far();
            wire.send(&request.from, &request.to, &request.octets);
            server.on(|| wait_until_idle(process));
            let reply = wire.received_so_far().into_iter().find(|reply| reply.payload[4..8] == request.octets[4..8]);
            reply.map(|reply| reply.payload)
        };
        machines.iter().map(|(_, machine)| boot_result(machine, &mut |request| ask(request))).collect()
    };
    let dnsmasq_result = ask_all(&server.on(|| dnsmasq(site)));
    let proxydhcpd_result = ask_all(&server.on(|| proxydhcpd(site)));
    let mut differences = Vec::new();
    for (((kind, machine), dnsmasq_result), proxydhcpd_result) in
        machines.iter().zip(dnsmasq_result).zip(proxydhcpd_result)
    {
        let (dnsmasq_result, proxydhcpd_result) = (
            dnsmasq_result.map(|boot_result| site.relative(boot_result)),
            proxydhcpd_result.map(|boot_result| site.relative(boot_result)),
        );
        let same = match (&dnsmasq_result, &proxydhcpd_result) {
            // For iPXE, the server's reply names a script that shows the menu.
            (Some(BootResult::Menu(..)), Some(BootResult::File(url, _))) if machine.is_ipxe() => {
                url.contains("/machine/")
            }
            (None, Some(_)) => site.replies_only_here(kind),
            _ => dnsmasq_result == proxydhcpd_result,
        };
        if !same {
            differences.push((
                site.name.clone(),
                *kind,
                format!("{} {kind}: dnsmasq {dnsmasq_result:?}, proxydhcpd {proxydhcpd_result:?}", site.name),
            ));
        }
    }
    differences
}

fn dnsmasq(site: &Site) -> Process {
    let directory = site.directory.path();
    let peer = Process::start(&format!(
        "dnsmasq --keep-in-foreground --user=root --no-ping --pid-file= --log-facility={0}/log \
         --dhcp-leasefile={0}/leases \
         --conf-file={0}/dnsmasq.conf",
        directory.display()
    ));
    wait_until_open(&peer, &format!("dnsmasq of {}", site.name), &[67, 69]);
    peer
}

fn proxydhcpd(site: &Site) -> Process {
    let directory = site.directory.path();
    let text = format!("state-dir = {:?}\n{}", directory.join("state"), site.imported());
    fs::write(directory.join("proxydhcpd.toml"), text).unwrap();
    let log = fs::File::create(directory.join("proxydhcpd.log")).unwrap();
    let mut command = Process::command(env!("CARGO_BIN_EXE_proxydhcpd"));
    command.arg("-c").arg(directory.join("proxydhcpd.toml")).arg("-b").arg(site.root());
    let mut peer = Process::spawn(command.stdin(Stdio::null()).stderr(log));
    wait_for(&format!("the server of {}", site.name), || {
        let log = fs::read_to_string(directory.join("proxydhcpd.log")).unwrap();
        assert!(peer.status().is_none(), "{} does not start: {log}", site.name);
        log.contains("ready").then_some(())
    });
    peer
}

fn wait_until_open(peer: &Process, what: &str, ports: &[u16]) {
    wait_for(what, || {
        let path = format!("/proc/{}", peer.id());
        assert!(!fs::read_to_string(format!("{path}/stat")).unwrap().contains(") Z"), "{what} does not start");
        let open = udp_sockets();
        ports.iter().any(|port| open.iter().any(|(known, _)| known == port)).then_some(())
    });
    wait_until_idle(peer);
}

/// Waits until the sockets are empty and every thread sleeps, because the server has then processed all requests.
fn wait_until_idle(peer: &Process) {
    let mut times = 0;
    wait_for("an idle server", || {
        let waiting = udp_sockets().iter().any(|(_, queue)| *queue > 0);
        let ended = fs::read_to_string(format!("/proc/{}/stat", peer.id())).unwrap().contains(") Z");
        assert!(!ended, "the server ended");
        times = if waiting || !is_sleeping(peer.id()) { 0 } else { times + 1 };
        (times == 2).then_some(())
    });
}

fn is_sleeping(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let states = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    states.into_iter().all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
}

/// Returns the UDP ports that are open on this host, each with the number of octets in its receive queue.
fn udp_sockets() -> Vec<(u16, u64)> {
    let table = fs::read_to_string("/proc/thread-self/net/udp").unwrap();
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        Some((port, u64::from_str_radix(words.get(4)?.split_once(':')?.1, 16).ok()?))
    };
    table.lines().filter_map(socket).collect()
}
