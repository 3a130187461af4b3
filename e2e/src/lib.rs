//! Tests real firmware in QEMU, on private networks, with the real binary.
//!
//! A case creates a [`WorkDir`] and, with `proxydhcpd-testbed`, segments and hosts. On these, the case starts the
//! [`peers`] and the [`server`], and powers on [`machine`]s. A case succeeds when the machine's console shows a
//! [`Token`](token::Token) that only the server's script can print. `e2e/setup` installs the required packages.

pub mod capture;
pub mod disk;
pub mod grub;
pub mod https;
pub mod installed_loaders;
pub mod machine;
pub mod peers;
pub mod process;
pub mod revoke;
pub mod running_machine;
pub mod server;
pub mod sign;
pub mod site;
pub mod systemd_host;
pub mod terminal;
pub mod token;
pub mod work_dir;

pub use work_dir::WorkDir;
