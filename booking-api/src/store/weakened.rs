//! Weaker designs of a shard, for the checks that must find them: what its
//! migrations made, without one of its guards. Nothing of it is in a sound build.

use sqlx::{AssertSqlSafe, MySqlConnection};

use crate::planted_bugs::{CANCEL_WITHOUT_GUARD, NO_UNIQUE_KEY};

const CANCEL: &str = include_str!("../../migrations/shard/0011_cancel_with_its_answer.sql");

const MANY_SALES_OF_A_SEAT: &str = "ALTER TABLE seat_sale \
     DROP PRIMARY KEY, ADD PRIMARY KEY (performance_id, seat, booking_id)";

/// Takes the guards away that this process was told to do without. May be repeated.
pub(super) async fn weaken(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    if NO_UNIQUE_KEY.is_planted() {
        sqlx::raw_sql(MANY_SALES_OF_A_SEAT).execute(&mut *connection).await?;
    }
    if CANCEL_WITHOUT_GUARD.is_planted() {
        let unguarded = CANCEL
            .replace("booking_id = p_id AND state = 'VALID' AND (", "booking_id = p_id AND (")
            // Or the customer's quota would stop it.
            .replace("quota.sold - p_changed", "quota.sold - LEAST(quota.sold, p_changed)");
        sqlx::raw_sql(AssertSqlSafe(unguarded)).execute(&mut *connection).await?;
    }
    Ok(())
}
