//! Writes to etcd that no operation of lock-service covers, each one
//! transaction under compares.

use lock_service_client::wire::Pin;
use seat_model::{Nonce, ShardEpoch, ShardId};

use super::{Mender, Refusal};
use crate::finding::Finding;
use crate::read::etcd::{PickValue, Write, pick_key, seat_key};
use crate::read::seats_of;
use crate::records::{BookingRow, SeatKey, SeatValue, TicketRow};

/// No attempt draws it: what a repair wrote belongs to none.
const NO_ATTEMPT: Nonce = Nonce::new(0);

/// The value of a seat that the ledger has sold. What the ledger does not
/// remember of the hold (its lives and caps) no sold seat needs.
pub(crate) fn sold_value(
    row: &BookingRow,
    ticket: &TicketRow,
    taken: usize,
    shard: &ShardId,
    epoch: ShardEpoch,
) -> SeatValue {
    SeatValue {
        state: seat_model::SeatState::Sold,
        booking: row.id,
        user: row.user.clone(),
        show: row.show.clone(),
        tier: ticket.tier.clone(),
        price: ticket.price,
        taken: u32::try_from(taken).unwrap_or(u32::MAX),
        body_hash: row.body_hash.clone(),
        acquired_ms: row.written_at_ms,
        deadline_ms: row.first_deadline_ms,
        first_deadline_ms: row.first_deadline_ms,
        cap_ms: row.first_deadline_ms,
        ttl_ms: 0,
        // The ledger does not say whether the seats were picked. A marker too
        // many goes with the last seat; one too few could let a key pick twice.
        picked: true,
        from_revision: row.fence.revision(),
        pin: Some(Pin { shard: shard.clone(), epoch, nonce: NO_ATTEMPT }),
    }
}

pub(crate) fn encoded(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

impl Mender<'_> {
    /// The whole booking in one transaction: what is there already at the
    /// revision seen, what is not there absent. Whoever took such a seat
    /// meanwhile makes it fail.
    pub(super) async fn write_sold(&self, finding: &Finding) -> Result<String, Refusal> {
        let booking = finding.booking.ok_or_else(|| Refusal::because("it names no booking"))?;
        let (shard, row) = self.row(booking).ok_or_else(|| Refusal::because("the row is gone"))?;
        let placing = self.placing()?;
        if placing.shard(&row.show) != Some(&shard.shard) {
            return Err(Refusal::because("its show is not placed on that shard"));
        }
        let tickets: Vec<&TicketRow> =
            shard.tickets.iter().filter(|ticket| ticket.booking == booking).collect();
        let valid = tickets.iter().copied().filter(|ticket| ticket.valid);
        let there = self.seats_of(booking);
        if there.iter().any(|key| key.value.state != seat_model::SeatState::Sold) {
            return Err(Refusal::because("others of its seats are not sold"));
        }
        let mut guards = Vec::new();
        let mut writes = Vec::new();
        for ticket in valid.clone() {
            let key = seat_key(&row.performance, &ticket.seat);
            let seen = there.iter().find(|key| key.seat == ticket.seat);
            guards.push((key.clone(), seen.map_or(0, |seen| seen.mod_revision)));
            let value = match seen {
                Some(seen) => encoded(&SeatValue { picked: true, ..seen.value.clone() }),
                None => encoded(&sold_value(
                    row,
                    ticket,
                    tickets.len(),
                    &shard.shard,
                    placing.epoch(&row.show),
                )),
            };
            writes.push(Write::Put { key, value, lease: 0 });
        }
        let marker = PickValue {
            performance: row.performance.clone(),
            seats: valid.map(|ticket| ticket.seat.clone()).collect(),
        };
        writes.push(Write::Put { key: pick_key(booking), value: encoded(&marker), lease: 0 });
        self.write(&guards, writes).await?;
        Ok("written back to etcd as sold, from the ledger".to_owned())
    }

    pub(super) async fn drop_marker(&self, finding: &Finding) -> Result<String, Refusal> {
        let booking = finding.booking.ok_or_else(|| Refusal::because("it names no booking"))?;
        let (seats, marker) = seats_of(&self.snapshot, booking);
        let marker = marker.ok_or_else(|| Refusal::because("the marker is gone"))?;
        if !seats.is_empty() {
            return Err(Refusal::because("the booking has seats again"));
        }
        // A pick puts the marker anew, so its revision alone says that there is none.
        let key = pick_key(booking);
        let guards = [(key.clone(), marker.mod_revision)];
        self.write(&guards, vec![Write::Delete { key }]).await?;
        Ok("deleted".to_owned())
    }

    pub(super) async fn write_marker(&self, finding: &Finding) -> Result<String, Refusal> {
        let booking = finding.booking.ok_or_else(|| Refusal::because("it names no booking"))?;
        let (seats, marker) = seats_of(&self.snapshot, booking);
        let first: &SeatKey =
            seats.first().copied().ok_or_else(|| Refusal::because("its seats are gone"))?;
        if marker.is_some() || seats.iter().any(|key| key.lease != first.lease) {
            return Err(Refusal::because("it has a marker, or its seats are apart"));
        }
        let value = PickValue {
            performance: first.performance.clone(),
            seats: seats.iter().map(|key| key.seat.clone()).collect(),
        };
        let key = pick_key(booking);
        let mut guards: Vec<(String, u64)> = seats
            .iter()
            .map(|seen| (seat_key(&seen.performance, &seen.seat), seen.mod_revision))
            .collect();
        guards.push((key.clone(), 0));
        // On the hold's own lease: a marker must not outlive a hold.
        let put = Write::Put { key, value: encoded(&value), lease: first.lease };
        self.write(&guards, vec![put]).await?;
        Ok("written again".to_owned())
    }

    async fn write(&self, guards: &[(String, u64)], writes: Vec<Write>) -> Result<(), Refusal> {
        if self.stores.etcd.write(guards, writes).await? {
            return Ok(());
        }
        Err(Refusal::because("somebody changed it meanwhile"))
    }
}
