//! What customers and organisers do at an instance that will die, so that every
//! step of the protocol is reached by somebody; and what they were told.
//!
//! Must not know: which fail point is armed, what must be true afterwards.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chaos_tests::{Caller, wait_until};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::books;
use crate::extra::Admin;
use crate::world::{Show, World, performance_body};

/// One way through the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journey {
    /// Hold three seats, then confirm.
    TwoCalls,
    /// Hold the best pair of a tier and confirm, in one call.
    OneCall,
    /// Hold, then hold longer.
    Extend,
    /// Hold, then give it back.
    Release,
    /// Hold, then pay with a card that is declined.
    Declined,
    /// Bought elsewhere, cancelled here.
    Cancel,
    /// Bought elsewhere, one ticket of it cancelled here.
    CancelTicket,
    /// Bought and cancelled elsewhere, asked for again under the same key.
    UsedKey,
    /// The commit hangs until this instance's own reconciler finds the seats.
    LeftConfirming,
    /// The finish hangs until this instance's own reconciler finds the seats.
    LeftCommitted,
    /// The commit is lost before it is sent.
    NotSent,
    /// The answer of the commit is lost.
    Unanswered,
    /// The commit is sent after other instances have given the booking up.
    TooLate,
    /// Several commits, as a group, are sent after they were given up.
    GroupTooLate,
    /// A hold that nobody uses.
    Abandoned,
    /// Several holds travel to etcd together and are refused together.
    BatchRefused,
    /// The answer to a hold is lost between etcd and lock-service.
    HoldUnanswered,
    /// A show is made.
    MakeShow,
    /// A performance is deleted with what was sold of it.
    Close,
    /// The shard map is written again, the same.
    WriteMap,
}

impl Journey {
    /// All of them, the quick ones first.
    pub(crate) const ALL: [Self; 20] = [
        Self::TwoCalls,
        Self::OneCall,
        Self::Extend,
        Self::Release,
        Self::Declined,
        Self::Cancel,
        Self::CancelTicket,
        Self::UsedKey,
        Self::NotSent,
        Self::Unanswered,
        Self::MakeShow,
        Self::Close,
        Self::WriteMap,
        Self::BatchRefused,
        Self::HoldUnanswered,
        Self::LeftConfirming,
        Self::LeftCommitted,
        Self::Abandoned,
        Self::TooLate,
        Self::GroupTooLate,
    ];

    /// Whether its end depends on who reconciles first: then it does not run
    /// beside another such journey.
    pub(crate) const fn reconciles(self) -> bool {
        matches!(self, Self::LeftConfirming | Self::LeftCommitted)
    }

