//! Writes a cell's sold seats anew from the shards, after etcd was restored
//! from a backup or lost.
//!
//! In this order, each step repeatable, so that a crash anywhere leaves a cell
//! that serves nobody until somebody begins again:
//!
//! 1. the key `epoch` says closed: no lock-service makes a fence any more;
//! 2. every placement gets the new epoch, so no commit that was begun before
//!    can land (it would come after the ledger was read);
//! 3. the shard map is written from the placements;
//! 4. what etcd has otherwise than the ledger goes, holds too; what the ledger
//!    has sold is written where nobody has it;
//! 5. `epoch` is the new epoch: fences go on rising although revisions went
//!    back (INV-3), and the cell serves.
//!
//! The new epoch is above everything that any store remembers: placements keep
//! it even where etcd lost everything and nothing was sold since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use lock_service_client::wire::ShardMap;
use seat_model::{
    BookingId, MAX_CELL_EPOCH, PerformanceId, SeatId, SeatState, ShardEpoch, ShardId, ShowId,
};

use crate::mend::{encoded, sold_value};
use crate::placement::Placing;
use crate::read::etcd::{EPOCH, PickValue, SHARDS, Write, pick_key, seat_key};
use crate::read::{ReadError, Scope, Stores};
use crate::records::{BookingRow, Cell, LedgerState, SeatKey, ShardRows, Snapshot, TicketRow};

/// Operations in one transaction: etcd takes 128, and one guards the mark.
const OPERATIONS: usize = 120;

/// Transactions at once.
const AT_ONCE: usize = 16;

/// Why a cell was not rebuilt. It stays closed; the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A store did not answer.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// A show is placed on two shards, and neither is frozen: INV-13 is broken.
    #[error("{show} is placed on {first} and on {second}; only one may keep it")]
    PlacedTwice {
        /// The show.
        show: ShowId,
        /// One shard.
        first: ShardId,
        /// The other.
        second: ShardId,
    },
    /// No fence can carry a higher epoch.
    #[error("epoch {0} is beyond what a fence can carry")]
    EpochTooHigh(u64),
    /// A key changed under the rebuild.
    #[error("somebody else writes to the cell: stop every lock-service, then begin again")]
    NotAlone,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rebuilt {
    /// The cell's new epoch, and that of every placement.
    pub epoch: u64,
    /// Shows that are placed.
    pub shows: usize,
    /// Bookings whose seats are sold.
    pub bookings: usize,
    /// Seats that were sold in etcd already, by the same booking.
    pub kept: usize,
    /// Seats that were written.
    pub written: usize,
    /// Keys that were deleted: holds, and what the ledger does not say.
    pub removed: usize,
    /// Bookings that etcd has sold and no shard knows. They were left as they
    /// are: `fsck --repair` writes them into the ledger.
    pub unknown: Vec<BookingId>,
}

/// A booking as the ledger has it sold.
struct Sold<'s> {
    shard: &'s ShardId,
    row: &'s BookingRow,
    tickets: Vec<&'s TicketRow>,
    /// Cancelled ones too.
    taken: usize,
}

/// The key `epoch` while this rebuild owns it.
struct Mark {
    revision: u64,
    /// The highest epoch the cell itself remembers.
    epoch: u64,
}

