//! Plays whole network boots against a server: every packet that the firmware, iPXE and the operating system of a
//! machine would send, in their order and with their options.
//!
//! Each client is a machine of states without I/O ([`exchange::Exchange`]): it receives datagrams and the time, and
//! returns datagrams and waits. [`play`] runs the clients of one machine one after the other, [`driver`] runs many
//! machines at once. [`kinds`] is the table of the boots: a row each.
//!
//! A played machine has its own MAC address, UUID and IP addresses. All machines use one interface: DHCP over IPv4
//! goes through a packet socket, because a client has no address yet; the rest goes through sockets that are bound to
//! the address that the DHCP server assigned, which the player adds to the interface. In a storm the player itself
//! may assign the addresses.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod address_pool;
mod addresses;
pub mod boot_server;
pub mod content;
pub mod dhcp4;
pub mod dhcp6;
pub mod dialect4;
pub mod driver;
pub mod exchange;
pub mod failure;
pub mod fetch;
pub mod http;
pub mod kinds;
pub mod machine;
pub mod network;
pub mod play;
pub mod random;
pub mod report;
pub mod script;
pub mod systems;
pub mod tftp;
pub mod url;
