//! The picker against a model that tries every set of seats of a small hall.
//! Whatever the hall and the request, both choose the same seats.

mod hall;

use hall::{hall, seats};
use proptest::prelude::*;
use seat_model::Chart;
use seat_picker::{
    Choice, NoChoice, Prepared, SeatSet, Spread, Step, Wanted, leaves_single, orphans, pick,
};

/// How good a set of seats is: the smaller, the better.
type Rank = (Step, usize, u64, Vec<usize>);

fn neighbours(chart: &Chart, a: usize, b: usize) -> bool {
    a.abs_diff(b) == 1 && chart.seats[a].block == chart.seats[b].block
}

fn free_neighbours(chart: &Chart, free: &[usize], seat: usize) -> usize {
    free.iter().filter(|&&other| neighbours(chart, seat, other)).count()
}

fn lone(chart: &Chart, free: &[usize]) -> Vec<usize> {
    free.iter()
        .copied()
        .filter(|&i| !chart.seats[i].marks.accessible && free_neighbours(chart, free, i) == 0)
        .collect()
}

fn orphaned(chart: &Chart, free: &[usize], chosen: &[usize]) -> Vec<usize> {
    let before = lone(chart, free);
    let left: Vec<usize> = free.iter().copied().filter(|i| !chosen.contains(i)).collect();
    lone(chart, &left).into_iter().filter(|i| !before.contains(i)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "halls here are a few hundred units wide")]
fn micro(chart: &Chart, seat: usize) -> u64 {
    (chart.seats[seat].place.distance(chart.focal_point) * 1e6).round() as u64
}

fn rank(chart: &Chart, free: &[usize], set: Vec<usize>) -> Rank {
    let sum = set.iter().map(|&i| micro(chart, i)).sum();
    let one_run = set.windows(2).all(|pair| neighbours(chart, pair[0], pair[1]));
    if one_run {
        let tidy = orphaned(chart, free, &set).is_empty();
        let step = if tidy { Step::Adjacent } else { Step::AdjacentWithOrphans };
        return (step, 0, sum, set);
    }
    let alone = set.iter().filter(|&&i| free_neighbours(chart, &set, i) == 0).count();
    let one_zone = set.iter().all(|&i| chart.seats[i].zone == chart.seats[set[0]].zone);
    (if one_zone { Step::OneSection } else { Step::AcrossSections }, alone, sum, set)
}

/// Every set of `size` of these seats, in plan order.
fn sets(seats: &[usize], size: usize) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = seats.split_first() else {
        return if size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    if size == 0 {
        return vec![Vec::new()];
    }
    let with = sets(rest, size - 1).into_iter().map(|mut set| {
        set.insert(0, first);
        set
    });
    with.chain(sets(rest, size)).collect()
}

fn candidates(chart: &Chart, free: &[usize], wanted: &Wanted) -> Vec<Vec<usize>> {
    let of_tier: Vec<usize> =
        free.iter().copied().filter(|&i| chart.seats[i].tier == wanted.tier).collect();
    let accessible = |set: &Vec<usize>| {
        set.iter().filter(|&&i| chart.seats[i].marks.accessible).count()
            == wanted.accessible as usize
    };
    sets(&of_tier, wanted.quantity as usize).into_iter().filter(accessible).collect()
}

fn model(chart: &Chart, free: &[usize], wanted: &Wanted) -> Result<Choice, NoChoice> {
    let all = candidates(chart, free, wanted);
    if all.is_empty() {
        return Err(NoChoice::SoldOut);
    }
    let ranks = all.into_iter().map(|set| rank(chart, free, set));
    let best = ranks
        .filter(|(step, ..)| wanted.accept_split || *step <= Step::AdjacentWithOrphans)
        .min()
        .ok_or(NoChoice::NoAdjacentSeats)?;
    let next_to_each_other = best.0 <= Step::AdjacentWithOrphans;
    Ok(Choice { seats: best.3, step: best.0, next_to_each_other })
}

fn a_row() -> impl Strategy<Value = String> {
    let drawn = prop_oneof![8 => Just('A'), 1 => Just('*'), 1 => Just('B'), 1 => Just(' ')];
    proptest::collection::vec(drawn, 1..7).prop_map(|row| row.into_iter().collect())
}

