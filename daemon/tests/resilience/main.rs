//! The server keeps its promises while its host fails it: the clock jumps, the kernel drops messages, the disk
//! or the table of descriptors is full, the process is killed. Runs the real binary in network namespaces. Needs root.

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod descriptors;
mod disk;
mod kills;
mod netlink;
