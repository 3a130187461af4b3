//! The sandbox of the server: its process gives up its needless rights once its ports are open.

use core::fmt;

/// The server reports about its sandbox.
#[derive(Clone, Copy, Debug)]
pub enum SandboxEvent<'a> {
    /// The configuration switches the sandbox off.
    Off {
        /// The user as whom the server runs.
        user: &'a str,
    },
    /// The server entered the sandbox.
    Entered {
        /// The user as whom the server runs.
        user: &'a str,
        /// The capabilities that the process keeps.
        capabilities: &'a [&'a str],
        /// The measures that are in force.
        in_force: &'a [Measure],
        /// The measures that are not in force, each with the reason.
        missing: &'a [(Missing, &'a str)],
    },
}

/// A measure that confines the process, with its extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nothing that the process does gains it a privilege.
    NoNewPrivileges,
    /// Landlock limits files, TCP ports and signals, as far as this version of its interface (ABI) can.
    Landlock(i32),
    /// The kernel refuses all system calls but this number of them.
    SystemCalls(usize),
    /// The kernel allows all system calls, and logs those that are not among this number of them.
    LoggedSystemCalls(usize),
}

/// A measure that is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The process keeps capabilities that it does not need.
    Capabilities,
    /// The process may gain privileges.
    NoNewPrivileges,
    /// Landlock limits nothing.
    Landlock,
    /// An older Landlock cannot limit everything.
    LandlockPart,
    /// The process may use every system call.
    SystemCalls,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::NoNewPrivileges => f.write_str("no new privileges"),
            Measure::Landlock(abi) => write!(f, "Landlock (ABI {abi})"),
            Measure::SystemCalls(count) => write!(f, "{count} system calls"),
            Measure::LoggedSystemCalls(count) => {
                write!(f, "all system calls, of which the kernel logs those outside of the {count} expected ones")
            }
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Capabilities => "fewer capabilities",
            Missing::NoNewPrivileges => "no new privileges",
            Missing::Landlock => "Landlock",
            Missing::LandlockPart => "a part of Landlock",
            Missing::SystemCalls => "the list of system calls",
        })
    }
}
