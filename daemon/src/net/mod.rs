//! Calls the kernel: datagrams with the link they came by, sockets that live beside a DHCP server, who holds a port,
//! which interfaces there are. Knows no protocol above UDP.

pub mod bind_error;
pub mod port_owner;
pub mod link;
pub mod overhear;
pub mod reply_sender;
pub mod packet;
pub mod send_error;
pub mod socket_set;
pub mod socket;
pub mod sys;
pub mod udp;
pub mod udp6;
pub mod unserved;
