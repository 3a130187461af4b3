//! The log-in at the menu of a machine, for an item that needs a password.

/// A user answered the server's challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuLoginEvent<'a> {
    /// The user knows the password, and receives the script of the item.
    LoggedIn {
        /// The user.
        user: &'a str,
        /// The identifier of the item.
        item: &'a str,
    },
    /// The user or the password is wrong.
    Wrong {
        /// The identifier of the item.
        item: &'a str,
    },
    /// The machine tried too often, and has to wait.
    TooOften {
        /// The identifier of the item.
        item: &'a str,
    },
}
