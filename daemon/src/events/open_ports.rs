//! The ports that are open, as the events report them.

use super::reader::Reader;
use proxydhcpd_core::event::port::{ListenerKind, PortEvent};
use proxydhcpd_core::event::{Event, What};

/// The open listeners with their ports, in the order in which they were opened.
#[derive(Debug, Default)]
pub struct OpenListeners(Vec<(ListenerKind, u16)>);

impl OpenListeners {
    /// The listeners and their ports.
    pub fn list(&self) -> &[(ListenerKind, u16)] {
        &self.0
    }

    fn add(&mut self, listener: ListenerKind, port: u16) {
        if !self.0.contains(&(listener, port)) {
            self.0.push((listener, port));
        }
    }
}

impl Reader for OpenListeners {
    fn read(&mut self, event: &Event<'_>) {
        let What::Port(event) = event.what else { return };
        match event {
            PortEvent::Listening(listeners) => listeners.iter().for_each(|(listener, port)| self.add(*listener, *port)),
            PortEvent::Opened { listener, port, .. } | PortEvent::PacketSocketOpened { listener, port, .. } => {
                self.add(listener, port);
            }
            PortEvent::NoIpv6(_)
            | PortEvent::Failed { .. }
            | PortEvent::GroupFailed { .. }
            | PortEvent::RelayedFailed(_)
            | PortEvent::RelayedYielded { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::event::{EventMachine, Service};

    #[test]
    fn a_port_that_opens_later_is_added_once() {
        let mut open = OpenListeners::default();
        let mut read = |event| {
            let (machine, what) = (EventMachine::default(), What::Port(event));
            open.read(&Event { at: 0, link: None, machine, service: Service::Host, ticket: None, what });
        };
        read(PortEvent::Listening(&[(ListenerKind::DhcpBroadcast, 67)]));
        let opened = PortEvent::Opened { listener: ListenerKind::Http, port: 8080, is_alone: true };
        read(opened);
        read(opened);
        assert_eq!(open.list(), [(ListenerKind::DhcpBroadcast, 67), (ListenerKind::Http, 8080)]);
    }
}
