//! Real firmware in QEMU on private networks, against the real binary.
//!
//! A case builds a [`Lab`], lays [`net`] segments and hosts in it, starts the [`peers`] and the [`server`] there and
//! powers on [`machine`]s. It ends when the machine's console has shown a [`Token`](token::Token) that only our script
//! can have printed. `e2e/setup` installs what all this needs.

pub mod cache;
pub mod capture;
pub mod disk;
pub mod grub;
pub mod systemd_host;
pub mod work_dir;
pub mod machine;
pub mod net;
pub mod peers;
pub mod process;
pub mod running_machine;
pub mod sandbox;
pub mod server;
pub mod sign;
pub mod site;
pub mod token;

pub use work_dir::WorkDir;
