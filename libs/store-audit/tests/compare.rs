//! The comparison on snapshots made by hand: one evening on which everything
//! is in order finds nothing, and each kind of finding has a fault that shows it.
#![expect(clippy::unwrap_used, reason = "what a test makes up is well-formed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lock_service_client::wire::{Pin, ShardMap, VersionedShardMap};
use seat_model::{
    BookingId, Chart, Fence, Nonce, PerformanceId, Plan, PlanId, PublicSeatState, SeatId,
    SeatState, ShardEpoch, ShardId, ShowId, Timestamp, UserId,
};
use store_audit::{
    BookingRow, Catalogue, Cell, CellMark, Finding, Kind, LedgerState, Limits, OutboxRow,
    PaymentRow, PerformanceRow, PickKey, PlacementRow, Placing, Projected, Projection, QuotaRow,
    Remedy, SaleRow, SeatKey, SeatValue, ShardRows, Snapshot, Standing, TicketRow, Unreadable,
    compare,
};

const NOW: i64 = 1_800_000_000_000;

/// How long a hold of these lives.
const TTL_MS: i64 = 120_000;
const LEASE: i64 = 77;

fn seat(name: &str) -> SeatId {
    SeatId::new(name).unwrap()
}

fn show() -> ShowId {
    ShowId::new("hamlet").unwrap()
}

fn performance() -> PerformanceId {
    PerformanceId::new("hamlet-1").unwrap()
}

