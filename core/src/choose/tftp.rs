//! The TFTP server that a client can use, and the names of its files.

use super::{BootFile, NoBoot};
use crate::plan::Plan;
use crate::plan::offer::TftpServer;
use crate::url::{host, percent_encode};
use core::net::IpAddr;

/// The name of a file on a TFTP server, in the form for the client. Over IPv6, the name is a URL, because nothing else
/// can carry the server's address.
pub fn tftp_file(name: &str, server: IpAddr) -> BootFile {
    match server {
        IpAddr::V4(_) => name.into(),
        IpAddr::V6(_) => format_args!("tftp://{}/{}", host(server), percent_encode(name)).into(),
    }
}

/// The address of the TFTP server; an error if there is none.
pub fn tftp_address(plan: &Plan, local_addr: IpAddr) -> Result<IpAddr, NoBoot> {
    match tftp_server(plan, local_addr) {
        Some(TftpServer::Local) => Ok(local_addr),
        Some(TftpServer::Remote(address)) => Ok(address.into()),
        None => Err(NoBoot::NoTftp),
    }
}

/// The TFTP server for the address family of the request; `None` if there is none.
pub fn tftp_server(plan: &Plan, local_addr: IpAddr) -> Option<TftpServer> {
    if local_addr.is_ipv6() { plan.offer.dhcp6.tftp.then_some(TftpServer::Local) } else { plan.offer.tftp }
}
