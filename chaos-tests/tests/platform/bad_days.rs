//! What still works while something is away, and that it comes back by itself.
//! These tests break the platform, so they run one after the other.

use std::time::{Duration, Instant};

use chaos_tests::{Caller, eventually};
use futures_util::future::join_all;
use local_cluster::NodeKind;
use seat_model::Code;
use serde_json::{Value, json};

use crate::extra::Extra;
use crate::never_dark::pages;
use crate::world::{Show, World};

/// How a node is taken away.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Pause,
}

impl World {
    /// Two shows that are on different shards, in the order of the shards.
    pub(crate) async fn a_show_on_each_shard(&self, name: &str) -> Vec<Show> {
        let shards = self.names_of(NodeKind::Shard);
        let mut found: Vec<Option<Show>> = vec![None; shards.len()];
        while found.iter().any(Option::is_none) {
            let show = self.show(name).await;
            for (i, shard) in shards.iter().enumerate() {
                if self.shard_has(shard, &show).await {
                    found[i].get_or_insert(show.clone());
                }
            }
        }
        found.into_iter().flatten().collect()
    }

    /// The shard that has a show.
    pub(crate) async fn shard_of(&self, show: &Show) -> String {
        for shard in self.names_of(NodeKind::Shard) {
            if self.shard_has(&shard, show).await {
                return shard;
            }
        }
        panic!("no shard has {}", show.show_id);
    }

    async fn shard_has(&self, shard: &str, show: &Show) -> bool {
        let url = self.cluster.database_url(shard).expect("a shard");
        let mut connection =
            <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await.expect("the shard");
        let placed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM placement WHERE show_id = ?")
            .bind(&show.show_id)
            .fetch_one(&mut connection)
            .await
            .expect("the placement table");
        placed == 1
    }

    /// Brings back whatever an earlier test that failed has left away.
    pub(crate) async fn mend(&self) {
        for node in self.cluster.nodes().expect("the nodes") {
            if node.pid.is_none() {
                self.cluster.restart(&node.name).await.expect("restarted");
            } else {
                self.cluster.resume(&node.name).await.expect("resumed");
            }
        }
        self.cluster.wait_healthy(Duration::from_secs(40)).await.expect("healthy");
    }

    async fn strike(&self, node: &str, blow: Blow) {
        match blow {
            Blow::Kill => self.cluster.kill(node).await.expect("killed"),
            Blow::Pause => self.cluster.pause(node).await.expect("paused"),
        }
    }

    async fn heal(&self, node: &str, blow: Blow) {
        match blow {
            Blow::Kill => self.cluster.restart(node).await.expect("restarted"),
            Blow::Pause => self.cluster.resume(node).await.expect("resumed"),
        }
        self.cluster.wait_healthy(Duration::from_secs(30)).await.expect("healthy again");
    }
}

fn at_once(show: &Show) -> Value {
    json!({"performance_id": show.performance_id, "tier": "Stalls", "quantity": 1,
        "confirm": true, "payment_token": "tok_ok"})
}

/// Books until it works; the same key is sent again where the answer says so.
async fn books_again(world: &World, show: &Show, within: Duration) -> Value {
    eventually(within, || async {
        let buyer = world.customer("again");
        let sent = buyer.post_once(show.book_path(), at_once(show)).try_send().await;
        let answer = sent.map_err(|error| error.to_string())?;
        if answer.status == 201 { Ok(answer.json()) } else { Err(answer.text()) }
    })
    .await
}

/// Looks at everything once; every view must answer.
async fn look(world: &World, show: &Show) {
    for path in pages(world, show) {
        let started = Instant::now();
        let answer = world.anybody.get(path.as_str()).send().await;
        let took = started.elapsed();
        assert_eq!(answer.status, 200, "GET {path} after {took:?}: {}", answer.text());
    }
}

/// How many look at the same time while something is away.
const VISITORS: usize = 4;

