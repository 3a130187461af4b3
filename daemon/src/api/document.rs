//! `/api/v1/openapi.json`: the description of the API, which comes from the types of its resources.

use super::shared::Api;
use super::{
    boot, boots, check, entry, error, event, events, explain, machines, menu, profiles, seen_entry, servers, status,
    wake, wakes, web,
};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;

/// The description of the API. A new resource adds its handlers here.
#[derive(OpenApi)]
#[openapi(
    info(title = "proxydhcpd", description = "The running proxyDHCP server"),
    paths(
        status::status,
        events::events,
        machines::machines,
        machines::story,
        entry::entry,
        entry::put_entry,
        entry::delete_entry,
        seen_entry::seen_entry,
        boot::shown_order,
        boot::ordered,
        boot::cancelled,
        menu::menu,
        boots::ordered_many,
        boots::cancelled_many,
        wake::woken,
        wakes::woken_many,
        profiles::profiles,
        explain::explained,
        check::checked,
        servers::servers,
        web::web_status,
        web::open,
        web::close,
        web::make_link,
        web::set_password,
        web::tokens,
        web::add_token,
        web::remove_token,
        openapi,
    ),
    components(schemas(error::ApiError, event::EventRecord, event::MissedEvents))
)]
struct Document;

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/openapi.json", get(openapi))
}

/// The description of the API, in the format OpenAPI 3.1
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The description of the API (OpenAPI)
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, content_type = "application/json")))]
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = serde_json::to_string(&document()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        let references = document.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let missing: Vec<&str> = references.filter(|reference| value.pointer(reference).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // Fields that two objects share.
        for schema in ["StoryRecord", "MachineSummary"] {
            let parts = value["components"]["schemas"][schema]["allOf"].as_array().unwrap();
            assert!(parts.iter().any(|part| part["$ref"] == "#/components/schemas/MachineRecord"), "{parts:#?}");
        }
    }
}
