//! etcd: every key of Seatlock at one revision, and the guarded transactions
//! of a repair. Values are lock-service's.

use std::collections::BTreeSet;

use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, GetOptions, KvClient, PutOptions, SortOrder,
    SortTarget, Txn, TxnOp,
};
use lock_service_client::wire::{ShardMap, VersionedShardMap};
use seat_model::{BookingId, PerformanceId, SeatId};
use serde::{Deserialize, Serialize};

use super::{CALL, ReadError, Scope};
use crate::records::{Cell, CellMark, PickKey, SeatKey, SeatValue, Unreadable};

const PREFIX: &str = "/seatlock/v1/";
pub(crate) const SHARDS: &str = "/seatlock/v1/shards";
pub(crate) const EPOCH: &str = "/seatlock/v1/epoch";
const SEAT: &str = "/seatlock/v1/seat/";
const PICK: &str = "/seatlock/v1/pick/";

/// Keys in one page of a listing.
const PAGE: i64 = 5_000;

const MAX_MESSAGE_BYTES: usize = 256 << 20;

pub(crate) fn seat_key(performance: &PerformanceId, seat: &SeatId) -> String {
    format!("{SEAT}{performance}/{seat}")
}

pub(crate) fn pick_key(booking: BookingId) -> String {
    format!("{PICK}{booking}")
}

/// The value of a pick marker.
#[derive(Serialize, Deserialize)]
pub(crate) struct PickValue {
    #[serde(rename = "p")]
    pub(crate) performance: PerformanceId,
    #[serde(rename = "s")]
    pub(crate) seats: Vec<SeatId>,
}

/// One write of a guarded transaction.
pub(crate) enum Write {
    Put { key: String, value: Vec<u8>, lease: i64 },
    Delete { key: String },
}

struct Raw {
    key: String,
    value: Vec<u8>,
    mod_revision: u64,
    create_revision: u64,
    lease: i64,
}

/// A cell's etcd.
pub(crate) struct EtcdReader {
    client: Client,
}

impl EtcdReader {
    pub(crate) async fn new(endpoints: &[String]) -> Result<Self, ReadError> {
        let options = ConnectOptions::new().with_timeout(CALL).with_connect_timeout(CALL);
        let client = Client::connect(endpoints, Some(options)).await;
        Ok(Self { client: client.map_err(|error| ReadError::of("etcd")(&error))? })
    }

    fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The keys as of one revision, then the leases that live.
    pub(crate) async fn read(&self, scope: &Scope) -> Result<Cell, ReadError> {
        let mut cell = Cell {
            revision: 0,
            mark: CellMark::Missing,
            map: None,
            seats: Vec::new(),
            picks: Vec::new(),
            leases: BTreeSet::new(),
            unreadable: Vec::new(),
        };
        match scope.performances() {
            None => self.list(PREFIX, &mut cell).await?,
            Some(only) => {
                for key in [EPOCH, SHARDS, PICK] {
                    self.list(key, &mut cell).await?;
                }
                for performance in only {
                    self.list(&format!("{SEAT}{performance}/"), &mut cell).await?;
                }
            }
        }
        let leases = self.client.lease_client().leases().await;
        let leases = leases.map_err(|error| ReadError::of("etcd")(&error))?;
        cell.leases = leases.leases().iter().map(etcd_client::LeaseStatus::id).collect();
        Ok(cell)
    }

