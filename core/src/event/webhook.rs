//! Calls of webhooks.

/// The result of a call of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookCall<'a> {
    /// The receiver took it.
    Delivered {
        /// The name of the webhook.
        webhook: &'a str,
        /// Whether earlier calls had failed.
        after_failures: bool,
    },
    /// An attempt failed, and the server tries again.
    Retried {
        /// The name of the webhook.
        webhook: &'a str,
        /// The reason.
        error: &'a str,
        /// The remedy.
        cure: &'a str,
        /// Whether it is the first attempt since the last one that was delivered.
        is_first: bool,
    },
    /// The last attempt failed, and the server tries no more.
    GivenUp {
        /// The name of the webhook.
        webhook: &'a str,
        /// The number of attempts.
        attempts: usize,
        /// The reason.
        error: &'a str,
        /// The remedy.
        cure: &'a str,
    },
    /// The server cannot call any webhook.
    Unavailable {
        /// The reason.
        error: &'a str,
    },
    /// So many calls are lost, because others waited.
    Dropped {
        /// The name of the webhook; empty if it is unknown which ones they concern.
        webhook: &'a str,
        /// The number of calls.
        count: u64,
    },
}
