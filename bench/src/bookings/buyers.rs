//! Customers who buy over HTTP, in one call or in two: from booking-api, from
//! the load balancer, or from the peer's front, which all speak alike.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use booking_api_client::BookingState;
use serde::Deserialize;

use super::world::{World, key_of};
use super::{Receipt, Way};
use crate::http::{Answer, NoAnswer, Server};
use crate::load::{Holder, Outcome, Proof};
use crate::orders::TIER;

/// After which a purchase is asked about again, where nothing says when.
const COME_AGAIN: Duration = Duration::from_millis(100);

/// What of a booking is looked at.
#[derive(Deserialize)]
struct Booking {
    booking_id: String,
    state: BookingState,
    seats: Vec<String>,
}

/// A run of purchases over HTTP.
pub(crate) struct OverHttp {
    world: Arc<World>,
    servers: Vec<Server>,
    run: String,
    way: Way,
    receipts: Mutex<Vec<Receipt>>,
}

impl OverHttp {
    /// From these servers, in turn.
    pub(crate) fn new(world: Arc<World>, servers: &[SocketAddr], run: &str, way: Way) -> Self {
        let servers = servers.iter().map(|address| Server::new(*address)).collect();
        Self { world, servers, run: run.to_owned(), way, receipts: Mutex::new(Vec::new()) }
    }

    /// Makes the n-th purchase. Callers share servers in turn.
    async fn buy(&self, caller: usize, n: u64) -> Outcome {
        match self.booking(caller, n).await {
            Ok(Booking { booking_id, seats, .. }) => {
                let receipt = Receipt { n, booking: booking_id, seats };
                self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
                Outcome::Taken(Proof { lease: None, revision: None })
            }
            Err(outcome) => outcome,
        }
    }

    async fn booking(&self, caller: usize, n: u64) -> Result<Booking, Outcome> {
        let purchase = self.world.purchase(n);
        let (show, performance) = (&purchase.performance.show, &purchase.performance.id);
        let (key, token) = (key_of(&self.run, n), &purchase.customer.token);
        let server = &self.servers[caller % self.servers.len()];
        let wanted = match purchase.seat {
            Some(seat) => format!(r#""seats":["S-{seat}"]"#),
            None => format!(r#""tier":"{TIER}","quantity":1"#),
        };
        let more = match self.way {
            Way::OneCall => r#","confirm":true,"payment_token":"tok_ok""#,
            Way::TwoCalls | Way::HoldOnly => "",
        };
        let body = format!(r#"{{"performance_id":"{performance}",{wanted}{more}}}"#);
        let path = format!("/v1/book/{show}");
        let booking = understood(server.post(&path, token, &key, &body).await)?;
        match (self.way, booking.state) {
            (Way::OneCall, BookingState::Confirmed) | (Way::HoldOnly, BookingState::Held) => {
                Ok(booking)
            }
            (Way::TwoCalls, BookingState::Held) => {
                let path = format!("{path}/{}/confirm", booking.booking_id);
                let body = r#"{"payment_token":"tok_ok"}"#;
                let confirmed = understood(server.post(&path, token, &key, body).await)?;
                match confirmed.state {
                    BookingState::Confirmed => Ok(confirmed),
                    _ => Err(Outcome::Busy(COME_AGAIN)),
                }
            }
            _ => Err(Outcome::Busy(COME_AGAIN)),
        }
    }

    /// What buyers were told is theirs.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Holder for OverHttp {
    const RESENDABLE: bool = true;

    async fn hold(&self, caller: usize, n: u64) -> Outcome {
        self.buy(caller, n).await
    }
}

/// A 2xx with a booking; else what became of the purchase.
fn understood(answer: Result<Answer, NoAnswer>) -> Result<Booking, Outcome> {
    let answer = answer.map_err(|no| match no {
        NoAnswer::NotSent => Outcome::Busy(COME_AGAIN),
        NoAnswer::Lost => Outcome::Unknown,
    })?;
    match answer.status {
        200..=202 => serde_json::from_slice(&answer.body).map_err(|_| Outcome::Unknown),
        429 | 503 => Err(Outcome::Busy(answer.retry_after.unwrap_or(COME_AGAIN))),
        409 => Err(match answer.retry_after {
            Some(after) => Outcome::Busy(after),
            None => Outcome::Refused,
        }),
        500 | 502 | 504 => Err(Outcome::Unknown),
        _ => Err(Outcome::NotApplied),
    }
}
