//! Customers without HTTP: the load generator calls the peer's procedures
//! itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seat_model::BookingId;

use super::world::{World, key_of};
use super::{Receipt, Way};
use crate::load::{Outcome, Proof};
use crate::peers::{BoxOffice, Ended, Wanted, booking_id};

/// How long one whose transaction was rolled back waits.
const CROWDED: Duration = Duration::from_millis(2);

/// A run of purchases straight on the databases.
pub(crate) struct Bare {
    world: Arc<World>,
    office: BoxOffice,
    run: String,
    way: Way,
    receipts: Mutex<Vec<Receipt>>,
}

impl Bare {
    /// Over these connections.
    pub(crate) fn new(world: Arc<World>, office: BoxOffice, run: &str, way: Way) -> Self {
        Self { world, office, run: run.to_owned(), way, receipts: Mutex::new(Vec::new()) }
    }

    /// What buyers were told is theirs.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the n-th purchase.
    pub(crate) async fn buy(&self, n: u64) -> Outcome {
        match self.booking(n).await {
            Ok(Ended::Seat(_)) => Outcome::Taken(Proof { lease: None, revision: None }),
            Ok(Ended::Nothing) => Outcome::Refused,
            Ok(Ended::RolledBack) => Outcome::Busy(CROWDED),
            Err(_) => Outcome::Unknown,
        }
    }

    async fn booking(&self, n: u64) -> Result<Ended, sqlx::Error> {
        let purchase = self.world.purchase(n);
        let (shard, customer) = (purchase.performance.shard, purchase.customer.id.as_str());
        let key = key_of(&self.run, n);
        let wanted = Wanted {
            shard,
            performance: u32::try_from(purchase.place).unwrap_or(u32::MAX),
            seat: purchase.seat,
            customer,
            key: &key,
            confirm: self.way == Way::OneCall,
        };
        let id = booking_id(customer, &key);
        let mut ended = self.office.take(&wanted).await?;
        if let (Ended::Seat(_), Way::TwoCalls) = (ended, self.way) {
            ended = self.office.confirm(shard, id, customer).await?.0;
        }
        if let Ended::Seat(seat) = ended {
            let seats = vec![format!("S-{seat}")];
            let booking = BookingId::from_bytes(id).to_string();
            let receipt = Receipt { n, booking, seats };
            self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
        }
        Ok(ended)
    }
}
