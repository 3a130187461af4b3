//! The users of the page and the API, and where the page is open: the password, tokens of programs, sessions of
//! browsers, and the link that admits the first browser. The state directory has what must outlive the server.

mod attempts;
mod control;
pub mod digest;
mod menu_login;
mod opening;
mod page;
mod password;
mod scope;
mod secret;
mod sessions;
mod setup_link;
mod tokens;

pub use attempts::Attempts;
pub use control::{Access, AccessControl};
pub use menu_login::{LoginRefusal, MenuLogin};
pub use opening::Opening;
pub use page::{PageAddress, PageListeners};
pub use password::{Password, PasswordError};
pub use scope::Scope;
pub use secret::Secret;
pub use sessions::{SESSION_LIFE, Sessions};
pub use setup_link::{LINK_LIFE, SetupLink};
pub use tokens::{Token, TokenError};
