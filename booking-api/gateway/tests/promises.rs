//! What the ledger promises its merchant: nothing is forgotten over a restart,
//! nothing is done twice, and of a void and an authorise that race one wins.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use payment_gateway::{Change, Ledger};
use payment_gateway_client::wire::{
    Authorise, Operation, PaymentState as State, Reference, Refusal, Verdict,
};
use seat_model::{BookingId, Currency};

fn open(folder: &Path) -> Ledger {
    Ledger::open(&folder.join("data/ledger.redb")).unwrap()
}

fn booking(number: u8) -> BookingId {
    BookingId::from_bytes([number; 16])
}

fn reference(number: u8, key: &str) -> Reference {
    Reference::new(booking(number), key).unwrap()
}

fn euro() -> Currency {
    Currency::new("EUR").unwrap()
}

fn authorise(reference: &Reference, amount: u64) -> Operation {
    Operation::Authorise(Authorise {
        reference: reference.clone(),
        amount,
        currency: euro(),
        token: "tok_ok".into(),
        memo: "memo".into(),
    })
}

fn capture(reference: &Reference, amount: u64) -> Operation {
    Operation::Capture { reference: reference.clone(), amount, currency: euro() }
}

fn refund(reference: &Reference, key: &str, amount: u64) -> Operation {
    let refund_key = key.to_owned();
    Operation::Refund { reference: reference.clone(), refund_key, amount, currency: euro() }
}

fn ask_at(ledger: &Ledger, operation: Operation, at_ms: i64) -> Verdict {
    ledger.write(&[Change { operation, declined: false }], at_ms).unwrap()[0]
}

/// The same twice, with the same answer.
fn ask(ledger: &Ledger, operation: Operation) -> Verdict {
    let first = ask_at(ledger, operation.clone(), 1);
    let before = ledger.payments(None, 100).unwrap();
    assert_eq!(ask_at(ledger, operation, 2), first);
    assert_eq!(ledger.payments(None, 100).unwrap(), before, "a repetition changes nothing");
    first
}

#[test]
fn a_restart_keeps_every_payment() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (reference(1, "a"), reference(2, "a"));
    let ledger = open(folder.path());
    ask(&ledger, authorise(&one, 100));
    ask(&ledger, capture(&one, 100));
    ask(&ledger, refund(&one, "v2", 40));
    ask(&ledger, authorise(&two, 7));
    ask(&ledger, Operation::VoidBooking(booking(3)));
    let before = ledger.payments(None, 10).unwrap();
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(ledger.payments(None, 10).unwrap(), before);
    assert_eq!(ledger.payment(&one).unwrap().unwrap().kept(), 60);
    let open: Vec<_> = ledger.open_since(i64::MAX, 0, 10).unwrap();
    assert_eq!(open.iter().map(|payment| &payment.reference).collect::<Vec<_>>(), [&two]);
    let late = ask(&ledger, authorise(&reference(3, "late"), 5));
    assert_eq!(late, Verdict::Now(State::Voided), "the mark outlives a restart");
}