async fn any_one_node_may_go(world: &World, kinds: &[NodeKind], blow: Blow) {
    let shows = world.a_show_on_each_shard("one-down").await;
    for show in &shows {
        world.seats(show).await;
        books_again(world, show, Duration::from_secs(10)).await;
        look(world, show).await;
    }
    let shards = world.names_of(NodeKind::Shard);
    for kind in kinds {
        for node in world.names_of(*kind) {
            println!("{blow:?} {node}");
            world.strike(&node, blow).await;
            let until = Instant::now() + Duration::from_secs(3);
            let visitor = async |show: &Show| {
                while Instant::now() < until {
                    look(world, show).await;
                }
            };
            join_all((0..VISITORS).map(|i| visitor(&shows[i % shows.len()]))).await;
            for (shard, show) in shards.iter().zip(&shows) {
                if *kind == NodeKind::PaymentGateway {
                    // Nothing can be paid for; seats are held all the same.
                    hold_one(world, show).await;
                } else if *shard != node {
                    books_again(world, show, Duration::from_secs(10)).await;
                }
            }
            world.heal(&node, blow).await;
            for show in &shows {
                books_again(world, show, Duration::from_secs(10)).await;
            }
        }
    }
}

const STORES: [NodeKind; 5] = [
    NodeKind::Etcd,
    NodeKind::Shard,
    NodeKind::Catalogue,
    NodeKind::CatalogueReplica,
    NodeKind::Redis,
];
const SERVICES: [NodeKind; 4] =
    [NodeKind::PaymentGateway, NodeKind::LockService, NodeKind::BookingApi, NodeKind::ViewService];

pub(crate) async fn any_store_may_be_killed(world: &World) {
    any_one_node_may_go(world, &STORES, Blow::Kill).await;
}

pub(crate) async fn any_store_may_be_paused(world: &World) {
    any_one_node_may_go(world, &STORES, Blow::Pause).await;
}

pub(crate) async fn any_service_may_be_killed(world: &World) {
    any_one_node_may_go(world, &SERVICES, Blow::Kill).await;
}

pub(crate) async fn any_service_may_be_paused(world: &World) {
    any_one_node_may_go(world, &SERVICES, Blow::Pause).await;
}

async fn hold_one(world: &World, show: &Show) -> (Caller, Value) {
    let buyer = world.customer("waiting");
    let held = buyer.post_once(show.book_path(), show.best("Stalls", 2)).expect(201).await;
    (buyer, held.json())
}

pub(crate) async fn a_confirm_whose_shard_is_silent_ends_as_the_truth(world: &World) {
    let shows = world.a_show_on_each_shard("pending").await;
    let show = &shows[0];
    let (buyer, held) = hold_one(world, show).await;
    let path = show.booking_path(&held);
    let key = format!("pending-{}", show.show_id);
    let confirm =
        || buyer.post(format!("{path}/confirm"), json!({"payment_token": "tok_ok"})).key(&key);
    // Somebody sits on the show's placement row: the commit is sent, and no
    // answer comes before its time is up.
    let shard = world.names_of(NodeKind::Shard)[0].clone();
    let url = world.cluster.database_url(&shard).expect("a shard");
    let mut sitter =
        <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await.expect("the shard");
    sqlx::query("START TRANSACTION").execute(&mut sitter).await.expect("a transaction");
    sqlx::query("SELECT show_id FROM placement WHERE show_id = ? FOR UPDATE")
        .bind(&show.show_id)
        .fetch_one(&mut sitter)
        .await
        .expect("the row");
    let answer = confirm().send().await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["state"], "pending");
    assert!(answer.header("location").ends_with(&path), "{}", answer.header("location"));
    buyer.delete(path.clone()).refused(Code::ConfirmInProgress).await;
    sqlx::query("ROLLBACK").execute(&mut sitter).await.expect("the row is free");
    // The same key later gives the final answer, and the views agree with it.
    let truth = eventually(Duration::from_secs(30), || async {
        let answer = confirm().send().await;
        match answer.status.as_u16() {
            200 | 410 => Ok(answer),
            _ => Err(answer.text()),
        }
    })
    .await;
    if truth.status == 200 {
        assert_eq!(truth.json()["state"], "confirmed");
        assert_eq!(buyer.get(path).expect(200).await.json()["state"], "confirmed");
        world.seats_become(show, json!({"S-A-5": "sold", "S-A-6": "sold"})).await;
    } else {
        assert_eq!(truth.checked_problem().code, Code::HoldExpired);
        world.seats_become(show, json!({})).await;
    }
}

