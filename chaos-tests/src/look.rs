//! The end of a run: waits until nothing is under way any more, and reads
//! every store past the services, the payment gateway's ledger, what each
//! view-service shows, and the logs. It must not know what is right.

use std::fs;
use std::time::Duration;

use local_cluster::NodeKind;
use payment_gateway_client::wire::PaymentState;
use seat_model::SeatState;
use store_audit::{Limits, Patience, Scope, Snapshot, audit};
use view_service_client::ViewClient;

use crate::final_state::{FinalState, FinalView, LogError};
use crate::stage::{Stage, StageError, other};
use crate::wait::wait_until;

/// Everything has ended by then: holds, reconciliation, the sweep of payments,
/// settlements that are tried again.
const QUIET_WITHIN: Duration = Duration::from_secs(45);

/// How long views may take to show the end.
const SHOWN_WITHIN: Duration = Duration::from_secs(8);

/// Waits for the end of everything, and writes down what there is. What does
/// not end is written down as it is: the judges say what that means.
///
/// # Errors
/// When a store, the payment gateway, a view or a log cannot be read.
pub async fn settled(stage: &Stage) -> Result<FinalState, StageError> {
    if let Err(error) = stage.cluster.wait_healthy(Duration::from_secs(60)).await {
        eprintln!("{error}");
    }
    let stores = stage.stores().await?;
    let at_rest = || async {
        let snapshot = stores.look(&Scope::Everything).await.map_err(|e| e.to_string())?;
        let payments = stage.payments().await.map_err(|e| e.to_string())?;
        let open = payments.iter().filter(|p| p.state == PaymentState::Authorised).count();
        match (under_way(&snapshot), open) {
            (None, 0) => Ok(snapshot),
            (Some(what), _) => Err(what),
            (None, open) => Err(format!("{open} payments are reserved")),
        }
    };
    if let Err(what) = wait_until(QUIET_WITHIN, at_rest).await {
        eprintln!("the platform does not come to rest: {what}");
    }
    let limits = Limits::default();
    // Services were given their time above.
    let patience = Patience { services: Duration::from_secs(6), ..Patience::default() };
    let report = audit(&stores, &limits, &patience).await.map_err(other)?;
    // A sweep or another try may have begun something since: that ends, too.
    let snapshot = match wait_until(QUIET_WITHIN, at_rest).await {
        Ok(snapshot) => snapshot,
        Err(_) => stores.look(&Scope::Everything).await.map_err(other)?,
    };
    let mut state = FinalState::of_stores(&snapshot, &report.faults);
    state.add_payments(&stage.payments().await?);
    state.views = shown(stage, &state).await?;
    state.errors = errors(stage)?;
    Ok(state)
}

/// What has not ended yet.
fn under_way(snapshot: &Snapshot) -> Option<String> {
    let seats = &snapshot.cell.seats;
    let of = |state| seats.iter().filter(|key| key.value.state == state).count();
    let (held, confirming) = (of(SeatState::Held), of(SeatState::Confirming));
    let waiting: usize = snapshot.shards.iter().map(|shard| shard.outbox.len()).sum();
    (held + confirming + waiting > 0)
        .then(|| format!("{held} seats held, {confirming} confirming, {waiting} outbox rows"))
}

/// What every instance shows of every hall, once it shows the end, or when its
/// time is over.
async fn shown(stage: &Stage, state: &FinalState) -> Result<Vec<FinalView>, StageError> {
    let nodes = stage.cluster.topology().of_kind(NodeKind::ViewService);
    let urls = stage.cluster.service_urls(NodeKind::ViewService);
    let mut views = Vec::new();
    for (node, url) in nodes.zip(urls) {
        let client = ViewClient::new(&url, Duration::from_secs(5)).map_err(other)?;
        for hall in &stage.halls {
            let wanted = state.seats.iter().filter(|seat| seat.performance == hall.performance);
            let wanted = wanted.count();
            let mut last = None;
            let seen = std::cell::RefCell::new(&mut last);
            let look = wait_until(SHOWN_WITHIN, || async {
                let viewed = client.seats(&hall.show, &hall.performance, None).await;
                let viewed = viewed.and_then(view_service_client::Viewed::into_answer);
                let map = viewed.map_err(|error| error.to_string())?;
                let found = map.seats.len();
                let stale = map.stale;
                **seen.borrow_mut() = Some(FinalView {
                    instance: node.name.clone(),
                    performance: hall.performance.clone(),
                    stale,
                    seats: map.seats,
                });
                if found == wanted && !stale {
                    Ok(())
                } else {
                    Err(format!("{found} seats of {wanted}, stale: {stale}"))
                }
            });
            if let Err(what) = look.await {
                eprintln!("{} shows of {}: {what}", node.name, hall.performance);
            }
            views.push(last.ok_or_else(|| other(format!("{} shows nothing", node.name)))?);
        }
    }
    Ok(views)
}

/// What a service may say at level ERROR because of what was done to it, and
/// why that is right.
const EXPECTED: &[(&str, &str)] = &[(
    "stopped before everything had ended",
    "a service that is told to end while what it needs is away",
)];

/// Lines of level ERROR in the logs of our services.
fn errors(stage: &Stage) -> Result<Vec<LogError>, StageError> {
    let mut errors = Vec::new();
    for node in stage.cluster.nodes()?.iter().filter(|node| node.kind.is_service()) {
        let text = fs::read(&node.log).map_err(other)?;
        for line in String::from_utf8_lossy(&text).lines() {
            let is_error = line.contains("\"level\":\"ERROR\"");
            if is_error && !EXPECTED.iter().any(|(text, _)| line.contains(text)) {
                errors.push(LogError { node: node.name.clone(), line: line.to_owned() });
            }
        }
    }
    Ok(errors)
}