    /// Fail points that bring it about, at the booking-api it uses.
    pub(crate) const fn at_booking_api(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LeftConfirming => &[("commit-sending", "1*pause(15000)")],
            Self::LeftCommitted => &[("finishing", "1*pause(15000)")],
            Self::NotSent => &[("commit-sending", "1*lose")],
            Self::Unanswered => &[("commit-answered", "1*lose")],
            Self::TooLate | Self::GroupTooLate => &[("commit-sending", "1*pause(6500)")],
            _ => &[],
        }
    }

    /// The same at the lock-service.
    pub(crate) const fn at_lock_service(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::BatchRefused => &[("batch-sending", "1*pause(1000)->1*lose")],
            Self::HoldUnanswered => &[("batch-answered", "1*lose")],
            _ => &[],
        }
    }

    /// Settings of the booking-api it uses. The reconcilers of the cluster wait
    /// three seconds: this one is first, or never.
    pub(crate) fn booking_settings(self) -> Vec<(&'static str, &'static str)> {
        let mut settings = vec![
            ("BOOKING_API_SALE__RECONCILE_EVERY_MS", "50"),
            // Its outbox rows are its own before the relays of the cluster look.
            ("BOOKING_API_SALE__OUTBOX_EVERY_MS", "10"),
            ("BOOKING_API_SALE__OUTBOX_CLAIM_MS", "1500"),
            // Nor do the others count what was sold sooner.
            ("BOOKING_API_ANALYTICS__COUNT_EVERY_MS", "100"),
        ];
        if self.reconciles() {
            settings.extend([
                ("BOOKING_API_SALE__CONFIRMING_FOR_MS", "1500"),
                ("BOOKING_API_SALE__COMMITTER__WAIT_MAX_MS", "100"),
                ("BOOKING_API_SALE__CONNECTIONS__ACQUIRE_TIMEOUT_MS", "300"),
                ("BOOKING_API_SALE__CONNECTIONS__STATEMENT_TIMEOUT_MS", "1000"),
            ]);
        } else {
            settings.push(("BOOKING_API_SALE__CONFIRMING_FOR_MS", "60000"));
        }
        if self == Self::GroupTooLate {
            settings.extend([
                ("BOOKING_API_SALE__COMMITTER__GROUPS_IN_FLIGHT", "1"),
                ("BOOKING_API_SALE__COMMITTER__WAIT_MAX_MS", "9000"),
            ]);
        }
        settings
    }

    /// Settings of the lock-service it uses.
    pub(crate) const fn lock_settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Before the lease, which ends a moment after the deadline.
            Self::Abandoned => &[
                ("LOCK_SERVICE_TIMING__EXPIRE_GRACE_MS", "0"),
                ("LOCK_SERVICE_TIMING__EXPIRE_EVERY_MS", "10"),
            ],
            _ => &[],
        }
    }

    /// How long after the last answer something may still be under way.
    pub(crate) const fn behind_it(self) -> Duration {
        match self {
            Self::Abandoned => Duration::from_secs(6),
            Self::LeftConfirming | Self::LeftCommitted => Duration::from_secs(5),
            _ => Duration::from_millis(2500),
        }
    }
}

/// What a customer was told so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    /// The booking as it was first shown.
    pub(crate) booking: Option<Value>,
    /// It is sold.
    pub(crate) confirmed: bool,
    /// A cancel of it, or of a ticket of it, was begun.
    pub(crate) cancelling: bool,
    /// It is cancelled as a whole.
    pub(crate) cancelled: bool,
}

/// A customer with one order.
pub(crate) struct Party {
    pub(crate) buyer: Caller,
    pub(crate) body: Value,
    pub(crate) told: Mutex<Told>,
}

/// The key of every order; each customer has one.
pub(crate) const KEY: &str = "journey";

impl Party {
    fn new(world: &World, show: &Show, number: usize, body: Value) -> Self {
        let buyer = world.customer_named(&format!("{}-{number}", show.show_id));
        Self { buyer, body, told: Mutex::default() }
    }

    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes down what an answer with a booking in it says.
    pub(crate) fn hear(&self, booking: &Value) {
        self.note(|told| {
            told.booking.get_or_insert_with(|| booking.clone());
            told.confirmed |= booking["state"] == "confirmed";
            told.cancelled |= booking["state"] == "cancelled";
        });
    }

    async fn order(&self, show: &Show, door: &str) -> Option<Value> {
        let buyer = self.buyer.at(door);
        let sent = buyer.post(show.book_path(), self.body.clone()).key(KEY).try_send().await;
        let answer = sent.ok().filter(|answer| answer.status.is_success())?;
        self.hear(&answer.json());
        Some(answer.json())
    }

    async fn pay(&self, show: &Show, door: &str, booking: &Value, token: &str) {
        let path = format!("{}/confirm", show.booking_path(booking));
        let pay = json!({"payment_token": token});
        let sent =
            self.buyer.at(door).post(path, pay).key(&format!("pay-{token}")).try_send().await;
        if let Some(answer) = sent.ok().filter(|answer| answer.status == 200) {
            self.hear(&answer.json());
        }
    }

    async fn hold_and_pay(&self, show: &Show, door: &str) {
        if let Some(held) = self.order(show, door).await
            && held["state"] == "held"
        {
            self.pay(show, door, &held, "tok_ok").await;
        }
    }

    async fn delete(&self, door: &str, path: String) -> bool {
        self.note(|told| told.cancelling = true);
        let sent = self.buyer.at(door).delete(path).try_send().await;
        let answer = sent.ok().filter(|answer| answer.status.is_success());
        if let Some(answer) = &answer {
            self.hear(&answer.json());
        }
        answer.is_some()
    }
}

