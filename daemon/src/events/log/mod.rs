//! The log: the lines about events, with their fields for the journal. A reply gets a line. A machine gets one warning
//! if it cannot boot from this server, has an ambiguous identity, or boots from another server. Other silences only
//! have a line at debug level.

mod answers;
mod completions;
mod control_socket;
mod edits;
mod files;
mod host;
mod limits;
mod menu_logins;
mod ports;
mod process;
mod reply_limiter;
mod reports;
mod send_failure;
mod site;
mod sockets;
mod state_files;
mod verdicts;
mod wakes;
mod web;
mod webhooks;

use super::reader::Reader;
use limits::Limits;
use proxydhcpd_core::event::{Event, What};

/// Writes the lines of the log, and limits their number.
#[derive(Debug)]
pub struct Log {
    limits: Limits,
}

impl Log {
    /// A log without lines.
    pub fn new() -> Self {
        Log { limits: Limits::new() }
    }

    /// A log that writes every line.
    pub fn unlimited() -> Self {
        Log { limits: Limits::unlimited() }
    }
}

impl Reader for Log {
    fn read(&mut self, event: &Event<'_>) {
        let limits = &mut self.limits;
        if event.what.label().is_some() {
            limits.replies.count_ignored();
        }
        match event.what {
            What::Replied(reply) => answers::replied(event, &reply, limits),
            What::Unsent(unsent) => answers::unsent(event, &unsent, limits),
            What::Silent(silent) => answers::silent(event, &silent, limits),
            What::UnservedRequest(client) => answers::unserved_request(event, client),
            What::UnservedLink { client, has_ipv4, served } => answers::unserved_link(event, client, has_ipv4, served),
            What::AmbiguousIdentity(client, identity) => answers::ambiguous_identity(event, client, &identity, limits),
            What::Finding(finding) => answers::finding(event, finding, limits),
            What::Verdict(verdict) => verdicts::verdict(event, &verdict, limits),
            What::BootLoop { name, cause, guard } => files::boot_loop(event, name, cause, guard, limits),
            What::FileRefused { name, reason } => files::refused(event, name, &reason),
            What::OpenFailed { name, errno } => files::open_failed(name, errno),
            What::OfferedFileRefused { name, reason, remedy } => {
                files::offered_refused(event, name, reason, remedy, limits)
            }
            What::FileSilence(reason) => files::silence(event, &reason),
            What::SendBufferFull(label) => files::send_buffer_full(event, label, limits),
            What::TransferEnded { name, octets, duration, end } => {
                files::transfer_ended(event, name, octets, duration, end)
            }
            What::TransferFailed { name, error } => files::transfer_failed(event, name, error, limits),
            What::ConnectionDropped { reason, overload } => files::connection_dropped(event, reason, overload, limits),
            What::TemplateFailed { template, error, .. } => files::template_failed(event, template, error, limits),
            What::BootOnceCompleted { name } => files::boot_once_completed(event, name),
            What::SlowTftpClients { single_port, proxy_only } => ports::slow_tftp_clients(single_port, proxy_only),
            What::CompletionWithoutEntry(completion) => completions::completion_without_entry(completion),
            What::BootOnceReset(cause) => files::boot_once_reset(event, cause),
            What::DoneRefused { machine, has_token } => files::done_refused(event, machine, has_token, limits),
            What::Report(report) => reports::report(event, &report, limits),
            What::ReportRefused(refusal) => reports::refused(event, refusal, limits),
            What::InterfaceServed(addresses) => host::interface_served(event, addresses),
            What::InterfaceGone => host::interface_gone(event),
            What::Port(port) => ports::port(&port),
            What::SocketFailed(failure) => sockets::failed(&failure),
            What::StateFile(file) => state_files::state_file(event, &file, limits),
            What::NotifyFailed(error) => host::notify_failed(error),
            What::NoInterface => host::no_interface(),
            What::InterfacesUnknown(error) => host::interfaces_unknown(error),
            What::InterfaceWatchFailed(error) => host::interface_watch_failed(event, error, limits),
            What::Worker(worker) => process::worker(&worker),
            What::Descriptors(descriptors) => process::descriptors(&descriptors),
            What::Sandbox(sandbox) => process::sandbox(&sandbox),
            What::Starting(startup) => host::starting(&startup),
            What::StoppedEarly => host::stopped_early(),
            What::ReloadBlocked(obstacle) => process::reload_obstacle(&obstacle),
            What::EntriesRemoved(machines) => host::entries_removed(machines),
            What::Reloaded => host::reloaded(),
            What::ReloadFailed(errors) => host::reload_failed(errors),
            What::Ready => host::ready(),
            What::Tick => host::tick(event, limits),
            What::Stopped(sums) => host::stopped(event, sums, limits),
            What::Loader { arch, loader } => site::loader(arch, loader),
            What::MachinesRead { machines, files, duration } => site::machines_read(machines, files, duration),
            What::UnsignedLoaders(names) => site::unsigned_loaders(names),
            What::Warning(warning) => site::warning(warning),
            What::Discarded(label) => answers::discarded(label),
            What::MenuChoice(item) => answers::menu_choice(event, item),
            What::FileOpened { name, size, .. } => files::opened(event, name, size),
            What::ControlSocket(socket) => control_socket::control_socket(&socket),
            What::MenuLogin(login) => menu_logins::menu_login(event, &login, limits),
            What::Edit(edit) => edits::edit(event, &edit),
            What::Wake(wake) => wakes::wake(event, &wake),
            What::Web(web) => web::web(&web),
            What::Webhook(call) => webhooks::webhook(event, &call, limits),
        }
    }
}
