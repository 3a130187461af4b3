//! The actions on many machines.

use crate::api::{
    Caller, CancelRequest, MachineResult, MachineResults, OrderRecord, OrderRequest, OrdersRequest, Refusal,
    WakesRequest, cancel_boots, order_boots, wake_machines,
};
use crate::state::EditTarget;
use crate::web::notices::{Notice, Undo};
use crate::web::shared::Web;

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Boot this profile.
    Boot { profile: String, once: bool },
    /// Cancel the boot orders.
    Cancel,
    /// Wake the machines.
    Wake,
}

impl Action {
    /// The name of the action in forms.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Boot { once: true, .. } => "boot-once",
            Action::Boot { once: false, .. } => "boot",
            Action::Cancel => "cancel",
            Action::Wake => "wake",
        }
    }

    /// The name of the profile; empty if the action has none.
    pub fn profile(&self) -> &str {
        match self {
            Action::Boot { profile, .. } => profile,
            Action::Cancel | Action::Wake => "",
        }
    }
}

/// The results that the action would have for each of these machines.
pub async fn preview(
    web: &Web,
    caller: &Caller,
    action: &Action,
    machines: Vec<String>,
) -> Result<Vec<MachineResult>, Refusal> {
    edited(web, caller, action, machines, true).await.map(|results| results.results)
}

/// Acts on these machines, and returns what was done.
pub async fn act(web: &Web, caller: &Caller, action: &Action, machines: Vec<String>) -> Result<Notice, Refusal> {
    let before: Vec<Option<OrderRequest>> = machines.iter().map(|machine| current_order(web, machine)).collect();
    let results = edited(web, caller, action, machines, false).await?;
    let changed = results.results.iter().zip(before).filter(|(result, _)| result.error.is_none());
    let undo = changed.filter_map(|(result, before)| match (action, before) {
        (Action::Wake, _) => None,
        (_, Some(order)) => Some(Undo::Order(result.machine.clone(), order)),
        (Action::Boot { .. }, None) => Some(Undo::CancelOrder(result.machine.clone())),
        (Action::Cancel, None) => None,
    });
    let count = machines_in_words(results.succeeded);
    let text = match action {
        Action::Boot { profile, once } => {
            let boot = if results.succeeded == 1 { "boots" } else { "boot" };
            let then = if *once { "once, and then the disk" } else { "until you cancel that" };
            format!("{count} {boot} `{profile}` {then}.")
        }
        Action::Cancel => format!("The orders of {count} are cancelled."),
        Action::Wake => format!("Packets to wake {count} were sent."),
    };
    Ok(Notice { text: text + &refused_in_words(&results), undo: undo.collect() })
}

async fn edited(
    web: &Web,
    caller: &Caller,
    action: &Action,
    machines: Vec<String>,
    dry_run: bool,
) -> Result<MachineResults, Refusal> {
    match action {
        Action::Boot { profile, once } => {
            let (profile, once) = (profile.clone(), *once);
            let request = OrdersRequest { machines, all_that_match: None, profile, once, dry_run };
            order_boots(&web.api, caller, request).await
        }
        Action::Cancel => {
            cancel_boots(&web.api, caller, CancelRequest { machines, all_that_match: None, dry_run }).await
        }
        Action::Wake => wake_machines(&web.api, caller, WakesRequest { machines, all_that_match: None, dry_run }).await,
    }
}

/// The order of this machine that is not completed.
fn current_order(web: &Web, id: &str) -> Option<OrderRequest> {
    let name = EditTarget::find(&web.api.state, id).ok()?.name;
    let order = OrderRecord::from(&web.api.state.edits.order(&name)?);
    (!order.completed).then_some(OrderRequest { profile: order.profile, once: order.once })
}

fn machines_in_words(count: usize) -> String {
    if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") }
}

fn were(count: usize) -> String {
    if count == 1 { "1 was".to_owned() } else { format!("{count} were") }
}

fn refused_in_words(results: &MachineResults) -> String {
    match results.results.iter().find_map(|result| result.error.as_ref()) {
        Some(error) => format!(" {} refused, the first one because {}.", were(results.failed), error.problem),
        None => String::new(),
    }
}
