//! Every route of the service, in one function.

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::openapi::Description;
use crate::{admin, sale, sessions, users};

/// The routes, and the document that describes them (and view-service's).
fn described() -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(sale::routes())
        .routes(routes!(users::create_user))
        .routes(routes!(sessions::create_session))
        .routes(routes!(admin::plans::import_plan))
        .routes(routes!(admin::shows::create_show))
        .routes(routes!(admin::performances::create_performance))
        .routes(routes!(admin::performances::delete_performance))
        .routes(routes!(admin::sales::sales))
        .routes(routes!(admin::analytics::analytics))
        .routes(routes!(admin::analytics::analytics_csv))
        .routes(routes!(admin::webhooks::create_webhook, admin::webhooks::list_webhooks))
        .routes(routes!(admin::webhooks::delete_webhook))
        .routes(routes!(admin::webhooks::list_deliveries))
        .routes(routes!(admin::webhooks::redeliver))
        .routes(routes!(admin::stuck::stuck))
        .routes(routes!(admin::stuck::retry_stuck))
        .split_for_parts()
}

/// The service, ready for `service_kit::run`.
pub(crate) fn router(app: App) -> Router {
    let (router, document) = described();
    router.with_state(app).merge(SwaggerUi::new("/docs").url("/openapi.json", document))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every call of the contract that goes through the load balancer.
    const CONTRACT: &str = "
        get /
        get /v1/shows
        get /v1/show/{showId}
        get /v1/show/{showId}/performances/{performanceId}/seats
        get /v1/show/{showId}/performances/{performanceId}/seats/events
        get /v1/plans/{planId}
        post /v1/book/{showId}
        get /v1/book/{showId}/{bookingId}
        delete /v1/book/{showId}/{bookingId}
        post /v1/book/{showId}/{bookingId}/extend
        post /v1/book/{showId}/{bookingId}/confirm
        delete /v1/book/{showId}/{bookingId}/tickets/{ticketId}
        get /v1/book/{showId}/{bookingId}/tickets/{ticketId}/qr
        get /v1/bookings
        post /v1/users
        post /v1/sessions
        post /v1/admin/plans
        post /v1/admin/shows
        post /v1/admin/shows/{showId}/performances
        delete /v1/admin/shows/{showId}/performances/{performanceId}
        get /v1/admin/shows/{showId}/sales
        get /v1/admin/shows/{showId}/performances/{performanceId}/analytics
        get /v1/admin/shows/{showId}/performances/{performanceId}/analytics.csv
        post /v1/admin/webhooks
        get /v1/admin/webhooks
        delete /v1/admin/webhooks/{webhookId}
        get /v1/admin/webhooks/{webhookId}/deliveries
        post /v1/admin/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver
        get /v1/admin/shows/{showId}/stuck
        post /v1/admin/shows/{showId}/stuck/{bookingId}/retry";

    #[test]
    fn the_document_is_openapi_31_and_names_every_call_of_the_contract() {
        let (_, document) = described();
        let json = serde_json::to_value(&document).unwrap();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
        let described: BTreeSet<String> = json["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| format!("{method} {path}"))
            })
            .collect();
        let wanted: BTreeSet<String> =
            CONTRACT.trim().lines().map(|line| line.trim().to_owned()).collect();
        assert_eq!(described, wanted);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let (_, document) = described();
        let json = serde_json::to_value(&document).unwrap();
        let mut open = vec![&json];
        while let Some(value) = open.pop() {
            match value {
                serde_json::Value::Object(members) => {
                    if let Some(reference) = members.get("$ref") {
                        let pointer = reference.as_str().unwrap().trim_start_matches('#');
                        assert!(json.pointer(pointer).is_some(), "{reference}");
                    }
                    open.extend(members.values());
                }
                serde_json::Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }
}
