//! What may become of a payment, as pure functions: the payment as it is, what
//! is asked, and the verdict with the payment as it is afterwards (`None`:
//! unchanged). Repeating anything that was done changes nothing.
//!
//! Must not know: where payments are kept, who asks.

use std::collections::BTreeMap;

use payment_gateway_client::wire::{
    Authorise, Payment, PaymentState as State, Reference, Refusal, Verdict,
};
use seat_model::Currency;

type Ruling = (Verdict, Option<Payment>);

fn now(state: State) -> Ruling {
    (Verdict::Now(state), None)
}

fn refused(why: Refusal) -> Ruling {
    (Verdict::Refused(why), None)
}

fn becomes(payment: &Payment, state: State) -> Ruling {
    (Verdict::Now(state), Some(Payment { state, ..payment.clone() }))
}

/// A void before its authorise: whatever comes later finds it.
fn mark(reference: &Reference, at_ms: i64) -> Ruling {
    let payment = Payment {
        reference: reference.clone(),
        state: State::Voided,
        amount: 0,
        currency: None,
        refunds: BTreeMap::new(),
        memo: String::new(),
        at_ms,
    };
    (Verdict::Now(State::Voided), Some(payment))
}

/// `booking_voided`: every payment of the booking was voided, this one included.
pub(crate) fn authorise(
    known: Option<&Payment>,
    asked: &Authorise,
    declined: bool,
    booking_voided: bool,
    at_ms: i64,
) -> Ruling {
    match known {
        Some(payment) => match &payment.currency {
            Some(currency) if *currency != asked.currency || payment.amount != asked.amount => {
                refused(Refusal::KeyReused)
            }
            _ => now(payment.state),
        },
        None => {
            let state = if booking_voided {
                State::Voided
            } else if declined {
                State::Declined
            } else {
                State::Authorised
            };
            let payment = Payment {
                reference: asked.reference.clone(),
                state,
                amount: asked.amount,
                currency: Some(asked.currency.clone()),
                refunds: BTreeMap::new(),
                memo: asked.memo.clone(),
                at_ms,
            };
            (Verdict::Now(state), Some(payment))
        }
    }
}

pub(crate) fn give_up(known: Option<&Payment>, reference: &Reference, at_ms: i64) -> Ruling {
    known.map_or_else(|| mark(reference, at_ms), |payment| now(payment.state))
}

pub(crate) fn capture(known: Option<&Payment>, amount: u64, currency: &Currency) -> Ruling {
    let Some(payment) = known else { return refused(Refusal::NotKnown) };
    let as_authorised = payment.amount == amount && payment.currency.as_ref() == Some(currency);
    match payment.state {
        State::Declined => refused(Refusal::Declined),
        State::Voided => refused(Refusal::Voided),
        State::Authorised | State::Captured if !as_authorised => refused(Refusal::AmountDiffers),
        State::Authorised => becomes(payment, State::Captured),
        State::Captured => now(State::Captured),
    }
}

pub(crate) fn refund(
    known: Option<&Payment>,
    refund_key: &str,
    amount: u64,
    currency: &Currency,
) -> Ruling {
    let Some(payment) = known else { return refused(Refusal::NotKnown) };
    match payment.state {
        State::Declined => return refused(Refusal::Declined),
        State::Voided => return refused(Refusal::Voided),
        State::Authorised => return refused(Refusal::NotCaptured),
        State::Captured => {}
    }
    if payment.currency.as_ref() != Some(currency) {
        return refused(Refusal::AmountDiffers);
    }
    match payment.refunds.get(refund_key) {
        Some(before) if *before == amount => return now(State::Captured),
        Some(_) => return refused(Refusal::KeyReused),
        None => {}
    }
    if payment.refunded().checked_add(amount).is_none_or(|all| all > payment.amount) {
        return refused(Refusal::TooMuch);
    }
    let mut payment = payment.clone();
    payment.refunds.insert(refund_key.to_owned(), amount);
    (Verdict::Now(State::Captured), Some(payment))
}

pub(crate) fn void(known: Option<&Payment>, reference: &Reference, at_ms: i64) -> Ruling {
    let Some(payment) = known else { return mark(reference, at_ms) };
    match payment.state {
        State::Authorised => becomes(payment, State::Voided),
        State::Captured => refused(Refusal::Captured),
        State::Voided | State::Declined => now(payment.state),
    }
}
