//! Every weaker design breaks the promise that it is said to break: the model
//! sees what it looks for. Each test prints the shortest way there.
#![expect(clippy::print_stdout, reason = "tests tell what they found")]

use std::time::Duration;

use protocol_model::check::{explore, shortest};
use protocol_model::weaker::{self, Weaker};
use protocol_model::weakness::{Weakness, Weaknesses};

fn find(weaknesses: &[Weakness]) -> &'static Weaker {
    weaker::ALL
        .iter()
        .find(|weaker| Weaknesses::of(weaker.weaknesses) == Weaknesses::of(weaknesses))
        .expect("the weaker design is listed")
}

/// Asserts which promise breaks, and that nothing else is to blame: unweakened,
/// the same scenario keeps them all.
#[track_caller]
fn breaks(weaknesses: &[Weakness], property: &'static str) {
    let weaker = find(weaknesses);
    assert_eq!(weaker.breaks, Some(property), "as listed");
    let sound = explore((weaker.make)(), 1, Duration::from_secs(300));
    assert!(sound.broken.is_empty() && sound.complete, "unweakened, every promise is kept");
    let counterexample = shortest(|| weaker.scenario(), property).expect("the promise is broken");
    println!("{}: {counterexample}", weaker.title());
}

macro_rules! weaker_designs {
    ($($name:ident: [$($weakness:ident),+] $property:literal,)+) => {
        $(#[test]
        fn $name() {
            breaks(&[$(Weakness::$weakness),+], $property);
        })+

        #[test]
        fn every_weaker_design_has_a_test() {
            let tested = [$(Weaknesses::of(&[$(Weakness::$weakness),+])),+];
            for weaker in weaker::ALL.iter().filter(|weaker| weaker.breaks.is_some()) {
                assert!(tested.contains(&Weaknesses::of(weaker.weaknesses)), "{}", weaker.title());
            }
        }
    };
}

weaker_designs! {
    without_any_key_a_seat_is_sold_twice: [NoKeyAtAll] "INV-1",
    a_unique_key_alone_sells_a_seat_under_its_next_holder: [UniqueKeyOnly] "INV-4",
    a_fence_column_alone_sells_a_seat_under_its_next_holder: [FenceColumnOnly] "INV-4",
    a_reconciler_that_only_reads_frees_seats_before_their_commit: [ReconcilerOnlyReads] "INV-4",
    a_lease_that_stays_ends_before_the_commit: [StillLeased] "INV-4",
    an_abort_without_a_compare_frees_a_later_owners_seat: [AbortWithoutCompare] "INV-3",
    an_answer_before_the_commit_loses_a_booking: [AcknowledgeFirst] "INV-2",
    a_finish_for_any_row_marks_unsold_seats_sold: [FinishAnyRow, NoMarker] "INV-6",
    a_finish_by_record_sells_seats_of_a_cancelled_booking: [FinishByRecord] "INV-6",
    an_expire_of_confirming_seats_comes_before_the_commit: [ExpireConfirming] "INV-4",
    a_tombstone_without_a_placement_lands_on_the_old_shard: [TombstoneWithoutPlacement] "INV-13",
    a_commit_without_a_placement_lands_on_the_old_copy: [CommitWithoutPlacement] "INV-2",
    an_epoch_without_a_frozen_mark_loses_a_booking: [NoFrozenMark] "INV-2",
    a_cancel_without_a_placement_refunds_a_valid_ticket: [CancelWithoutPlacement] "INV-7",
    a_replay_that_hands_out_a_pinned_fence_moves_it: [ReplayHandsOutPinned] "INV-4",
    a_step_back_without_a_nonce_pulls_seats_from_under_a_commit: [NoNonce] "INV-4",
    a_pick_without_a_marker_gives_one_key_two_sets: [NoMarker] "INV-8",
    a_marker_that_dies_first_gives_one_key_two_sets: [MarkerKeepsOldLease] "INV-8",
    a_cancel_of_what_it_did_not_change_refunds_twice: [CancelRefundsAll] "INV-7",
    a_free_that_compares_its_own_seats_leaves_the_marker: [FreeComparesOwnSeats] "INV-6",
    a_sweeper_without_a_tombstone_voids_a_sale: [SweeperOnlyReads] "INV-10",
}

#[test]
fn with_the_marker_no_row_of_another_fence_is_ever_confirmed() {
    let weaker = find(&[Weakness::FinishAnyRow]);
    assert_eq!(weaker.breaks, None, "as listed");
    let verdict = explore(weaker.scenario(), 1, Duration::from_secs(300));
    assert!(verdict.broken.is_empty() && verdict.complete);
}
