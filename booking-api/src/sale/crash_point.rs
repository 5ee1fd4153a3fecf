//! Dying on purpose, for tests only: a configuration names one step of the
//! protocol, and the process aborts when it has done it. Everything a crash
//! leaves behind must be mended by other instances.

use serde::Deserialize;

/// A step of the protocol. The same names stand in
/// `booking_api_client::CRASH_POINTS`, where tests find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "each is a moment, named as in the configuration")]
pub(crate) enum CrashPoint {
    /// The seats are held, nobody was told.
    AfterHold,
    /// A hold was given back, nobody was told.
    AfterRelease,
    /// The payment is authorised, the seats are not pinned.
    AfterAuthorise,
    /// The seats are pinned, nothing was sent to the shard.
    AfterBeginConfirm,
    /// The sale is written, the seats are still `confirming`, nobody was told.
    AfterCommit,
    /// The seats are `sold`.
    AfterFinish,
    /// The seats are held again because the shard was away.
    AfterStepBack,
    /// The tombstone is written, the seats are still `confirming`.
    AfterTombstone,
    /// The seats of a tombstoned booking are free.
    AfterAbort,
    /// The reconciler marked the seats of another's booking `sold`.
    AfterReconciledFinish,
    /// The cancel is written, the seats are still `sold`.
    AfterCancelCommit,
    /// The seats of cancelled tickets are free.
    AfterFree,
    /// Outbox rows are claimed, nothing was done with them.
    AfterOutboxClaim,
    /// The gateway settled, the outbox rows are still there.
    AfterSettlement,
}

impl CrashPoint {
    /// Aborts the process where the configuration names this step.
    pub(crate) fn reach(self, configured: Option<Self>) {
        if configured == Some(self) {
            tracing::error!(step = ?self, "aborting, as configured");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use booking_api_client::CRASH_POINTS;

    use super::*;

    #[test]
    fn every_step_is_listed_for_tests_and_every_listed_step_exists() {
        use CrashPoint as P;
        let read = CRASH_POINTS.map(|name| {
            serde_json::from_value::<P>(name.into()).unwrap_or_else(|_| panic!("{name} is unknown"))
        });
        for (index, point) in read.iter().enumerate() {
            // A new step does not compile until it has a place here, and then
            // fails until the list has it at that place.
            let place = match point {
                P::AfterHold => 0,
                P::AfterRelease => 1,
                P::AfterAuthorise => 2,
                P::AfterBeginConfirm => 3,
                P::AfterCommit => 4,
                P::AfterFinish => 5,
                P::AfterStepBack => 6,
                P::AfterTombstone => 7,
                P::AfterAbort => 8,
                P::AfterReconciledFinish => 9,
                P::AfterCancelCommit => 10,
                P::AfterFree => 11,
                P::AfterOutboxClaim => 12,
                P::AfterSettlement => 13,
            };
            assert_eq!(place, index, "{point:?}");
        }
    }
}