/// A journey on a show of its own.
pub(crate) struct Travel<'w> {
    pub(crate) world: &'w World,
    pub(crate) journey: Journey,
    pub(crate) show: Show,
    pub(crate) parties: Vec<Party>,
}

impl<'w> Travel<'w> {
    /// The show, the customers, and what must have happened before.
    pub(crate) async fn prepare(world: &'w World, journey: Journey) -> Result<Self, String> {
        let changes = match journey {
            Journey::Abandoned => json!({"hold_ttl_s": 3}),
            _ => json!({}),
        };
        let show = world.show_with("kill", changes).await;
        let seats = |seats: [&str; 3]| show.named(&seats);
        let mut pair = show.best("Stalls", 2);
        pair["confirm"] = json!(true);
        pair["payment_token"] = json!("tok_ok");
        let mut three = seats(["S-A-1", "S-A-2", "S-A-3"]);
        let bodies = match journey {
            Journey::OneCall => vec![pair],
            Journey::Cancel | Journey::CancelTicket | Journey::Close => {
                three["confirm"] = json!(true);
                three["payment_token"] = json!("tok_ok");
                let mut other = show.named(&["S-E-1"]);
                other["confirm"] = json!(true);
                other["payment_token"] = json!("tok_ok");
                if journey == Journey::Close { vec![three, other] } else { vec![three] }
            }
            Journey::GroupTooLate | Journey::BatchRefused => {
                vec![three, show.named(&["S-B-1", "S-B-2"]), show.named(&["S-C-1"]), {
                    show.named(&["S-D-1", "S-D-2"])
                }]
            }
            Journey::MakeShow | Journey::WriteMap => vec![pair],
            _ => vec![three],
        };
        let parties = bodies.into_iter().enumerate();
        let parties = parties.map(|(number, body)| Party::new(world, &show, number, body));
        let travel = Self { world, journey, parties: parties.collect(), show };
        let before = matches!(
            journey,
            Journey::Cancel | Journey::CancelTicket | Journey::UsedKey | Journey::Close
        );
        if before {
            let door = world.cluster.base_url();
            for party in &travel.parties {
                party.hold_and_pay(&travel.show, &door).await;
                let told = party.told();
                let bought = told.booking.filter(|_| told.confirmed);
                let bought = bought.ok_or("could not buy before")?;
                if journey == Journey::UsedKey
                    && !party.delete(&door, travel.show.booking_path(&bought)).await
                {
                    return Err("could not cancel before".to_owned());
                }
            }
            books::in_order(world, &travel.show).await?;
        }
        Ok(travel)
    }

    /// The journey at the doomed instance; broken connections are expected.
    pub(crate) async fn go(&self, api: &str, lock_service: &str, watched: &Watched) {
        let (show, first) = (&self.show, &self.parties[0]);
        match self.journey {
            Journey::TwoCalls
            | Journey::NotSent
            | Journey::Unanswered
            | Journey::TooLate
            | Journey::LeftConfirming
            | Journey::LeftCommitted
            | Journey::HoldUnanswered => first.hold_and_pay(show, api).await,
            Journey::OneCall | Journey::UsedKey | Journey::Abandoned => {
                first.order(show, api).await;
            }
            Journey::Extend => {
                if let Some(held) = first.order(show, api).await {
                    let path = format!("{}/extend", show.booking_path(&held));
                    let _ = first.buyer.at(api).post(path, json!({})).try_send().await;
                }
            }
            Journey::Release => {
                if let Some(held) = first.order(show, api).await {
                    first.delete(api, show.booking_path(&held)).await;
                }
            }
            Journey::Declined => {
                if let Some(held) = first.order(show, api).await {
                    first.pay(show, api, &held, "tok_declined").await;
                    first.pay(show, api, &held, "tok_ok").await;
                }
            }
            Journey::Cancel | Journey::CancelTicket => {
                let booking = first.told().booking.unwrap_or_default();
                let mut path = show.booking_path(&booking);
                if self.journey == Journey::CancelTicket {
                    let ticket = booking["tickets"][1]["ticket_id"].as_str().unwrap_or_default();
                    path = format!("{path}/tickets/{ticket}");
                }
                first.delete(api, path).await;
            }
            Journey::GroupTooLate => {
                let behind = async {
                    watched.reaches("commit-sending").await;
                    join_all(self.parties[1..].iter().map(|party| party.hold_and_pay(show, api)))
                        .await;
                };
                tokio::join!(first.hold_and_pay(show, api), behind);
            }
            Journey::BatchRefused => {
                let behind = async {
                    watched.reaches("batch-sending").await;
                    join_all(self.parties[1..].iter().map(|party| party.order(show, api))).await;
                };
                tokio::join!(first.order(show, api), behind);
            }
            Journey::MakeShow => {
                self.make_show(api).await;
            }
            Journey::Close => {
                self.close(api).await;
            }
            Journey::WriteMap => self.write_map(lock_service).await,
        }
    }

