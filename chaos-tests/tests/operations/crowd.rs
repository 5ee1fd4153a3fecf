//! A small crowd that holds, pays, looks up what it has and cancels, without a
//! pause and through the load balancer, and takes the contract at its word:
//! what may be sent again is sent again under its key. It writes down what it
//! was told. It must not know what is done to the platform meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chaos_tests::hall::{Hall, PICKED, hot_seats};
use chaos_tests::stage::Stage;
use chaos_tests::{Answer, Call, Caller, Coverage, eventually, settled, wait_until};
use futures_util::future::{join, join_all};
use local_cluster::{NodeKind, Role, StartedCluster};
use seat_model::{PerformanceId, Retry};
use serde_json::{Value, json};

/// People who buy at the same time.
const BUYERS: usize = 3;

/// People who look at the same time.
pub(crate) const VISITORS: usize = 2;

/// How long a hold lives: longer than an instance takes to start.
const HOLD_TTL: Duration = Duration::from_secs(60);

/// How long what is new may take to be shown by every instance.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// How long somebody sends again what could not be done just then.
const PATIENCE: Duration = Duration::from_secs(30);

/// One purchase in so many is kept, and so many of one buyer at most: the rest
/// is given back, or the halls would be full.
const KEPT: (usize, usize) = (5, 20);

/// Longer than any run.
const TOKENS: Duration = Duration::from_secs(3600);

/// Somebody without a token, at the load balancer.
pub(crate) fn anybody(stage: &Stage) -> Caller {
    Caller::new(stage.cluster.base_url(), Arc::new(Coverage::default()))
}

/// New halls, one on each shard, once every view-service shows them.
pub(crate) async fn halls(stage: &Stage, name: &str) -> Vec<Hall> {
    let halls = stage.halls_on_each_shard(name, 1, HOLD_TTL).await.expect("a hall on each shard");
    let anybody = anybody(stage);
    for url in stage.cluster.service_urls(NodeKind::ViewService) {
        let instance = anybody.at(url);
        for page in pages(&halls) {
            eventually(SHOWN_WITHIN, || async {
                let answer = instance.get(page.as_str()).send().await;
                if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
            })
            .await;
        }
    }
    halls
}

/// A bearer token for the length of a run, signed as this cluster signs.
pub(crate) fn token(cluster: &StartedCluster, user: &str, role: Role) -> String {
    cluster.mint_token(user, role, TOKENS).expect("a token")
}

/// Where a hall is sold.
pub(crate) fn book_path(hall: &Hall) -> String {
    format!("/v1/book/{}", hall.show)
}

/// Where a booking is.
pub(crate) fn booking_path(hall: &Hall, booking: &Value) -> String {
    format!("{}/{}", book_path(hall), booking["booking_id"].as_str().expect("a booking id"))
}

/// The best seat there is.
pub(crate) fn best(hall: &Hall) -> Value {
    json!({"performance_id": hall.performance, "tier": PICKED, "quantity": 1})
}

/// Pays.
pub(crate) fn payment() -> Value {
    json!({"payment_token": "tok_ok"})
}

/// What people look at.
pub(crate) fn pages(halls: &[Hall]) -> Vec<String> {
    let of_hall = |hall: &Hall| {
        let show = format!("/v1/show/{}", hall.show);
        [format!("{show}/performances/{}/seats", hall.performance), show]
    };
    let mut pages: Vec<String> = halls.iter().flat_map(of_hall).collect();
    pages.push("/v1/shows?limit=5".to_owned());
    pages
}

/// What a crowd was told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests, repeated ones included.
    requests: usize,
    /// Purchases that were confirmed.
    sold: usize,
    /// Purchases that were given back.
    cancelled: usize,
    /// Seats that somebody else had.
    lost: usize,
    /// 503: nothing was done, come again.
    put_off: usize,
    /// Done or not is not known yet, or the same request still runs.
    undecided: usize,
    /// No answer at all: a connection that was closed under the request.
    pub(crate) unanswered: usize,
    /// What the contract does not know.
    wrong: Vec<String>,
    /// Performance and seat of every ticket that somebody was told is theirs.
    told: BTreeSet<(String, String)>,
}

/// Buyers in some halls.
pub(crate) struct Crowd<'s> {
    stage: &'s Stage,
    halls: &'s [Hall],
    anybody: Caller,
    name: &'static str,
    over: Cell<bool>,
    seen: RefCell<Seen>,
}

impl<'s> Crowd<'s> {
    /// Customers whose names begin with `name`.
    pub(crate) fn new(stage: &'s Stage, halls: &'s [Hall], name: &'static str) -> Self {
        let (over, seen) = (Cell::new(false), RefCell::default());
        Self { stage, halls, anybody: anybody(stage), name, over, seen }
    }

    /// Buys until `meanwhile` has ended and every purchase that was begun, too.
    pub(crate) async fn buys(self, meanwhile: impl Future<Output = ()>) -> Seen {
        let until_over = async {
            meanwhile.await;
            self.over.set(true);
        };
        join(join_all((0..BUYERS).map(|number| self.buyer(number))), until_over).await;
        self.seen.into_inner()
    }

