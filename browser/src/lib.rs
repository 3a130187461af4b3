//! Drives the page for operators in Debian's Chromium, on private networks, with real and played machines.
//!
//! A [`Browser`](browser::Browser) runs on a host of the network of a test, and reaches the server there.
//! [`Board`](board::Board) starts the server with its page. [`PlayedSite`](played_site::PlayedSite) has a network for
//! thousands of played machines. [`faults`] finds what is wrong with a page: contrast, overflow, order of the focus,
//! names. `e2e/setup` installs the required packages.

#![deny(missing_docs)]

pub mod board;
pub mod browser;
pub mod command;
pub mod faults;
pub mod foreign_site;
pub mod played_site;
pub mod screen;
