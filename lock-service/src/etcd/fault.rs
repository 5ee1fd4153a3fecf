//! What can go wrong with a call, by what is known of its outcome.

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EtcdFault {
    /// No member was reached, or none has a leader: nothing was applied.
    #[error("etcd is away: {0}")]
    Away(String),
    /// The lease is not there any more: nothing was applied, nor can it be later.
    #[error("the lease is gone")]
    LeaseGone,
    /// etcd has no space: nothing was applied.
    #[error("etcd is out of space")]
    NoSpace,
    /// The revision asked for was compacted away.
    #[error("compacted")]
    Compacted,
    /// etcd refused the request itself: nothing was applied.
    #[error("etcd refused: {0}")]
    Refused(String),
    /// It was sent and no answer came: it may have been applied, or be yet.
    #[error("no answer from etcd: {0}")]
    Unknown(String),
}

/// gRPC status codes by number: the crate that names them is not ours to depend on.
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;

impl EtcdFault {
    /// Sorts an error. What is not surely definite is unknown.
    pub(crate) fn sort(error: &etcd_client::Error) -> Self {
        let etcd_client::Error::GRpcStatus(status) = error else {
            return match error {
                etcd_client::Error::InvalidArgs(_) | etcd_client::Error::InvalidUri(_) => {
                    Self::Refused(error.to_string())
                }
                _ => Self::Unknown(error.to_string()),
            };
        };
        let message = status.message().to_owned();
        match status.code() as i32 {
            NOT_FOUND if message.contains("lease not found") => Self::LeaseGone,
            RESOURCE_EXHAUSTED if message.contains("space exceeded") => Self::NoSpace,
            // "too many requests" is said before the request is proposed.
            RESOURCE_EXHAUSTED => Self::Away(message),
            OUT_OF_RANGE if message.contains("compacted") => Self::Compacted,
            INVALID_ARGUMENT | NOT_FOUND | PERMISSION_DENIED | FAILED_PRECONDITION
            | OUT_OF_RANGE | UNIMPLEMENTED | UNAUTHENTICATED => Self::Refused(message),
            // Said by the interceptor (`require_leader`) before the request is looked at.
            _ if message == "etcdserver: no leader" => Self::Away(message),
            _ if never_connected(status) => Self::Away("could not connect".into()),
            _ => Self::Unknown(message),
        }
    }
}

/// Whether the connection itself could not be made, so that nothing was sent.
fn never_connected(status: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.to_string().contains("tcp connect error") {
            return true;
        }
        cause = error.source();
    }
    status.to_string().contains("tcp connect error")
}
