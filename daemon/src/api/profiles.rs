//! `/api/v1/profiles`: what machines can boot.

use super::shared::Api;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::plan::profile::BootTarget;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileRecord {
    /// Its name.
    pub name: String,
    /// Its title in menus.
    pub title: String,
    /// The kind of its target: `kernel`, `script`, `loader`, `firmware-menu`, `menu`, `local-disk` or `nothing`.
    pub boots: String,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/profiles", get(profiles))
}

/// The profiles, in the order of their names
#[utoipa::path(get, path = "/api/v1/profiles", responses((status = 200, body = Vec<ProfileRecord>)))]
pub async fn profiles(State(api): State<Api>) -> Json<Vec<ProfileRecord>> {
    Json(list_profiles(&api))
}

/// The profiles, in the order of their names.
pub fn list_profiles(api: &Api) -> Vec<ProfileRecord> {
    let site = api.state.site();
    let record = |profile: &proxydhcpd_core::plan::profile::Profile| ProfileRecord {
        name: profile.name.clone(),
        title: profile.title.clone(),
        boots: boots(&profile.boots).to_owned(),
    };
    let mut profiles: Vec<ProfileRecord> = site.plan.policy.profiles.iter().map(record).collect();
    profiles.sort_by(|one, other| one.name.cmp(&other.name));
    profiles
}

fn boots(target: &BootTarget) -> &'static str {
    match target {
        BootTarget::Linux(_) => "kernel",
        BootTarget::Script(_) => "script",
        BootTarget::Menu(_) => "firmware-menu",
        BootTarget::BootDir => "menu",
        BootTarget::LocalDisk => "local-disk",
        BootTarget::Nothing => "nothing",
        BootTarget::Loader => "loader",
    }
}
