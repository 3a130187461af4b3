//! The lines about the process of the server: its threads, its descriptors, its reloads, its sandbox.

use proxydhcpd_core::event::process::{Descriptors, ReloadObstacle, WorkerEvent};
use proxydhcpd_core::event::sandbox::{Measure, Missing, SandboxEvent};

/// Something that happened to a thread.
pub fn worker(event: &WorkerEvent<'_>) {
    match event {
        WorkerEvent::Stuck { thread, since } => tracing::error!(
            "the {thread} thread has not responded for {since:?}: its clients get no replies. Under systemd the \
             watchdog (WatchdogSec=) restarts the server; without systemd, restart it manually"
        ),
        WorkerEvent::Responds { thread, after } => {
            tracing::warn!("the {thread} thread responds again, after {} seconds", after.as_secs());
        }
        WorkerEvent::ProbeFailed { thread, error } => tracing::debug!("cannot probe the {thread} thread: {error}"),
    }
}

/// The descriptors that the limit of open files leaves for clients.
pub fn descriptors(descriptors: &Descriptors) {
    match descriptors {
        Descriptors::FewForClients { limit, clients } => tracing::warn!(
            "the limit of {limit} open files leaves too few for clients: {clients}, half for TFTP and half for HTTP; a \
             machine takes one or two. Raise the limit to 1024 or more (LimitNOFILE= in the unit, or ulimit -n)"
        ),
        Descriptors::FewForTransfers { max_transfers, descriptors } => tracing::warn!(
            "`max-transfers` is {max_transfers}, but TFTP may open only {descriptors} files (about half of this \
             process's limit), and a transfer needs one or two: raise the limit of open files (LimitNOFILE= in the \
             unit, or ulimit -n)"
        ),
        Descriptors::ForTransfers(descriptors) => tracing::debug!(
            "TFTP may open {descriptors} files: enough for that many transfers of one file, or half as many of \
             different files"
        ),
    }
}

/// A reload that does not end, or does not start.
pub fn reload_obstacle(obstacle: &ReloadObstacle<'_>) {
    match obstacle {
        ReloadObstacle::EarlierReloads(count) => tracing::error!(
            "cannot reload: {count} earlier reloads still wait for a file. Check the storage that holds the \
             configuration, then restart the server"
        ),
        ReloadObstacle::NoThread(error) => tracing::error!("cannot reload: cannot start a thread: {error}"),
        ReloadObstacle::Slow(time) => tracing::warn!(
            "the reload that started {} s ago is still waiting for a file or directory of the configuration, perhaps \
             because its storage does not respond; the server keeps the previous configuration, and SIGHUP starts \
             another reload",
            time.as_secs()
        ),
    }
}

/// The sandbox: one line with everything that is in force, and what is not.
pub fn sandbox(event: &SandboxEvent<'_>) {
    match event {
        SandboxEvent::Off { user } => {
            tracing::info!("sandbox off: the server keeps every privilege with which it started, as user {user}");
        }
        SandboxEvent::Entered { user, capabilities, in_force, missing } => {
            tracing::info!("sandbox: {}", sandbox_line(user, capabilities, in_force, missing));
        }
    }
}

fn sandbox_line(user: &str, capabilities: &[&str], in_force: &[Measure], missing: &[(Missing, &str)]) -> String {
    let capabilities = match capabilities {
        [] => "no capability".to_owned(),
        kept => format!("only {}", kept.join(" and ")),
    };
    let measures = in_force.iter().map(|measure| format!(", {measure}"));
    let missing = missing.iter().map(|(measure, reason)| format!("; not {measure}: {reason}"));
    format!("user {user}, {capabilities}{}", measures.chain(missing).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_about_the_sandbox_has_what_is_in_force_and_what_is_missing() {
        let in_force = [Measure::NoNewPrivileges, Measure::Landlock(7), Measure::SystemCalls(150)];
        assert_eq!(
            sandbox_line("root", &["NET_BIND_SERVICE", "NET_RAW"], &in_force, &[]),
            "user root, only NET_BIND_SERVICE and NET_RAW, no new privileges, Landlock (ABI 7), 150 system calls"
        );
        assert_eq!(
            sandbox_line("daemon", &[], &in_force[..1], &[(Missing::Landlock, "this kernel has none")]),
            "user daemon, no capability, no new privileges; not Landlock: this kernel has none"
        );
    }
}
