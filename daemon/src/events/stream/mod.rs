//! The stream of events: recent events as values with their lines, for commands and pages that watch the server. While
//! there is no watcher, an event costs one comparison. With one, the thread that answers machines only copies its
//! answers, and the watcher writes their lines.

mod event_id;
mod line;
mod pace;
mod reader;
mod recent;
mod shared;
mod streamed;
mod watch;

pub use event_id::EventId;
pub use reader::{EventStream, stream};
pub use streamed::StreamedEvent;
pub use watch::{EventWatch, WatchedEvent};
