//! The control socket: serves the API to commands of this host on a Unix socket. Root, the user of the server and the
//! members of the group `proxydhcpd` may use it.

mod open;
mod peer;
mod server;

pub use server::ControlSocket;
