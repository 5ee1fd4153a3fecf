//! What a lock-service of a faulty build can be told to do wrong: each is a weaker
//! design of docs/INVARIANTS.md, and some check must find it.

service_kit::planted_bugs! {
    /// What the reconciler aborts is deleted without a compare.
    RECONCILER_DELETES_BLINDLY = "reconciler-deletes-blindly";
}
