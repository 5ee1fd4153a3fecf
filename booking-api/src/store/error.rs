//! What a shard's answer, or its silence, means: was it written or not.

use sqlx::mysql::MySqlDatabaseError;

/// Why the ledger refused a write. The transaction was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The show is not placed here under this epoch, or it is being moved away.
    #[error("the show is not placed on this shard under this epoch")]
    StalePlacement,
    /// The performance is sold no more.
    #[error("the performance is closed")]
    PerformanceClosed,
    /// The booking has a row already: read it.
    #[error("the booking has a row")]
    DuplicateBooking,
    /// Another booking has a sale of one of the seats: INV-1 was about to break.
    #[error("a seat is sold to another booking")]
    SeatSold,
    /// The customer would have more seats than allowed.
    #[error("the customer's limit is reached")]
    Quota,
    /// The performance has live tickets.
    #[error("tickets are live")]
    TicketsLive,
}

impl Refusal {
    pub(super) const ALL: [Self; 6] = [
        Self::StalePlacement,
        Self::PerformanceClosed,
        Self::DuplicateBooking,
        Self::SeatSold,
        Self::Quota,
        Self::TicketsLive,
    ];

    /// As our procedures and metrics name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::StalePlacement => "stale_placement",
            Self::PerformanceClosed => "performance_closed",
            Self::DuplicateBooking => "duplicate_booking",
            Self::SeatSold => "seat_sold",
            Self::Quota => "quota",
            Self::TicketsLive => "tickets_live",
        }
    }

    /// Reads the text of a SIGNAL of our procedures.
    fn from_signal(text: &str) -> Option<Self> {
        let name = text.strip_prefix("refused:")?;
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == name)
    }
}

/// What a call of the store ended with instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was sent to the shard: nothing was written.
    #[error("shard {shard} is away: {why}")]
    NotSent {
        /// Which shard.
        shard: String,
        /// For operators.
        why: String,
    },
    /// It was sent and no answer says what became of it.
    #[error("shard {shard} did not answer: {why}")]
    Unknown {
        /// Which shard.
        shard: String,
        /// For operators.
        why: String,
    },
    /// The shard rolled it back because of what it knows.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The shard chose this transaction to break a deadlock and rolled it back.
    #[error("shard {shard} rolled back a deadlock")]
    Deadlock {
        /// Which shard.
        shard: String,
    },
}

/// Server errors after which nothing can have been written, because the
/// statement never ran: no such table or procedure, read-only server, too many
/// connections, access denied.
const NEVER_RAN: [u16; 7] = [1040, 1044, 1045, 1146, 1290, 1305, 1836];

const SIGNALLED: u16 = 1644;
const DEADLOCK: u16 = 1213;

/// Reads an error of the driver. Whatever is not surely one of the others is
/// `Unknown`: a lock-wait timeout, a server going down, a broken connection.
pub(super) fn classify(shard: &str, error: &sqlx::Error) -> StoreError {
    let shard = shard.to_owned();
    if let sqlx::Error::Database(database) = error
        && let Some(mysql) = database.try_downcast_ref::<MySqlDatabaseError>()
    {
        let number = mysql.number();
        if number == SIGNALLED
            && let Some(refusal) = Refusal::from_signal(mysql.message())
        {
            return StoreError::Refused(refusal);
        }
        if number == DEADLOCK {
            return StoreError::Deadlock { shard };
        }
        if NEVER_RAN.contains(&number) {
            return StoreError::NotSent { shard, why: mysql.message().to_owned() };
        }
    }
    StoreError::Unknown { shard, why: error.to_string() }
}

/// Whether the connection may be used again after this error: the server
/// answered, so both sides agree where they are.
pub(super) fn leaves_connection_usable(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_) | sqlx::Error::RowNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_signal() {
        for refusal in Refusal::ALL {
            let signal = format!("refused:{}", refusal.as_str());
            assert_eq!(Refusal::from_signal(&signal), Some(refusal));
        }
        assert_eq!(Refusal::from_signal("refused:something"), None);
    }

    #[test]
    fn a_broken_connection_is_unknown() {
        let broken = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(classify("s", &broken), StoreError::Unknown { .. }));
        assert!(!leaves_connection_usable(&broken));
    }
}
