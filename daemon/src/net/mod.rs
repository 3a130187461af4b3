//! Calls the kernel: receives and sends datagrams with their links, shares ports with a DHCP server, finds the owners
//! of ports, and lists the interfaces of the host. Contains no protocol above UDP.

pub mod bind_error;
pub mod link;
pub mod namespace;
pub mod overhear;
pub mod packet;
pub mod port_owner;
pub mod reply;
pub mod reply_sender;
pub mod send_error;
pub mod single_send;
pub mod socket;
pub mod socket_set;
pub mod sys;
pub mod udp;
pub mod udp6;
pub mod unserved;

/// The status of a server that serves no interface.
pub const NO_INTERFACE: &str =
    "no interface to serve yet: none that the configuration selects is up and has an address";
