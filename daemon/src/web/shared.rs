//! The values that all handlers of the web listener use.

use super::admission::Admission;
use super::host_name::HostNames;
use super::notices::Notices;
use super::templates::Pages;
use crate::access::{Access, AccessControl};
use crate::api::Api;
use std::sync::{Arc, MutexGuard};

/// The values that all handlers use.
#[derive(Clone, Debug)]
pub struct Web {
    /// The API.
    pub api: Api,
    /// The users of the page.
    pub control: AccessControl,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    admission: Admission,
    hosts: HostNames,
    notices: Notices,
    pages: Pages,
}

impl Web {
    /// The values for a server with this API.
    pub fn new(api: Api, control: AccessControl) -> Web {
        let admission = Admission::from_open_file_limit();
        let hosts = HostNames::new(&control.config().names);
        let shared = Shared { admission, hosts, notices: Notices::default(), pages: Pages::new() };
        Web { api, control, shared: Arc::new(shared) }
    }

    /// Locks what decides who may use the page.
    pub fn access(&self) -> MutexGuard<'_, Access> {
        self.control.lock()
    }

    /// The connections.
    pub fn admission(&self) -> &Admission {
        &self.shared.admission
    }

    /// The names of this host.
    pub fn hosts(&self) -> &HostNames {
        &self.shared.hosts
    }

    /// The notices about the actions of the page.
    pub fn notices(&self) -> &Notices {
        &self.shared.notices
    }

    /// The templates of the pages.
    pub fn pages(&self) -> &Pages {
        &self.shared.pages
    }
}
