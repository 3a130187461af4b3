//! Private networks for tests and benchmarks, and the programs on them. Needs root.
//!
//! A [`Host`] is a network namespace without a name. [`Host::cable`] connects two hosts, a [`Segment`] connects any
//! number of hosts and of emulated machines. A [`Process`] is a program on a host.
//!
//! Nothing of a test remains, however the test ends. The kernel removes a namespace with its interfaces when the last
//! descriptor and the last process of it are gone, and it kills a process at the end of the thread that started it. A
//! whole run can also have a [`sandbox`].
//!
//! A function panics if the kernel or a program refuses what the test needs, because no test can continue without it.

#![deny(missing_docs)]

pub mod cache;
mod capability;
mod host;
pub mod loaders;
pub mod peers;
mod process;
pub mod raw;
pub mod sandbox;
mod segment;
#[cfg(target_arch = "x86_64")]
pub mod traced_thread;
mod wait;

pub use capability::without_capability;
pub use host::Host;
pub use process::{Process, unprivileged};
pub use rustix::thread::CapabilitySet;
pub use segment::Segment;
pub use wait::{TIMEOUT, wait_for, wait_up_to};
