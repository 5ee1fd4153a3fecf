//! The ledger: one file, every change durable before it is answered. The only
//! module that knows the embedded store.
//!
//! Many changes share one transaction; each sees those before it.

use std::path::Path;

use payment_gateway_client::wire::{
    Operation, Payment, PaymentState, Payments, Reference, Refusal, Verdict,
};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use seat_model::BookingId;

use crate::rules;

/// Payments by their reference, as JSON.
const PAYMENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("payments");

/// Bookings all of whose payments are voided, and since when.
const VOIDED: TableDefinition<&str, i64> = TableDefinition::new("voided_bookings");

/// Payments that are authorised, by age.
const OPEN: TableDefinition<(i64, &str), ()> = TableDefinition::new("open_payments");

/// Payments in one page, at most.
pub(crate) const MAX_PAGE: usize = 1_000;

/// Why nothing can be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The file, or what is in it.
    #[error("{0}")]
    Storage(String),
}

/// Each step of the store has an error type of its own; to us they are one.
macro_rules! storage_errors {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for LedgerError {
            fn from(error: redb::$error) -> Self {
                Self::Storage(error.to_string())
            }
        }
    )*};
}

storage_errors!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

/// One change to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is asked.
    pub operation: Operation,
    /// What the bank says to an authorise.
    pub declined: bool,
}

/// The ledger, open.
pub struct Ledger {
    database: Database,
}

/// The tables of one transaction.
struct Books<'t> {
    payments: Table<'t, &'static str, &'static [u8]>,
    voided: Table<'t, &'static str, i64>,
    open: Table<'t, (i64, &'static str), ()>,
}

impl Ledger {
    /// Opens the file, or makes it with its folder.
    ///
    /// # Errors
    /// When it cannot be read or written, or another process has it.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent() {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| LedgerError::Storage(error.to_string()))?;
        }
        let database = Database::create(path)?;
        // Made once, so that reading never meets a table that is not there.
        let made = database.begin_write()?;
        Books::open(&made)?;
        made.commit()?;
        Ok(Self { database })
    }

    /// Carries changes out one after the other in one durable transaction: when
    /// this answers, they will be found after any crash.
    ///
    /// # Errors
    /// Then nobody knows whether they were written; each may be repeated.
    pub fn write(&self, changes: &[Change], at_ms: i64) -> Result<Vec<Verdict>, LedgerError> {
        let transaction = self.database.begin_write()?;
        let mut books = Books::open(&transaction)?;
        let verdicts =
            changes.iter().map(|change| books.change(change, at_ms)).collect::<Result<_, _>>()?;
        drop(books);
        transaction.commit()?;
        Ok(verdicts)
    }

    /// One payment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn payment(&self, reference: &Reference) -> Result<Option<Payment>, LedgerError> {
        let table = self.database.begin_read()?.open_table(PAYMENTS)?;
        table.get(reference.as_str())?.map(|bytes| decode(bytes.value())).transpose()
    }

    /// Payments in the order of their references.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn payments(
        &self,
        after: Option<&Reference>,
        limit: usize,
    ) -> Result<Payments, LedgerError> {
        use std::ops::Bound;
        let limit = limit.clamp(1, MAX_PAGE);
        let table = self.database.begin_read()?.open_table(PAYMENTS)?;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_str()));
        let mut payments = Vec::new();
        for entry in table.range::<&str>((from, Bound::Unbounded))?.take(limit + 1) {
            payments.push(decode(entry?.1.value())?);
        }
        let more = payments.len() > limit;
        payments.truncate(limit);
        let next_after =
            payments.last().filter(|_| more).map(|last: &Payment| last.reference.clone());
        Ok(Payments { payments, next_after })
    }

    /// Payments authorised before this moment and neither captured nor voided,
    /// the oldest first, after the first `skip`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_since(
        &self,
        before_ms: i64,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Payment>, LedgerError> {
        let read = self.database.begin_read()?;
        let (open, payments) = (read.open_table(OPEN)?, read.open_table(PAYMENTS)?);
        let mut found = Vec::new();
        let old = open.range(..(before_ms, ""))?;
        for entry in old.skip(skip).take(limit.clamp(1, MAX_PAGE)) {
            let (name, _) = entry?;
            if let Some(bytes) = payments.get(name.value().1)? {
                found.push(decode(bytes.value())?);
            }
        }
        Ok(found)
    }
}

