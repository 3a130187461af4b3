//! The machines of a request that is about many, and its results.

use super::access::Refusal;
use super::error::ApiError;
use super::machine_match::MachineMatch;
use super::machines;
use super::refusal::bad_request;
use super::shared::Api;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The largest number of machines of a request.
pub const MAX_SELECTED: usize = 10_000;

/// The result for one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineResult {
    /// The machine, as the request states it, or its identifier.
    pub machine: String,
    /// The name of its entry or, without an entry, one that its MAC address makes; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it failed; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// The results for many machines, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineResults {
    /// Whether nothing was done: the results are what would happen.
    pub dry_run: bool,
    /// The number of machines without an error.
    pub succeeded: usize,
    /// The number of machines with an error.
    pub failed: usize,
    /// The results.
    pub results: Vec<MachineResult>,
}

impl MachineResults {
    /// These results.
    pub fn new(results: Vec<MachineResult>, dry_run: bool) -> MachineResults {
        let failed = results.iter().filter(|result| result.error.is_some()).count();
        MachineResults { dry_run, succeeded: results.len() - failed, failed, results }
    }
}

/// The identifiers of the machines that a request selects.
///
/// # Errors
/// The request selects machines in both ways or in none, or too many.
pub async fn selected(
    api: &Api,
    machines: Vec<String>,
    all_that_match: Option<MachineMatch>,
) -> Result<Vec<String>, Refusal> {
    let cure = "state either `machines`, a list of machines, or `all_that_match`, the conditions on them";
    let selected = match all_that_match {
        None if machines.is_empty() => return Err(bad_request("the request selects no machine", cure, "machines")),
        None => machines,
        Some(_) if !machines.is_empty() => {
            return Err(bad_request("the request selects machines in two ways", cure, "all_that_match"));
        }
        Some(conditions) => machines::identifiers(api, conditions.conditions()?, MAX_SELECTED + 1).await?,
    };
    if selected.len() > MAX_SELECTED {
        let problem = format!("the request selects more than {MAX_SELECTED} machines");
        return Err(bad_request(problem, "select them in several requests, such as by their subnet", "machines"));
    }
    Ok(selected)
}
