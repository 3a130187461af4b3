//! The shape of a DHCPv6 reply: every choice about its form, as plain fields (protocol.md 5.2 to 5.5).

use crate::choose::{Boot, BootFile};
use crate::client::{Class, Client};
use crate::plan::Plan;
use crate::plan::policy::StatelessOptions;
use crate::shape::ShapeName;
use crate::wire::DhcpMessageType;
use crate::wire::dhcp6::MessageType;

/// Every choice about the form of a DHCPv6 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape6<'a> {
    /// The kind of shape.
    pub name: ShapeName,
    /// The message type of the reply.
    pub message_type: MessageType,
    /// The vendor class that the reply repeats.
    pub class: Class,
    /// The boot file URL (option 59); `None` if the client receives it only on port 4011.
    pub url: Option<BootFile>,
    /// DNS servers and search list (options 23 and 24), for an iPXE that requests its file directly.
    pub dns: Option<&'a StatelessOptions>,
}

impl<'a> Shape6<'a> {
    /// The shape of the reply for a boot. `boot_server_url` returns a URL whose host is this server, by which a client
    /// finds port 4011, or `None` if the client finds it by multicast.
    pub fn new(
        plan: &'a Plan,
        client: &Client,
        boot: &Boot,
        boot_server_url: impl FnOnce() -> Option<BootFile>,
    ) -> Self {
        use MessageType::{Advertise, InformationRequest, Reply, Solicit};
        let file = || Some(boot.file.clone());
        let (name, message_type, url) = match (client.message_type, client.class) {
            (DhcpMessageType::Dhcp6(Solicit), Class::Http) => (ShapeName::Http, Advertise, file()),
            // If this server holds the file, the URL of the file itself has the right host as well, and this is the
            // tested form (protocol.md L:c2).
            (DhcpMessageType::Dhcp6(Solicit), _) => {
                let url = |boot_server_url: BootFile| {
                    if boot.file.starts_with(&*boot_server_url) { boot.file.clone() } else { boot_server_url }
                };
                (ShapeName::Redirect, Advertise, boot_server_url().map(url))
            }
            (DhcpMessageType::Dhcp6(InformationRequest), _) => (ShapeName::Direct, Reply, file()),
            _ => (ShapeName::Redirect, Reply, file()),
        };
        let dns = plan.policy.stateless_dhcp6.as_ref().filter(|_| name == ShapeName::Direct);
        Shape6 { name, message_type, class: client.class, url, dns }
    }
}