impl<'t> Books<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, LedgerError> {
        Ok(Self {
            payments: transaction.open_table(PAYMENTS)?,
            voided: transaction.open_table(VOIDED)?,
            open: transaction.open_table(OPEN)?,
        })
    }

    fn change(&mut self, change: &Change, at_ms: i64) -> Result<Verdict, LedgerError> {
        let (reference, known) = match &change.operation {
            Operation::VoidBooking(booking) => return self.void_booking(*booking, at_ms),
            Operation::Authorise(asked) => (&asked.reference, self.find(&asked.reference)?),
            Operation::GiveUp(reference)
            | Operation::Capture { reference, .. }
            | Operation::Refund { reference, .. }
            | Operation::Void(reference) => (reference, self.find(reference)?),
        };
        let now = known.as_ref();
        let (verdict, after) = match &change.operation {
            Operation::Authorise(asked) => {
                let booking = reference.booking().to_string();
                let voided = now.is_none() && self.voided.get(booking.as_str())?.is_some();
                rules::authorise(now, asked, change.declined, voided, at_ms)
            }
            Operation::GiveUp(_) => rules::give_up(now, reference, at_ms),
            Operation::Capture { amount, currency, .. } => rules::capture(now, *amount, currency),
            Operation::Refund { refund_key, amount, currency, .. } => {
                rules::refund(now, refund_key, *amount, currency)
            }
            Operation::Void(_) | Operation::VoidBooking(_) => rules::void(now, reference, at_ms),
        };
        if let Some(after) = after {
            self.put(reference, now, &after)?;
        }
        Ok(verdict)
    }

    /// Voids what is authorised, and marks the booking for what may still come.
    fn void_booking(&mut self, booking: BookingId, at_ms: i64) -> Result<Verdict, LedgerError> {
        let booking = booking.to_string();
        if self.voided.get(booking.as_str())?.is_none() {
            self.voided.insert(booking.as_str(), at_ms)?;
        }
        let mut all = Vec::new();
        // Every reference that begins with the booking and a hyphen: `.` is
        // the character after it.
        let (from, to) = (format!("{booking}-"), format!("{booking}."));
        for entry in self.payments.range::<&str>(from.as_str()..to.as_str())? {
            all.push(decode(entry?.1.value())?);
        }
        let mut verdict = Verdict::Now(PaymentState::Voided);
        for payment in all {
            let (one, after) = rules::void(Some(&payment), &payment.reference, at_ms);
            if let Some(after) = after {
                self.put(&payment.reference, Some(&payment), &after)?;
            }
            if let Verdict::Refused(Refusal::Captured) = one {
                verdict = one;
            }
        }
        Ok(verdict)
    }

    fn find(&self, reference: &Reference) -> Result<Option<Payment>, LedgerError> {
        let found = self.payments.get(reference.as_str())?;
        found.map(|bytes| decode(bytes.value())).transpose()
    }

    fn put(
        &mut self,
        reference: &Reference,
        before: Option<&Payment>,
        after: &Payment,
    ) -> Result<(), LedgerError> {
        let bytes =
            serde_json::to_vec(after).map_err(|error| LedgerError::Storage(error.to_string()))?;
        self.payments.insert(reference.as_str(), bytes.as_slice())?;
        let was = before.is_some_and(|payment| payment.state == PaymentState::Authorised);
        let is = after.state == PaymentState::Authorised;
        let name = (after.at_ms, reference.as_str());
        if is && !was {
            self.open.insert(name, ())?;
        } else if was && !is {
            self.open.remove(name)?;
        }
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Result<Payment, LedgerError> {
    serde_json::from_slice(bytes).map_err(|error| LedgerError::Storage(error.to_string()))
}
