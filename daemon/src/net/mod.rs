//! Calls the kernel: receives and sends datagrams with their links, shares ports with a DHCP server, finds the owners
//! of ports, and lists the interfaces of the host. Contains no protocol above UDP.

pub mod bind_error;
pub mod link;
pub mod overhear;
pub mod packet;
pub mod port_owner;
pub mod reply;
pub mod reply_sender;
pub mod send_error;
pub mod socket;
pub mod socket_set;
pub mod sys;
pub mod udp;
pub mod udp6;
pub mod unserved;
