//! Bytes to values and back. This room knows what may stand in a packet, never what it is good for.

pub mod dhcp4;
pub mod pxe;
pub mod tftp;