    /// Everything under a prefix, as of the cell's revision; the first listing sets it.
    async fn list(&self, prefix: &str, cell: &mut Cell) -> Result<(), ReadError> {
        let wrong = ReadError::of("etcd");
        let end = end_of(prefix);
        let mut from = prefix.as_bytes().to_vec();
        loop {
            let options = GetOptions::new()
                .with_range(end.clone())
                .with_sort(SortTarget::Key, SortOrder::Ascend)
                .with_limit(PAGE)
                .with_revision(i64::try_from(cell.revision).unwrap_or(0));
            let page = self.kv().get(from, Some(options)).await.map_err(|error| wrong(&error))?;
            if cell.revision == 0 {
                let revision = page.header().map_or(0, etcd_client::ResponseHeader::revision);
                cell.revision = u64::try_from(revision).unwrap_or(0);
            }
            for kv in page.kvs() {
                take(
                    Raw {
                        key: String::from_utf8_lossy(kv.key()).into_owned(),
                        value: kv.value().to_vec(),
                        mod_revision: u64::try_from(kv.mod_revision()).unwrap_or(0),
                        create_revision: u64::try_from(kv.create_revision()).unwrap_or(0),
                        lease: kv.lease(),
                    },
                    cell,
                );
            }
            match page.kvs().last() {
                Some(last) if page.more() => {
                    from = last.key().to_vec();
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Writes all of it where every key still has the revision named (0:
    /// absent); answers whether it did.
    pub(crate) async fn write(
        &self,
        guards: &[(String, u64)],
        writes: Vec<Write>,
    ) -> Result<bool, ReadError> {
        let compares: Vec<Compare> = guards
            .iter()
            .map(|(key, revision)| {
                let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
                Compare::mod_revision(key.as_bytes(), CompareOp::Equal, revision)
            })
            .collect();
        let writes: Vec<TxnOp> = writes
            .into_iter()
            .map(|write| match write {
                Write::Put { key, value, lease } => {
                    TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease)))
                }
                Write::Delete { key } => TxnOp::delete(key, None),
            })
            .collect();
        let answer = self.kv().txn(Txn::new().when(compares).and_then(writes)).await;
        Ok(answer.map_err(|error| ReadError::of("etcd")(&error))?.succeeded())
    }

    /// A key's revision and value; 0 and nothing where it is absent.
    pub(crate) async fn get(&self, key: &str) -> Result<(u64, Vec<u8>), ReadError> {
        let answer = self.kv().get(key, None).await.map_err(|e| ReadError::of("etcd")(&e))?;
        Ok(answer.kvs().first().map_or((0, Vec::new()), |kv| {
            (u64::try_from(kv.mod_revision()).unwrap_or(0), kv.value().to_vec())
        }))
    }
}

fn take(raw: Raw, cell: &mut Cell) {
    if let Err(why) = understand(&raw, cell) {
        cell.unreadable.push(Unreadable { key: raw.key, why });
    }
}

fn understand(raw: &Raw, cell: &mut Cell) -> Result<(), String> {
    let say = |error: &dyn std::fmt::Display| error.to_string();
    if raw.key == EPOCH {
        let text = String::from_utf8_lossy(&raw.value);
        cell.mark = text.trim().parse().map_or(CellMark::Closed, CellMark::Open);
    } else if raw.key == SHARDS {
        let map: ShardMap = serde_json::from_slice(&raw.value).map_err(|error| say(&error))?;
        cell.map = Some(VersionedShardMap { revision: raw.mod_revision, map });
    } else if let Some(rest) = raw.key.strip_prefix(SEAT) {
        // A performance has no `/`, a seat may.
        let (performance, seat) = rest.split_once('/').ok_or("no seat is named")?;
        let value: SeatValue = serde_json::from_slice(&raw.value).map_err(|error| say(&error))?;
        cell.seats.push(SeatKey {
            performance: performance.parse().map_err(|error| say(&error))?,
            seat: seat.parse().map_err(|error| say(&error))?,
            value,
            mod_revision: raw.mod_revision,
            create_revision: raw.create_revision,
            lease: raw.lease,
        });
    } else if let Some(booking) = raw.key.strip_prefix(PICK) {
        let value: PickValue = serde_json::from_slice(&raw.value).map_err(|error| say(&error))?;
        cell.picks.push(PickKey {
            booking: booking.parse().map_err(|error| say(&error))?,
            performance: value.performance,
            seats: value.seats,
            mod_revision: raw.mod_revision,
        });
    } else {
        return Err("it is none of Seatlock's".to_owned());
    }
    Ok(())
}

/// The first key behind all that begin with the prefix, whose last character
/// is ASCII.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
