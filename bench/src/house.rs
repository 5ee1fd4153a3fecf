//! A house with one performance, on sale through booking-api, and people who
//! take its seats by name. For benchmarks of looking.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use booking_api_client::{BookingClient, PerformanceCreate, ShowCreate};
use local_cluster::Role;
use seat_model::{Currency, Money, PerformanceId, ShowId, Timestamp};
use serde::Deserialize;

use crate::Failure;
use crate::clock;
use crate::hall;
use crate::http::Server;
use crate::orders::{PRICE, TIER};
use crate::stage::Stage;

/// Seats that one booking may have, and that one customer may have of it.
const MOST: usize = 10;

/// How long a hold lives: none runs out and changes the map while it is looked at.
const HOLD_TTL_S: u64 = 6 * 3_600;

const TOKEN_TTL: Duration = Duration::from_secs(6 * 3_600);
const A_MONTH_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// The performance.
pub(crate) struct House {
    pub(crate) show: ShowId,
    pub(crate) performance: PerformanceId,
    pub(crate) seats: u32,
    server: Server,
}

/// What of a booking is looked at.
#[derive(Deserialize)]
struct Booking {
    seats: Vec<String>,
}

impl House {
    /// Puts it on sale; who buys does so at `address`.
    ///
    /// # Errors
    /// On the first call that is refused.
    pub(crate) async fn open(
        stage: &Stage,
        address: SocketAddr,
        seats: u32,
    ) -> Result<Self, Failure> {
        let url = stage.booking_urls().into_iter().next().ok_or("there is no booking-api")?;
        let client = BookingClient::new(&url, Some(stage.token("admin", Role::Admin, TOKEN_TTL)?))?;
        let plan = serde_json::to_vec(&hall::plan(&[(TIER, seats)])?)?;
        let plan_id = client.import_plan(plan, None).await?.body.plan_id;
        let show = ShowId::new("bench-house")?;
        let name = "A house to look at".to_owned();
        client.create_show(&ShowCreate { show_id: Some(show.clone()), name }, None).await?;
        let price = Money { price: PRICE, currency: Currency::new("EUR")? };
        let create = PerformanceCreate {
            location: "Berlin".to_owned(),
            venue: "A house to look at".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            starts_at: Timestamp::from_millis(clock::now_ms() + A_MONTH_MS),
            plan_id,
            prices: BTreeMap::from([(TIER.to_owned(), price)]),
            on_sale_at: None,
            hold_ttl_s: Some(HOLD_TTL_S),
            hold_max_s: None,
            max_seats_per_customer: None,
            orphan_rule: None,
        };
        let performance = client.create_performance(&show, &create, None).await?;
        let performance = performance.body.performance_id;
        Ok(Self { show, performance, seats, server: Server::new(address) })
    }

    /// The path of its seat map.
    pub(crate) fn seats_path(&self) -> String {
        format!("/v1/show/{}/performances/{}/seats", self.show, self.performance)
    }

    /// Sells every other seat, and says how many those are.
    ///
    /// # Errors
    /// When a booking is refused.
    pub(crate) async fn sell_half(&self, stage: &Stage) -> Result<usize, Failure> {
        let names: Vec<String> = (0..self.seats).step_by(2).map(seat_name).collect();
        for (n, seats) in names.chunks(MOST).enumerate() {
            let token = stage.token(&format!("half-{n}"), Role::Customer, TOKEN_TTL)?;
            self.take(&token, &format!("half-{n}"), seats, true).await?;
        }
        Ok(names.len())
    }

    /// Takes seats by name.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub(crate) async fn take(
        &self,
        token: &str,
        key: &str,
        seats: &[String],
        confirm: bool,
    ) -> Result<(), Failure> {
        let mut wanted = serde_json::json!({"performance_id": self.performance, "seats": seats});
        if confirm {
            wanted["confirm"] = true.into();
            wanted["payment_token"] = "tok_ok".into();
        }
        let path = format!("/v1/book/{}", self.show);
        let answer = self.server.post(&path, token, key, &wanted.to_string()).await;
        let answer = answer.map_err(|error| format!("{error:?} to a booking"))?;
        let booking: Result<Booking, _> = serde_json::from_slice(&answer.body);
        match booking {
            Ok(booking) if answer.status == 201 && booking.seats.len() == seats.len() => Ok(()),
            _ => {
                Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
            }
        }
    }
}

/// The n-th seat's name.
pub(crate) fn seat_name(n: u32) -> String {
    format!("S-{n}")
}
