//! The scenarios in which the protocol as it is must keep every promise. The
//! quick ones run with the tests; the large ones on demand.

use crate::names::Seats;
use crate::properties::Landmark;
use crate::scenario::{BookingPlan, Kind, Scenario, Wish};

use Kind::{Direct, InTwo};

/// A booking for named seats.
#[must_use]
pub fn named(seats: Seats, attempts: &[Kind]) -> BookingPlan {
    BookingPlan { wish: Wish::Named(seats), attempts: attempts.to_vec() }
}

/// A booking for as many seats as the service picks.
#[must_use]
pub fn pick(seats: u32, attempts: &[Kind]) -> BookingPlan {
    BookingPlan { wish: Wish::Pick(seats), attempts: attempts.to_vec() }
}

/// One scenario: how to make it, and what it must have seen to count.
pub struct Entry {
    /// Makes it.
    pub make: fn() -> Scenario,
    /// What must have happened in it.
    pub landmarks: &'static [Landmark],
}

macro_rules! entry {
    ($make:path: $($landmark:ident),+) => {
        Entry { make: $make, landmarks: &[$(Landmark::$landmark),+] }
    };
}

/// Explored whole by the tests.
pub const QUICK: &[Entry] = &[
    entry!(rivals: Acknowledged, CommitMetRow, FinishedByRow),
    entry!(take_over: Acknowledged, CommitMetRow, OtherAttempt, Replayed),
    entry!(all_or_nothing: Acknowledged, CommitMetRow),
    entry!(extending: Acknowledged, OtherAttempt, Replayed),
    entry!(at_once: Acknowledged, CommitMetRow, Replayed),
    entry!(picks: Acknowledged, Replayed, OtherAttempt),
    entry!(picks_of_rivals: Acknowledged, CommitMetRow),
    entry!(cancelling: Acknowledged, Freed, SoldAgain, LeftoverFreed),
    entry!(part_by_part: Acknowledged, Freed, SoldAgain),
    entry!(picks_cancelled: Acknowledged, Freed),
    entry!(moving: Acknowledged, StaleCommit, SoldAfterMove),
    entry!(moving_at_once: Acknowledged, StaleCommit, SoldAfterMove),
    entry!(moving_and_cancelling: Acknowledged, Freed, SoldAfterMove),
    entry!(paying: Acknowledged, Swept, CommitMetRow),
];

/// Explored on demand: minutes to hours, and gigabytes.
pub const LARGE: &[Entry] = &[
    entry!(three_rivals: Acknowledged, CommitMetRow, FinishedByRow),
    entry!(three_customers: Acknowledged, CommitMetRow),
    entry!(at_once_and_held: Acknowledged, CommitMetRow, OtherAttempt),
    entry!(picks_extended: Acknowledged, Replayed, OtherAttempt),
    entry!(moving_take_over: Acknowledged, StaleCommit, SoldAfterMove),
    entry!(moving_at_once_rivals: Acknowledged, StaleCommit, SoldAfterMove),
    entry!(moving_and_cancelling_rivals: Acknowledged, Freed, SoldAfterMove),
    entry!(paying_rivals: Acknowledged, Swept, CommitMetRow),
    entry!(crowd: Acknowledged, CommitMetRow, OtherAttempt),
    entry!(picks_and_parts: Acknowledged, Freed, SoldAgain),
    entry!(moving_crowd: Acknowledged, StaleCommit, SoldAfterMove),
];

/// Every scenario.
pub fn all() -> impl Iterator<Item = Scenario> {
    QUICK.iter().chain(LARGE).map(|entry| (entry.make)())
}

fn one_seat(mut scenario: Scenario) -> Scenario {
    scenario.seats = Seats::A;
    scenario
}

fn rivals() -> Scenario {
    let each = named(Seats::A, &[InTwo]);
    let mut scenario = one_seat(Scenario::new(
        "rivals",
        "two customers, one seat; two reconcilers; refused and unsent commits",
        vec![each.clone(), each],
    ));
    (scenario.reconcilers, scenario.refusals) = (2, true);
    scenario
}

fn three_rivals() -> Scenario {
    let each = named(Seats::A, &[InTwo]);
    let mut scenario = one_seat(Scenario::new(
        "three-rivals",
        "three customers, one seat; two reconcilers; refused and unsent commits",
        vec![each.clone(), each.clone(), each],
    ));
    (scenario.reconcilers, scenario.refusals) = (2, true);
    scenario
}

fn take_over() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "take-over",
        "two attempts under one key at two instances, and a rival; refused and unsent commits",
        vec![named(Seats::A, &[InTwo, InTwo]), named(Seats::A, &[InTwo])],
    ));
    scenario.refusals = true;
    scenario
}

fn all_or_nothing() -> Scenario {
    Scenario::new(
        "all-or-nothing",
        "one customer wants both seats, another wants one of them",
        vec![named(Seats::AB, &[InTwo]), named(Seats::A, &[InTwo])],
    )
}

fn three_customers() -> Scenario {
    Scenario::new(
        "three-customers",
        "one customer wants both seats, two want one each",
        vec![named(Seats::AB, &[InTwo]), named(Seats::A, &[InTwo]), named(Seats::B, &[InTwo])],
    )
}

fn extending() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "extending",
        "two attempts under one key that extend and confirm, and a rival",
        vec![named(Seats::A, &[InTwo, InTwo]), named(Seats::A, &[InTwo])],
    ));
    scenario.extend = true;
    scenario
}

fn at_once() -> Scenario {
    one_seat(Scenario::new(
        "at-once",
        "straight to confirming, beside a hold under the same key, and a rival",
        vec![named(Seats::A, &[Direct, InTwo]), named(Seats::A, &[Direct])],
    ))
}

