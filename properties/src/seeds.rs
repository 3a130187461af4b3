//! Reads the files of this repository from which seeds are made.

use proxydhcpd_core::capture::{CaptureReader, Packet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The directory of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The maximum size of a seed, in octets. The fuzzer prefers short inputs.
const MAX_SEED: u64 = 16 << 10;

/// A packet with its addresses and the port of the server.
pub struct SeedPacket {
    /// The UDP payload.
    pub octets: Vec<u8>,
    /// The sender.
    pub from: SocketAddr,
    /// The port to which it was sent.
    pub port: u16,
}

/// The contents of the files below a directory, in the order of their paths. `extensions` selects files; empty: all.
pub fn files(directory: &str, extensions: &[&str]) -> Vec<Vec<u8>> {
    named_files(directory, extensions).into_iter().map(|(_, octets)| octets).collect()
}

/// As [`files`], with the name of each file.
pub fn named_files(directory: &str, extensions: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(directory), &mut paths);
    paths.sort();
    let fits = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_short = path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_SEED);
        is_short && (extensions.is_empty() || extensions.contains(&extension))
    };
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    paths.into_iter().filter(fits).map(read).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries.map(|entry| entry.expect("the entry of a directory").path()) {
        if entry.is_dir() { collect(&entry, paths) } else { paths.push(entry) }
    }
}

/// The octets of each line of a text in hexadecimal.
pub fn hex_lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| hex::decode(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// The code blocks of the documentation in this language.
pub fn documented(language: &str) -> Vec<Vec<u8>> {
    let pages = files_of_any_size("docs").into_iter().filter(|(name, _)| name.ends_with(".md"));
    let blocks = |(_, text): (String, String)| {
        let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
        blocks.filter(|(kind, _)| *kind == language).map(|(_, block)| block.into()).collect::<Vec<Vec<u8>>>()
    };
    pages.flat_map(blocks).collect()
}

fn files_of_any_size(directory: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join(directory), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Some((path.to_str()?.to_owned(), fs::read_to_string(&path).ok()?));
    paths.into_iter().filter_map(read).collect()
}

/// The packets of the vectors of these families.
pub fn vectors(families: &[&str]) -> Vec<SeedPacket> {
    let packet = |octets: Vec<u8>| {
        let vector: serde_json::Value = serde_json::from_slice(&octets).expect("a vector is JSON");
        if !families.contains(&vector["family"].as_str()?) {
            return None;
        }
        let address = |key: &str| vector["transport"][key].as_str()?.parse::<SocketAddr>().ok();
        Some(SeedPacket {
            octets: hex::decode(vector["hex"].as_str()?).ok()?,
            from: address("src").unwrap_or_else(|| SocketAddr::new(IpAddr::from([0; 4]), 68)),
            port: vector["transport"]["port"].as_u64()? as u16,
        })
    };
    files("core/testdata/vectors", &["json"]).into_iter().filter_map(packet).collect()
}

/// The UDP packets of the captures that were sent to one of these ports.
pub fn captured(ports: &[u16]) -> Vec<SeedPacket> {
    let mut packets = Vec::new();
    for (_, capture) in captures() {
        let mut reader = CaptureReader::default();
        reader.push(&capture);
        while let Ok(Some(frame)) = reader.next_frame() {
            let packet = frame.link_type.ip_packet(frame.octets).and_then(Packet::from_ip);
            let Some(packet) = packet.filter(|packet| packet.tcp.is_none() && ports.contains(&packet.to.port())) else {
                continue;
            };
            packets.push(SeedPacket { octets: packet.payload.into(), from: packet.from, port: packet.to.port() });
        }
    }
    packets
}

/// The captures, with their names.
pub fn captures() -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    collect(&Path::new(ROOT).join("core/testdata/captures"), &mut paths);
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).expect("a capture"))).collect()
}
