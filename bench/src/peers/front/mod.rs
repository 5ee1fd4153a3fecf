//! The peer's HTTP front, a process of its own: the same kind of server, the
//! same tokens, bodies and problems as booking-api, and behind them one call of
//! a stored procedure each. It is told everything on its standard input, says
//! on standard output where it listens, and ends when its input does.

mod answers;
mod process;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::post;
use booking_api_client::{Book, BookingState, Confirm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use seat_model::{BookingId, Code, Problem};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use self::answers::{Answered, Place, Refused, booking};
pub(crate) use self::process::Front;
use super::box_office::{BoxOffice, Ended, Wanted, booking_id};
use crate::Failure;
use crate::bookings::NAMED_TIER;
use crate::orders::TIER;

/// Makes this program the front.
pub(crate) const ARGUMENT: &str = "peer-front";

const ISSUER: &str = "seatlock";

/// What it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Signs tokens.
    pub(crate) jwt_secret: String,
    /// The peer's database on each shard.
    pub(crate) shards: Vec<String>,
    /// Connections to each.
    pub(crate) connections: u32,
    /// Seats in each of the two tiers.
    pub(crate) seats: u32,
    /// Every performance: its show, its id, its shard.
    pub(crate) performances: Vec<(String, String, usize)>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

struct Shop {
    keys: (DecodingKey, Validation),
    office: BoxOffice,
    shards: HashMap<String, usize>,
    performances: HashMap<String, (u32, String)>,
    names: Vec<String>,
    seats: u32,
}

type App = State<Arc<Shop>>;

/// Serves until standard input ends.
///
/// # Errors
/// When it is told nonsense, or a database is not there.
#[expect(clippy::print_stdout, reason = "the address is what its standard output is for")]
pub(crate) async fn serve() -> Result<(), Failure> {
    let config: Config = serde_json::from_str(&next_line().await?)?;
    let shop = Shop::open(config).await?;
    let router = Router::new()
        .route("/v1/book/{show}", post(book))
        .route("/v1/book/{show}/{booking}/confirm", post(confirm))
        .with_state(Arc::new(shop));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Answers are small and somebody waits for each of them.
        drop(stream.set_nodelay(true));
    });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        ended = next_line() => ended.map(drop),
    }
}

/// One line of standard input; empty at its end.
async fn next_line() -> Result<String, Failure> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

impl Shop {
    async fn open(config: Config) -> Result<Self, Failure> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_aud = false;
        validation.leeway = 0;
        let key = DecodingKey::from_secret(config.jwt_secret.as_bytes());
        let performances = config.performances.iter();
        Ok(Self {
            keys: (key, validation),
            office: BoxOffice::open(&config.shards, config.connections, config.seats).await?,
            shards: performances.clone().map(|(show, _, shard)| (show.clone(), *shard)).collect(),
            names: performances.clone().map(|(_, id, _)| id.clone()).collect(),
            performances: (0..)
                .zip(performances)
                .map(|(number, (show, id, _))| (id.clone(), (number, show.clone())))
                .collect(),
            seats: config.seats,
        })
    }

    fn customer(&self, headers: &HeaderMap) -> Result<String, Refused> {
        let refused = || Refused::from(Problem::new(Code::Unauthenticated, "send a good token"));
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or_else(refused)?;
        let claims = decode::<Claims>(token, &self.keys.0, &self.keys.1).map_err(|_| refused())?;
        Ok(claims.claims.sub)
    }

    /// The number in a seat's name, if it is one of the house.
    fn seat(&self, name: &str) -> Result<u32, Refused> {
        let number = name.strip_prefix("S-").and_then(|number| number.parse().ok());
        number.filter(|number| *number < 2 * self.seats).ok_or_else(|| {
            Problem::new(Code::InvalidRequest, format!("there is no seat {name}")).into()
        })
    }

    fn tier(&self, seat: u32) -> &'static str {
        if seat < self.seats { TIER } else { NAMED_TIER }
    }
}

async fn book(
    State(shop): App,
    Path(show): Path<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Answered, Refused> {
    let customer = shop.customer(&headers)?;
    let key = key(&headers)?;
    let wish: Book = read(&body)?;
    let invalid = |why: &str| Refused::from(Problem::new(Code::InvalidRequest, why));
    let shard = *shop
        .shards
        .get(&show)
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no such show"))?;
    let id = wish.performance_id.as_ref().ok_or_else(|| invalid("name the performance"))?;
    let (performance, _) = shop
        .performances
        .get(id.as_str())
        .filter(|(_, of)| *of == show)
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no such performance"))?;
    let seat = match wish.seats.as_deref() {
        Some([seat]) => Some(shop.seat(seat.as_str())?),
        Some(_) => return Err(invalid("one seat at a time")),
        None if wish.tier.as_deref() == Some(TIER) && wish.quantity.unwrap_or(1) == 1 => None,
        None => return Err(invalid("one seat of the first tier at a time")),
    };
    if wish.confirm && wish.payment_token.is_none() {
        return Err(invalid("payment_token is required"));
    }
    let performance = *performance;
    let (customer_id, key) = (customer.as_str(), key.as_str());
    let confirm = wish.confirm;
    let wanted = Wanted { shard, performance, seat, customer: customer_id, key, confirm };
    match shop.office.take(&wanted).await {
        Ok(Ended::Seat(seat)) => {
            let state = if confirm { BookingState::Confirmed } else { BookingState::Held };
            let id = BookingId::from_bytes(booking_id(&customer, key));
            let place = Place { show, performance: id_of(&shop, performance), seat };
            booking(201, id, customer, place, shop.tier(seat), state)
        }
        Ok(Ended::Nothing) => Err(match seat {
            Some(_) => Problem::new(Code::SeatTaken, "the seat is taken").into(),
            None => Problem::new(Code::SoldOut, "no seat of the tier is free").into(),
        }),
        Ok(Ended::RolledBack) => Err(Refused::busy()),
        Err(error) => Err(Problem::new(Code::OutcomeUnknown, error.to_string()).into()),
    }
}

async fn confirm(
    State(shop): App,
    Path((show, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Answered, Refused> {
    let customer = shop.customer(&headers)?;
    key(&headers)?;
    let Confirm { .. } = read(&body)?;
    let not_found = || Problem::new(Code::NotFound, "there is no such booking");
    let shard = *shop.shards.get(&show).ok_or_else(not_found)?;
    let id: BookingId = id.parse().map_err(|_| not_found())?;
    match shop.office.confirm(shard, id.to_bytes(), &customer).await {
        Ok((Ended::Seat(seat), performance)) => {
            let place = Place { show, performance: id_of(&shop, performance), seat };
            let state = BookingState::Confirmed;
            booking(200, id, customer, place, shop.tier(seat), state)
        }
        Ok((Ended::Nothing, _)) => {
            Err(Problem::new(Code::HoldExpired, "the hold ran out or never was").into())
        }
        Ok((Ended::RolledBack, _)) => Err(Refused::busy()),
        Err(error) => Err(Problem::new(Code::OutcomeUnknown, error.to_string()).into()),
    }
}

fn id_of(shop: &Shop, performance: u32) -> String {
    shop.names.get(performance as usize).cloned().unwrap_or_default()
}

fn key(headers: &HeaderMap) -> Result<String, Refused> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| (1..=255).contains(&key.len())).map(str::to_owned);
    key.ok_or_else(|| Problem::new(Code::IdempotencyKeyMissing, "send an Idempotency-Key").into())
}

fn read<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()).into())
}
