//! The steps of the seat protocol at which a booking-api can be told to die,
//! for tests that kill it once at each of them.

/// Values of booking-api's `sale.crash_at`: the process aborts the first time
/// it has done this step. One of the service's own tests fails when a step is
/// missing here.
pub const CRASH_POINTS: [&str; 14] = [
    "after-hold",
    "after-release",
    "after-authorise",
    "after-begin-confirm",
    "after-commit",
    "after-finish",
    "after-step-back",
    "after-tombstone",
    "after-abort",
    "after-reconciled-finish",
    "after-cancel-commit",
    "after-free",
    "after-outbox-claim",
    "after-settlement",
];
