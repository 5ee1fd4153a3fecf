//! The error body of every service: RFC 9457 with a closed list of codes.
//! Each code answers two questions: did it happen, and may I send it again.

use serde::{Deserialize, Serialize};

/// Did the request change anything?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was changed.
    NotApplied,
    /// It may or may not have happened: ask again with the same key.
    Unknown,
}

/// What a client should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// This request can never work.
    Never,
    /// Send the very same request again, under the same key.
    SameRequest,
    /// Choose other seats, or another tier, under a new key.
    ChooseAnother,
    /// The hold is gone: begin with a new hold under a new key.
    StartOver,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $outcome:ident, $retry:ident, $title:literal;)*) => {
        /// Every error code there is. Adding one is a change of the public contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes, in the order of the contract.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// As written on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Code::$variant => $text,)* } }

            /// Its HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Code::$variant => $status,)* } }

            /// Whether the request may have been applied.
            #[must_use]
            pub const fn outcome(self) -> Outcome { match self { $(Code::$variant => Outcome::$outcome,)* } }

            /// What the client should do.
            #[must_use]
            pub const fn retry(self) -> Retry { match self { $(Code::$variant => Retry::$retry,)* } }

            /// A short, fixed summary.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Code::$variant => $title,)* } }
        }
    };
}

codes! {
    /// The request can never work; `errors` says where.
    InvalidRequest = "invalid_request", 400, NotApplied, Never, "The request is not valid";
    /// A seating plan with faults; `errors` names every one.
    InvalidPlan = "invalid_plan", 400, NotApplied, Never, "The seating plan is not valid";
    /// A call that must not be repeated by accident came without its key.
    IdempotencyKeyMissing = "idempotency_key_missing", 400, NotApplied, Never, "An Idempotency-Key header is required";
    /// No token, an expired one or a forged one.
    Unauthenticated = "unauthenticated", 401, NotApplied, Never, "A valid bearer token is required";
    /// The gateway declined the payment; the hold stays.
    PaymentDeclined = "payment_declined", 402, NotApplied, ChooseAnother, "The payment was declined";
    /// The token is good, its role is not.
    Forbidden = "forbidden", 403, NotApplied, Never, "This role may not do that";
    /// Unknown, or not yours to know.
    NotFound = "not_found", 404, NotApplied, Never, "There is no such thing";
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, NotApplied, Never, "The method is not allowed here";
    /// Somebody else has a seat; `conflicts` says which.
    SeatTaken = "seat_taken", 409, NotApplied, ChooseAnother, "A seat is taken";
    /// Not enough free seats in the tier.
    SoldOut = "sold_out", 409, NotApplied, ChooseAnother, "Not enough seats are left";
    /// Enough seats, but not next to each other.
    NoAdjacentSeats = "no_adjacent_seats", 409, NotApplied, ChooseAnother, "No seats next to each other are left";
    /// The choice would leave a lone free seat.
    LeavesSingleSeat = "leaves_single_seat", 409, NotApplied, ChooseAnother, "The choice leaves a single seat";
    /// Several performances match; they are listed.
    AmbiguousPerformance = "ambiguous_performance", 409, NotApplied, ChooseAnother, "Several performances match";
    /// The sale has not begun.
    NotOnSale = "not_on_sale", 409, NotApplied, SameRequest, "The sale has not begun";
    /// The customer has as many seats as allowed.
    LimitPerCustomer = "limit_per_customer", 409, NotApplied, Never, "The limit of seats per customer is reached";
    /// The same key is being worked on.
    RequestInFlight = "request_in_flight", 409, NotApplied, SameRequest, "The same request is still running";
    /// A commit is under way, its outcome not known yet.
    ConfirmInProgress = "confirm_in_progress", 409, NotApplied, SameRequest, "The booking is being confirmed";
    /// The hold ran out or was released.
    HoldExpired = "hold_expired", 410, NotApplied, StartOver, "The hold is gone";
    /// The body is larger than allowed.
    PayloadTooLarge = "payload_too_large", 413, NotApplied, Never, "The body is too large";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, NotApplied, Never, "The body must be application/json";
    /// The key was used with another body.
    IdempotencyKeyReused = "idempotency_key_reused", 422, NotApplied, Never, "The Idempotency-Key was used for another request";
    /// Too many requests.
    RateLimited = "rate_limited", 429, NotApplied, SameRequest, "Too many requests";
    /// A bug.
    Internal = "internal", 500, Unknown, SameRequest, "Something went wrong on our side";
    /// Something is away and nothing was written.
    Unavailable = "unavailable", 503, NotApplied, SameRequest, "Not available right now";
    /// Sent, and no answer came.
    OutcomeUnknown = "outcome_unknown", 504, Unknown, SameRequest, "The outcome is not known";
}

impl Code {
    /// The code with this text.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// One fault of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field, as a path such as `seats[2]` or `zones[0].rows[3].seats[1].seat_guid`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl FieldError {
    /// Names a field and its fault.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A seat that somebody else has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The seat.
    pub seat: crate::SeatId,
    /// What is true of it.
    pub state: crate::PublicSeatState,
}

/// The body of every error answer, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name of the kind of problem: `urn:seatlock:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short summary, the same for every problem of the kind.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What happened this time, for people. Never an internal message.
    pub detail: String,
    /// The kind of problem, for programs.
    pub code: Code,
    /// Did it happen?
    pub outcome: Outcome,
    /// May I send it again?
    pub retry: Retry,
    /// Ties the answer to the log lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The faults of an invalid request or plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The seats somebody else has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Further members of this kind of problem (`booking_id`, `performances` …).
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem of this kind; `detail` is shown to the client.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:seatlock:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            outcome: code.outcome(),
            retry: code.retry(),
            request_id: String::new(),
            errors: Vec::new(),
            conflicts: Vec::new(),
            more: serde_json::Map::new(),
        }
    }

    /// Adds a further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the faults of fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_as_str_agree_on_every_code() {
        for code in Code::ALL {
            let json = serde_json::to_value(code).expect("a code is JSON");
            assert_eq!(json, code.as_str());
            assert_eq!(Code::from_wire(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn only_bugs_and_lost_answers_leave_the_outcome_open() {
        for code in Code::ALL {
            let open = code.outcome() == Outcome::Unknown;
            assert_eq!(open, matches!(code.status(), 500 | 504), "{}", code.as_str());
        }
    }
}
