//! The fast picker against the slow one in halls of up to some thousand seats,
//! rows far longer than a word among them: the same rung of the ladder, as few
//! people alone, the same sum of distances, or with a spread one that is within
//! the tolerance.

mod hall;
mod slow;

use std::path::PathBuf;
use std::sync::Arc;

use hall::{hall, seats};
use proptest::prelude::*;
use seat_model::{Chart, Plan};
use seat_picker::{NoChoice, Prepared, Spread, Step, Wanted, pick};
use slow::{Hall, Quality};

fn a_row() -> impl Strategy<Value = String> {
    let drawn = prop_oneof![40 => Just('A'), 3 => Just('*'), 2 => Just('B'), 2 => Just(' ')];
    let uneven = prop_oneof![Just('A'), Just('a')];
    prop_oneof![
        proptest::collection::vec(uneven, 1..100),
        proptest::collection::vec(drawn.clone(), 1..40),
        proptest::collection::vec(drawn, 60..150),
        (1_usize..200).prop_map(|length| vec!['A'; length]),
    ]
    .prop_map(|row| row.into_iter().collect())
}

fn a_hall() -> impl Strategy<Value = (Prepared, Vec<bool>)> {
    let zones = proptest::collection::vec(proptest::collection::vec(a_row(), 1..6), 1..4);
    let full = prop_oneof![Just(0.0), Just(0.4), Just(0.8), Just(0.95), Just(0.99)];
    (zones, 0_u8..100, -20_i8..4, full).prop_flat_map(|(zones, x, y, full)| {
        let count =
            zones.iter().flatten().flat_map(|row| row.chars()).filter(|c| *c != ' ').count();
        let taken = proptest::collection::vec(proptest::bool::weighted(full), count);
        (Just(zones), taken).prop_map(move |(zones, taken)| {
            let rows: Vec<Vec<&str>> =
                zones.iter().map(|rows| rows.iter().map(String::as_str).collect()).collect();
            let zones: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
            (hall(&zones, (f64::from(x), f64::from(y))), taken)
        })
    })
}

fn a_request() -> impl Strategy<Value = Wanted> {
    (0_usize..2, 1_u32..=10, prop_oneof![3 => Just(0), 2 => 0_u32..=10], any::<bool>()).prop_map(
        |(tier, quantity, accessible, accept_split)| Wanted {
            tier,
            quantity,
            accessible: accessible.min(quantity),
            accept_split,
        },
    )
}

/// How good the fast picker's choice is. It has to be one.
fn picked(
    prepared: &Prepared,
    taken: &[bool],
    wanted: &Wanted,
    spread: Spread,
) -> Result<Quality, NoChoice> {
    let away = seats(prepared, (0..taken.len()).filter(|&i| taken[i]));
    let choice = pick(prepared, wanted, &away, spread)?;
    let chart = prepared.chart();
    let accessible = choice.seats.iter().filter(|&&i| chart.seats[i].marks.accessible).count();
    assert_eq!(choice.seats.len(), wanted.quantity as usize);
    assert_eq!(accessible, wanted.accessible as usize);
    assert!(choice.seats.iter().all(|&i| !taken[i] && chart.seats[i].tier == wanted.tier));
    assert!(choice.seats.is_sorted_by(|a, b| a < b), "each once: {:?}", choice.seats);
    let quality = Hall { chart, taken }.quality(&choice.seats);
    assert_eq!(choice.step, quality.0);
    assert_eq!(choice.next_to_each_other, quality.0 <= Step::AdjacentWithOrphans);
    Ok(quality)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_choice_is_as_good_as_the_slow_one(
        (prepared, taken) in a_hall(),
        wanted in a_request(),
    ) {
        let best = Hall { chart: prepared.chart(), taken: &taken }.best(&wanted);
        prop_assert_eq!(picked(&prepared, &taken, &wanted, Spread::NONE), best);
    }

    #[test]
    fn a_spread_choice_is_nearly_as_good(
        (prepared, taken) in a_hall(),
        wanted in a_request(),
        choices in 0_usize..300,
        seed in any::<u64>(),
    ) {
        let hall = Hall { chart: prepared.chart(), taken: &taken };
        let tolerance = u64::from(wanted.quantity) * hall.spacing();
        let spread = picked(&prepared, &taken, &wanted, Spread { choices, seed });
        match (hall.best(&wanted), spread) {
            (Ok((step, alone, sum)), Ok(other)) => {
                prop_assert_eq!((other.0, other.1), (step, alone));
                let allowed = if choices < 2 || step > Step::AdjacentWithOrphans { 0 } else { tolerance };
                prop_assert!((sum..=sum + allowed).contains(&other.2), "{} for {sum}", other.2);
            }
            (best, other) => prop_assert_eq!(best, other),
        }
    }
}

/// Real plans beside the checkout, where there are any.
fn real_plans() -> Vec<Plan> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/plans");
    let names = ["race-track-8897.json", "stadium-738.json"];
    let texts = names.iter().filter_map(|name| std::fs::read(folder.join(name)).ok());
    texts.map(|text| serde_json::from_slice(&text).expect("a seating plan")).collect()
}

#[test]
fn a_real_house_is_sold_out_as_well_as_the_slow_picker_would() {
    let plans = real_plans();
    if plans.is_empty() {
        println!("no real plans beside this checkout: nothing to look at");
    }
    for plan in plans {
        let prepared = Prepared::new(Arc::new(Chart::new(&plan)));
        let chart = prepared.chart().clone();
        for tier in 0..chart.tiers.len() {
            let mut taken = vec![false; chart.seats.len()];
            let mut away = prepared.no_seats();
            for turn in 0_u32.. {
                let quantity = turn * 7 % 10 + 1;
                let wanted = Wanted { tier, quantity, accessible: 0, accept_split: turn % 3 > 0 };
                let choice = pick(&prepared, &wanted, &away, Spread::NONE);
                // The slow one takes its time.
                if turn % 29 == 0 || choice.is_err() {
                    let hall = Hall { chart: &chart, taken: &taken };
                    let quality = choice.as_ref().map(|choice| hall.quality(&choice.seats));
                    assert_eq!(quality.map_err(|why| *why), hall.best(&wanted));
                }
                match choice {
                    Ok(choice) => {
                        choice.seats.iter().for_each(|&i| taken[i] = true);
                        away.extend(choice.seats);
                    }
                    Err(_) if quantity == 1 => break,
                    Err(_) => {}
                }
            }
            let left = (0..taken.len()).filter(|&i| chart.seats[i].tier == tier && !taken[i]);
            assert!(left.clone().all(|i| chart.seats[i].marks.accessible), "{}", left.count());
        }
    }
}
