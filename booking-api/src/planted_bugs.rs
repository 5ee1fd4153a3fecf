//! What a booking-api of a faulty build can be told to do wrong: each is a weaker
//! design of docs/INVARIANTS.md, and some check must find it.

service_kit::planted_bugs! {
    /// What may have been written is answered 503: nothing was changed.
    NOT_APPLIED_ON_UNKNOWN = "not-applied-on-unknown";
    /// The reconciler reads the ledger, and writes no tombstone where it finds no row.
    NO_TOMBSTONE = "no-tombstone";
    /// The reconciler takes a tombstone that was not answered for one that was written.
    UNANSWERED_IS_ABSENT = "unanswered-is-absent";
    /// A request that is repeated under its key gets another booking.
    NEW_BOOKING_ON_RETRY = "new-booking-on-retry";
    /// The reconciler's tombstone goes to another shard than the commit.
    TOMBSTONE_ON_WRONG_SHARD = "tombstone-on-wrong-shard";
    /// A shard takes a second sale of a seat.
    NO_UNIQUE_KEY = "no-unique-key";
    /// A cancel takes tickets that were cancelled before it once more.
    CANCEL_WITHOUT_GUARD = "cancel-without-guard";
    /// The customer is told of the sale before its commit is sent.
    ACKNOWLEDGE_BEFORE_COMMIT = "acknowledge-before-commit";
}
