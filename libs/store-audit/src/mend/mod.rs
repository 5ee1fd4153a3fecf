//! Mends what is provably safe to mend. Each finding is looked at again first,
//! is mended from that look, and is looked at once more afterwards.
//!
//! Where lock-service has an operation for it, that is used; otherwise each
//! write is one transaction: in etcd under a compare of every key concerned,
//! in a shard under the show's placement row and its epoch.

mod cell;
mod ledger;

use lock_service_client::wire::{AtFence, FreeSeats, Freed, Moved};
use lock_service_client::{LockClient, LockError};
use seat_model::{BookingId, Fence, PerformanceId, ShowId};

pub(crate) use cell::{encoded, sold_value};

use crate::compare::{Limits, compare};
use crate::finding::{Finding, Remedy};
use crate::placement::Placing;
use crate::read::{ReadError, Scope, Stores, seats_of};
use crate::records::{LedgerState, ShardRows, Snapshot};

/// What came of mending a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// It is gone; how, for people.
    Done(String),
    /// It was gone before anything was done.
    Gone,
    /// It has no safe remedy: only named.
    NotSafe,
    /// It is still there, and why.
    Still(String),
}

/// Why a remedy was not carried out. Nothing is half done: each is one
/// transaction, or an operation that may be repeated.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Store(#[from] ReadError),
    #[error(transparent)]
    Locks(#[from] LockError),
    #[error("{0}")]
    Because(String),
}

impl Refusal {
    fn because(why: impl Into<String>) -> Self {
        Self::Because(why.into())
    }
}

