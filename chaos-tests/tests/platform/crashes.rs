//! A process killed at every fail point of the built programs, one after the
//! other, and started again: whatever it left behind ends as one truth that all
//! stores agree on, within twenty seconds. Which points there are the programs
//! say; one that no journey reaches is a failure.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::time::{Duration, Instant};

use chaos_tests::eventually;
use futures_util::{FutureExt, StreamExt, stream};
use local_cluster::{NodeKind, service};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::extra::Extra;
use crate::journeys::{Journey, Travel, Watched};
use crate::settled::settles;
use crate::world::World;

/// Points at which somebody dies at the same time, each on a show of its own.
const AT_ONCE: usize = 8;

/// How often the journey that is known to reach a point is tried: others may be
/// first at what runs behind the answers.
const TRIES: usize = 3;

/// Who dies where.
#[derive(Debug, Clone)]
struct Victim {
    kind: NodeKind,
    point: String,
}

impl Victim {
    /// The journey that is known to reach the point, to save time: without an
    /// entry, or where the entry is wrong, every journey is tried.
    fn shortcut(&self) -> Journey {
        match self.point.as_str() {
            "extended" => Journey::Extend,
            "released" | "release-remembered" => Journey::Release,
            "held-for-a-used-key" | "given-back" => Journey::UsedKey,
            "decline-remembered" => Journey::Declined,
            "authorised" => Journey::OneCall,
            "group-refused" => Journey::GroupTooLate,
            "commit-refused" => Journey::TooLate,
            "commit-not-sent" | "stepped-back" => Journey::NotSent,
            "commit-unknown" => Journey::Unanswered,
            "found-confirming" | "tombstoned" | "aborting" | "aborted" => Journey::LeftConfirming,
            "row-found" | "reconciled" => Journey::LeftCommitted,
            "cancelled" => Journey::Cancel,
            "freed" | "freeing" | "outbox-freed" => Journey::CancelTicket,
            "show-placed" => Journey::MakeShow,
            "performance-closed" | "closing-cancelled" => Journey::Close,
            "batch-failed" => Journey::BatchRefused,
            "truth-sought" => Journey::HoldUnanswered,
            "expiring" | "expired" => Journey::Abandoned,
            "map-written" => Journey::WriteMap,
            _ => Journey::TwoCalls,
        }
    }
}

/// The fail points that a built program says it has, with what they mean.
fn listed(kind: NodeKind) -> BTreeMap<String, String> {
    let program = service::faulty_program(kind).unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program).arg("--list-fail-points").output().expect("it starts");
    assert!(output.status.success(), "{kind}: {output:?}");
    let list: Value = serde_json::from_slice(&output.stdout).expect("a list as JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let points = list.as_array().into_iter().flatten();
    points.map(|point| (text(&point["name"]), text(&point["what"]))).collect()
}

