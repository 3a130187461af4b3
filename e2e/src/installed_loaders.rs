//! The loaders of the distribution, which the server offers if the boot directory has none. `make run` installs them,
//! so the boots hide them.

use proxydhcpd_testbed::Host;
use std::path::Path;

/// The directory of Debian's package `ipxe`. Its directory `qemu` has the firmware of QEMU's network cards.
const DIRECTORY: &str = "/usr/lib/ipxe";

/// Hides the loaders of this host from all processes of the sandbox. Call it once in the sandbox.
pub fn hide() {
    if !Path::new(DIRECTORY).is_dir() {
        return;
    }
    let run = |command: &str| Host::current().run(command);
    run("mkdir /run/ipxe-qemu");
    run(&format!("mount --no-mtab --bind {DIRECTORY}/qemu /run/ipxe-qemu"));
    run(&format!("mount --no-mtab -t tmpfs -o mode=0755,size=1m tmpfs {DIRECTORY}"));
    run(&format!("mkdir {DIRECTORY}/qemu"));
    run(&format!("mount --no-mtab --bind /run/ipxe-qemu {DIRECTORY}/qemu"));
}
