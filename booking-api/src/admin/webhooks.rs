//! `/v1/admin/webhooks`: who is told of bookings, and what became of what they
//! were told.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use booking_api_client::{
    Deliveries, Delivery, DeliveryState, Webhook, WebhookCreate, WebhookCreated, WebhookDeleted,
    WebhookEvent, WebhookState, Webhooks,
};
use seat_model::{Code, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};
use service_kit::{ApiJson, ApiPath, ApiProblem, ApiQuery};

use crate::app::App;
use crate::auth::Organiser;
use crate::catalogue::{Scope, StoredAnswer, WebhookRow, WebhookStanding, WebhookWritten};
use crate::checks::Faults;
use crate::idempotency::{Created, IdempotencyKey, KeyedCall, settle};
use crate::openapi::ProblemBody;
use crate::sale::Redelivered;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// A [`WebhookCreated`] without its secret: what is remembered of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Registered {
    webhook_id: WebhookId,
    url: String,
    events: Vec<WebhookEvent>,
    created_at: Timestamp,
}

impl Registered {
    fn with_secret(self, app: &App) -> WebhookCreated {
        WebhookCreated {
            secret: app.sale.webhooks().secret(&self.webhook_id),
            webhook_id: self.webhook_id,
            url: self.url,
            events: self.events,
            created_at: self.created_at,
        }
    }
}

/// Asks to be told of bookings. What is confirmed or cancelled from two seconds
/// later on is told for certain.
#[utoipa::path(
    post, path = "/v1/admin/webhooks", tag = "organising", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters")),
    request_body = WebhookCreate,
    responses(
        (status = 201, description = "With the secret that signs, shown this once", body = WebhookCreated),
        (status = 400, description = "`invalid_request`: the url may not be sent to, an unknown event, or too many webhooks", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 409, description = "`request_in_flight`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn create_webhook(
    State(app): State<App>,
    organiser: Organiser,
    key: Option<IdempotencyKey>,
    ApiJson(asked): ApiJson<WebhookCreate>,
) -> Result<Response, ApiProblem> {
    let scope = Scope::user(&organiser.user);
    let call = match KeyedCall::begin(&app, scope, key, "POST /v1/admin/webhooks", &asked).await? {
        Ok(call) => call,
        Err(first) => return replay(&app, &first),
    };
    let mut faults = Faults::default();
    let url = app.sale.webhooks().check_url(asked.url.trim()).unwrap_or_else(|why| {
        faults.add("url", why);
        asked.url.clone()
    });
    let events = check_events(asked.events.as_deref(), &mut faults);
    faults.none_or_refuse()?;
    let webhook_id = WebhookId::new(format!("wh-{}", uuid::Uuid::now_v7().simple()))
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    let created_at = service_kit::clock::now();
    let made = Registered { webhook_id, url, events, created_at };
    let new = WebhookRow {
        webhook_id: made.webhook_id.clone(),
        url: made.url.clone(),
        events: made.events.clone(),
        disabled: false,
        created_at,
    };
    let first = call.first_of(StatusCode::CREATED, &made);
    let most = app.sale.webhooks().most();
    let written = app.catalogue.add_webhook(&new, &organiser.user, most, first.as_ref()).await?;
    match settle(written)? {
        Ok(WebhookWritten::Done) => {
            reread(&app).await;
            Ok(Created(made.with_secret(&app)).into_response())
        }
        Ok(WebhookWritten::TooMany) => Err(ApiProblem::invalid(
            "url",
            format!("there are {most} webhooks, the most there may be"),
        )),
        Err(first) => replay(&app, &first),
    }
}

/// All webhooks that are not deleted.
#[utoipa::path(
    get, path = "/v1/admin/webhooks", tag = "organising", security(("bearer" = [])),
    responses(
        (status = 200, description = "Oldest first, without their secrets", body = Webhooks),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 503, description = "`unavailable`", body = ProblemBody),
    )
)]
pub(crate) async fn list_webhooks(
    State(app): State<App>,
    _organiser: Organiser,
) -> Result<Json<Webhooks>, ApiProblem> {
    let rows = app.catalogue.webhooks(app.sale.webhooks().most()).await?;
    let webhooks = rows
        .into_iter()
        .map(|row| Webhook {
            webhook_id: row.webhook_id,
            url: row.url,
            events: row.events,
            state: if row.disabled { WebhookState::Disabled } else { WebhookState::Active },
            created_at: row.created_at,
        })
        .collect();
    Ok(Json(Webhooks { webhooks }))
}

