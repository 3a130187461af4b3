//! The settings that take effect only after a restart.

use crate::settings::{Enabled, Settings, TftpConfig};
use proxydhcpd_core::link::Link;

/// Returns the first setting that has changed and takes effect only after a restart, or `None` if there is no such
/// setting. `links` are the links of this host.
pub fn changed_setting(old: &Settings, new: &Settings, links: &[Link]) -> Option<&'static str> {
    let http = |settings: &Settings| (settings.http.enabled.is_on(links), settings.http.port);
    let tftp = |settings: &Settings| {
        (settings.tftp.enabled.is_on(links), TftpConfig { enabled: Enabled::Yes, ..settings.tftp.clone() })
    };
    if old.proxy_only != new.proxy_only {
        return Some("`proxy-only`");
    }
    if old.state_dir != new.state_dir {
        return Some("`state-dir`");
    }
    if old.control_socket != new.control_socket {
        return Some("`control-socket`");
    }
    if old.sandbox != new.sandbox {
        return Some("`sandbox`");
    }
    if old.user != new.user {
        return Some("`user`");
    }
    if old.serves_ipv4() != new.serves_ipv4() {
        return Some("`ipv4-interfaces` from none or to none");
    }
    if old.serves_ipv6() != new.serves_ipv6() {
        return Some("`ipv6-interfaces` from none or to none");
    }
    if tftp(old) != tftp(new) {
        return Some("TFTP (in a legacy file: `tftpd`)");
    }
    if old.syslog_port != new.syslog_port {
        return Some("`port` of [syslog]");
    }
    if old.history != new.history {
        return Some("[history]");
    }
    if old.web != new.web {
        return Some("[web]");
    }
    (http(old) != http(new)).then_some("HTTP")
}
