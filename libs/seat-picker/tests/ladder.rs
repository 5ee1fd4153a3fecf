//! Every rung of the ladder, accessible seats and the orphan rule, on halls
//! small enough to check by eye.

mod hall;

use hall::{hall, seats};
use seat_picker::{Choice, NoChoice, Prepared, Spread, Step, Wanted, leaves_single, orphans, pick};

fn wanted(quantity: u32) -> Wanted {
    Wanted { tier: 0, quantity, accessible: 0, accept_split: false }
}

fn apart(quantity: u32) -> Wanted {
    Wanted { accept_split: true, ..wanted(quantity) }
}

fn choose(
    hall: &Prepared,
    wanted: Wanted,
    taken: &[usize],
) -> Result<(Step, Vec<usize>), NoChoice> {
    pick(hall, &wanted, &seats(hall, taken.iter().copied()), Spread::NONE)
        .map(|choice| (choice.step, choice.seats))
}

#[test]
fn step_1_takes_the_nearest_neighbours() {
    let hall = hall(&[&["AAAAAAAAA", "AAAAAAAAA"]], (4.0, -1.0));
    assert_eq!(choose(&hall, wanted(3), &[]), Ok((Step::Adjacent, vec![3, 4, 5])));
    assert_eq!(choose(&hall, wanted(1), &[4]), Ok((Step::Adjacent, vec![3])));
}

#[test]
fn step_1_goes_farther_rather_than_orphan_a_seat() {
    let hall = hall(&[&["AAAA", "AAAA"]], (0.0, -1.0));
    assert_eq!(choose(&hall, wanted(2), &[]), Ok((Step::Adjacent, vec![0, 1])));
    // Three in front would leave one of four alone; behind, the first is gone.
    assert_eq!(choose(&hall, wanted(3), &[4]), Ok((Step::Adjacent, vec![5, 6, 7])));
}

#[test]
fn step_2_orphans_where_nothing_else_is_left() {
    let hall = hall(&[&["AAAA", "AAAA"]], (0.0, -1.0));
    assert_eq!(choose(&hall, wanted(3), &[]), Ok((Step::AdjacentWithOrphans, vec![0, 1, 2])));
}

#[test]
fn on_equal_distance_plan_order_decides() {
    let mirrored = hall(&[&["AA  AA"]], (2.5, -3.0));
    assert_eq!(choose(&mirrored, wanted(2), &[]), Ok((Step::Adjacent, vec![0, 1])));
    assert_eq!(choose(&mirrored, apart(3), &[]), Ok((Step::OneSection, vec![0, 1, 2])));
}

#[test]
fn in_an_uneven_row_the_nearest_need_not_be_beside_the_nearest_of_all() {
    let hall = hall(&[&["AaAaAaAaAaAaAaAaA"]], (4.0, -20.0));
    assert_eq!(choose(&hall, wanted(1), &[]), Ok((Step::Adjacent, vec![4])));
    // 3 and 5 stand back; 2 and 6 would leave those alone.
    assert_eq!(choose(&hall, wanted(1), &[4]), Ok((Step::Adjacent, vec![0])));
}

#[test]
fn on_equal_distance_plan_order_decides_even_where_the_later_row_has_nearer_seats() {
    let hall = hall(&[&[" AAAA", "AAAAA"]], (0.0, 0.5));
    assert_eq!(choose(&hall, wanted(2), &[]), Ok((Step::Adjacent, vec![4, 5])));
    assert_eq!(choose(&hall, wanted(2), &[4]), Ok((Step::Adjacent, vec![0, 1])));
}

#[test]
fn a_spread_is_over_rows_that_are_nearly_as_near_and_no_wider_than_asked() {
    let hall = hall(&[&["AAAAAAAA", "AAAAAAAA", "AAAAAAAA", "AAAAAAAA"]], (3.5, -9.0));
    let firsts = |choices| -> std::collections::BTreeSet<usize> {
        (0..64)
            .map(|seed| {
                pick(&hall, &wanted(2), &hall.no_seats(), Spread { choices, seed }).unwrap()
            })
            .map(|choice| choice.seats[0])
            .collect()
    };
    // Each row offers its middle; the third is two seats' width farther.
    for (choices, rows) in [(0, vec![3]), (1, vec![3]), (2, vec![3, 11]), (9, vec![3, 11])] {
        assert_eq!(firsts(choices), rows.into_iter().collect(), "{choices} choices");
    }
}

#[test]
fn neighbours_do_not_sit_across_an_aisle_or_a_tier() {
    let aisle = hall(&[&["AAA   AA"]], (4.0, 0.0));
    assert_eq!(choose(&aisle, wanted(4), &[]), Err(NoChoice::NoAdjacentSeats));
    let tiers = hall(&[&["AABAA"]], (2.0, 0.0));
    assert_eq!(choose(&tiers, wanted(3), &[]), Err(NoChoice::NoAdjacentSeats));
}

#[test]
fn step_3_stays_in_one_section_and_leaves_nobody_alone() {
    // The nearest four free seats are 1, 2 and the singles 4 and 6: nobody
    // should have to sit there while pairs are free a row behind.
    let hall = hall(&[&["AAAAAAA", "AAA AA"], &["AAA"]], (3.0, -1.0));
    let taken = [0, 3, 5, 7];
    let pairs = choose(&hall, apart(4), &taken);
    assert_eq!(pairs, Ok((Step::OneSection, vec![1, 2, 8, 9])));
}

#[test]
fn step_3_seats_as_few_alone_as_can_be() {
    let hall = hall(&[&["AAAAAAA"]], (0.0, 0.0));
    let three = pick(&hall, &apart(3), &seats(&hall, [1, 3, 6]), Spread::NONE).unwrap();
    assert_eq!(three.seats, [0, 4, 5], "a pair and one, not three singles nearer by");
    assert!(!three.next_to_each_other);
}

