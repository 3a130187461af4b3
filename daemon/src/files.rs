//! Opens what [`proxydhcpd_core::fetch`] named, inside the served folder only.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

/// Something that can be sent: its size is fixed when it is opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub content: Content,
    /// Octets that will be sent, whatever happens to the file in the meantime.
    pub size: u64,
    /// For `Last-Modified` and the entity tag; `None` for text rendered for this request.
    pub modified: Option<SystemTime>,
}

#[derive(Clone, Debug)]
pub enum Content {
    Text(Arc<[u8]>),
    File(Arc<File>),
}
