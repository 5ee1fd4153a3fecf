//! The tables of the sandbox payment gateway. They stand on the shards only as
//! long as the sandbox lives inside this service; nothing of the sale reads them.

use seat_model::BookingId;
use sqlx::{Executor, QueryBuilder};

use super::connections::on_shard;
use super::error::StoreError;
use super::outbox::{Refund, Sold};
use super::shard::Shard;

/// One order to the gateway. Repeating any of them changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Take the money that was authorised.
    Capture {
        /// For which booking.
        booking: BookingId,
        /// How much, and of which payment.
        sold: Sold,
    },
    /// Give some of it back.
    Refund {
        /// How much, of which payment, under which key.
        refund: Refund,
    },
    /// Release whatever was authorised for a booking.
    Void {
        /// The booking.
        booking: BookingId,
    },
}

impl Shard {
    /// Carries out orders, all or none.
    ///
    /// # Errors
    /// See [`StoreError`]; they may be repeated.
    pub async fn settle(&self, orders: &[Settlement]) -> Result<(), StoreError> {
        if orders.is_empty() {
            return Ok(());
        }
        self.require_migrated()?;
        on_shard!(self.connections, |connection| async {
            connection.execute("START TRANSACTION").await?;
            let captures: Vec<_> = orders
                .iter()
                .filter_map(|order| match order {
                    Settlement::Capture { booking, sold } => Some((booking, sold)),
                    Settlement::Refund { .. } | Settlement::Void { .. } => None,
                })
                .collect();
            if !captures.is_empty() {
                let mut insert = QueryBuilder::new(
                    "INSERT INTO sandbox_payment (reference, booking_id, currency, captured) ",
                );
                insert.push_values(captures, |mut row, (booking, sold)| {
                    row.push_bind(sold.payment.clone())
                        .push_bind(booking.to_string())
                        .push_bind(sold.currency.clone())
                        .push_bind(sold.amount);
                });
                insert.push(
                    " ON DUPLICATE KEY UPDATE captured = IF(voided, captured, VALUES(captured))",
                );
                insert.build().persistent(false).execute(&mut *connection).await?;
            }
            for order in orders {
                match order {
                    Settlement::Capture { .. } => {}
                    Settlement::Refund { refund } => {
                        let made = sqlx::query(
                            "INSERT IGNORE INTO sandbox_refund (reference, refund_key, amount) \
                             VALUES (?, ?, ?)",
                        )
                        .bind(&refund.payment)
                        .bind(&refund.refund_key)
                        .bind(refund.amount)
                        .execute(&mut *connection)
                        .await?;
                        if made.rows_affected() > 0 {
                            sqlx::query(
                                "UPDATE sandbox_payment SET refunded = refunded + ? \
                                 WHERE reference = ?",
                            )
                            .bind(refund.amount)
                            .bind(&refund.payment)
                            .execute(&mut *connection)
                            .await?;
                        }
                    }
                    Settlement::Void { booking } => {
                        let booking = booking.to_string();
                        sqlx::query(
                            "INSERT INTO sandbox_payment \
                             (reference, booking_id, currency, voided) VALUES (?, ?, '', TRUE) \
                             ON DUPLICATE KEY UPDATE voided = TRUE",
                        )
                        .bind(format!("void-{booking}"))
                        .bind(booking)
                        .execute(&mut *connection)
                        .await?;
                    }
                }
            }
            connection.execute("COMMIT").await
        })?;
        Ok(())
    }
}
