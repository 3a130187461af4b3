//! The API of the running server: resources under `/api/v1`, in JSON, with their description (OpenAPI). The control
//! socket serves it to commands of this host.

mod access;
mod boot;
mod boots;
mod check;
pub mod control;
mod document;
mod edit_target;
mod entry;
mod error;
mod event;
mod events;
mod explain;
mod heard_servers;
mod limited_stream;
mod machine_filter;
mod machine_match;
mod machines;
mod menu;
mod menu_script;
mod profiles;
mod refusal;
mod router;
mod seen_entry;
mod selection;
mod servers;
mod shared;
mod status;
mod wake;
mod wake_target;
mod wakes;
mod web;

pub use access::{Caller, Refusal, require_scope_of_method};
pub use boot::{OrderRecord, OrderRequest, cancel_boot, order_boot};
pub use boots::{CancelRequest, OrdersRequest, cancel_boots, order_boots};
pub use check::{CheckFinding, CheckRecord, check};
pub use document::document;
pub use entry::{EntryRecord, EntrySource, entry_of, keep_entry, remove_entry};
pub use error::ApiError;
pub use event::{EventMachine, EventRecord, MissedEvents};
pub use explain::{ExplainRecord, ExplainRequest, explain};
pub use limited_stream::LimitedStream;
pub use machine_match::MachineMatch;
pub use machines::{MachinePage, MachineQuery, MachineSummary, StoryQuery, list_machines, story_of_machine};
pub use menu::{MenuQuery, MenuRecord, menu_firmware, menu_of};
pub use menu_script::{MenuLine, ShownMenu};
pub use profiles::{ProfileRecord, list_profiles};
pub use router::router;
pub use seen_entry::{SeenEntryRequest, entry_of_seen_machine};
pub use selection::{MachineResult, MachineResults};
pub use servers::ServersRecord;
pub use shared::{Api, StartedWith};
pub use status::{HeardServerStatus, InterfaceStatus, PortStatus, Status};
pub use wake::{SentWake, UnsentWake, WakeRecord, wake_machine};
pub use wakes::{WakesRequest, wake_machines};
pub use web::{
    NewToken, OpenRequest, OpenedBy, PasswordRequest, SetupLinkRecord, TokenRecord, TokenRequest, WebStatus,
};