fn booking(number: u8) -> BookingId {
    BookingId::from_bytes([number; 16])
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn shard(number: u8) -> ShardId {
    ShardId::new(format!("shard-{number}")).unwrap()
}

const ANN: u8 = 1;
const BEN: u8 = 2;

fn key(name: &str, state: SeatState, of: u8, revision: u64) -> SeatKey {
    let pin = Pin { shard: home(), epoch: ShardEpoch::FIRST, nonce: Nonce::new(5) };
    SeatKey {
        performance: performance(),
        seat: seat(name),
        value: SeatValue {
            state,
            booking: booking(of),
            user: user(if of == ANN { "ann" } else { "ben" }),
            show: show(),
            tier: "Stalls".to_owned(),
            price: 4_500,
            taken: 2,
            body_hash: "h".to_owned(),
            acquired_ms: NOW - 60_000,
            deadline_ms: NOW + 60_000,
            first_deadline_ms: NOW + 60_000,
            cap_ms: NOW + 600_000,
            ttl_ms: TTL_MS.unsigned_abs(),
            picked: of == ANN,
            from_revision: 0,
            pin: (state != SeatState::Held).then_some(pin),
        },
        mod_revision: revision,
        create_revision: 10,
        lease: if state == SeatState::Held { LEASE } else { 0 },
    }
}

fn home() -> ShardId {
    Placing::new(&map()).shard(&show()).cloned().unwrap()
}

fn away() -> ShardId {
    [shard(0), shard(1)].into_iter().find(|shard| *shard != home()).unwrap()
}

fn map() -> ShardMap {
    ShardMap { shards: vec![shard(0), shard(1)], ..ShardMap::default() }
}

fn row(of: u8, state: LedgerState, revision: u64) -> BookingRow {
    BookingRow {
        id: booking(of),
        state,
        user: user(if of == ANN { "ann" } else { "ben" }),
        show: show(),
        performance: performance(),
        fence: Fence::new(1, revision).unwrap(),
        acquired: Fence::new(1, 10).unwrap(),
        first_deadline_ms: NOW + 60_000,
        body_hash: "h".to_owned(),
        written_at_ms: NOW - 30_000,
    }
}

fn ticket(of: u8, number: u16, name: &str, valid: bool) -> TicketRow {
    TicketRow {
        booking: booking(of),
        number,
        user: user(if of == ANN { "ann" } else { "ben" }),
        performance: performance(),
        seat: seat(name),
        tier: "Stalls".to_owned(),
        price: 4_500,
        valid,
    }
}

fn sale(of: u8, name: &str) -> SaleRow {
    SaleRow { performance: performance(), seat: seat(name), booking: booking(of) }
}

fn rows(shard: ShardId) -> ShardRows {
    ShardRows {
        shard,
        placements: Vec::new(),
        bookings: Vec::new(),
        tickets: Vec::new(),
        sales: Vec::new(),
        quotas: Vec::new(),
        outbox: Vec::new(),
    }
}

fn chart() -> Chart {
    let seats: Vec<_> = ["A-1", "A-2", "A-3", "A-4", "A-5"]
        .iter()
        .enumerate()
        .map(|(i, name)| {
            serde_json::json!({"seat_guid": name, "seat_number": name, "category": "Stalls",
                "position": {"x": 10 * i, "y": 0}})
        })
        .collect();
    let plan = serde_json::json!({
        "name": "hall", "size": {"width": 100, "height": 100},
        "categories": [{"name": "Stalls"}],
        "zones": [{"name": "Stalls", "position": {"x": 0, "y": 0},
            "rows": [{"row_number": "A", "position": {"x": 0, "y": 0}, "seats": seats}]}],
    });
    Chart::new(&serde_json::from_value::<Plan>(plan).unwrap())
}

/// Ann bought, Ben holds A-3; everything agrees.
fn good() -> Snapshot {
    let mut ledger = rows(home());
    ledger.placements =
        vec![PlacementRow { show: show(), epoch: ShardEpoch::FIRST, frozen: false }];
    ledger.bookings = vec![row(ANN, LedgerState::Confirmed, 20)];
    ledger.tickets = vec![ticket(ANN, 1, "A-1", true), ticket(ANN, 2, "A-2", true)];
    ledger.sales = vec![sale(ANN, "A-1"), sale(ANN, "A-2")];
    ledger.quotas = vec![QuotaRow { performance: performance(), user: user("ann"), sold: 2 }];
    let shown = [("A-1", 's'), ("A-2", 's'), ("A-3", 'h'), ("A-4", 'f')].map(|(name, state)| {
        let state = match state {
            's' => PublicSeatState::Sold,
            'h' => PublicSeatState::Held,
            _ => PublicSeatState::Free,
        };
        (seat(name), (21, state))
    });
    let plan = PlanId::new("hall").unwrap();
    Snapshot {
        at: Timestamp::from_millis(NOW),
        cell: Cell {
            revision: 40,
            mark: CellMark::Open(1),
            map: Some(VersionedShardMap { revision: 3, map: map() }),
            seats: vec![
                key("A-1", SeatState::Sold, ANN, 21),
                key("A-2", SeatState::Sold, ANN, 21),
                key("A-3", SeatState::Held, BEN, 10),
            ],
            picks: vec![PickKey {
                booking: booking(ANN),
                performance: performance(),
                seats: vec![seat("A-1"), seat("A-2")],
                mod_revision: 20,
            }],
            leases: BTreeSet::from([LEASE]),
            unreadable: Vec::new(),
        },
        shards: vec![ledger, rows(away())],
        catalogue: Catalogue {
            performances: BTreeMap::from([(
                performance(),
                PerformanceRow { show: show(), plan: plan.clone(), currency: "EUR".to_owned() },
            )]),
            charts: BTreeMap::from([(plan, Arc::new(chart()))]),
        },
        projection: Some(Projection {
            reached: Some(40),
            performances: BTreeMap::from([(
                performance(),
                Projected { listed: true, whole: true, seats: shown.into() },
            )]),
        }),
        payments: Some(vec![PaymentRow { booking: booking(ANN), taken: 9_000, given_back: 0 }]),
    }
}

fn found(snapshot: &Snapshot) -> Vec<Finding> {
    compare(snapshot, &Limits::default())
}

fn kinds(snapshot: &Snapshot) -> BTreeSet<Kind> {
    found(snapshot).into_iter().map(|finding| finding.kind).collect()
}

fn shown(snapshot: &mut Snapshot) -> &mut Projected {
    snapshot.projection.as_mut().unwrap().performances.get_mut(&performance()).unwrap()
}

/// Ann's seats as they are while her sale is written.
fn confirming(snapshot: &mut Snapshot) {
    for key in &mut snapshot.cell.seats[..2] {
        key.value.state = SeatState::Confirming;
        key.mod_revision = 20;
    }
}

type Fault = (Kind, fn(&mut Snapshot));

/// One fault for each kind. What else it shows is not forbidden: a deleted
/// ticket makes the quota wrong as well.
const FAULTS: [Fault; Kind::ALL.len()] = [
    (Kind::SeatSoldTwice, |s| s.shards[1].tickets.push(ticket(BEN, 1, "A-1", true))),
    (Kind::SoldWithoutBooking, |s| s.cell.seats.push(key("A-5", SeatState::Sold, 9, 30))),
    (Kind::SoldDespiteTombstone, |s| s.shards[0].bookings[0].state = LedgerState::Aborted),
    (Kind::SoldToAnother, |s| {
        s.shards[0].bookings.push(row(BEN, LedgerState::Confirmed, 30));
        s.shards[0].tickets[0] = ticket(BEN, 1, "A-1", true);
        s.shards[0].sales[0] = sale(BEN, "A-1");
    }),
    (Kind::SoldWithoutTicket, |s| drop(s.shards[0].tickets.remove(0))),
    (Kind::SoldAfterCancel, |s| {
        s.shards[0].tickets[0].valid = false;
        s.shards[0].sales.remove(0);
    }),
    (Kind::TicketSeatFree, |s| drop(s.cell.seats.remove(0))),
    (Kind::TicketSeatTaken, |s| s.cell.seats[0] = key("A-1", SeatState::Held, BEN, 30)),
    (Kind::TicketSeatNotSold, confirming),
    (Kind::Confirming, |s| {
        confirming(s);
        s.shards[0] = ShardRows {
            placements: s.shards[0].placements.clone(),
            ..rows(s.shards[0].shard.clone())
        };
    }),
    (Kind::HoldOverdue, |s| s.cell.seats[2].value.deadline_ms = NOW - TTL_MS - 5_000),
    (Kind::HoldWithoutLease, |s| s.cell.leases.clear()),
    (Kind::SeatsApart, |s| s.cell.seats[0].mod_revision = 25),
    (Kind::Strays, |s| {
        let mut stray = key("A-4", SeatState::Held, BEN, 10);
        stray.create_revision = 9;
        s.cell.seats.push(stray);
    }),
    (Kind::MarkerWithoutSeats, |s| {
        let marker = PickKey { booking: booking(9), ..s.cell.picks[0].clone() };
        s.cell.picks.push(marker);
    }),
    (Kind::SeatsWithoutMarker, |s| s.cell.picks.clear()),
    (Kind::SaleWithoutTicket, |s| drop(s.shards[0].tickets.remove(0))),
    (Kind::TicketWithoutSale, |s| drop(s.shards[0].sales.remove(0))),
    (Kind::ConfirmedWithoutTickets, |s| s.shards[0].tickets.clear()),
    (Kind::TicketsWithoutSale, |s| s.shards[0].bookings[0].state = LedgerState::Cancelled),
    (Kind::QuotaWrong, |s| s.shards[0].quotas[0].sold = 3),
    (Kind::MoneyDiffers, |s| s.payments.as_mut().unwrap()[0].given_back = 4_500),
    (Kind::MoneyWithoutBooking, |s| {
        let unknown = PaymentRow { booking: booking(9), taken: 4_500, given_back: 0 };
        s.payments.as_mut().unwrap().push(unknown);
    }),
    (Kind::OutboxWaiting, |s| {
        s.shards[0].outbox.push(OutboxRow {
            seq: 4,
            booking: booking(ANN),
            show: show(),
            kind: "confirmed".to_owned(),
            created_at_ms: NOW - 90_000,
        });
    }),
    (Kind::BookingMisplaced, |s| {
        let there = s.shards[0].bookings.remove(0);
        s.shards[1].bookings.push(there);
    }),
    (Kind::BookingTwice, |s| {
        let copy = s.shards[0].bookings[0].clone();
        s.shards[1].bookings.push(copy);
    }),
    (Kind::PlacementMisplaced, |s| {
        let copy = s.shards[0].placements[0].clone();
        s.shards[1].placements.push(copy);
    }),
    (Kind::PlacementEpochWrong, |s| {
        s.shards[0].placements[0].epoch = ShardEpoch::from_u64(2);
    }),
    (Kind::PlacementFrozen, |s| s.shards[0].placements[0].frozen = true),
    (Kind::PlacementMissing, |s| s.shards[0].placements.clear()),
    (Kind::SeatUnknown, |s| s.cell.seats.push(key("Z-9", SeatState::Held, BEN, 10))),
    (Kind::Unreadable, |s| {
        let nonsense = Unreadable { key: "/seatlock/v1/seat/x/y".into(), why: "EOF".into() };
        s.cell.unreadable.push(nonsense);
    }),
    (Kind::CellNotOpen, |s| s.cell.mark = CellMark::Closed),
    (Kind::SoldShownFree, |s| {
        shown(s).seats.remove(&seat("A-1"));
    }),
    (Kind::ViewDiffers, |s| {
        shown(s).seats.insert(seat("A-4"), (22, PublicSeatState::Held));
    }),
    (Kind::ViewIncomplete, |s| shown(s).whole = false),
];

#[test]
fn an_evening_in_order_finds_nothing() {
    assert_eq!(found(&good()), []);
}

#[test]
fn a_hold_whose_lease_was_stretched_is_no_fault() {
    let mut evening = good();
    evening.cell.seats[2].value.deadline_ms = NOW - TTL_MS;
    assert_eq!(found(&evening), []);
}

#[test]
fn every_kind_has_a_fault_that_shows_it() {
    let tested: BTreeSet<Kind> = FAULTS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(tested, Kind::ALL.into_iter().collect(), "a kind is not tested");
    for (kind, plant) in FAULTS {
        let mut snapshot = good();
        plant(&mut snapshot);
        let found = kinds(&snapshot);
        assert!(found.contains(&kind), "{kind} was not found; {found:?} was");
    }
}

#[test]
fn what_any_sale_passes_through_is_pending() {
    for (kind, plant) in FAULTS {
        if !matches!(kind, Kind::Confirming | Kind::TicketSeatNotSold) {
            continue;
        }
        let mut snapshot = good();
        plant(&mut snapshot);
        let finding = found(&snapshot).into_iter().find(|finding| finding.kind == kind).unwrap();
        assert_eq!(finding.standing, Standing::Pending, "{kind}");
    }
}

#[test]
fn young_work_and_a_cancelled_seat_that_the_outbox_will_free_are_pending() {
    let mut snapshot = good();
    snapshot.shards[0].tickets[0].valid = false;
    snapshot.shards[0].sales.remove(0);
    snapshot.shards[0].quotas[0].sold = 1;
    snapshot.shards[0].outbox.push(OutboxRow {
        seq: 1,
        booking: booking(ANN),
        show: show(),
        kind: "cancelled".to_owned(),
        created_at_ms: NOW - 200,
    });
    let found = found(&snapshot);
    let kinds: BTreeSet<Kind> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, BTreeSet::from([Kind::SoldAfterCancel, Kind::OutboxWaiting]));
    assert!(found.iter().all(|finding| finding.standing == Standing::Pending), "{found:?}");
    assert!(found.iter().all(|finding| finding.remedy.is_none()), "the outbox has it in hand");
}

