//! Looking at bookings: one, and all of mine.

use std::cmp::Reverse;

use booking_api_client::Bookings;
use futures_util::future::try_join_all;
use seat_model::{BookingId, FieldError, SeatState, ShowId, Timestamp, UserId};

use super::answer::Reply;
use super::error::SaleError;
use super::{Sale, answer};
use crate::store::{LedgerBooking, ListAfter, StoreError};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

impl Sale {
    /// `GET /v1/book/{showId}/{bookingId}`. A hold is shown without asking a shard.
    pub(crate) async fn look(
        &self,
        show: &ShowId,
        user: &UserId,
        id: BookingId,
    ) -> Result<Reply, SaleError> {
        self.require_own(id, user, show)?;
        let seats = self.seats_of(show, id).await?;
        if let Some(seats) = &seats {
            match seats.state {
                SeatState::Held => {
                    if answer::is_over(seats, service_kit::clock::now()) {
                        return Err(SaleError::Gone("the hold ran out"));
                    }
                    let performance = self.performance_of(show, &seats.performance).await?;
                    return Ok(Reply::new(200, answer::held(seats, &performance)));
                }
                SeatState::Confirming => {
                    // The commit may have gone through already.
                    if let Some(row) = self.glance_at_row(show, id).await {
                        return Ok(Reply::new(200, answer::sold(&row)?));
                    }
                    let performance = self.performance_of(show, &seats.performance).await?;
                    return Ok(Reply::new(200, answer::pending(seats, &performance)));
                }
                SeatState::Sold => {}
            }
        }
        match self.row_of(show, id).await? {
            Some(row) => Ok(Reply::new(200, answer::sold(&row)?)),
            None if seats.is_some() => {
                tracing::error!(booking = %id, "sold seats have no row on their shard");
                Err(SaleError::Unavailable("the row of a sold booking is missing".into()))
            }
            None => Err(SaleError::Gone("the hold ran out or was released")),
        }
    }

    /// `GET /v1/bookings`: newest first, from every shard. One that is away
    /// makes the list impossible: part of it would look like all of it.
    pub(crate) async fn list(
        &self,
        user: &UserId,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Bookings, SaleError> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid("limit", "must be 1 to 100"));
        }
        let after = cursor
            .map(|text| read_cursor(text).ok_or_else(|| invalid("cursor", "is not one of ours")))
            .transpose()?;
        let pages = try_join_all(self.shards.iter().map(|shard| async move {
            let page = shard.list(user, after, limit + 1).await.map_err(|error| {
                tracing::warn!(%error, "bookings cannot be listed");
                match error {
                    StoreError::NotSent { shard, .. } | StoreError::Unknown { shard, .. } => {
                        SaleError::ShardAway(shard)
                    }
                    other => other.into(),
                }
            })?;
            // While a show is moved its bookings are on two shards: the one
            // that the map names counts (INV-13).
            let mut placed = Vec::with_capacity(page.len());
            for row in page {
                if self.placements.of(&row.show).await?.shard == *shard.id() {
                    placed.push(row);
                }
            }
            Ok::<_, SaleError>(placed)
        }))
        .await?;
        let mut rows: Vec<LedgerBooking> = pages.into_iter().flatten().collect();
        rows.sort_by_key(|row| Reverse((row.written_at, row.id.to_string())));
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(write_cursor);
        let bookings = rows.iter().map(answer::sold).collect::<Result<_, _>>()?;
        Ok(Bookings { bookings, next_cursor })
    }
}

fn invalid(field: &str, message: &str) -> SaleError {
    SaleError::Invalid(vec![FieldError::new(field, message.to_owned())])
}

fn write_cursor(row: &LedgerBooking) -> String {
    format!("{:x}-{}", row.written_at.as_millis(), row.id)
}

fn read_cursor(text: &str) -> Option<ListAfter> {
    let (at, id) = text.split_once('-')?;
    let written_at = Timestamp::from_millis(i64::from_str_radix(at, 16).ok()?);
    Some(ListAfter { written_at, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let id = BookingId::from_bytes([3; 16]);
        let after = ListAfter { written_at: Timestamp::from_millis(1_795_000_000_000), id };
        let text = format!("{:x}-{id}", after.written_at.as_millis());
        assert_eq!(read_cursor(&text), Some(after));
        for bad in ["", "-", "1", "1-2", "zz-03030303030303030303030303030303"] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