#[test]
fn each_operation_is_done_once_and_answers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let paid = reference(1, "k");
    assert_eq!(ask(&ledger, authorise(&paid, 100)), Verdict::Now(State::Authorised));
    assert_eq!(ask(&ledger, authorise(&paid, 101)), Verdict::Refused(Refusal::KeyReused));
    assert_eq!(ask(&ledger, refund(&paid, "r", 1)), Verdict::Refused(Refusal::NotCaptured));
    assert_eq!(ask(&ledger, capture(&paid, 99)), Verdict::Refused(Refusal::AmountDiffers));
    assert_eq!(ask(&ledger, capture(&paid, 100)), Verdict::Now(State::Captured));
    assert_eq!(ask(&ledger, Operation::Void(paid.clone())), Verdict::Refused(Refusal::Captured));
    assert_eq!(ask(&ledger, refund(&paid, "r1", 60)), Verdict::Now(State::Captured));
    assert_eq!(ask(&ledger, refund(&paid, "r1", 50)), Verdict::Refused(Refusal::KeyReused));
    assert_eq!(ask(&ledger, refund(&paid, "r2", 41)), Verdict::Refused(Refusal::TooMuch));
    assert_eq!(ask(&ledger, refund(&paid, "r2", u64::MAX)), Verdict::Refused(Refusal::TooMuch));
    assert_eq!(ask(&ledger, refund(&paid, "r2", 40)), Verdict::Now(State::Captured));
    assert_eq!(ledger.payment(&paid).unwrap().unwrap().kept(), 0);

    let gone = reference(2, "k");
    assert_eq!(ask(&ledger, authorise(&gone, 5)), Verdict::Now(State::Authorised));
    assert_eq!(ask(&ledger, Operation::GiveUp(gone.clone())), Verdict::Now(State::Authorised));
    assert_eq!(ask(&ledger, Operation::Void(gone.clone())), Verdict::Now(State::Voided));
    assert_eq!(ask(&ledger, capture(&gone, 5)), Verdict::Refused(Refusal::Voided));
    assert_eq!(ask(&ledger, authorise(&gone, 5)), Verdict::Now(State::Voided));
    assert_eq!(ask(&ledger, capture(&reference(9, "k"), 5)), Verdict::Refused(Refusal::NotKnown));

    let never = reference(3, "k");
    assert_eq!(ask(&ledger, Operation::GiveUp(never.clone())), Verdict::Now(State::Voided));
    assert_eq!(ask(&ledger, authorise(&never, 5)), Verdict::Now(State::Voided));
    assert_eq!(ledger.open_since(i64::MAX, 0, 10).unwrap(), []);
}

#[test]
fn a_booking_is_voided_with_all_its_tries_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for (number, key) in [(1, "a"), (1, "b"), (2, "a"), (0, "a")] {
        ask(&ledger, authorise(&reference(number, key), 5));
    }
    let verdict = ask(&ledger, Operation::VoidBooking(booking(1)));
    assert_eq!(verdict, Verdict::Now(State::Voided));
    let states: Vec<_> =
        ledger.payments(None, 10).unwrap().payments.iter().map(|p| p.state).collect();
    assert_eq!(states, [State::Authorised, State::Voided, State::Voided, State::Authorised]);
    ask(&ledger, capture(&reference(2, "a"), 5));
    let refused = ask(&ledger, Operation::VoidBooking(booking(2)));
    assert_eq!(refused, Verdict::Refused(Refusal::Captured));
}

#[test]
fn payments_are_listed_in_pages_and_the_open_ones_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for number in 0..5 {
        let age = i64::from(number);
        ask_at(&ledger, authorise(&reference(number, "k"), 1), 100 - age);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = ledger.payments(after.as_ref(), 2).unwrap();
        assert!(page.payments.len() <= 2);
        seen.extend(page.payments.into_iter().map(|payment| payment.reference));
        match page.next_after {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, (0..5).map(|number| reference(number, "k")).collect::<Vec<_>>());
    ask(&ledger, capture(&reference(3, "k"), 1));
    let old = |before, skip| {
        let open = ledger.open_since(before, skip, 10).unwrap();
        open.into_iter().map(|payment| payment.at_ms).collect::<Vec<_>>()
    };
    assert_eq!(old(100, 0), [96, 98, 99], "without the one authorised at 100");
    assert_eq!(old(100, 2), [99]);
}

/// INV-10: whichever comes first decides, and both learn it.
#[test]
fn a_void_and_an_authorise_that_race_agree_on_who_won() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(folder.path()));
    for number in 0..40 {
        let name = reference(number, "k");
        let (one, other) = (ledger.clone(), ledger.clone());
        let (for_one, for_other) = (name.clone(), name.clone());
        let authorising = std::thread::spawn(move || ask_at(&one, authorise(&for_one, 5), 1));
        let giving_up = std::thread::spawn(move || ask_at(&other, Operation::GiveUp(for_other), 1));
        let (authorised, given_up) = (authorising.join().unwrap(), giving_up.join().unwrap());
        assert_eq!(authorised, given_up);
        let state = ledger.payment(&name).unwrap().unwrap().state;
        assert_eq!(authorised, Verdict::Now(state));
    }
}