pub(crate) async fn a_paused_shard_leaves_the_hold(world: &World) {
    let shows = world.a_show_on_each_shard("shard-paused").await;
    let shards = world.names_of(NodeKind::Shard);
    let (show, shard) = (&shows[0], &shards[0]);
    let (buyer, held) = hold_one(world, show).await;
    let path = show.booking_path(&held);
    let confirm = format!("{path}/confirm");
    world.cluster.pause(shard).await.expect("paused");
    for _ in 0..3 {
        let pay = json!({"payment_token": "tok_ok"});
        buyer.post_once(confirm.clone(), pay).refused(Code::Unavailable).await;
        let read = buyer.get(path.clone()).expect(200).await.json();
        assert_eq!(read["state"], "held", "the hold stays");
    }
    world.cluster.resume(shard).await.expect("resumed");
    eventually(Duration::from_secs(10), || async {
        let pay = json!({"payment_token": "tok_ok"});
        let answer = buyer.post_once(confirm.clone(), pay).send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    world.seats_become(show, json!({"S-A-5": "sold", "S-A-6": "sold"})).await;
}

pub(crate) async fn a_shard_that_is_down_leaves_the_hold(world: &World) {
    let shows = world.a_show_on_each_shard("shard-down").await;
    let shards = world.names_of(NodeKind::Shard);
    let (show, shard) = (&shows[1], &shards[1]);
    let (buyer, held) = hold_one(world, show).await;
    let path = show.booking_path(&held);
    let pay = json!({"payment_token": "tok_ok"});
    world.cluster.kill(shard).await.expect("killed");
    // Until its connections are found dead an answer may be lost: 202. Then 503.
    let key = format!("down-{}", show.show_id);
    let confirm = || buyer.post(format!("{path}/confirm"), pay.clone()).key(&key);
    let answer = confirm().send().await;
    let pending = answer.status == 202;
    if !pending {
        assert_eq!(answer.checked_problem().code, Code::Unavailable);
        let read = buyer.get(path.clone()).expect(200).await.json();
        assert_eq!(read["state"], "held", "the hold stays");
    }
    world.cluster.restart(shard).await.expect("restarted");
    let truth = eventually(Duration::from_secs(30), || async {
        let answer = confirm().send().await;
        match answer.status.as_u16() {
            200 => Ok(answer),
            410 if pending => Ok(answer),
            _ => Err(answer.text()),
        }
    })
    .await;
    let seats =
        if truth.status == 200 { json!({"S-A-5": "sold", "S-A-6": "sold"}) } else { json!({}) };
    world.seats_become(show, seats).await;
    world.cluster.wait_healthy(Duration::from_secs(30)).await.expect("healthy again");
}

pub(crate) async fn without_the_catalogue_known_shows_are_sold(world: &World) {
    let show = world.show("catalogue-away").await;
    world.seats(&show).await;
    for door in world.cluster.service_urls(NodeKind::BookingApi) {
        let buyer = world.customer("known");
        buyer.at(door).post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await;
    }
    let user = json!({"name": "Late", "phone": "1234567", "address": "Somewhere 1",
        "email": format!("{}@example.org", show.show_id), "password": "correct horse battery"});
    for blow in [Blow::Kill, Blow::Pause] {
        world.strike("catalogue", blow).await;
        for _ in 0..6 {
            let buyer = world.customer("still");
            buyer.post_once(show.book_path(), at_once(&show)).expect(201).await;
        }
        let sent = world.anybody.post_once("/v1/users", user.clone()).send().await;
        let code = sent.checked_problem().code;
        let honest = matches!(code, Code::Unavailable | Code::OutcomeUnknown);
        assert!(honest, "{}", sent.text());
        let plan = world.organiser.post_once("/v1/admin/plans", crate::world::hall()).send().await;
        assert!(matches!(plan.status.as_u16(), 503 | 504), "{}", plan.text());
        look(world, &show).await;
        world.heal("catalogue", blow).await;
    }
    eventually(Duration::from_secs(10), || async {
        let made = world.organiser.post_once("/v1/admin/plans", crate::world::hall()).send().await;
        if made.status == 201 { Ok(()) } else { Err(made.text()) }
    })
    .await;
}

pub(crate) async fn without_etcds_majority_nothing_is_sold_and_everything_is_shown(world: &World) {
    let show = world.show("no-quorum").await;
    let (buyer, held) = hold_one(world, &show).await;
    world.seats_become(&show, json!({"S-A-5": "held", "S-A-6": "held"})).await;
    let members = world.names_of(NodeKind::Etcd);
    for member in &members[..2] {
        world.cluster.kill(member).await.expect("killed");
    }
    let confirm = format!("{}/confirm", show.booking_path(&held));
    let answers = [
        buyer.post_once(show.book_path(), show.best("Stalls", 1)).send().await,
        buyer.post_once(confirm.clone(), json!({"payment_token": "tok_ok"})).send().await,
    ];
    for answer in answers {
        let code = answer.checked_problem().code;
        let honest = matches!(code, Code::Unavailable | Code::OutcomeUnknown);
        assert!(honest, "{}", answer.text());
    }
    eventually(Duration::from_secs(10), || async {
        look(world, &show).await;
        let map = world.anybody.get(show.seats_path()).expect(200).await.json();
        if map["stale"] == true { Ok(()) } else { Err("not marked stale") }
    })
    .await;
    // Together: a lone member cannot become healthy.
    let (first, second) =
        tokio::join!(world.cluster.restart(&members[0]), world.cluster.restart(&members[1]));
    first.and(second).expect("restarted");
    world.cluster.wait_healthy(Duration::from_secs(40)).await.expect("healthy again");
    books_again(world, &show, Duration::from_secs(15)).await;
    eventually(Duration::from_secs(15), || async {
        let map = world.anybody.get(show.seats_path()).expect(200).await.json();
        if map["stale"] == false { Ok(()) } else { Err("still marked stale") }
    })
    .await;
}

async fn flush(world: &World) {
    let url = world.cluster.redis_url().expect("a Redis");
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("flushed");
}

/// The seats that Redis has of a performance, past view-service.
async fn stored_seats(world: &World, show: &Show) -> Vec<String> {
    let url = world.cluster.redis_url().expect("a Redis");
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    let key = format!("{{seatlock:v1:0/1}}:seats:{}", show.performance_id);
    let fields: Vec<String> =
        redis::cmd("HKEYS").arg(key).query_async(&mut connection).await.expect("fields");
    // The one that is no seat says how far it is.
    let mut seats: Vec<String> = fields.into_iter().filter(|field| field.len() > 1).collect();
    seats.sort();
    seats
}

pub(crate) async fn an_emptied_redis_fills_itself(world: &World) {
    let show = world.show("flushed").await;
    let (_, held) = hold_one(world, &show).await;
    let wanted = json!({"S-A-5": "held", "S-A-6": "held"});
    world.seats_become(&show, wanted.clone()).await;
    for _ in 0..3 {
        flush(world).await;
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let map = world.anybody.get(show.seats_path()).expect(200).await;
            assert_eq!(map.json()["seats"], wanted, "from {}", map.header("x-seatlock-source"));
        }
        // And whoever has only Redis to go by finds them there again.
        eventually(Duration::from_secs(5), || async {
            let stored = stored_seats(world, &show).await;
            if stored == ["S-A-5", "S-A-6"] { Ok(()) } else { Err(format!("has {stored:?}")) }
        })
        .await;
    }
    assert!(held["fence"].as_u64().is_some());
}

pub(crate) async fn too_many_requests_are_told_when_to_come_again(world: &World) {
    let show = world.show("rate").await;
    let limits =
        [("BOOKING_API_RATE_LIMIT__PER_SECOND", "5"), ("BOOKING_API_RATE_LIMIT__BURST", "5")];
    let limited_api = Extra::start(world, "booking-api-limited", &limits).await;
    let buyer = world.customer("hasty").at(&limited_api.url);
    let mut limited = None;
    for _ in 0..50 {
        let answer = buyer.get("/v1/bookings").send().await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("fifty requests at once are too many");
    assert_eq!(limited.checked_problem().code, Code::RateLimited);
    // Another customer is not held responsible.
    let other = world.customer("calm").at(buyer.base_url());
    other.post_once(show.book_path(), show.best("Stalls", 1)).expect(201).await;
    eventually(Duration::from_secs(10), || async {
        let answer = buyer.get("/v1/bookings").send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}
