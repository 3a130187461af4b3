//! Parts that several tests of the daemon share. The hosts and their networks are those of `proxydhcpd-testbed`.

#![allow(dead_code)] // each test binary uses only a part

pub mod boot_once;
pub mod boot_requests;
pub mod ipv6;
pub mod lease;
pub mod loaders;
pub mod played_network;
pub mod server;
