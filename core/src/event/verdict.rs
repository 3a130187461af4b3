//! The verdict about a boot, in an event.

/// The verdict about a boot that failed.
#[derive(Clone, Copy, Debug)]
pub struct BootVerdict<'a> {
    /// The stable name of the kind of failure.
    pub id: &'static str,
    /// The `MESSAGE_ID` of the journal.
    pub message_id: &'static str,
    /// The client that began the boot, in words; empty if no DHCP packet shows it.
    pub client: &'a str,
    /// The name of the furthest stage that the boot reached.
    pub stage: Option<&'static str>,
    /// The observation, without a full stop.
    pub observation: &'a str,
    /// The causes and what to do, without a full stop.
    pub remedy: &'a str,
}
