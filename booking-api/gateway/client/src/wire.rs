//! What travels between the payment gateway and its merchant. JSON over HTTP/2.
//!
//! Operations travel together: `POST /v1/operations` has an [`Operation`] a
//! line and is answered, in the order they are done, by lines of the
//! operation's place in the request and its [`Answer`]. Every operation may be
//! sent again: repeating one that was done changes nothing and answers the same.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use seat_model::{BookingId, Currency, Problem};
use serde::{Deserialize, Serialize};

/// Where operations are posted.
pub const OPERATIONS: &str = "/v1/operations";

/// Operations in one request, at most.
pub const MAX_OPERATIONS: usize = 512;

/// Bytes of one operation, at most.
pub const MAX_OPERATION_BYTES: usize = 4 << 10;

/// Bytes of a memo, at most.
pub const MAX_MEMO_BYTES: usize = 1 << 10;

/// The tokens of the sandbox; it knows no other.
pub const TOKENS: [&str; 6] =
    ["tok_ok", "tok_declined", "tok_slow", "tok_unknown", "tok_lost", "tok_twice"];

/// The name of a payment: its booking and the merchant's key for this try, so
/// that a declined card can be followed by another (`BOOKING-KEY`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// A text that names no payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reference is a booking id, a hyphen and 1 to 64 letters or digits")]
pub struct BadReference;

/// Characters of a booking id as it is printed.
const BOOKING_LEN: usize = 32;

impl Reference {
    /// The payment for a booking under this key.
    ///
    /// # Errors
    /// When the key is not 1 to 64 ASCII letters or digits.
    pub fn new(booking: BookingId, key: &str) -> Result<Self, BadReference> {
        format!("{booking}-{key}").parse()
    }

    /// The booking that is paid for.
    #[must_use]
    pub fn booking(&self) -> BookingId {
        #[expect(clippy::expect_used, reason = "checked when it was made")]
        self.0[..BOOKING_LEN].parse().expect("a booking id")
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let key = text.get(BOOKING_LEN..).and_then(|rest| rest.strip_prefix('-'));
        let key = key.ok_or(BadReference)?;
        let fine = (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fine || text[..BOOKING_LEN].parse::<BookingId>().is_err() {
            return Err(BadReference);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Reference {
    type Error = BadReference;

    fn try_from(text: String) -> Result<Self, BadReference> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something asked of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Reserves money. Nothing is taken yet.
    Authorise(Authorise),
    /// Asks what became of an authorise that was not answered, and makes sure
    /// that it never will be done where it was not: one that arrives later
    /// finds its payment voided.
    GiveUp(Reference),
    /// Takes the money that was reserved, all of it.
    Capture {
        /// Which payment.
        reference: Reference,
        /// Minor units; exactly what was authorised.
        amount: u64,
        /// As authorised.
        currency: Currency,
    },
    /// Gives some of it back.
    Refund {
        /// Which payment.
        reference: Reference,
        /// Unique within the payment: the same key is the same refund.
        refund_key: String,
        /// Minor units; all refunds together never exceed what was captured.
        amount: u64,
        /// As authorised.
        currency: Currency,
    },
    /// Lets go of reserved money. Of a payment that is not known it leaves a
    /// mark, so that a late authorise finds it voided.
    Void(Reference),
    /// The same for every payment of a booking, those that are still to come
    /// included: it never will be sold.
    VoidBooking(BookingId),
}

impl Operation {
    /// For labels.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Authorise(_) => "authorise",
            Self::GiveUp(_) => "give_up",
            Self::Capture { .. } => "capture",
            Self::Refund { .. } => "refund",
            Self::Void(_) => "void",
            Self::VoidBooking(_) => "void_booking",
        }
    }
}

/// Reserves money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorise {
    /// The payment's name; the same name is the same payment.
    pub reference: Reference,
    /// Minor units.
    pub amount: u64,
    /// ISO 4217.
    pub currency: Currency,
    /// The customer's means of payment. Never stored.
    pub token: String,
    /// Whatever the merchant wants to read again with the payment; at most
    /// [`MAX_MEMO_BYTES`].
    pub memo: String,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// The customer's bank said no.
    Declined,
    /// Reserved.
    Authorised,
    /// Taken; refunds may have been made of it.
    Captured,
    /// Let go; nothing was ever taken.
    Voided,
}

impl PaymentState {
    /// For labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Voided => "voided",
        }
    }
}

