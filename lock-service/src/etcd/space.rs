//! How much space a member's database takes, and whether it tells of the
//! space alarm. Asked of every member: each has a file of its own.

use etcd_client::Client;

/// One member's space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberSpace {
    /// In use, in bytes.
    pub used_bytes: u64,
    /// The file, in bytes: also what was compacted is in it, and used again.
    /// Etcd raises its alarm by this one; it shrinks by defragmentation only.
    pub file_bytes: u64,
    /// Whether the alarm is raised. It is the cluster's: every member tells of it.
    pub alarm: bool,
}

/// How a status tells of the alarm, since etcd 3.4.
const ALARM: &str = "alarm:NOSPACE";

pub(super) async fn ask(client: Client) -> Result<MemberSpace, etcd_client::Error> {
    let status = client.maintenance_client().status().await?;
    Ok(MemberSpace {
        used_bytes: u64::try_from(status.raft_used_db_size()).unwrap_or(0),
        file_bytes: u64::try_from(status.db_size()).unwrap_or(0),
        alarm: status.errors().iter().any(|error| error.contains(ALARM)),
    })
}