#[test]
fn step_4_spreads_over_sections_only_when_none_has_enough() {
    let two = hall(&[&["AA A"], &["AA"]], (0.0, 0.0));
    assert_eq!(choose(&two, apart(3), &[]), Ok((Step::OneSection, vec![0, 1, 2])));
    assert_eq!(choose(&two, apart(4), &[]), Ok((Step::AcrossSections, vec![0, 1, 3, 4])));
    assert_eq!(choose(&two, wanted(4), &[]), Err(NoChoice::NoAdjacentSeats));
}

#[test]
fn sold_out_counts_accessible_seats_apart() {
    let hall = hall(&[&["**AAA"]], (0.0, 0.0));
    assert_eq!(choose(&hall, apart(4), &[]), Err(NoChoice::SoldOut));
    let three_accessible = Wanted { accessible: 3, ..apart(3) };
    assert_eq!(choose(&hall, three_accessible, &[]), Err(NoChoice::SoldOut));
    assert_eq!(choose(&hall, wanted(3), &[]), Ok((Step::Adjacent, vec![2, 3, 4])));
}

#[test]
fn exactly_so_many_accessible_seats_with_the_others_beside_them() {
    let hall = hall(&[&["AAAAAA**AAA", "AAAAAAAAAAA"]], (0.0, 0.0));
    let family = Wanted { accessible: 1, ..wanted(3) };
    let choice = pick(&hall, &family, &hall.no_seats(), Spread::NONE).unwrap();
    assert_eq!(choice.seats, [4, 5, 6]);
    assert_eq!(choice.step, Step::Adjacent);
    let both = Wanted { accessible: 2, ..wanted(4) };
    assert_eq!(choose(&hall, both, &[]), Ok((Step::Adjacent, vec![4, 5, 6, 7])));
    let alone = Wanted { accessible: 1, ..wanted(1) };
    assert_eq!(choose(&hall, alone, &[6]), Ok((Step::Adjacent, vec![7])));
}

#[test]
fn a_free_accessible_seat_is_a_free_neighbour_and_never_lone_itself() {
    let hall = hall(&[&["AAA*"]], (0.0, 0.0));
    assert_eq!(choose(&hall, wanted(2), &[]), Ok((Step::Adjacent, vec![0, 1])));
    assert_eq!(choose(&hall, wanted(3), &[]), Ok((Step::Adjacent, vec![0, 1, 2])));
    assert_eq!(choose(&hall, wanted(2), &[3]), Ok((Step::AdjacentWithOrphans, vec![0, 1])));
}

#[test]
fn what_no_plan_could_satisfy_is_told_apart_from_sold_out() {
    let hall = hall(&[&["AAA"]], (0.0, 0.0));
    let another = seat_picker::SeatSet::new(4);
    let choice = pick(&hall, &wanted(1), &another, Spread::NONE);
    assert_eq!(choice, Err(NoChoice::NeverPossible), "the taken seats are another plan's");
    for impossible in [
        wanted(0),
        wanted(11),
        Wanted { accessible: 2, ..wanted(1) },
        Wanted { tier: 7, ..wanted(1) },
    ] {
        assert_eq!(choose(&hall, impossible, &[]), Err(NoChoice::NeverPossible));
    }
    let none_drawn = Wanted { tier: 1, ..wanted(1) };
    assert_eq!(choose(&hall, none_drawn, &[]), Err(NoChoice::SoldOut));
}

#[test]
fn hand_picked_seats_may_not_leave_a_lone_seat_that_could_be_avoided() {
    let hall = hall(&[&["AAAAA"]], (0.0, 0.0));
    let free = &hall.no_seats();
    assert_eq!(orphans(hall.chart(), &[1, 2], free), [0]);
    assert_eq!(orphans(hall.chart(), &[0, 2, 4], free), [1, 3]);
    assert_eq!(leaves_single(&hall, &[2, 1], free), Some(vec![0]));
    assert_eq!(leaves_single(&hall, &[0, 1], free), None);
    assert_eq!(leaves_single(&hall, &[0, 2], free), Some(vec![1]));
}

#[test]
fn hand_picked_seats_may_leave_one_where_no_choice_of_that_size_avoids_it() {
    let hall = hall(&[&["AAA", "AAA"]], (0.0, 0.0));
    assert_eq!(leaves_single(&hall, &[0, 1], &hall.no_seats()), None);
    // A row of two is free as well now, and taking that leaves nobody alone.
    assert_eq!(leaves_single(&hall, &[0, 1], &seats(&hall, [5])), Some(vec![2]));
}

#[test]
fn a_seat_that_was_lone_before_is_nobodys_fault() {
    let hall = hall(&[&["AAAAAA"]], (0.0, 0.0));
    assert_eq!(orphans(hall.chart(), &[2, 3], &seats(&hall, [1])), Vec::<usize>::new());
    assert_eq!(leaves_single(&hall, &[2, 3], &seats(&hall, [1])), None);
}

#[test]
fn a_crowd_sells_a_tier_out_when_seats_in_flight_count_as_taken() {
    let hall = hall(&[&["AAAAAAAA", "AAAAAAAA"], &["AAAA  AAAA"]], (4.0, -1.0));
    let mut in_flight = hall.no_seats();
    let refused = loop {
        match pick(&hall, &apart(2), &in_flight, Spread::NONE) {
            Ok(Choice { seats, .. }) => {
                for seat in seats {
                    assert!(in_flight.insert(seat), "each seat once");
                }
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, NoChoice::SoldOut);
    assert_eq!(in_flight.len(), 24, "none left over");
}
