//! Reads a capture from a file or from standard input, as often as necessary.

use crate::cli::progress::Progress;
use proxydhcpd_core::capture::{CaptureReader, Packet, Repeats};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

/// The maximum length of a capture that arrives through a pipe, in octets. It is kept in memory, because it is read
/// twice.
const MAX_PIPED: u64 = 256 << 20;
/// The length of a piece that is read at once, in octets.
const PIECE: usize = 256 << 10;

/// A capture that can be read several times.
#[derive(Debug)]
pub enum Input {
    /// A file, and the place where the capture begins in it.
    File(File, u64),
    /// The octets of a pipe.
    Octets(Vec<u8>),
}

/// A packet of a capture.
#[derive(Debug)]
pub struct InputPacket<'a> {
    /// The time, in nanoseconds since 1970.
    pub at: u64,
    /// The name of the interface; empty if it is unknown.
    pub interface: &'a str,
    /// The packet.
    pub packet: Packet<'a>,
}

/// The facts about a capture that was read.
#[derive(Debug, Default)]
pub struct Pass {
    /// The number of frames.
    pub packets: u64,
    /// The times of the first and of the last frame, in nanoseconds since 1970.
    pub first: u64,
    /// The time of the last frame.
    pub last: u64,
    /// Why the end of the capture could not be read.
    pub damage: Option<String>,
    /// The number of frames with an unknown link type, and the last such type.
    pub unknown_frames: u64,
    /// The last unknown link type.
    pub unknown_link_type: u16,
    /// The number of UDP and TCP packets of which the end was not captured.
    pub cut_frames: u64,
}

impl Input {
    /// Opens a capture; `-` is standard input.
    pub fn open(path: &Path) -> Result<Input, String> {
        let file = if path == Path::new("-") {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::open(path)
        };
        let mut file = file.map_err(|error| error.to_string())?;
        if let Ok(start) = file.stream_position() {
            return Ok(Input::File(file, start));
        }
        let mut octets = Vec::new();
        let read = file.take(MAX_PIPED + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
        match read as u64 > MAX_PIPED {
            true => Err(format!("a pipe may have at most {} MiB: write the capture to a file first", MAX_PIPED >> 20)),
            false => Ok(Input::Octets(octets)),
        }
    }

    /// The length of the capture in octets, as far as it is known.
    fn length(&self) -> u64 {
        match self {
            Input::File(file, start) => file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(*start)),
            Input::Octets(octets) => octets.len() as u64,
        }
    }

    /// Reads the capture once, from its beginning. A capture whose end is damaged is read until there. `number` is that
    /// of the pass, for the progress.
    pub fn read(&mut self, number: u8, mut handle: impl FnMut(&InputPacket<'_>)) -> Result<Pass, String> {
        let (mut reader, mut pass, mut repeats) = (CaptureReader::default(), Pass::default(), Repeats::default());
        let (mut progress, mut done, total) = (Progress::new(), 0, self.length() >> 20);
        let mut source: Box<dyn Read> = match self {
            Input::File(file, start) => {
                file.seek(SeekFrom::Start(*start)).map_err(|error| error.to_string())?;
                Box::new(file)
            }
            Input::Octets(octets) => Box::new(&octets[..]),
        };
        let mut piece = vec![0; PIECE];
        loop {
            let length = match source.read(&mut piece) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            if length == 0 {
                break;
            }
            reader.push(&piece[..length]);
            done += length as u64;
            progress.show(format!("reading the capture, pass {number} of 2: {} of {total} MiB", done >> 20));
            loop {
                match reader.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) => pass.frame(&frame, &mut repeats, &mut handle),
                    Err(error) if pass.packets == 0 => return Err(error.to_string()),
                    Err(error) => {
                        pass.damage = Some(error.to_string());
                        return Ok(pass);
                    }
                }
            }
        }
        match (reader.remaining(), pass.packets) {
            (0, 0) if reader.is_empty() => Err("it is empty".to_owned()),
            (0, _) => Ok(pass),
            (_, 0) => Err("it is truncated within its first packet".to_owned()),
            _ => {
                pass.damage = Some("the capture is truncated within a packet".to_owned());
                Ok(pass)
            }
        }
    }
}

impl Pass {
    fn frame(
        &mut self,
        frame: &proxydhcpd_core::capture::CapturedFrame<'_>,
        repeats: &mut Repeats,
        handle: &mut impl FnMut(&InputPacket<'_>),
    ) {
        if self.packets == 0 {
            self.first = frame.at;
        }
        self.packets += 1;
        self.last = self.last.max(frame.at);
        if !frame.link_type.is_known() {
            self.unknown_frames += 1;
            self.unknown_link_type = frame.link_type.0;
            return;
        }
        let Some(ip) = frame.link_type.ip_packet(frame.octets) else { return };
        let Some(packet) = Packet::from_ip(ip) else { return };
        let is_repeat = repeats.is_repeat(frame.at, ip);
        if is_repeat && (frame.link_type.may_repeat() || frame.interface > 0) {
            return;
        }
        self.cut_frames += u64::from(packet.payload.len() < packet.length);
        handle(&InputPacket { at: frame.at, interface: frame.interface_name, packet });
    }
}
