//! Calls the kernel: datagrams with the link they came by, sockets that live beside a DHCP server, who holds a port,
//! which interfaces there are. Knows no protocol above UDP.

pub mod busy;
pub mod holder;
pub mod link;
pub mod offers;
pub mod outlet;
pub mod packet;
pub mod refused;
pub mod set;
pub mod socket;
pub mod sys;
pub mod udp;
pub mod udp6;
pub mod unserved;