#[test]
fn a_seat_of_which_redis_has_heard_later_is_not_compared() {
    let mut snapshot = good();
    shown(&mut snapshot).seats.insert(seat("A-3"), (41, PublicSeatState::Free));
    assert_eq!(found(&snapshot), []);
    // Nor one whose last change Redis does not claim to know.
    let mut snapshot = good();
    snapshot.projection.as_mut().unwrap().reached = Some(20);
    shown(&mut snapshot).seats.remove(&seat("A-1"));
    assert_eq!(found(&snapshot), []);
}

#[test]
fn an_empty_redis_is_one_finding_and_not_one_for_each_seat() {
    let mut snapshot = good();
    snapshot.projection = Some(Projection::default());
    let found = found(&snapshot);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind, found[0].remedy),
        (Kind::ViewIncomplete, Some(Remedy::RefreshViews))
    );
}

#[test]
fn nothing_is_mended_that_somebody_could_lose_by() {
    let unsafe_to_mend = [
        Kind::SeatSoldTwice,
        Kind::SoldDespiteTombstone,
        Kind::SoldToAnother,
        Kind::TicketSeatTaken,
        Kind::SeatsApart,
        Kind::Strays,
        Kind::ConfirmedWithoutTickets,
        Kind::TicketsWithoutSale,
        Kind::BookingMisplaced,
        Kind::BookingTwice,
        Kind::PlacementMisplaced,
        Kind::PlacementFrozen,
        Kind::SeatUnknown,
        Kind::Unreadable,
        Kind::CellNotOpen,
    ];
    for (kind, plant) in FAULTS {
        let mut snapshot = good();
        plant(&mut snapshot);
        for finding in found(&snapshot).into_iter().filter(|finding| finding.kind == kind) {
            if unsafe_to_mend.contains(&kind) {
                assert_eq!(finding.remedy, None, "{finding:?}");
            }
        }
    }
}

#[test]
fn a_deleted_ticket_is_issued_again_only_where_etcd_and_the_sale_agree() {
    let remedy = |plant: fn(&mut Snapshot)| {
        let mut snapshot = good();
        snapshot.shards[0].tickets.remove(0);
        plant(&mut snapshot);
        let found = found(&snapshot);
        let of = |kind| found.iter().find(|f| f.kind == kind).map(|finding| finding.remedy);
        (of(Kind::SoldWithoutTicket).flatten(), of(Kind::SaleWithoutTicket).flatten())
    };
    assert_eq!(remedy(|_| ()), (Some(Remedy::IssueTicket), Some(Remedy::IssueTicket)));
    assert_eq!(remedy(|s| drop(s.shards[0].sales.remove(0))), (None, None));
    assert_eq!(remedy(|s| drop(s.cell.seats.remove(0))), (None, None));
}
