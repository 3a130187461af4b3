//! The pages: templates that show what the API returns, in the same words.

mod board;
mod board_filter;
mod boot_packets;
mod boot_view;
mod explain;
mod heard;
mod lights;
mod log;
mod machine;
mod machine_actions;
mod many;
mod many_action;
mod menu;
mod network;
mod next_steps;
mod notice;
mod profile_choice;
mod tree;

use super::shared::Web;
use axum::Router;

/// The routes of the pages. They need a session.
pub fn routes() -> Router<Web> {
    Router::new()
        .merge(board::routes())
        .merge(machine::routes())
        .merge(machine_actions::routes())
        .merge(explain::routes())
        .merge(many::routes())
        .merge(notice::routes())
        .merge(menu::routes())
        .merge(heard::routes())
        .merge(network::routes())
        .merge(log::routes())
}