/// Mends one finding, if it still is one.
///
/// # Errors
/// When a store cannot be read.
pub async fn mend(
    stores: &Stores,
    locks: &LockClient,
    limits: &Limits,
    finding: &Finding,
) -> Result<Mended, ReadError> {
    let Some(remedy) = finding.remedy else { return Ok(Mended::NotSafe) };
    let scope = finding.performance.as_ref().map_or(Scope::Everything, Scope::only);
    let snapshot = stores.look(&scope).await?;
    if !is_there(&snapshot, limits, finding) {
        return Ok(Mended::Gone);
    }
    let mender = Mender { stores, locks, snapshot };
    let done = mender.apply(remedy, finding).await;
    // What a view-service writes anew, or a mirror hears of, takes a moment.
    let mut left = 40_u32;
    loop {
        let after = stores.look(&scope).await?;
        let there = is_there(&after, limits, finding);
        match (&done, there) {
            (Ok(how), false) => return Ok(Mended::Done(how.clone())),
            (Err(_), false) => return Ok(Mended::Gone),
            (Err(why), true) => return Ok(Mended::Still(why.to_string())),
            (Ok(how), true) if left == 0 => {
                return Ok(Mended::Still(format!("{how}, and it did not help")));
            }
            (Ok(_), true) => left -= 1,
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
}

fn is_there(snapshot: &Snapshot, limits: &Limits, finding: &Finding) -> bool {
    compare(snapshot, limits).iter().any(|seen| seen.is_same(finding))
}

struct Mender<'m> {
    stores: &'m Stores,
    locks: &'m LockClient,
    snapshot: Snapshot,
}

impl Mender<'_> {
    async fn apply(&self, remedy: Remedy, finding: &Finding) -> Result<String, Refusal> {
        match remedy {
            Remedy::Finish => self.finish(finding).await,
            Remedy::End => self.end(finding).await,
            Remedy::Free => self.free(finding).await,
            Remedy::Release => self.release(finding).await,
            Remedy::WriteBooking => self.write_booking(finding).await,
            Remedy::WriteSold => self.write_sold(finding).await,
            Remedy::IssueTicket => self.issue_ticket(finding).await,
            Remedy::WriteSale => self.write_sale(finding).await,
            Remedy::Recount => self.recount(finding).await,
            Remedy::DropMarker => self.drop_marker(finding).await,
            Remedy::WriteMarker => self.write_marker(finding).await,
            Remedy::RefreshViews => self.refresh_views(finding).await,
        }
    }

    /// Step 5 of the protocol: the row has this very fence.
    async fn finish(&self, finding: &Finding) -> Result<String, Refusal> {
        let (show, at) = self.at_fence(finding)?;
        match self.locks.finish(show, &at).await? {
            Moved::Done { .. } => Ok("finished: its seats are sold".to_owned()),
            other => Err(moved_on(&other)),
        }
    }

    /// Step 6 of the protocol, as the reconciler does it.
    async fn end(&self, finding: &Finding) -> Result<String, Refusal> {
        let (show, at) = self.at_fence(finding)?;
        let row = self.row(at.booking);
        if row.is_none() {
            self.tombstone(show, &at).await?;
        } else if row
            .is_some_and(|(_, row)| row.state == LedgerState::Confirmed && row.fence == at.fence)
        {
            return self.finish(finding).await;
        }
        match self.locks.abort(show, &at).await? {
            Moved::Done { .. } => Ok(if row.is_none() {
                "tombstoned and aborted: its seats are free".to_owned()
            } else {
                "aborted: its row says that these seats are a leftover".to_owned()
            }),
            other => Err(moved_on(&other)),
        }
    }

    async fn free(&self, finding: &Finding) -> Result<String, Refusal> {
        let (Some(show), Some(performance), Some(booking)) =
            (&finding.show, &finding.performance, finding.booking)
        else {
            return Err(Refusal::because("it names no booking"));
        };
        let free =
            FreeSeats { performance: performance.clone(), booking, seats: finding.seats.clone() };
        match self.locks.free(show, &free).await? {
            Freed::Done => Ok("freed: the ledger has cancelled it".to_owned()),
            Freed::Confirming => Err(Refusal::because("its seats are confirming")),
        }
    }

    /// Past its deadline a hold can be neither confirmed nor extended.
    async fn release(&self, finding: &Finding) -> Result<String, Refusal> {
        let (show, at) = self.at_fence(finding)?;
        match self.locks.release(show, &at).await? {
            Moved::Done { .. } => Ok("released: nobody could have used it any more".to_owned()),
            other => Err(moved_on(&other)),
        }
    }

    async fn refresh_views(&self, finding: &Finding) -> Result<String, Refusal> {
        let Some(redis) = &self.stores.redis else {
            return Err(Refusal::because("there is no Redis"));
        };
        redis.forget(&finding.performance.iter().cloned().collect()).await?;
        Ok("deleted from Redis: view-service has written it anew".to_owned())
    }

    /// The finding's booking at the fence it was seen at.
    fn at_fence<'f>(&self, finding: &'f Finding) -> Result<(&'f ShowId, AtFence), Refusal> {
        let (Some(show), Some(booking), Some(revision)) =
            (&finding.show, finding.booking, finding.seen_at)
        else {
            return Err(Refusal::because("it names no booking"));
        };
        Ok((show, AtFence { booking, fence: self.fence(revision) }))
    }

    fn fence(&self, revision: u64) -> Fence {
        self.snapshot.cell.fence(revision)
    }

    fn row(&self, booking: BookingId) -> Option<(&ShardRows, &crate::records::BookingRow)> {
        self.snapshot.shards.iter().find_map(|shard| {
            let row = shard.bookings.iter().find(|row| row.id == booking)?;
            Some((shard, row))
        })
    }

    fn placing(&self) -> Result<Placing, Refusal> {
        let map = self.snapshot.cell.map.as_ref();
        let map = map.ok_or_else(|| Refusal::because("there is no shard map"))?;
        Ok(Placing::new(&map.map))
    }

    fn seats_of(&self, booking: BookingId) -> Vec<&crate::records::SeatKey> {
        seats_of(&self.snapshot, booking).0
    }

    fn performance<'f>(&self, finding: &'f Finding) -> Result<&'f PerformanceId, Refusal> {
        finding.performance.as_ref().ok_or_else(|| Refusal::because("it names no performance"))
    }
}

fn moved_on(moved: &Moved) -> Refusal {
    Refusal::because(format!("the seats have moved on: {moved:?}"))
}