pub(crate) async fn every_fail_point_killed_once(world: &World) {
    let mut victims = Vec::new();
    for kind in [NodeKind::BookingApi, NodeKind::LockService] {
        let points = listed(kind);
        assert!(points.len() > 10, "{kind} has {points:?}");
        assert!(points.values().all(|what| !what.is_empty()), "a point says nothing: {points:?}");
        victims.extend(points.into_keys().map(|point| Victim { kind, point }));
    }
    let began = Instant::now();
    // The long ones first, or they would be left for the end.
    victims.sort_by_key(|victim| {
        let place = Journey::ALL.iter().position(|journey| *journey == victim.shortcut());
        std::cmp::Reverse(place)
    });
    let total = victims.len();
    let lane = Mutex::new(());
    let failed: Vec<String> = stream::iter(victims)
        .map(|victim| {
            let lane = &lane;
            async move {
                let work = AssertUnwindSafe(dies_somewhere(world, &victim, lane)).catch_unwind();
                let ended = work.await.unwrap_or_else(|_| Err("the test panicked".to_owned()));
                ended.err().map(|why| format!("{} at {}: {why}", victim.kind, victim.point))
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|failed| async move { failed })
        .collect()
        .await;
    println!("{total} fail points in {:.1} s", began.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} of {total}:\n{}", failed.len(), failed.join("\n"));
}

/// Tries journeys until one brings the victim to its point.
async fn dies_somewhere(world: &World, victim: &Victim, lane: &Mutex<()>) -> Result<(), String> {
    let shortcut = victim.shortcut();
    let known = std::iter::repeat_n(shortcut, TRIES);
    for journey in known.chain(Journey::ALL.into_iter().filter(|other| *other != shortcut)) {
        // Two reconcilers in a hurry would end one another's bookings.
        let _alone = if journey.reconciles() { Some(lane.lock().await) } else { None };
        let began = Instant::now();
        let Victim { kind, point } = victim;
        let died = dies_on(world, victim, journey).await;
        let died = died.map_err(|why| format!("{journey:?}: {why}"))?;
        let ended = if died { "died and settled" } else { "not reached" };
        println!("{kind} {point} {journey:?}: {ended} in {:.1} s", began.elapsed().as_secs_f64());
        if died {
            return Ok(());
        }
    }
    Err("no journey reached it".to_owned())
}

/// One journey with a crash at this point; whatever happened must settle.
async fn dies_on(world: &World, victim: &Victim, journey: Journey) -> Result<bool, String> {
    let travel = Travel::prepare(world, journey).await?;
    let mut pair = Pair::start(world, &travel, victim.kind, &[]).await?;
    pair.arm(journey).await?;
    pair.one(victim.kind).admin.arm(&victim.point, "abort").await?;
    let (api, lock_service) = (pair.api.url.clone(), pair.lock_service_url());
    let watched = pair.watched();
    let doomed = pair.one(victim.kind);
    let died = tokio::select! {
        () = doomed.dies() => true,
        () = travel.go(&api, &lock_service, &watched) => {
            doomed.dies_within(journey.behind_it()).await
        }
    };
    if died {
        doomed.restart().await?;
        settles(&travel, &pair.api).await?;
    }
    Ok(died)
}

/// The booking-api of a journey, and a lock-service of its own where it needs
/// one that can be killed or told something.
struct Pair {
    api: Extra,
    lock_service: Option<Extra>,
}

impl Pair {
    async fn start(
        world: &World,
        travel: &Travel<'_>,
        doomed: NodeKind,
        more: &[(&str, &str)],
    ) -> Result<Self, String> {
        let (journey, name) = (travel.journey, &travel.show.show_id);
        let own = doomed == NodeKind::LockService || !journey.at_lock_service().is_empty();
        let mut settings = journey.booking_settings();
        settings.extend(more);
        let mut lock_service = None;
        if own {
            let name = format!("lock-service-{name}");
            let settings = [journey.lock_settings(), more].concat();
            let kind = NodeKind::LockService;
            lock_service = Some(Extra::start_faulty(world, kind, &name, &settings).await?);
        }
        let only = lock_service.as_ref().map(|one| format!("[{:?}]", one.url));
        if let Some(only) = &only {
            settings.push(("BOOKING_API_LOCK_SERVICES", only.as_str()));
        }
        let name = format!("booking-api-{name}");
        let api = Extra::start_faulty(world, NodeKind::BookingApi, &name, &settings).await?;
        Ok(Self { api, lock_service })
    }

    /// Whatever brings the journey about.
    async fn arm(&self, journey: Journey) -> Result<(), String> {
        for (point, actions) in journey.at_booking_api() {
            self.api.admin.arm(point, actions).await?;
        }
        for (point, actions) in journey.at_lock_service() {
            if let Some(lock_service) = &self.lock_service {
                lock_service.admin.arm(point, actions).await?;
            }
        }
        Ok(())
    }

    fn one(&mut self, kind: NodeKind) -> &mut Extra {
        match &mut self.lock_service {
            Some(lock_service) if kind == NodeKind::LockService => lock_service,
            _ => &mut self.api,
        }
    }

    fn lock_service_url(&self) -> String {
        self.lock_service.as_ref().map(|one| one.url.clone()).unwrap_or_default()
    }

    fn watched(&self) -> Watched {
        let both = std::iter::once(&self.api).chain(&self.lock_service);
        Watched(both.map(|extra| extra.admin.clone()).collect())
    }
}

/// A sound build has no fail points, so nothing can be told to die; and the
/// check would see them if it had.
pub(crate) async fn sound_programs_have_no_fail_points(world: &World) {
    for kind in [NodeKind::BookingApi, NodeKind::LockService, NodeKind::ViewService] {
        let sound = service::default_bin_dir().join(service::program_file(kind, false));
        let read = |path: &std::path::Path| std::fs::read(path).expect("a program");
        let faulty = read(&service::faulty_program(kind).expect("a faulty build"));
        let program = read(&sound);
        let has = |program: &[u8], text: &str| {
            program.windows(text.len()).any(|window| window == text.as_bytes())
        };
        let mut words: Vec<String> = listed(kind).into_values().collect();
        words.extend(["FAILPOINTS", "--list-planted-bugs", "/fail-points"].map(str::to_owned));
        for word in words {
            assert!(has(&faulty, &word), "the faulty {kind} does not say {word:?}");
            assert!(!has(&program, &word), "the sound {kind} says {word:?}");
        }
        let list = Command::new(&sound).arg("--list-fail-points").output().expect("it starts");
        assert!(!list.status.success(), "the sound {kind} lists fail points");
    }
    let nodes = world.cluster.nodes().expect("the nodes");
    let services = nodes.iter().filter(|node| node.kind.is_service());
    for admin in services.filter_map(|node| node.admin_address.as_ref()) {
        let asked = world.anybody.http().get(format!("http://{admin}/fail-points")).send().await;
        if let Ok(answer) = asked {
            assert_eq!(answer.status(), 404, "{admin} has fail points");
        }
    }
}

/// The same judge that passes the kill test refuses a service that tells its
/// customer of a sale before it is written.
pub(crate) async fn an_acknowledgement_before_the_commit_is_noticed(world: &World) {
    let travel = Travel::prepare(world, Journey::NotSent).await.expect("prepared");
    let bug = [("PLANTED_BUGS", "acknowledge-before-commit")];
    let pair = Pair::start(world, &travel, NodeKind::BookingApi, &bug).await.expect("started");
    pair.arm(travel.journey).await.expect("armed");
    travel.go(&pair.api.url, "", &pair.watched()).await;
    assert!(travel.parties[0].told().confirmed, "the customer was told of a sale");
    let verdict = settles(&travel, &pair.api).await;
    let breach = verdict.expect_err("the judge passes a lost booking");
    assert!(breach.contains("INV-2"), "{breach}");
}

pub(crate) async fn a_dying_lock_service_loses_nobodys_seat(world: &World) {
    let show = world.show("lock-crash").await;
    let buyer = world.customer("steady");
    for (round, node) in ["lock-service-0", "lock-service-1"].into_iter().enumerate() {
        let seat = format!("S-A-{}", round + 1);
        let held = buyer.post_once(show.book_path(), show.named(&[&seat])).expect(201).await;
        world.cluster.kill(node).await.expect("killed");
        let confirm = format!("{}/confirm", show.booking_path(&held.json()));
        let key = format!("steady-{}-{round}", show.show_id);
        let paid = eventually(Duration::from_secs(20), || async {
            let pay = json!({"payment_token": "tok_ok"});
            let answer = buyer.post(confirm.clone(), pay).key(&key).send().await;
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
        })
        .await;
        assert_eq!(paid["state"], "confirmed");
        world.cluster.restart(node).await.expect("restarted");
    }
    world.seats_become(&show, json!({"S-A-1": "sold", "S-A-2": "sold"})).await;
}
