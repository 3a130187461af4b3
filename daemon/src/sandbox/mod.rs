//! The sandbox: the process gives up its needless rights once its ports are open, so that an error in the code that
//! reads packets and files gives an attacker as little as possible. It works without a service manager, and inside its
//! unit, too.
//!
//! Capabilities, Landlock and the user belong to a thread, and a new thread has those of the thread that starts it. So
//! the server enters the sandbox while it has one thread. Everything that it reads afterwards, at the start and at a
//! reload, it reads with the same rights.

mod capabilities;
mod configured_paths;
mod granted;
mod rules;
mod syscall_filter;
mod syscalls;
mod unreadable;
mod user;

use crate::config::Loaded;
use crate::events::Events;
use crate::settings::SandboxMode;
use granted::GrantedDirectories;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::sandbox::{Measure, Missing, SandboxEvent};
use rules::Rules;
use user::ServerUser;
pub use user::UserError;

/// The sandbox that the server entered.
#[derive(Debug)]
pub struct Sandbox {
    /// The directories that the server may read. `None`: all.
    readable: Option<GrantedDirectories>,
    /// Whether the server may open TCP connections.
    may_connect: bool,
}

/// The measures in the report about the sandbox.
#[derive(Debug, Default)]
struct Report {
    in_force: Vec<Measure>,
    missing: Vec<(Missing, String)>,
}

impl Sandbox {
    /// Confines the process as the settings say, and records what is in force. Call this while the process has one
    /// thread. A measure that the kernel lacks is recorded as missing.
    ///
    /// # Errors
    /// The server cannot run as the user that the settings name.
    pub fn enter(loaded: &Loaded, events: &Events) -> Result<Sandbox, UserError> {
        let settings = &loaded.settings;
        let user = settings.user.as_deref().map(ServerUser::find).transpose()?;
        let is_confined = user.is_some() || settings.sandbox != SandboxMode::Off;
        if is_confined {
            user::create_directories(settings, user.as_ref());
        }
        let mut report = Report::default();
        // Root may open every directory, for a rule about it.
        let rules = (settings.sandbox == SandboxMode::On).then(|| Rules::new(loaded));
        match &user {
            Some(user) => user.switch(settings)?,
            None if is_confined => user::join_control_group(settings),
            None => {}
        }
        if is_confined {
            report.note(Missing::Capabilities, capabilities::drop_needless());
        }
        let user = user::name();
        if settings.sandbox == SandboxMode::Off {
            events.record_host(What::Sandbox(SandboxEvent::Off { user: &user }));
            return Ok(Sandbox { readable: None, may_connect: true });
        }
        match rustix::thread::set_no_new_privs(true) {
            Ok(()) => report.in_force.push(Measure::NoNewPrivileges),
            Err(error) => report.missing.push((Missing::NoNewPrivileges, error.to_string())),
        }
        let sandbox = match rules {
            Some(rules) => report.limit_files(rules, loaded),
            None => Sandbox { readable: None, may_connect: true },
        };
        report.limit_system_calls(settings.sandbox);
        let missing: Vec<_> = report.missing.iter().map(|(measure, reason)| (*measure, reason.as_str())).collect();
        events.record_host(What::Sandbox(SandboxEvent::Entered {
            user: &user,
            capabilities: &capabilities::held(),
            in_force: &report.in_force,
            missing: &missing,
        }));
        events.warnings(unreadable::warnings(loaded, &user).into_iter());
        Ok(sandbox)
    }

    /// Returns the first part of this configuration that the sandbox keeps the running server from, in the words of "a
    /// change of ... needs a restart". `None`: there is none.
    pub fn obstacle(&self, loaded: &Loaded) -> Option<String> {
        if !self.may_connect && !loaded.settings.webhooks.is_empty() {
            return Some("[webhook.NAME] from none".to_owned());
        }
        let readable = self.readable.as_ref()?;
        let closed = configured_paths::list(loaded).into_iter().find(|configured| !readable.contains(&configured.path));
        closed.map(|closed| {
            let path = closed.path.display();
            format!("{} to {path}, which the sandbox of the running server does not let it read,", closed.key)
        })
    }

    /// A line to add to these errors of a reload, if the sandbox may be the cause of one.
    pub fn hint(&self, errors: &[String]) -> Option<&'static str> {
        let is_denied = |error: &String| error.contains("Permission denied");
        (self.readable.is_some() && errors.iter().any(is_denied)).then_some(
            "the sandbox of the running server lets it read no new file below /home or /root, and nothing in a top \
             directory that is new: such a change needs a restart",
        )
    }
}

impl Report {
    fn note<T>(&mut self, measure: Missing, result: Result<T, String>) -> Option<T> {
        result.map_err(|reason| self.missing.push((measure, reason))).ok()
    }

    fn limit_files(&mut self, rules: Rules, loaded: &Loaded) -> Sandbox {
        match self.note(Missing::Landlock, rules.enforce()) {
            Some(landlock) => {
                self.in_force.push(Measure::Landlock(landlock.abi));
                self.missing.extend(landlock.lacks.map(|lacks| (Missing::LandlockPart, lacks.to_owned())));
                let may_connect = !landlock.limits_tcp || !loaded.settings.webhooks.is_empty();
                Sandbox { readable: Some(landlock.readable), may_connect }
            }
            None => Sandbox { readable: None, may_connect: true },
        }
    }

    fn limit_system_calls(&mut self, mode: SandboxMode) {
        let (result, measure): (_, fn(usize) -> Measure) = match mode {
            SandboxMode::On => (syscall_filter::refuse_others(), Measure::SystemCalls),
            SandboxMode::Log => (syscall_filter::log_others(), Measure::LoggedSystemCalls),
            SandboxMode::Off => return,
        };
        if let Some(count) = self.note(Missing::SystemCalls, result) {
            self.in_force.push(measure(count));
        }
    }
}