fn at_once_and_held() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "at-once-and-held",
        "straight to confirming, twice under one key, beside a hold under it, and a rival",
        vec![named(Seats::A, &[Direct, Direct, InTwo]), named(Seats::A, &[Direct])],
    ));
    scenario.refusals = true;
    scenario
}

fn picks() -> Scenario {
    let mut scenario = Scenario::new(
        "picks",
        "two attempts under one key pick from stale mirrors and extend",
        vec![pick(1, &[InTwo, InTwo])],
    );
    scenario.extend = true;
    scenario
}

fn picks_of_rivals() -> Scenario {
    let mut scenario = Scenario::new(
        "picks-of-rivals",
        "two customers pick from stale mirrors",
        vec![pick(1, &[InTwo]), pick(1, &[InTwo])],
    );
    scenario.step_back = false;
    scenario
}

fn picks_extended() -> Scenario {
    let mut scenario = Scenario::new(
        "picks-extended",
        "two attempts under one key pick from stale mirrors, extend, and a rival picks, too",
        vec![pick(1, &[InTwo, InTwo]), pick(1, &[InTwo])],
    );
    scenario.extend = true;
    scenario
}

fn cancelling() -> Scenario {
    one_seat(Scenario::new(
        "cancelling",
        "a hold or booking is cancelled twice, at once bought and late, and bought by a rival",
        vec![named(Seats::A, &[Direct]), named(Seats::A, &[InTwo])],
    ))
    .cancel(0)
    .cancel(0)
}

fn part_by_part() -> Scenario {
    Scenario::new(
        "part-by-part",
        "one of two tickets is cancelled, then all, while a rival wants its seat",
        vec![named(Seats::AB, &[InTwo]), named(Seats::A, &[InTwo])],
    )
    .cancel_ticket(0, Seats::A)
    .cancel(0)
}

fn picks_cancelled() -> Scenario {
    Scenario::new(
        "picks-cancelled",
        "both tickets of a pick are cancelled one by one, and freed by request and relay",
        vec![pick(2, &[InTwo, Direct])],
    )
    .cancel_ticket(0, Seats::A)
    .cancel_ticket(0, Seats::B)
}

fn moving() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving",
        "the show moves between shards while two attempts under one key book",
        vec![named(Seats::A, &[InTwo, InTwo])],
    ));
    scenario.moves = true;
    scenario
}

fn moving_take_over() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving-take-over",
        "the show moves between shards while two attempts and a rival book",
        vec![named(Seats::A, &[InTwo, InTwo]), named(Seats::A, &[InTwo])],
    ));
    scenario.moves = true;
    scenario
}

fn moving_at_once() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving-at-once",
        "the show moves while somebody buys at once; two reconcilers",
        vec![named(Seats::A, &[Direct])],
    ));
    (scenario.moves, scenario.reconcilers) = (true, 2);
    scenario
}

fn moving_at_once_rivals() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving-at-once-rivals",
        "the show moves while two customers buy at once; two reconcilers",
        vec![named(Seats::A, &[Direct]), named(Seats::A, &[Direct])],
    ));
    (scenario.moves, scenario.reconcilers) = (true, 2);
    scenario
}

fn moving_and_cancelling() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving-and-cancelling",
        "the show moves while a booking is made and cancelled twice",
        vec![named(Seats::A, &[InTwo])],
    ))
    .cancel(0)
    .cancel(0);
    scenario.moves = true;
    scenario
}

fn moving_and_cancelling_rivals() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moving-and-cancelling-rivals",
        "the show moves while a booking is made and cancelled twice, and a rival books",
        vec![named(Seats::A, &[InTwo]), named(Seats::A, &[InTwo])],
    ))
    .cancel(0)
    .cancel(0);
    scenario.moves = true;
    scenario
}

fn paying() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "paying",
        "two attempts authorise, the sweeper voids, the relay captures and refunds",
        vec![named(Seats::A, &[InTwo, InTwo])],
    ))
    .cancel(0);
    scenario.money = true;
    scenario
}

fn paying_rivals() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "paying-rivals",
        "two attempts authorise, the sweeper voids, the relay captures and refunds; a rival",
        vec![named(Seats::A, &[InTwo, InTwo]), named(Seats::A, &[InTwo])],
    ))
    .cancel(0);
    scenario.money = true;
    scenario
}

fn crowd() -> Scenario {
    let mut scenario = Scenario::new(
        "crowd",
        "two seats; three bookings, two of them with two attempts; extend; two reconcilers",
        vec![
            named(Seats::AB, &[InTwo, InTwo]),
            named(Seats::A, &[InTwo, Direct]),
            named(Seats::B, &[InTwo]),
        ],
    );
    (scenario.extend, scenario.reconcilers, scenario.refusals) = (true, 2, true);
    scenario
}

fn picks_and_parts() -> Scenario {
    let mut scenario = Scenario::new(
        "picks-and-parts",
        "two seats; picks with two attempts each, extend, and cancels of a part and the whole",
        vec![pick(2, &[InTwo, Direct]), pick(1, &[InTwo, InTwo])],
    )
    .cancel_ticket(0, Seats::A)
    .cancel(0);
    (scenario.extend, scenario.reconcilers) = (true, 2);
    scenario
}

fn moving_crowd() -> Scenario {
    let mut scenario = Scenario::new(
        "moving-crowd",
        "two seats; the show moves while two bookings with two attempts each come and go",
        vec![named(Seats::AB, &[InTwo, Direct]), named(Seats::A, &[InTwo, InTwo])],
    )
    .cancel_ticket(0, Seats::A)
    .cancel(0);
    (scenario.moves, scenario.reconcilers) = (true, 2);
    scenario
}
