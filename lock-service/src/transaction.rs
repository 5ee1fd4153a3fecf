//! An etcd transaction as a value: what must be true, what is written then,
//! what is read otherwise. Built and read by pure code, so that one submitter
//! can send it alone or, nested, together with others.
//!
//! Must not know: how it is sent, what a seat is.

/// A lease by its number; [`NO_LEASE`] for a key that stays.
pub type LeaseId = i64;

/// The key is not on any lease.
pub const NO_LEASE: LeaseId = 0;

/// The key was last written at exactly this revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// Which key.
    pub key: String,
    /// Its `mod_revision`; 0: there is no such key.
    pub mod_revision: u64,
}

/// One step of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key.
    Put {
        /// Which.
        key: String,
        /// Its value.
        value: Vec<u8>,
        /// Its lease, or [`NO_LEASE`]; either replaces the one it had.
        lease: LeaseId,
    },
    /// Deletes a key; one that is not there is fine.
    Delete {
        /// Which.
        key: String,
    },
    /// Reads a key.
    Get {
        /// Which.
        key: String,
    },
}

/// If, then, else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// All of these must hold.
    pub compares: Vec<Compare>,
    /// What happens if they do.
    pub then: Vec<Op>,
    /// What happens if one does not.
    pub otherwise: Vec<Op>,
}

/// A key as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kv {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// When it was last written.
    pub mod_revision: u64,
    /// When it came to be.
    pub create_revision: u64,
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnAnswer {
    /// Whether the compares held.
    pub succeeded: bool,
    /// The revision afterwards: that of the writes where there were any.
    pub revision: u64,
    /// The keys read, in the order of the branch's [`Op::Get`]s.
    pub reads: Vec<Option<Kv>>,
}