    /// Makes another show; what came of it is asked again by [`Self::settle_show`].
    async fn make_show(&self, door: &str) -> bool {
        let id = format!("{}-made", self.show.show_id);
        let body = json!({"show_id": id, "name": "Made while dying"});
        let organiser = self.world.organiser.at(door);
        let sent = organiser.post("/v1/admin/shows", body).key(&id).try_send().await;
        sent.is_ok_and(|answer| answer.status == 201)
    }

    /// The show whose making was interrupted, made for good and sold.
    pub(crate) async fn settle_show(&self) -> Result<(), String> {
        let door = self.world.cluster.base_url();
        wait_until(Duration::from_secs(10), || async {
            if self.make_show(&door).await { Ok(()) } else { Err("the show is not made") }
        })
        .await?;
        let path = format!("/v1/admin/shows/{}-made/performances", self.show.show_id);
        let body = performance_body(&self.world.plan_id);
        let made = self.world.organiser.post_once(path, body).send().await;
        if made.status != 201 {
            return Err(made.text());
        }
        let performance_id = made.json()["performance_id"].clone();
        let order = json!({"performance_id": performance_id, "tier": "Box", "quantity": 1,
            "confirm": true, "payment_token": "tok_ok"});
        let path = format!("/v1/book/{}-made", self.show.show_id);
        let bought = self.parties[0].buyer.post_once(path, order).send().await;
        if bought.status == 201 { Ok(()) } else { Err(bought.text()) }
    }

    /// Deletes the performance; whether it is gone.
    pub(crate) async fn close(&self, door: &str) -> bool {
        for party in &self.parties {
            party.note(|told| told.cancelling = true);
        }
        let Show { show_id, performance_id, .. } = &self.show;
        let path =
            format!("/v1/admin/shows/{show_id}/performances/{performance_id}?cancel_bookings=true");
        let sent = self.world.organiser.at(door).delete(path).try_send().await;
        sent.is_ok_and(|answer| answer.status.is_success() || answer.status == 404)
    }

    async fn write_map(&self, lock_service: &str) {
        use lock_service_client::wire::PutShardMap;
        use lock_service_client::{LockClient, LockClientConfig};
        let client = LockClient::new(LockClientConfig {
            instances: vec![lock_service.to_owned()],
            try_timeout: Duration::from_secs(2),
            away_for: Duration::from_millis(100),
        });
        let Ok(client) = client else { return };
        if let Ok(map) = client.shard_map().await {
            let put = PutShardMap { if_revision: map.revision, map: map.map };
            let _ = client.put_shard_map(&put).await;
        }
    }
}

/// The instances of a journey, for conditions on how far it got.
pub(crate) struct Watched(pub(crate) Vec<Admin>);

impl Watched {
    /// Waits until a fail point was reached; or gives up, and the journey goes
    /// on without.
    async fn reaches(&self, point: &str) {
        let _ = wait_until(Duration::from_secs(5), || async {
            for admin in &self.0 {
                if admin.reached(point).await.is_ok_and(|times| times > 0) {
                    return Ok(());
                }
            }
            Err(format!("{point} was not reached"))
        })
        .await;
    }
}
