//! The judge after a crash: everybody asks again as the contract says, and what
//! they are told, the books of all stores and the seat map must be one truth,
//! which breaks no promise made before.
//!
//! Must not know: who died, or where.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chaos_tests::wait_until;
use serde_json::{Value, json};

use crate::books;
use crate::extra::Extra;
use crate::journeys::{Journey, KEY, Party, Travel};

/// Everything is as it will be so long after the restart.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// A hold's seats are free by its deadline and two seconds (INV-5); the view
/// may be a second late.
const FREE_AFTER_DEADLINE: Duration = Duration::from_secs(3);

/// How one order ended.
struct Truth {
    /// `held`, `confirmed`, `cancelled` or `gone`.
    state: String,
    seats: BTreeSet<String>,
    id: Option<String>,
}

/// Demands the invariants of everything that a journey left.
pub(crate) async fn settles(travel: &Travel<'_>, api: &Extra) -> Result<(), String> {
    let until = Instant::now() + SETTLED_WITHIN;
    let world = travel.world;
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    match travel.journey {
        Journey::Abandoned => abandoned(travel).await?,
        Journey::Close => return closed(travel).await,
        journey => {
            if journey == Journey::MakeShow {
                travel.settle_show().await?;
            }
            for party in &travel.parties {
                let truth = truth_of(travel, party, until).await?;
                kept(party, &truth)?;
                let state = if truth.state == "held" { "held" } else { "sold" };
                shown.extend(truth.seats.into_iter().map(|seat| (seat, json!(state))));
            }
        }
    }
    sells_again(travel, api).await?;
    shown.insert("S-E-10".to_owned(), json!("sold"));
    let books = books::in_order(world, &travel.show).await?;
    for party in &travel.parties {
        in_the_books(travel, party, &books, until).await?;
    }
    let shown = json!(shown);
    wait_until(left(until), || async {
        let seats = world.seats(&travel.show).await["seats"].clone();
        if seats == shown { Ok(()) } else { Err(format!("INV-11: {seats}, not {shown}")) }
    })
    .await?;
    only_free_seats_are_sold(travel, &shown).await
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
}

/// The client does what the contract says: the same request, the same key; then
/// looks at the booking until it is not pending any more.
async fn truth_of(travel: &Travel<'_>, party: &Party, until: Instant) -> Result<Truth, String> {
    let show = &travel.show;
    let answer = wait_until(left(until), || async {
        let again = party.buyer.post(show.book_path(), party.body.clone()).key(KEY).try_send();
        let answer = again.await.map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            201 | 410 => Ok(answer),
            _ => Err(answer.text()),
        }
    })
    .await?;
    if answer.status == 410 {
        return Ok(Truth { state: "gone".to_owned(), seats: BTreeSet::new(), id: None });
    }
    let first = answer.json();
    let path = show.booking_path(&first);
    let truth = wait_until(left(until), || async {
        let answer = party.buyer.get(path.clone()).try_send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.status.as_u16() {
            410 => Ok(json!({"state": "gone"})),
            200 if answer.json()["state"] != "pending" => Ok(answer.json()),
            _ => Err(answer.text()),
        }
    })
    .await?;
    let state = truth["state"].as_str().unwrap_or_default().to_owned();
    let live = state == "held" || state == "confirmed";
    let seats = truth["seats"].as_array().into_iter().flatten().filter(|_| live);
    Ok(Truth {
        state,
        seats: seats.filter_map(|seat| seat.as_str().map(str::to_owned)).collect(),
        id: first["booking_id"].as_str().map(str::to_owned),
    })
}

/// What the customer was told before the crash is still true.
fn kept(party: &Party, truth: &Truth) -> Result<(), String> {
    let told = party.told();
    let state = truth.state.as_str();
    if told.confirmed && !told.cancelling && state != "confirmed" {
        return Err(format!("INV-2: an acknowledged booking is {state}: {told:?}"));
    }
    if told.cancelled && !matches!(state, "cancelled" | "gone") {
        return Err(format!("INV-7: an acknowledged cancel is {state}: {told:?}"));
    }
    let before = told.booking.as_ref().and_then(|booking| booking["booking_id"].as_str());
    if let (Some(before), Some(id)) = (before, &truth.id)
        && before != id
    {
        return Err(format!("INV-8: {before} became {id}"));
    }
    let wanted = party.body["seats"].as_array().map_or(2, Vec::len);
    let has = truth.seats.len();
    let whole = has == wanted || told.cancelling && has + 1 == wanted;
    if matches!(state, "held" | "confirmed") && !whole {
        return Err(format!("INV-9: {has} of {wanted} seats: {told:?}"));
    }
    Ok(())
}