/// Rebuilds. Every lock-service of the cell must be stopped: an instance with
/// an old mirror could take a new revision for an old one.
///
/// # Errors
/// See [`RebuildError`]; the cell then stays closed.
pub async fn rebuild(stores: &Stores) -> Result<Rebuilt, RebuildError> {
    let mark = close(stores).await?;
    let before = stores.look(&Scope::Everything).await?;
    let epoch = next_epoch(&before, mark.epoch)?;
    for shard in &stores.shards {
        shard.raise_placements(epoch).await?;
    }
    // Read again: what was committed until now is in it, and nothing comes after.
    let truth = stores.look(&Scope::Everything).await?;
    let homes = homes(&truth.shards)?;
    write_map(stores, &truth, &homes, epoch).await?;
    let sold = sold(&truth.shards, &homes);

    let (keep, mut rebuilt) = sort_out(&truth.cell, &truth.shards, &sold);
    let deletions = deletions(&truth.cell, &keep);
    rebuilt.removed = deletions.len();
    let deletions = deletions
        .into_iter()
        .map(|(key, revision)| (vec![(key.clone(), revision)], vec![Write::Delete { key }]));
    apply(stores, &mark, deletions.collect()).await?;
    let missing = sold.iter().filter(|(booking, _)| !keep.contains(*booking));
    let mut writes = Vec::new();
    for (booking, sold) in missing {
        rebuilt.written += sold.tickets.len();
        writes.push(write_of(*booking, sold, ShardEpoch::from_u64(epoch)));
    }
    apply(stores, &mark, writes).await?;

    rebuilt.epoch = epoch;
    rebuilt.shows = homes.len();
    rebuilt.bookings = sold.len();
    let number = Write::Put { key: EPOCH.to_owned(), value: epoch.to_string().into(), lease: 0 };
    if !stores.etcd.write(&[(EPOCH.to_owned(), mark.revision)], vec![number]).await? {
        return Err(RebuildError::NotAlone);
    }
    if let Some(redis) = &stores.redis {
        redis.forget(&BTreeSet::new()).await?;
    }
    Ok(rebuilt)
}

/// Closes the cell, or takes over what another rebuild has closed.
async fn close(stores: &Stores) -> Result<Mark, RebuildError> {
    let (revision, value) = stores.etcd.get(EPOCH).await?;
    let text = String::from_utf8_lossy(&value).into_owned();
    // `closed 7`: the epoch survives a rebuild that dies before it is raised.
    let epoch = text.trim().trim_start_matches("closed").trim().parse().unwrap_or(0);
    let closed = Write::Put {
        key: EPOCH.to_owned(),
        value: format!("closed {epoch}").into_bytes(),
        lease: 0,
    };
    if !stores.etcd.write(&[(EPOCH.to_owned(), revision)], vec![closed]).await? {
        return Err(RebuildError::NotAlone);
    }
    let (revision, _) = stores.etcd.get(EPOCH).await?;
    Ok(Mark { revision, epoch })
}

fn next_epoch(snapshot: &Snapshot, of_cell: u64) -> Result<u64, RebuildError> {
    let map = snapshot.cell.map.iter().flat_map(|versioned| {
        let map = &versioned.map;
        map.epochs.values().chain(map.floor.iter()).map(|epoch| epoch.get())
    });
    let shards = snapshot.shards.iter().flat_map(|shard| {
        let placed = shard.placements.iter().map(|row| row.epoch.get());
        let written = shard.bookings.iter().flat_map(|row| [row.fence, row.acquired]);
        placed.chain(written.map(seat_model::Fence::cell_epoch))
    });
    let epoch = map.chain(shards).chain([of_cell]).max().unwrap_or(0) + 1;
    if epoch > MAX_CELL_EPOCH { Err(RebuildError::EpochTooHigh(epoch)) } else { Ok(epoch) }
}

/// Where each show lives: the shard whose placement is not frozen, or, in the
/// middle of a move, the one that still has it.
fn homes(shards: &[ShardRows]) -> Result<BTreeMap<ShowId, ShardId>, RebuildError> {
    let mut homes: BTreeMap<ShowId, (ShardId, bool)> = BTreeMap::new();
    for shard in shards {
        for row in &shard.placements {
            match homes.get(&row.show) {
                Some((first, false)) if !row.frozen => {
                    return Err(RebuildError::PlacedTwice {
                        show: row.show.clone(),
                        first: first.clone(),
                        second: shard.shard.clone(),
                    });
                }
                Some((_, false)) => {}
                _ => drop(homes.insert(row.show.clone(), (shard.shard.clone(), row.frozen))),
            }
        }
    }
    Ok(homes.into_iter().map(|(show, (shard, _))| (show, shard)).collect())
}

