//! Where a lock-service of a faulty build can be told to die, to pause, or to
//! lose an answer: between every two steps that leave something behind, in the
//! order a hold meets them. The kill test asks the built program for this list.

service_kit::fail_points! {
    /// A lease is granted, or a grant's answer is lost; nothing is written on it.
    Answer LEASE_GRANTED = "lease-granted";
    /// A batch is made and not sent. Lost: etcd applies nothing of it and says so.
    Answer BATCH_SENDING = "batch-sending";
    /// Etcd has answered a batch, nobody was told. Lost: its outcome is unknown.
    Answer BATCH_ANSWERED = "batch-answered";
    /// A batch was refused or unanswered: nobody was told, nothing was sent again.
    Step BATCH_FAILED = "batch-failed";
    /// The mirror has applied what etcd did, whoever asked for it.
    Step MIRROR_APPLIED = "mirror-applied";
    /// Seats are taken, the caller was not told.
    Step TAKEN = "taken";
    /// The outcome of an acquire is unknown, and it is not sent again yet.
    Step TRUTH_SOUGHT = "truth-sought";
    /// A hold is extended, the caller was not told.
    Step EXTENDED = "extended";
    /// A hold is released, the caller was not told.
    Step RELEASED = "released";
    /// A hold may be pinned, by what the mirror shows; nothing was sent.
    Step PINNING = "pinning";
    /// Seats are pinned for an attempt to sell them, which was not told.
    Step PINNED = "pinned";
    /// Pinned seats are a hold again, the caller was not told.
    Step STEPPED_BACK = "stepped-back";
    /// Seats are sold, the caller was not told.
    Step FINISHED = "finished";
    /// The seats of what is no sale may be freed, by what the mirror shows; nothing was sent.
    Step ABORTING = "aborting";
    /// Pinned seats are free again, the caller was not told.
    Step ABORTED = "aborted";
    /// An overdue hold is found, its seats are still held.
    Step EXPIRING = "expiring";
    /// The seats of an overdue hold are free, nothing was noted.
    Step EXPIRED = "expired";
    /// Cancelled seats are to be freed and are still sold.
    Step FREEING = "freeing";
    /// Cancelled seats are free, the caller was not told.
    Step FREED = "freed";
    /// The shard map is written, the caller was not told.
    Step MAP_WRITTEN = "map-written";
    /// Operations are done, their answers are not sent. Lost: they never are.
    Answer ANSWERING = "answering";
}
