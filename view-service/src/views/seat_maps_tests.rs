//! What is rendered, in both forms, and when it is rendered anew.

use std::collections::BTreeMap;

use proptest::prelude::*;
use seat_model::Chart;
use view_service_client::wire::SeatMap;

use super::*;

/// A plan with so many seats; names that sort otherwise than they sit, and some
/// that JSON has to escape.
fn plan(seats: usize) -> PlanRecord {
    let name = |n: usize| match n % 3 {
        0 => format!("row \"{}\"", seats - n),
        1 => format!("Z\\{n}"),
        _ => format!("Größe-{n}"),
    };
    let seat = |n: usize| {
        serde_json::json!({"seat_guid": name(n), "seat_number": n.to_string(),
            "position": {"x": n, "y": 0}, "category": "Stalls"})
    };
    let body = serde_json::json!({
        "name": "Hall", "categories": [{"name": "Stalls"}], "size": {"width": 10, "height": 10},
        "zones": [{"position": {"x": 0, "y": 0}, "rows": [
            {"row_number": "1", "seats": (0..seats).map(seat).collect::<Vec<_>>()}]}],
    });
    PlanRecord::new(Bytes::from(serde_json::to_vec(&body).unwrap())).unwrap()
}

fn answer(plan: &PlanRecord, taken: &BTreeMap<SeatId, PublicSeatState>, word: Word) -> SeatAnswer {
    let mut seats = taken.iter().map(|(seat, state)| (seat, *state));
    let content = Content::new(&"plan".parse().unwrap(), plan, &mut seats);
    SeatAnswer::new(word, Arc::new(content), word.version.is_none())
}

fn word() -> Word {
    let as_of = Timestamp::from_millis(1_795_000_000_123);
    Word { source: Source::Memory, revision: 77, as_of, version: Some(5) }
}

proptest! {
    #[test]
    fn both_forms_say_the_same(
        states in proptest::collection::vec(0..3_u8, 1..70),
        (revision, millis, stale) in (0..1_u64 << 53, 0..1_i64 << 41, any::<bool>()),
    ) {
        let plan = plan(states.len());
        let chart: &Chart = &plan.chart;
        let mut taken = BTreeMap::from([("not-in-the-plan".parse().unwrap(), PublicSeatState::Sold)]);
        for (seat, state) in chart.seats.iter().zip(&states) {
            match state {
                1 => drop(taken.insert(seat.id.clone(), PublicSeatState::Held)),
                2 => drop(taken.insert(seat.id.clone(), PublicSeatState::Sold)),
                _ => {}
            }
        }
        let word = Word {
            revision,
            as_of: Timestamp::from_millis(millis),
            version: (!stale).then_some(1),
            source: Source::Redis,
        };
        let answer = answer(&plan, &taken, word);
        let map: SeatMap = serde_json::from_slice(answer.json.body()).unwrap();
        prop_assert_eq!((map.revision, map.stale), (revision, stale));
        prop_assert_eq!(map.as_of, Timestamp::from_millis(millis));
        let bits = SeatBits::decode(answer.bits().body()).unwrap();
        prop_assert_eq!(bits.into_map(chart).unwrap(), map.clone());
        taken.remove(&"not-in-the-plan".parse::<SeatId>().unwrap());
        prop_assert_eq!(map.seats_available, (states.len() - taken.len()) as u64);
        prop_assert_eq!(map.seats, taken);
        // The members stand as serde would write them.
        let again: SeatMap = serde_json::from_slice(answer.json.body()).unwrap();
        prop_assert_eq!(answer.json.body(), &Bytes::from(serde_json::to_vec(&again).unwrap()));
    }
}

#[test]
fn a_validator_is_that_of_the_seats_and_no_form_passes_for_the_other() {
    let plan = plan(9);
    let id = |n: usize| plan.chart.seats[n].id.clone();
    let some = BTreeMap::from([(id(2), PublicSeatState::Held)]);
    let first = answer(&plan, &some, word());
    let later = Word { revision: 99, as_of: Timestamp::from_millis(1), ..word() };
    let later = answer(&plan, &some, later);
    assert_ne!(first.json.body(), later.json.body());
    assert_eq!(first.json.etag(), later.json.etag(), "the age is no content");
    assert_eq!(first.bits().etag(), later.bits().etag());
    assert_ne!(first.json.etag(), first.bits().etag());
    let others = BTreeMap::from([(id(2), PublicSeatState::Sold)]);
    let others = answer(&plan, &others, word());
    assert_ne!(first.json.etag(), others.json.etag());
    assert_ne!(first.bits().etag(), others.bits().etag());
}
