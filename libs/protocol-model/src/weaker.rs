//! Each weaker design in a scenario small enough to show how it breaks, and
//! the promise that it breaks. The text of docs/INVARIANTS.md, "Weaker designs",
//! is what these come to.

use crate::catalogue::{named, pick};
use crate::names::Seats;
use crate::scenario::{Kind, Scenario};
use crate::weakness::Weakness;

use Kind::{Direct, InTwo};

/// A weaker design and its end.
pub struct Weaker {
    /// What it does without.
    pub weaknesses: &'static [Weakness],
    /// Where it shows, before it is weakened.
    pub make: fn() -> Scenario,
    /// The promise that it breaks; none where another rule makes up for it.
    pub breaks: Option<&'static str>,
}

impl Weaker {
    /// The weakened scenario.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        (self.make)().weakened(self.weaknesses)
    }

    /// What it does without, in words.
    #[must_use]
    pub fn title(&self) -> String {
        let titles: Vec<&str> = self.weaknesses.iter().map(|weakness| weakness.title()).collect();
        titles.join(" + ")
    }
}

macro_rules! weaker {
    ($([$($weakness:ident),+] in $make:ident: $breaks:expr,)+) => {
        /// Every weaker design.
        pub const ALL: &[Weaker] = &[$(Weaker {
            weaknesses: &[$(Weakness::$weakness),+],
            make: $make,
            breaks: $breaks,
        },)+];
    };
}

weaker! {
    [NoKeyAtAll] in rivals: Some("INV-1"),
    [UniqueKeyOnly] in rivals: Some("INV-4"),
    [FenceColumnOnly] in rivals: Some("INV-4"),
    [ReconcilerOnlyReads] in rivals: Some("INV-4"),
    [StillLeased] in rivals: Some("INV-4"),
    [AbortWithoutCompare] in rivals_and_reconcilers: Some("INV-3"),
    [AcknowledgeFirst] in rivals: Some("INV-2"),
    [FinishAnyRow] in picked_twice: None,
    [FinishAnyRow, NoMarker] in picked_twice: Some("INV-6"),
    [FinishByRecord] in cancelled: Some("INV-6"),
    [ExpireConfirming] in rivals: Some("INV-4"),
    [TombstoneWithoutPlacement] in moved: Some("INV-13"),
    [CommitWithoutPlacement] in moved: Some("INV-2"),
    [NoFrozenMark] in moved: Some("INV-2"),
    [CancelWithoutPlacement] in moved_and_cancelled: Some("INV-7"),
    [ReplayHandsOutPinned] in two_attempts: Some("INV-4"),
    [NoNonce] in two_attempts: Some("INV-4"),
    [NoMarker] in picked_twice: Some("INV-8"),
    [MarkerKeepsOldLease] in picked_and_extended: Some("INV-8"),
    [CancelRefundsAll] in cancelled: Some("INV-7"),
    [FreeComparesOwnSeats] in picked_and_cancelled: Some("INV-6"),
    [SweeperOnlyReads] in paid: Some("INV-10"),
}

fn one_seat(mut scenario: Scenario) -> Scenario {
    scenario.seats = Seats::A;
    scenario
}

fn rivals() -> Scenario {
    let each = named(Seats::A, &[InTwo]);
    one_seat(Scenario::new("rivals", "two customers, one seat", vec![each.clone(), each]))
}

fn rivals_and_reconcilers() -> Scenario {
    let mut scenario = rivals();
    scenario.reconcilers = 2;
    scenario
}

fn two_attempts() -> Scenario {
    one_seat(Scenario::new(
        "two attempts",
        "two attempts under one key, and a rival",
        vec![named(Seats::A, &[InTwo, InTwo]), named(Seats::A, &[InTwo])],
    ))
}

fn picked_twice() -> Scenario {
    Scenario::new("picked twice", "two attempts pick", vec![pick(1, &[InTwo, Direct])])
}

fn picked_and_extended() -> Scenario {
    let mut scenario = picked_twice();
    scenario.extend = true;
    scenario
}

fn picked_and_cancelled() -> Scenario {
    Scenario::new("picked, cancelled", "both tickets are cancelled", vec![pick(2, &[Direct])])
        .cancel_ticket(0, Seats::A)
        .cancel_ticket(0, Seats::B)
}

fn cancelled() -> Scenario {
    one_seat(Scenario::new(
        "cancelled",
        "a booking is cancelled twice, and a rival",
        vec![named(Seats::A, &[Direct]), named(Seats::A, &[InTwo])],
    ))
    .cancel(0)
    .cancel(0)
}

fn moved() -> Scenario {
    let mut scenario = one_seat(Scenario::new(
        "moved",
        "the show moves while somebody books",
        vec![named(Seats::A, &[InTwo])],
    ));
    scenario.moves = true;
    scenario
}

fn moved_and_cancelled() -> Scenario {
    let mut scenario = moved().cancel(0);
    scenario.name = "moved, cancelled";
    scenario
}

fn paid() -> Scenario {
    let mut scenario = rivals();
    scenario.money = true;
    scenario
}
