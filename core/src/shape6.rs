//! Shape6: every free choice in a DHCPv6 reply, as plain fields (protocol.md 5.2 to 5.5).

use crate::choose::Boot;
use crate::client::{Class, Client};
use crate::plan::{Plan, StatelessOptions};
use crate::shape::ShapeName;
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;
use alloc::string::String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape6<'a> {
    pub name: ShapeName,
    pub message_type: MessageType,
    pub class: Class,
    /// Option 59, or nothing where the second visit gives it.
    pub url: Option<String>,
    /// Options 23 and 24.
    pub dns: Option<&'a StatelessOptions>,
}

impl<'a> Shape6<'a> {
    /// `lobby`: a URL whose host is this server, for a client that has to be told where port 4011 is.
    pub fn new(plan: &'a Plan, client: &Client, boot: &Boot, lobby: impl FnOnce() -> String) -> Self {
        use MessageType::{Advertise, InformationRequest, Reply, Solicit};
        let file = || Some(boot.file.clone());
        let (name, kind, url) = match (client.message_type, client.class) {
            (DhcpMessageType::Dhcp6(Solicit), Class::Http) => (ShapeName::Http, Advertise, file()),
            // Behind a relay nobody hears the group on 4011: there EDK2 asks the host of the URL. On a link it asks the
            // group, and from the very address that it listens on, which is more than can be said of the other way. The
            // file itself serves as well where it is ours: that is what was tried (protocol.md L:c2).
            (DhcpMessageType::Dhcp6(Solicit), _) => {
                let here = |lobby: String| if boot.file.starts_with(&lobby) { boot.file.clone() } else { lobby };
                (ShapeName::Redirect, Advertise, client.relay.map(|_| here(lobby())))
            }
            (DhcpMessageType::Dhcp6(InformationRequest), _) => (ShapeName::Direct, Reply, file()),
            _ => (ShapeName::Redirect, Reply, file()),
        };
        let dns = plan.dhcp6.stateless.as_ref().filter(|_| name == ShapeName::Direct);
        Shape6 { name, message_type: kind, class: client.class, url, dns }
    }
}
