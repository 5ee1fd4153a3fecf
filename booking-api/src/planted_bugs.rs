//! What a booking-api of a faulty build can be told to do wrong: each is a weaker
//! design of docs/INVARIANTS.md, and some check must find it.

service_kit::planted_bugs! {
    /// The customer is told of the sale before its commit is sent.
    ACKNOWLEDGE_BEFORE_COMMIT = "acknowledge-before-commit";
}
