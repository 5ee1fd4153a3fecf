//! Where a booking-api of a faulty build can be told to die, to pause, or to
//! lose an answer: between every two steps that leave something behind. The
//! kill test asks the built program for this list.

service_kit::fail_points! {
    /// The seats are held, nobody was told.
    Step HELD = "held";
    /// A key that is used up has taken seats once more.
    Step HELD_FOR_A_USED_KEY = "held-for-a-used-key";
    /// What a used-up key had taken is given back, nobody was told.
    Step GIVEN_BACK = "given-back";
    /// A hold is extended, nobody was told.
    Step EXTENDED = "extended";
    /// A hold is released, which is not remembered yet.
    Step RELEASED = "released";
    /// That a hold was released is remembered, nobody was told.
    Step RELEASE_REMEMBERED = "release-remembered";
    /// A payment was declined, which is remembered; nobody was told.
    Step DECLINE_REMEMBERED = "decline-remembered";
    /// The payment is authorised, the seats are not pinned.
    Step AUTHORISED = "authorised";
    /// The seats are pinned, nothing was given to the committer.
    Step PINNED = "pinned";
    /// A group of sales is made and not sent. Lost: it surely never is.
    Answer COMMIT_SENDING = "commit-sending";
    /// The shard has answered a group, nobody was told. Lost: its outcome is unknown.
    Answer COMMIT_ANSWERED = "commit-answered";
    /// A group of several was refused, none of it was sent alone.
    Step GROUP_REFUSED = "group-refused";
    /// The sale is written, the seats are still `confirming`.
    Step FINISHING = "finishing";
    /// The seats are `sold`.
    Step FINISHED = "finished";
    /// A sale was surely not sent, the seats are still pinned.
    Step COMMIT_NOT_SENT = "commit-not-sent";
    /// The seats are held again, because the sale was not sent.
    Step STEPPED_BACK = "stepped-back";
    /// A sale was refused, its booking is not ended.
    Step COMMIT_REFUSED = "commit-refused";
    /// Nobody knows whether the sale is written, and nobody was told that.
    Step COMMIT_UNKNOWN = "commit-unknown";
    /// The reconciler has found a booking `confirming`, nothing was done.
    Step FOUND_CONFIRMING = "found-confirming";
    /// The tombstone is written, the seats are still `confirming`.
    Step TOMBSTONED = "tombstoned";
    /// A row stood in a tombstone's way, the seats are still `confirming`.
    Step ROW_FOUND = "row-found";
    /// The seats of a booking that was no sale are free.
    Step ABORTED = "aborted";
    /// The seats of somebody else's sale are marked `sold`.
    Step RECONCILED = "reconciled";
    /// The cancel is written, the seats are still `sold`.
    Step CANCELLED = "cancelled";
    /// The seats of cancelled tickets are free, nobody was told.
    Step FREED = "freed";
    /// Outbox rows are claimed, nothing was done with them.
    Step OUTBOX_CLAIMED = "outbox-claimed";
    /// The gateway has settled, the outbox rows are still there.
    Step SETTLED = "settled";
    /// The seats of a cancelled booking are free, its outbox row is still there.
    Step OUTBOX_FREED = "outbox-freed";
    /// Outbox rows are done and gone.
    Step OUTBOX_COMPLETED = "outbox-completed";
    /// The sales of a performance are counted, their mark is still on the shard.
    Step SALES_COUNTED = "sales-counted";
    /// A show has its place on a shard and is not in the catalogue.
    Step SHOW_PLACED = "show-placed";
    /// The sale of a performance is ended, what was sold of it is not cancelled.
    Step PERFORMANCE_CLOSED = "performance-closed";
    /// One booking of an ended performance is cancelled, others may not be.
    Step CLOSING_CANCELLED = "closing-cancelled";
}