async fn write_map(
    stores: &Stores,
    truth: &Snapshot,
    homes: &BTreeMap<ShowId, ShardId>,
    epoch: u64,
) -> Result<(), RebuildError> {
    let known = truth.cell.map.as_ref();
    let shards = known.filter(|known| !known.map.shards.is_empty()).map_or_else(
        || stores.shards.iter().map(|shard| shard.id.clone()).collect(),
        |known| known.map.shards.clone(),
    );
    let mut map =
        ShardMap { shards, floor: Some(ShardEpoch::from_u64(epoch)), ..ShardMap::default() };
    let ring = Placing::new(&map);
    let pinned = homes.iter().filter(|(show, shard)| ring.by_ring(show) != Some(shard));
    map.pins = pinned.map(|(show, shard)| (show.clone(), shard.clone())).collect();
    let revision = known.map_or(0, |known| known.revision);
    let put = Write::Put { key: SHARDS.to_owned(), value: encoded(&map), lease: 0 };
    if stores.etcd.write(&[(SHARDS.to_owned(), revision)], vec![put]).await? {
        Ok(())
    } else {
        Err(RebuildError::NotAlone)
    }
}

/// Every booking with valid tickets, at its show's home. Of two that claim a
/// seat the one with the sale's primary key has it; the other is left to fsck.
fn sold<'s>(
    shards: &'s [ShardRows],
    homes: &BTreeMap<ShowId, ShardId>,
) -> BTreeMap<BookingId, Sold<'s>> {
    let mut sold = BTreeMap::new();
    for shard in shards {
        let sales: HashMap<(&PerformanceId, &SeatId), BookingId> = shard
            .sales
            .iter()
            .map(|sale| ((&sale.performance, &sale.seat), sale.booking))
            .collect();
        let mut tickets: HashMap<BookingId, Vec<&TicketRow>> = HashMap::new();
        for ticket in &shard.tickets {
            tickets.entry(ticket.booking).or_default().push(ticket);
        }
        for row in &shard.bookings {
            if row.state != LedgerState::Confirmed || homes.get(&row.show) != Some(&shard.shard) {
                continue;
            }
            let all = tickets.remove(&row.id).unwrap_or_default();
            let taken = all.len();
            let own = |ticket: &&TicketRow| {
                ticket.valid && sales.get(&(&ticket.performance, &ticket.seat)) == Some(&row.id)
            };
            let tickets: Vec<&TicketRow> = all.into_iter().filter(own).collect();
            if !tickets.is_empty() {
                sold.insert(row.id, Sold { shard: &shard.shard, row, tickets, taken });
            }
        }
    }
    sold
}

/// Which bookings etcd has exactly as they should be, and which it alone knows.
fn sort_out(
    cell: &Cell,
    shards: &[ShardRows],
    sold: &BTreeMap<BookingId, Sold<'_>>,
) -> (BTreeSet<BookingId>, Rebuilt) {
    let mut rebuilt = Rebuilt {
        epoch: 0,
        shows: 0,
        bookings: 0,
        kept: 0,
        written: 0,
        removed: 0,
        unknown: Vec::new(),
    };
    let known: BTreeSet<BookingId> =
        shards.iter().flat_map(|shard| &shard.bookings).map(|row| row.id).collect();
    let owned: BTreeSet<(&PerformanceId, &SeatId)> = sold
        .values()
        .flat_map(|sold| &sold.tickets)
        .map(|ticket| (&ticket.performance, &ticket.seat))
        .collect();
    let mut booked: BTreeMap<BookingId, Vec<&SeatKey>> = BTreeMap::new();
    for key in &cell.seats {
        booked.entry(key.value.booking).or_default().push(key);
    }
    let mut keep = BTreeSet::new();
    for (booking, keys) in booked {
        let all_sold = keys.iter().all(|key| key.value.state == SeatState::Sold);
        let together = keys.iter().all(|key| key.mod_revision == keys[0].mod_revision);
        let has: BTreeSet<_> = keys.iter().map(|key| (&key.performance, &key.seat)).collect();
        if let Some(sold) = sold.get(&booking) {
            let tickets = sold.tickets.iter();
            let should: BTreeSet<_> =
                tickets.map(|ticket| (&ticket.performance, &ticket.seat)).collect();
            if all_sold && together && has == should {
                rebuilt.kept += keys.len();
                keep.insert(booking);
            }
        } else if all_sold && !known.contains(&booking) && owned.is_disjoint(&has) {
            rebuilt.unknown.push(booking);
            keep.insert(booking);
        }
    }
    (keep, rebuilt)
}

