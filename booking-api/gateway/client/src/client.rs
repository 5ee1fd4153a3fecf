//! A client of the payment gateway. Operations that wait at the same moment
//! travel in one request; each is answered by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use courier::{Courier, Link, LinkError, Route};
use hyper::Method;
use seat_model::{Code, Problem};
use serde::de::DeserializeOwned;

use crate::wire::{
    Answer, Faults, MAX_OPERATION_BYTES, MAX_OPERATIONS, OPERATIONS, Operation, Payment, Payments,
    Reference, Verdict,
};

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GatewayError {
    /// Surely nothing was done: the gateway was not reached, or said so.
    #[error("the payment gateway is away: {0}")]
    NotReached(String),
    /// It was sent and no answer came: the same operation may be sent again.
    #[error("no answer from the payment gateway: {0}")]
    Unknown(String),
    /// The request itself is wrong: a bug of the caller.
    #[error("the payment gateway does not understand: {}", .0.detail)]
    Invalid(Box<Problem>),
}

/// It is not waited for longer than this to be connected.
const LONGEST_CONNECT: Duration = Duration::from_millis(500);

/// Many requests may be under way: a slow bank keeps its request open, and
/// must not keep the others waiting.
const ROUTE: Route = Route {
    path: OPERATIONS,
    max_operations: MAX_OPERATIONS,
    max_operation_bytes: MAX_OPERATION_BYTES,
    max_waiting: 16_384,
    max_under_way: 1_024,
};

struct Parts {
    link: Arc<Link>,
    courier: Courier<Answer>,
    patience: Duration,
}

/// The client; clones share connections.
#[derive(Clone)]
pub struct GatewayClient(Arc<Parts>);

impl GatewayClient {
    /// To the gateway at this `http://` URL; connects on first use. `patience`
    /// is how long an answer is waited for.
    ///
    /// # Errors
    /// When the URL makes no sense.
    pub fn new(url: &str, patience: Duration) -> Result<Self, GatewayError> {
        let link = Link::new(url.trim_end_matches('/'), patience.min(LONGEST_CONNECT))
            .map_err(GatewayError::NotReached)?;
        let link = Arc::new(link);
        let courier = Courier::new(link.clone(), ROUTE, patience);
        Ok(Self(Arc::new(Parts { link, courier, patience })))
    }

    /// Sends an operation along with others that are on their way.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn operate(&self, operation: &Operation) -> Result<Verdict, GatewayError> {
        let line = serde_json::to_vec(operation)
            .map_err(|error| GatewayError::NotReached(error.to_string()))?;
        match self.0.courier.carry(line).await {
            Ok(Answer::Verdict(verdict)) => Ok(verdict),
            Ok(Answer::Problem(problem)) => Err(no_verdict(problem)),
            Err(error) => Err(lost(error)),
        }
    }

    /// Looks a payment up.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn payment(&self, reference: &Reference) -> Result<Option<Payment>, GatewayError> {
        self.call(Method::GET, &format!("/v1/payments/{reference}"), None).await
    }

    /// All payments after this one, at most `limit` (the gateway may give fewer).
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn payments(
        &self,
        after: Option<&Reference>,
        limit: usize,
    ) -> Result<Payments, GatewayError> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.call(Method::GET, &format!("/v1/payments?limit={limit}{after}"), None).await
    }

    /// Payments that have been authorised for at least so long, and are neither
    /// captured nor voided; the oldest first, after the first `skip`.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn open(
        &self,
        for_at_least: Duration,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Payment>, GatewayError> {
        let for_ms = for_at_least.as_millis();
        let path = format!("/v1/open?for_ms={for_ms}&skip={skip}&limit={limit}");
        self.call(Method::GET, &path, None).await
    }

    /// Makes the sandbox misbehave, or behave again; for tests.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn set_faults(&self, faults: &Faults) -> Result<Faults, GatewayError> {
        let body = serde_json::to_vec(faults)
            .map_err(|error| GatewayError::NotReached(error.to_string()))?;
        self.call(Method::PUT, "/v1/faults", Some(body.into())).await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<A, GatewayError> {
        let asked = self.0.link.ask(method, path, body);
        let (status, bytes) = tokio::time::timeout(self.0.patience, asked)
            .await
            .unwrap_or_else(|_| Err(LinkError::Broken("did not answer in time".into())))
            .map_err(lost)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| GatewayError::Unknown(error.to_string()));
        }
        let problem: Problem = serde_json::from_slice(&bytes).map_err(|_| {
            GatewayError::Unknown(format!("answered {status} without a problem body"))
        })?;
        Err(no_verdict(problem))
    }
}

fn lost(error: LinkError) -> GatewayError {
    match error {
        LinkError::NotSent(why) => GatewayError::NotReached(why),
        LinkError::Broken(why) => GatewayError::Unknown(why),
    }
}

fn no_verdict(problem: Problem) -> GatewayError {
    match problem.code {
        Code::Unavailable | Code::RateLimited => GatewayError::NotReached(problem.detail),
        Code::OutcomeUnknown | Code::Internal => GatewayError::Unknown(problem.detail),
        _ => GatewayError::Invalid(Box::new(problem)),
    }
}
