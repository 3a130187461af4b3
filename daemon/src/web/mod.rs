//! The page for operators and the API on TCP, on their own ports, which serve no machine. They run in their own thread,
//! so that no browser delays a boot. `crate::access` says who may do what, `guard` refuses all others, `pages/` writes
//! HTML.

mod addresses;
mod admission;
mod assets;
mod certificate;
mod client;
mod connection;
mod cookie;
mod guard;
mod headers;
mod health;
mod host_name;
mod listener;
mod local_path;
mod login;
pub mod metrics;
mod notices;
mod open_sockets;
mod page_path;
mod pages;
mod plain_http;
mod router;
mod server;
mod shared;
mod templates;
mod tls;

pub use server::WebServer;