/// Seats and markers of everybody else, at the revisions seen.
fn deletions(cell: &Cell, keep: &BTreeSet<BookingId>) -> Vec<(String, u64)> {
    let seats = cell
        .seats
        .iter()
        .filter(|key| !keep.contains(&key.value.booking))
        .map(|key| (seat_key(&key.performance, &key.seat), key.mod_revision));
    let picks = cell
        .picks
        .iter()
        .filter(|pick| !keep.contains(&pick.booking))
        .map(|pick| (pick_key(pick.booking), pick.mod_revision));
    seats.chain(picks).collect()
}

type Guarded = (Vec<(String, u64)>, Vec<Write>);

/// A booking's seats and marker, where nobody has any of them.
fn write_of(booking: BookingId, sold: &Sold<'_>, epoch: ShardEpoch) -> Guarded {
    let row = sold.row;
    let mut guards = Vec::new();
    let mut writes = Vec::new();
    for ticket in &sold.tickets {
        let key = seat_key(&row.performance, &ticket.seat);
        let value = sold_value(row, ticket, sold.taken, sold.shard, epoch);
        guards.push((key.clone(), 0));
        writes.push(Write::Put { key, value: encoded(&value), lease: 0 });
    }
    let marker = PickValue {
        performance: row.performance.clone(),
        seats: sold.tickets.iter().map(|ticket| ticket.seat.clone()).collect(),
    };
    let key = pick_key(booking);
    guards.push((key.clone(), 0));
    writes.push(Write::Put { key, value: encoded(&marker), lease: 0 });
    (guards, writes)
}

/// Many guarded writes, as many in one transaction as it takes, each only
/// while the cell is closed by this rebuild. What belongs together stays so.
async fn apply(stores: &Stores, mark: &Mark, all: Vec<Guarded>) -> Result<(), RebuildError> {
    let mut groups: Vec<Guarded> = Vec::new();
    for (guards, writes) in all {
        match groups.last_mut() {
            Some(last) if last.1.len() + writes.len() <= OPERATIONS => {
                last.0.extend(guards);
                last.1.extend(writes);
            }
            _ => groups.push((guards, writes)),
        }
    }
    stream::iter(groups)
        .map(|(mut guards, writes)| async move {
            guards.push((EPOCH.to_owned(), mark.revision));
            if stores.etcd.write(&guards, writes).await? {
                Ok(())
            } else {
                Err(RebuildError::NotAlone)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::PlacementRow;

    fn shard(name: &str, placed: &[(&str, bool)]) -> ShardRows {
        ShardRows {
            shard: ShardId::new(name).unwrap(),
            placements: placed
                .iter()
                .map(|(show, frozen)| PlacementRow {
                    show: ShowId::new(*show).unwrap(),
                    epoch: ShardEpoch::FIRST,
                    frozen: *frozen,
                })
                .collect(),
            bookings: Vec::new(),
            tickets: Vec::new(),
            sales: Vec::new(),
            quotas: Vec::new(),
            outbox: Vec::new(),
        }
    }

    fn home_of(show: &str, shards: &[ShardRows]) -> String {
        homes(shards).unwrap()[&ShowId::new(show).unwrap()].to_string()
    }

    #[test]
    fn a_show_that_is_being_moved_lives_where_it_is_not_frozen() {
        let moving =
            [shard("shard-0", &[("hamlet", true)]), shard("shard-1", &[("hamlet", false)])];
        assert_eq!(home_of("hamlet", &moving), "shard-1");
        let moving =
            [shard("shard-0", &[("hamlet", false)]), shard("shard-1", &[("hamlet", true)])];
        assert_eq!(home_of("hamlet", &moving), "shard-0");
        let not_copied = [shard("shard-0", &[("hamlet", true)]), shard("shard-1", &[])];
        assert_eq!(home_of("hamlet", &not_copied), "shard-0");
    }

    #[test]
    fn a_show_that_is_placed_twice_is_not_guessed_about() {
        let twice =
            [shard("shard-0", &[("hamlet", false)]), shard("shard-1", &[("hamlet", false)])];
        assert!(matches!(homes(&twice), Err(RebuildError::PlacedTwice { .. })));
    }
}
