//! Attacks on the page for operators, against the real binary in network namespaces. Needs root.

#[path = "../common/mod.rs"]
mod common;

mod actions;
mod commands;
mod limits;
mod login;
mod page;
mod proxies;
mod requests;
mod texts;
mod tls;
mod tokens;