/// Why an operation definitely was not done, and will not be when it is
/// repeated as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such payment.
    #[error("the gateway knows no such payment")]
    NotKnown,
    /// The payment was declined.
    #[error("the payment was declined")]
    Declined,
    /// The payment was voided before.
    #[error("the payment was voided before")]
    Voided,
    /// The payment was captured before: refund it.
    #[error("the payment was captured before")]
    Captured,
    /// There is nothing to refund yet.
    #[error("the payment is not captured")]
    NotCaptured,
    /// Not the amount or the currency that was authorised.
    #[error("another amount or currency was authorised")]
    AmountDiffers,
    /// The refunds would be more than what was captured.
    #[error("the refunds would exceed what was captured")]
    TooMuch,
    /// The key belongs to another amount.
    #[error("the key belongs to another amount")]
    KeyReused,
    /// The customer's bank does not do it. Told to do so by [`Faults`].
    #[error("the bank refuses it")]
    ByBank,
}

/// What an operation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The payment's state, by this operation or an earlier sending of it.
    Now(PaymentState),
    /// Not done.
    Refused(Refusal),
}

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A verdict.
    Verdict(Verdict),
    /// No verdict: not tried (503), or unknown (504).
    Problem(Problem),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A payment as the gateway's ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its name.
    pub reference: Reference,
    /// Where it is.
    pub state: PaymentState,
    /// Minor units; 0 in the mark of a void that came before its authorise.
    pub amount: u64,
    /// ISO 4217; none in such a mark.
    pub currency: Option<Currency>,
    /// By refund key, minor units.
    pub refunds: BTreeMap<String, u64>,
    /// The merchant's.
    pub memo: String,
    /// When the gateway first heard of it, milliseconds since the epoch.
    pub at_ms: i64,
}

impl Payment {
    /// What was given back, minor units.
    #[must_use]
    pub fn refunded(&self) -> u64 {
        self.refunds.values().sum()
    }

    /// What the merchant has, minor units.
    #[must_use]
    pub fn kept(&self) -> u64 {
        match self.state {
            PaymentState::Captured => self.amount.saturating_sub(self.refunded()),
            PaymentState::Declined | PaymentState::Authorised | PaymentState::Voided => 0,
        }
    }
}

/// Some of the payments, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payments {
    /// The payments.
    pub payments: Vec<Payment>,
    /// Where the next page begins; none: this is the last.
    pub next_after: Option<Reference>,
}

/// How the sandbox misbehaves, for tests: at its start from its configuration
/// (`[faults]`), at run time by `PUT /v1/faults`. Counted, not drawn, so that
/// a run can be repeated; 0 and `false` switch a fault off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Every authorise takes so much longer.
    pub authorise_delay_ms: u64,
    /// Every so-manieth authorise is declined.
    pub decline_every: u64,
    /// Every so-manieth operation is turned away unseen, as by a full gateway.
    pub turn_away_every: u64,
    /// Every so-manieth operation is done, and its answer lost.
    pub lose_every: u64,
    /// Every so-manieth answer is given twice.
    pub repeat_every: u64,
    /// Every so-manieth answer comes `late_ms` later, after those of others.
    pub late_every: u64,
    /// How late.
    pub late_ms: u64,
    /// No capture is accepted.
    pub refuse_captures: bool,
    /// No refund is accepted.
    pub refuse_refunds: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_booking_and_nothing_else_is_one() {
        let booking = BookingId::from_bytes([7; 16]);
        let reference = Reference::new(booking, "k1").unwrap();
        assert_eq!(reference.as_str(), "07070707070707070707070707070707-k1");
        assert_eq!(reference.booking(), booking);
        let long = "k".repeat(65);
        for bad in ["", "-", "k/1", "k-1", "ä", long.as_str()] {
            assert_eq!(Reference::new(booking, bad), Err(BadReference), "{bad:?}");
        }
        for bad in ["", "k1", "0707-k1", "070707070707070707070707070707zz-k1"] {
            assert_eq!(bad.parse::<Reference>(), Err(BadReference), "{bad:?}");
        }
    }
}