/// The ledger says the same of the order as its customer is told.
async fn in_the_books(
    travel: &Travel<'_>,
    party: &Party,
    books: &books::Books,
    until: Instant,
) -> Result<(), String> {
    if travel.journey == Journey::Abandoned {
        return Ok(());
    }
    let truth = truth_of(travel, party, until).await?;
    let entry = truth.id.as_ref().and_then(|id| books.entries.get(id));
    let written = entry.map_or("none", |entry| entry.state.as_str());
    let fits = match truth.state.as_str() {
        "held" => written == "none",
        "confirmed" => {
            written == "CONFIRMED" && entry.is_some_and(|entry| entry.valid() == truth.seats)
        }
        "cancelled" => matches!(written, "CANCELLED" | "none"),
        _ => matches!(written, "ABORTED" | "none"),
    };
    if fits { Ok(()) } else { Err(format!("INV-6: told {}, written {written}", truth.state)) }
}

/// The restarted instance sells, and its own customers are told the same.
async fn sells_again(travel: &Travel<'_>, api: &Extra) -> Result<(), String> {
    let show = &travel.show;
    let buyer = travel.world.customer("after").at(&api.url);
    let mut order = show.named(&["S-E-10"]);
    order["confirm"] = json!(true);
    order["payment_token"] = json!("tok_ok");
    let sold = wait_until(Duration::from_secs(10), || async {
        let sent = buyer.post(show.book_path(), order.clone()).key(KEY).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status == 201 { Ok(()) } else { Err(answer.text()) }
    });
    sold.await.map_err(|error| format!("INV-12: {error}"))
}

/// What is free can be bought, under a later fence; what is not cannot.
async fn only_free_seats_are_sold(travel: &Travel<'_>, shown: &Value) -> Result<(), String> {
    let told = travel.parties[0].told();
    let fence = told.booking.as_ref().and_then(|booking| booking["fence"].as_u64()).unwrap_or(0);
    for seat in ["S-A-1", "S-A-2", "S-A-3"] {
        let other = travel.world.customer("other");
        let order = travel.show.named(&[seat]);
        let answer = other.post_once(travel.show.book_path(), order).send().await;
        let wanted = if shown[seat].is_null() { 201 } else { 409 };
        if answer.status != wanted {
            return Err(format!("INV-1: {seat} of {shown}: {}", answer.text()));
        }
        if wanted == 201 && answer.json()["fence"].as_u64() <= Some(fence) {
            return Err(format!("INV-3: not after f{fence}: {}", answer.text()));
        }
    }
    Ok(())
}

/// Nobody came back for the hold: its seats are free in time.
async fn abandoned(travel: &Travel<'_>) -> Result<(), String> {
    let told = travel.parties[0].told();
    let Some(booking) = told.booking else { return Ok(()) };
    let deadline = booking["expires_at"].as_str().unwrap_or_default().to_owned();
    let deadline = deadline.parse::<jiff::Timestamp>();
    let deadline = deadline.map_err(|error| format!("expires_at: {error}"))?;
    let to_go = deadline.duration_since(jiff::Timestamp::now());
    let to_go = Duration::try_from(to_go).unwrap_or_default();
    wait_until(to_go + FREE_AFTER_DEADLINE, || async {
        let seats = travel.world.seats(&travel.show).await["seats"].clone();
        if seats == json!({}) { Ok(()) } else { Err(format!("INV-5: {seats}")) }
    })
    .await
}

/// The performance is deleted for good, and everybody has the money back.
async fn closed(travel: &Travel<'_>) -> Result<(), String> {
    let door = travel.world.cluster.base_url();
    wait_until(SETTLED_WITHIN, || async {
        if travel.close(&door).await { Ok(()) } else { Err("the performance is still there") }
    })
    .await?;
    let books = books::in_order(travel.world, &travel.show).await?;
    let left: Vec<_> = books.entries.values().filter(|one| one.state != "CANCELLED").collect();
    if books.entries.len() == travel.parties.len() && left.is_empty() {
        return Ok(());
    }
    Err(format!("INV-7: not all are cancelled: {books:?}"))
}