    async fn buyer(&self, number: usize) {
        let person = self.anybody.afresh();
        let (mut round, mut kept) = (0, 0);
        while !self.over.get() {
            let hall = &self.halls[(number + round) % self.halls.len()];
            // Somebody else each time: nobody has as many as one may.
            let user = format!("{}-{number}-{round}", self.name);
            let token = token(&self.stage.cluster, &user, Role::Customer);
            let customer = person.with_token(token);
            // Now and then one of the few seats that the others want, too.
            let fought_for = round % 4 == 0;
            let wanted = if fought_for {
                let hot = hot_seats();
                json!({"performance_id": hall.performance, "seats": [hot[round / 4 % hot.len()]]})
            } else {
                best(hall)
            };
            let keeps = !fought_for && round % KEPT.0 == 1 && kept < KEPT.1;
            kept += usize::from(keeps);
            self.purchase(&customer, hall, wanted, keeps).await;
            round += 1;
        }
    }

    /// One booking of somebody who has no other.
    async fn purchase(&self, customer: &Caller, hall: &Hall, wanted: Value, keeps: bool) {
        let path = book_path(hall);
        let hold = || customer.post(path.as_str(), wanted.clone()).key("hold");
        let Some(held) = self.decided(hold).await else { return };
        if held.status == 409 {
            self.seen.borrow_mut().lost += 1;
            return;
        }
        let Some(held) = self.with_status(&held, 201) else { return };
        let path = booking_path(hall, &held);
        let confirm = || customer.post(format!("{path}/confirm"), payment()).key("pay");
        let Some(answer) = self.decided(confirm).await else { return };
        let Some(sold) = self.with_status(&answer, 200) else { return };
        // However often it was asked for, it is one booking (INV-8).
        let Some(all) = self.decided(|| customer.get("/v1/bookings")).await else { return };
        let Some(all) = self.with_status(&all, 200) else { return };
        let listed = all["bookings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let one = listed.len() == 1 && listed[0]["booking_id"] == held["booking_id"];
        if !one || sold["state"] != "confirmed" || sold["seats"] != held["seats"] {
            self.seen.borrow_mut().wrong.push(format!("{held} became {sold}, among {all}"));
        }
        self.seen.borrow_mut().sold += 1;
        if keeps {
            let seats = sold["seats"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let ticket = |seat: &str| (hall.performance.to_string(), seat.to_owned());
            self.seen.borrow_mut().told.extend(seats.map(ticket));
            return;
        }
        let Some(answer) = self.decided(|| customer.delete(path.as_str())).await else { return };
        if self.with_status(&answer, 200).is_some() {
            self.seen.borrow_mut().cancelled += 1;
        }
    }

    /// Sends a request, and the very same one for as long as the answer says
    /// that it may be, or none came. Each answer is judged by itself.
    async fn decided<'c>(&self, call: impl Fn() -> Call<'c>) -> Option<Answer> {
        let decided = wait_until(PATIENCE, || async {
            let sent = call().try_send().await;
            let mut seen = self.seen.borrow_mut();
            seen.requests += 1;
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) => {
                    seen.unanswered += 1;
                    return Err(format!("{error:?}"));
                }
            };
            let repeated = answer.status == 202
                || (!answer.status.is_success()
                    && answer.checked_problem().retry == Retry::SameRequest);
            if !repeated {
                return Ok(answer);
            }
            match answer.status.as_u16() {
                503 => seen.put_off += 1,
                202 | 409 | 429 | 504 => seen.undecided += 1,
                _ => seen.wrong.push(described(&answer)),
            }
            Err(described(&answer))
        })
        .await;
        decided.map_err(|why| self.seen.borrow_mut().wrong.push(why)).ok()
    }

    fn with_status(&self, answer: &Answer, wanted: u16) -> Option<Value> {
        if answer.status == wanted {
            return Some(answer.json());
        }
        self.seen.borrow_mut().wrong.push(described(answer));
        None
    }
}

fn described(answer: &Answer) -> String {
    format!("{}: {} {}", answer.what, answer.status, answer.text())
}

impl Seen {
    /// Says what was seen, and what of it the contract does not allow.
    pub(crate) fn judge(&self, what: &str) {
        println!(
            "{what}: {} requests; {} sold, {} given back, {} lost a race; {} times 503, {} not \
             decided at once, {} without an answer",
            self.requests,
            self.sold,
            self.cancelled,
            self.lost,
            self.put_off,
            self.undecided,
            self.unanswered
        );
        assert!(self.wrong.is_empty(), "{what}: {:#?}", self.wrong);
        assert!(self.sold >= 20 && !self.told.is_empty(), "{what}: people were buying: {self:?}");
    }

    /// Waits until nothing is under way, and compares: the stores with one
    /// another, and the valid tickets of these halls with what people were told.
    pub(crate) async fn is_what_the_stores_hold(&self, stage: &Stage, halls: &[Hall]) {
        let held = settled(stage).await.expect("every store answers");
        assert!(held.findings.is_empty(), "the stores do not agree: {:#?}", held.findings);
        let here =
            |performance: &PerformanceId| halls.iter().any(|hall| hall.performance == *performance);
        let valid = held.tickets.iter().filter(|t| t.valid && here(&t.performance));
        let valid: BTreeSet<(String, String)> =
            valid.map(|t| (t.performance.to_string(), t.seat.to_string())).collect();
        assert_eq!(valid, self.told, "valid tickets, and what people were told");
        println!("{} tickets are what people were told", valid.len());
    }
}
