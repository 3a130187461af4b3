//! Records, once the ports are open, what the server offers.

use super::Listeners;
use crate::config::Loaded;
use crate::events::Events;
use crate::serve::tftp;
use crate::settings::Settings;
use proxydhcpd_core::event::port::PortEvent;
use proxydhcpd_core::event::{Startup, What};
use proxydhcpd_core::transfer::max_window;

impl Listeners {
    /// Records the open ports and the boot directory.
    pub fn record_start(&self, loaded: &Loaded) {
        let open: Vec<_> = self.opened.iter().map(|listener| (listener.kind(), listener.port())).collect();
        self.events.record_host(What::Port(PortEvent::Listening(&open)));
        if self.open.tftp || self.open.tftp6 {
            record_slow_clients(&self.events, &loaded.settings);
        }
        let configuration = loaded.file.as_ref().map(|file| file.display().to_string());
        self.events.record_host(What::Starting(Startup {
            version: env!("CARGO_PKG_VERSION"),
            configuration: configuration.as_deref(),
            boot_dir: &loaded.settings.boot_dir.display().to_string(),
            legacy_tftp: loaded.legacy.as_ref().map(|legacy| legacy.boot.tftpd.into()),
            sends_files: self.open.tftp || self.open.http.is_some(),
        }));
    }
}

/// Records which machines load files slowly by TFTP. If the port of a transfer is easy to guess, these are the machines
/// whose DHCP traffic this server does not see.
fn record_slow_clients(events: &Events, settings: &Settings) {
    let tftp = &settings.tftp;
    let sees_all_dhcp = !settings.proxy_only && !settings.relays.is_empty();
    if max_window(tftp::port_guesses(tftp.ports.as_ref(), tftp.single_port)) > 1 || sees_all_dhcp {
        return;
    }
    let (single_port, proxy_only) = (tftp.single_port, settings.proxy_only);
    events.record_host(What::SlowTftpClients { single_port, proxy_only });
}
