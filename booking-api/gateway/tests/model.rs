//! The ledger against a model that only remembers which things happened: any
//! sequence of operations, in groups of any size, with the file closed and
//! opened again in between (INV-10).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};

use payment_gateway::{Change, Ledger};
use payment_gateway_client::wire::{
    Authorise, Operation, PaymentState as State, Reference, Verdict,
};
use proptest::prelude::*;
use seat_model::{BookingId, Currency};

/// What happened, payment by payment.
#[derive(Default)]
struct Model {
    /// The amount of every authorise that was let in, whatever the bank said.
    asked: BTreeMap<Reference, u64>,
    declined: BTreeSet<Reference>,
    captured: BTreeSet<Reference>,
    voided: BTreeSet<Reference>,
    voided_bookings: BTreeSet<BookingId>,
    refunds: BTreeMap<(Reference, String), u64>,
}

impl Model {
    fn knows(&self, name: &Reference) -> bool {
        self.asked.contains_key(name) || self.voided.contains(name)
    }

    fn is_authorised(&self, name: &Reference) -> bool {
        self.asked.contains_key(name)
            && !self.declined.contains(name)
            && !self.captured.contains(name)
            && !self.voided.contains(name)
    }

    fn state(&self, name: &Reference) -> State {
        if self.captured.contains(name) {
            State::Captured
        } else if self.voided.contains(name) {
            State::Voided
        } else if self.declined.contains(name) {
            State::Declined
        } else {
            State::Authorised
        }
    }

    fn kept(&self, name: &Reference) -> u64 {
        let refunded: u64 =
            self.refunds.iter().filter(|((of, _), _)| of == name).map(|(_, sum)| sum).sum();
        if self.captured.contains(name) { self.asked[name] - refunded } else { 0 }
    }

    /// The state that a done operation answers; `None`: refused.
    fn change(&mut self, change: &Change) -> Option<State> {
        match &change.operation {
            Operation::Authorise(asked) => {
                let name = &asked.reference;
                if self.knows(name) {
                    let same = self.asked.get(name).is_none_or(|amount| *amount == asked.amount);
                    return same.then(|| self.state(name));
                }
                self.asked.insert(name.clone(), asked.amount);
                if self.voided_bookings.contains(&name.booking()) {
                    self.voided.insert(name.clone());
                } else if change.declined {
                    self.declined.insert(name.clone());
                }
                Some(self.state(name))
            }
            Operation::GiveUp(name) => {
                if !self.knows(name) {
                    self.voided.insert(name.clone());
                }
                Some(self.state(name))
            }
            Operation::Capture { reference, amount, .. } => {
                let can = self.is_authorised(reference) || self.captured.contains(reference);
                if !can || self.asked[reference] != *amount {
                    return None;
                }
                self.captured.insert(reference.clone());
                Some(State::Captured)
            }
            Operation::Refund { reference, refund_key, amount, .. } => {
                let key = (reference.clone(), refund_key.clone());
                if let Some(before) = self.refunds.get(&key) {
                    return (before == amount).then_some(State::Captured);
                }
                if !self.captured.contains(reference) || self.kept(reference) < *amount {
                    return None;
                }
                self.refunds.insert(key, *amount);
                Some(State::Captured)
            }
            Operation::Void(name) => {
                if self.captured.contains(name) {
                    return None;
                }
                if !self.declined.contains(name) {
                    self.voided.insert(name.clone());
                }
                Some(self.state(name))
            }
            Operation::VoidBooking(booking) => {
                self.voided_bookings.insert(*booking);
                let open: Vec<Reference> = self
                    .asked
                    .keys()
                    .filter(|name| name.booking() == *booking && self.is_authorised(name))
                    .cloned()
                    .collect();
                self.voided.extend(open);
                let taken = self.captured.iter().any(|name| name.booking() == *booking);
                (!taken).then_some(State::Voided)
            }
        }
    }
}

fn a_booking() -> impl Strategy<Value = BookingId> {
    (0_u8..3).prop_map(|number| BookingId::from_bytes([number; 16]))
}

fn a_change() -> impl Strategy<Value = Change> {
    let name = || {
        (a_booking(), 0..2)
            .prop_map(|(booking, key)| Reference::new(booking, &format!("k{key}")).unwrap())
    };
    let euro = || Currency::new("EUR").unwrap();
    let operation = prop_oneof![
        4 => (name(), 1_u64..3).prop_map(move |(reference, amount)| {
            let (token, memo) = ("tok_ok".into(), String::new());
            Operation::Authorise(Authorise { reference, amount, currency: euro(), token, memo })
        }),
        1 => name().prop_map(Operation::GiveUp),
        3 => (name(), 1_u64..3).prop_map(move |(reference, amount)| {
            Operation::Capture { reference, amount, currency: euro() }
        }),
        3 => (name(), 0..2, 1_u64..3).prop_map(move |(reference, key, amount)| {
            let refund_key = format!("r{key}");
            Operation::Refund { reference, refund_key, amount, currency: euro() }
        }),
        1 => name().prop_map(Operation::Void),
        1 => a_booking().prop_map(Operation::VoidBooking),
    ];
    (operation, prop::bool::weighted(0.1))
        .prop_map(|(operation, declined)| Change { operation, declined })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_the_ledger_says_what_the_model_says(
        groups in prop::collection::vec(prop::collection::vec(a_change(), 1..8), 1..12),
        reopened_after in 0_usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let mut ledger = Ledger::open(&path).unwrap();
        let mut model = Model::default();
        for (number, group) in groups.iter().enumerate() {
            let verdicts = ledger.write(group, 1).unwrap();
            for (change, verdict) in group.iter().zip(verdicts) {
                let wanted = model.change(change);
                let got = match verdict {
                    Verdict::Now(state) => Some(state),
                    Verdict::Refused(_) => None,
                };
                prop_assert_eq!(got, wanted, "{:?}", change);
            }
            if number == reopened_after {
                drop(ledger);
                ledger = Ledger::open(&path).unwrap();
            }
        }
        let payments = ledger.payments(None, 1_000).unwrap().payments;
        for payment in &payments {
            prop_assert_eq!(payment.state, model.state(&payment.reference));
            prop_assert_eq!(payment.kept(), model.kept(&payment.reference));
        }
        let open: BTreeSet<_> =
            ledger.open_since(i64::MAX, 0, 1_000).unwrap().into_iter().map(|p| p.reference).collect();
        let wanted: BTreeSet<_> =
            model.asked.keys().filter(|name| model.is_authorised(name)).cloned().collect();
        prop_assert_eq!(open, wanted);
    }
}
