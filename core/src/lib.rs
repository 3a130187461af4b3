//! The decisions of a proxyDHCP server, without I/O: packets, names and the time are arguments; replies and verdicts
//! are results. The crate opens no file and no socket, and reads no clock.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

/// Wire formats: DHCPv4, DHCPv6, PXE options and TFTP.
pub mod wire;

/// Client architectures (option 93), and the loaders for each.
pub mod arch;
/// A cache of bounded size, and a token bucket.
pub mod bounded_cache;
/// DHCP messages as readable trees.
pub mod dissect;
/// Served interfaces and their addresses.
pub mod link;
/// Building and inspecting URLs.
pub mod url;

/// A received datagram and how it arrived.
pub mod arrival;
/// Recognition of a client from its packet.
pub mod client;

/// The plan: machines, rules, profiles, and what the server offers.
pub mod plan;

/// Destinations of DHCPv4 replies, and the reasons to refuse one.
pub mod route;
/// Destinations of DHCPv6 replies.
pub mod route6;

/// Observations of clients and of other servers.
pub mod observations;

/// The decision: the profile that a machine boots.
pub mod decide;

/// The choice: the file that a client receives for that decision.
pub mod choose;
/// Writing a DHCPv4 reply.
pub mod reply4;
/// Writing a DHCPv6 reply.
pub mod reply6;
/// The iPXE features that a decision requires.
pub mod required_features;
/// The shape of a DHCPv4 reply.
pub mod shape;
/// The shape of a DHCPv6 reply.
pub mod shape6;

/// The way of a packet, from its octets to the replies.
pub mod answer;

/// Names of requested files.
pub mod file_name;
/// A request for a file, by TFTP or HTTP.
pub mod request;

/// The identity that a file name or a URL states.
pub mod claimed_identity;

/// Scripts for iPXE.
pub mod script;
/// The names by which shim requests its next loader.
pub mod shim;

/// The way of a file, from the requested name to its content.
pub mod fetch;

/// One TFTP transfer.
pub mod transfer;
