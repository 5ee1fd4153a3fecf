//! The keys that are not seats: the shard map and the cell's epoch.

use std::time::{Duration, Instant};

use lock_service_client::wire::{PutShardMap, ShardMap, VersionedShardMap};
use seat_model::MAX_CELL_EPOCH;

use super::Engine;
use crate::etcd::{Etcd, EtcdFault};
use crate::fail_points;
use crate::fault::Fault;
use crate::keys;
use crate::transaction::{Compare, Kv, NO_LEASE, Op, Txn};

impl Engine {
    /// The shard map, after the catch-up read.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn shard_map(&self) -> Result<VersionedShardMap, Fault> {
        self.gate()?;
        self.catch_up.now(self.deadline()).await?;
        Ok(self.mirror.read(|state| state.shard_map()))
    }

    /// Writes the shard map where it still is at the revision named; answers
    /// the map as it is afterwards, whoever wrote it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn put_shard_map(&self, put: PutShardMap) -> Result<VersionedShardMap, Fault> {
        self.gate()?;
        let key = keys::SHARDS.to_owned();
        let value = serde_json::to_vec(&put.map).map_err(|e| Fault::Internal(e.to_string()))?;
        let txn = Txn {
            compares: vec![Compare { key: key.clone(), mod_revision: put.if_revision }],
            then: vec![Op::Put { key: key.clone(), value, lease: NO_LEASE }],
            otherwise: vec![Op::Get { key }],
        };
        let answer = self.submit(txn, self.deadline()).await?;
        if answer.succeeded {
            fail_points::MAP_WRITTEN.reach().await;
            return Ok(VersionedShardMap { revision: answer.revision, map: put.map });
        }
        match answer.reads.into_iter().next().flatten() {
            Some(kv) => read_map(&kv),
            None => Ok(VersionedShardMap { revision: 0, map: ShardMap::default() }),
        }
    }
}

fn read_map(kv: &Kv) -> Result<VersionedShardMap, Fault> {
    let map = serde_json::from_slice(&kv.value)
        .map_err(|error| Fault::Internal(format!("the shard map makes no sense: {error}")))?;
    Ok(VersionedShardMap { revision: kv.mod_revision, map })
}

/// Sees to it that the cell has an epoch, the first one where there is none.
/// Without it no fence may be made. A text that is no number means that the
/// cell is closed until its sold seats are rebuilt: then nothing is served.
///
/// # Errors
/// When etcd is away, or the epoch is beyond what a fence can carry.
pub(crate) async fn ensure_epoch(etcd: &Etcd, deadline: Duration) -> Result<(), EtcdFault> {
    let key = keys::EPOCH.to_owned();
    let txn = Txn {
        compares: vec![Compare { key: key.clone(), mod_revision: 0 }],
        then: vec![Op::Put { key: key.clone(), value: b"1".to_vec(), lease: NO_LEASE }],
        otherwise: vec![Op::Get { key }],
    };
    let answer = etcd.submit(txn, Instant::now() + deadline).await?;
    if answer.succeeded {
        return Ok(());
    }
    let epoch = answer
        .reads
        .first()
        .and_then(Option::as_ref)
        .and_then(|kv| std::str::from_utf8(&kv.value).ok()?.trim().parse::<u64>().ok());
    match epoch {
        Some(1..=MAX_CELL_EPOCH) => Ok(()),
        Some(_) => {
            Err(EtcdFault::Refused("the key epoch holds no number a fence can carry".into()))
        }
        None => Err(EtcdFault::Refused("the cell is closed: its seats are not rebuilt".into())),
    }
}
