//! Reads packet captures: files in the formats pcap and pcapng, and the frames in them.

mod file;
mod frame;
mod repeats;

pub use file::{CaptureError, CaptureReader, CapturedFrame};
pub use frame::{LinkType, Packet, TcpHeader};
pub use repeats::Repeats;
