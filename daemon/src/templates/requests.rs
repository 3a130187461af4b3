//! Renders the file that a request names.

use super::engine::Templates;
use super::failure::Failure;
use proxydhcpd_core::fetch::Fetch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;

impl Templates {
    /// Renders the template or the profile that a request names; `None` if the request names neither of them.
    pub fn render_request(
        &self,
        plan: &Plan,
        fetch: &Fetch,
        request: &FileRequest<'_>,
    ) -> Option<Result<String, Failure>> {
        let context = match fetch {
            Fetch::Linux(context) | Fetch::Template(_, context) => context,
            _ => return None,
        };
        Some(match fetch {
            Fetch::Linux(_) => match context.decision.profile(plan) {
                Some(profile @ Profile { boots: BootTarget::Linux(linux), .. }) => self
                    .render_linux(plan, profile, linux, context, request)
                    .map(|linux| script::linux(&context.base_url, &profile.title, &linux)),
                _ => Ok(script::boot_nothing()),
            },
            Fetch::Template(name, _) => self.render(name, &self.scope(plan, context, request)),
            _ => return None,
        })
    }
}

/// Whether the requested file is a script. A script can show a failure to the user at the console; other files cannot.
pub fn is_script(plan: &Plan, fetch: &Fetch) -> bool {
    match fetch {
        Fetch::Linux(..) => true,
        Fetch::Template(name, context) => {
            name.ends_with(".ipxe")
                || matches!(context.decision.boots(plan), BootTarget::Script(script) if script == name)
        }
        _ => false,
    }
}