/// Ends a webhook. What still waits for it, or was given up, is thrown away.
/// Deleting it again answers the same.
#[utoipa::path(
    delete, path = "/v1/admin/webhooks/{webhookId}", tag = "organising",
    security(("bearer" = [])),
    params(
        ("webhookId" = String, Path, description = "The webhook"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "It is gone", body = WebhookDeleted),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn delete_webhook(
    State(app): State<App>,
    organiser: Organiser,
    ApiPath(webhook): ApiPath<WebhookId>,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiProblem> {
    let route = format!("DELETE /v1/admin/webhooks/{webhook}");
    let scope = Scope::user(&organiser.user);
    let call = match KeyedCall::begin(&app, scope, key, &route, &()).await? {
        Ok(call) => call,
        Err(first) => return Ok(first.into_response()),
    };
    if app.catalogue.webhook_standing(&webhook).await? == WebhookStanding::Unknown {
        return Err(no_such_webhook(&webhook));
    }
    let answer = WebhookDeleted { webhook_id: webhook };
    let first = call.first_of(StatusCode::OK, &answer);
    match settle(app.catalogue.delete_webhook(&answer.webhook_id, first.as_ref()).await?)? {
        Ok(()) => {
            reread(&app).await;
            Ok(Json(answer).into_response())
        }
        Err(first) => Ok(first.into_response()),
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesQuery {
    state: DeliveryState,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// What waits for a webhook, or was given up.
#[utoipa::path(
    get, path = "/v1/admin/webhooks/{webhookId}/deliveries", tag = "organising",
    security(("bearer" = [])),
    params(
        ("webhookId" = String, Path, description = "The webhook"),
        ("state" = String, Query, description = "`dead`: given up; `waiting`: sent, or to be sent"),
        ("limit" = Option<u32>, Query, description = "1–100, 20 where it is absent"),
        ("cursor" = Option<String>, Query, description = "From `next_cursor`"),
    ),
    responses(
        (status = 200, description = "One page", body = Deliveries),
        (status = 400, description = "`invalid_request`", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`", body = ProblemBody),
        (status = 503, description = "`unavailable`: a shard is away", body = ProblemBody),
    )
)]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    _organiser: Organiser,
    ApiPath(webhook): ApiPath<WebhookId>,
    ApiQuery(query): ApiQuery<DeliveriesQuery>,
) -> Result<Json<Deliveries>, ApiProblem> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let mut faults = Faults::default();
    faults.range("limit", limit.into(), 1, MAX_LIMIT.into());
    faults.none_or_refuse()?;
    match app.catalogue.webhook_standing(&webhook).await? {
        WebhookStanding::Active | WebhookStanding::Disabled => {}
        WebhookStanding::Deleted | WebhookStanding::Unknown => {
            return Err(no_such_webhook(&webhook));
        }
    }
    let cursor = query.cursor.as_deref();
    Ok(Json(app.sale.webhooks().deliveries(&webhook, query.state, limit, cursor).await?))
}

/// Sends a delivery again, with all its attempts before it; one that waits is
/// due at once.
#[utoipa::path(
    post, path = "/v1/admin/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver",
    tag = "organising", security(("bearer" = [])),
    params(
        ("webhookId" = String, Path, description = "The webhook"),
        ("deliveryId" = String, Path, description = "The delivery"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible characters"),
    ),
    responses(
        (status = 200, description = "It waits", body = Delivery),
        (status = 400, description = "`invalid_request`: the webhook is disabled", body = ProblemBody),
        (status = 401, description = "`unauthenticated`", body = ProblemBody),
        (status = 403, description = "`forbidden`", body = ProblemBody),
        (status = 404, description = "`not_found`: accepted by now, or never was", body = ProblemBody),
        (status = 503, description = "`unavailable`: nothing was written", body = ProblemBody),
        (status = 504, description = "`outcome_unknown`", body = ProblemBody),
    )
)]
pub(crate) async fn redeliver(
    State(app): State<App>,
    organiser: Organiser,
    ApiPath((webhook, delivery)): ApiPath<(WebhookId, String)>,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiProblem> {
    let key = key.map(|key| key.0);
    let webhooks = app.sale.webhooks();
    let sent = webhooks.redeliver(&organiser.user, &webhook, &delivery, key.as_deref()).await?;
    Ok(match sent {
        Redelivered::Now(delivery) => Json(*delivery).into_response(),
        Redelivered::Before(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
    })
}

fn check_events(asked: Option<&[String]>, faults: &mut Faults) -> Vec<WebhookEvent> {
    let Some(asked) = asked else { return WebhookEvent::ALL.to_vec() };
    if asked.is_empty() {
        faults.add("events", "must name at least one event, or be left out");
    }
    let mut events = BTreeSet::new();
    for (index, name) in asked.iter().enumerate() {
        match WebhookEvent::from_wire(name) {
            Some(event) => {
                events.insert(event);
            }
            None => {
                let known = WebhookEvent::ALL.map(WebhookEvent::as_str).join(", ");
                faults.add(format!("events[{index}]"), format!("must be one of {known}"));
            }
        }
    }
    events.into_iter().collect()
}

/// The first answer once more, secret included: it is made from the id.
fn replay(app: &App, first: &StoredAnswer) -> Result<Response, ApiProblem> {
    let made: Registered = serde_json::from_str(&first.body)
        .map_err(|error| ApiProblem::new(Code::Internal, error.to_string()))?;
    Ok(Created(made.with_secret(app)).into_response())
}

/// Other instances read them again within a second anyway.
async fn reread(app: &App) {
    if let Err(error) = app.sale.webhooks().reread().await {
        tracing::debug!(%error, "the webhooks are read again later");
    }
}

fn no_such_webhook(webhook: &WebhookId) -> ApiProblem {
    ApiProblem::new(Code::NotFound, format!("there is no webhook {webhook}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_named_once_and_all_where_none_is_named() {
        let check = |names: &[&str]| {
            let mut faults = Faults::default();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let events = check_events(Some(&names), &mut faults);
            (events, faults.fields().into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let cancelled = WebhookEvent::BookingCancelled;
        assert_eq!(check(&["booking.cancelled", "booking.cancelled"]), (vec![cancelled], vec![]));
        assert_eq!(check(&["booking.cancelled", "seat.held"]).1, ["events[1]"]);
        assert_eq!(check(&[]).1, ["events"]);
        assert_eq!(check_events(None, &mut Faults::default()), WebhookEvent::ALL);
    }
}