/// At most three zones of two rows of six, and a focal point anywhere near.
fn a_hall() -> impl Strategy<Value = (Prepared, Vec<bool>)> {
    let zones = proptest::collection::vec(proptest::collection::vec(a_row(), 1..3), 1..4);
    let taken = proptest::collection::vec(proptest::bool::weighted(0.4), 36);
    (zones, 0_u8..8, 0_u8..4, taken).prop_map(|(zones, x, y, taken)| {
        let rows: Vec<Vec<&str>> =
            zones.iter().map(|rows| rows.iter().map(String::as_str).collect()).collect();
        let zones: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
        (hall(&zones, (f64::from(x), f64::from(y))), taken)
    })
}

fn a_request() -> impl Strategy<Value = Wanted> {
    (0_usize..2, 1_u32..6, 0_u32..3, any::<bool>()).prop_map(
        |(tier, quantity, accessible, accept_split)| {
            let tier = if quantity > 2 { 0 } else { tier };
            Wanted { tier, quantity, accessible: accessible.min(quantity), accept_split }
        },
    )
}

fn full(hall: &Prepared, taken: &[bool]) -> SeatSet {
    seats(hall, (0..taken.len()).filter(|&i| taken[i]))
}

fn free_seats(hall: &Prepared, taken: &[bool]) -> Vec<usize> {
    (0..hall.chart().seats.len()).filter(|&i| !taken[i]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_choice_is_the_best_of_all((hall, taken) in a_hall(), wanted in a_request()) {
        let free = free_seats(&hall, &taken);
        let picked = pick(&hall, &wanted, &full(&hall, &taken), Spread::NONE);
        prop_assert_eq!(&picked, &model(hall.chart(), &free, &wanted));
        // Asked again, it is the same; and the chosen seats are what was asked for.
        prop_assert_eq!(&picked, &pick(&hall, &wanted, &full(&hall, &taken), Spread::NONE));
        if let Ok(choice) = picked {
            prop_assert_eq!(choice.seats.len(), wanted.quantity as usize);
            prop_assert!(choice.seats.iter().all(|&i| !taken[i]));
            let names = choice.seats.iter().map(|&i| &hall.chart().seats[i].id);
            prop_assert_eq!(hall.chart().next_to_each_other(names), choice.next_to_each_other);
        }
    }

    #[test]
    fn hand_picked_seats_are_refused_only_for_a_lone_seat_that_can_be_avoided(
        (hall, taken) in a_hall(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let chart = hall.chart();
        let free = free_seats(&hall, &taken);
        prop_assume!(!free.is_empty());
        let mut seats: Vec<usize> = picks.iter().map(|pick| free[pick.index(free.len())]).collect();
        seats.sort_unstable();
        seats.dedup();
        let left_alone = orphaned(chart, &free, &seats);
        prop_assert_eq!(&orphans(chart, &seats, &full(&hall, &taken)), &left_alone);

        let accessible = seats.iter().filter(|&&i| chart.seats[i].marks.accessible).count();
        let avoidable = seats.iter().any(|&i| {
            let alike = Wanted {
                tier: chart.seats[i].tier,
                quantity: u32::try_from(seats.len()).unwrap(),
                accessible: u32::try_from(accessible).unwrap(),
                accept_split: false,
            };
            model(chart, &free, &alike).is_ok_and(|choice| choice.step == Step::Adjacent)
        });
        let refused = (avoidable && !left_alone.is_empty()).then_some(left_alone);
        prop_assert_eq!(leaves_single(&hall, &seats, &full(&hall, &taken)), refused);
    }
}

/// Three rows of which nobody can have more than two seats side by side.
fn a_scattered_hall() -> impl Strategy<Value = (Prepared, Vec<bool>)> {
    let group = (1_usize..3, 1_usize..3);
    proptest::collection::vec(group, 18).prop_map(|groups| {
        let rows = ["AAAAAAAAAAAAAAAA"; 3];
        let hall = hall(&[rows.as_slice()], (0.0, -1.0));
        let pattern = groups.into_iter().flat_map(|(free, taken)| {
            std::iter::repeat_n(false, free).chain(std::iter::repeat_n(true, taken))
        });
        let mut taken: Vec<bool> = pattern.take(48).collect();
        taken.resize(48, true);
        (hall, taken)
    })
}

proptest! {
    // Fewer, because the model tries some twenty thousand sets each time.
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn seats_apart_are_the_best_of_all_even_far_from_the_focal_point(
        (hall, taken) in a_scattered_hall(),
        quantity in 3_u32..5,
    ) {
        let free = free_seats(&hall, &taken);
        let wanted = Wanted { tier: 0, quantity, accessible: 0, accept_split: true };
        let picked = pick(&hall, &wanted, &full(&hall, &taken), Spread::NONE);
        prop_assert_eq!(&picked, &model(hall.chart(), &free, &wanted));
    }
}
