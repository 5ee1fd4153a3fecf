//! What a lock-service of a faulty build can be told to do wrong: each is a weaker
//! design of docs/INVARIANTS.md, and some check must find it.

service_kit::planted_bugs! {
    /// A hold is decided by what the mirror shows, and written without a compare.
    HOLD_WITHOUT_COMPARE = "hold-without-compare";
    /// Seats are pinned for a sale by what the mirror shows, without a compare.
    PIN_WITHOUT_COMPARE = "pin-without-compare";
    /// Seats that are pinned for a sale still end with their hold.
    LEAVE_CONFIRMING_LEASED = "leave-confirming-leased";
    /// What the reconciler aborts is deleted without a compare.
    RECONCILER_DELETES_BLINDLY = "reconciler-deletes-blindly";
}
