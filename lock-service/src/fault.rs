//! Why a request got no verdict, and the one place where that becomes a problem body.

use std::time::Duration;

use seat_model::Code;
use service_kit::ApiProblem;

use crate::etcd::EtcdFault;
use crate::record::Nonsense;
use crate::space::NoRoom;

/// When to come again to a store without space.
const WITHOUT_ROOM: Duration = Duration::from_secs(5);

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Something is away and nothing was written.
    #[error("{0}")]
    Unavailable(String),
    /// Etcd has no space to spare, and nothing was written.
    #[error("etcd has no room: {0}")]
    NoRoom(NoRoom),
    /// It was sent and no answer came: the same request may be sent again.
    #[error("{0}")]
    Unknown(String),
    /// The request can never work.
    #[error("{field}: {message}")]
    Invalid {
        /// Where.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A bug, or a value in etcd that this service did not write.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// The request can never work.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

impl From<EtcdFault> for Fault {
    fn from(fault: EtcdFault) -> Self {
        match fault {
            EtcdFault::Unknown(why) => Self::Unknown(why),
            EtcdFault::NoSpace => Self::NoRoom(NoRoom::Alarm),
            EtcdFault::Away(_) | EtcdFault::LeaseGone => Self::Unavailable(fault.to_string()),
            EtcdFault::Compacted | EtcdFault::Refused(_) => Self::Internal(fault.to_string()),
        }
    }
}

impl From<Nonsense> for Fault {
    fn from(nonsense: Nonsense) -> Self {
        Self::Internal(nonsense.to_string())
    }
}

impl From<Fault> for ApiProblem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(why) => {
                tracing::debug!(why, "unavailable");
                Self::new(Code::Unavailable, "the seats' store is away; nothing was changed")
            }
            Fault::NoRoom(why) => {
                let detail = format!("the seats' store has no space: {why}; nothing was changed");
                // Somebody has to make room: no use in asking every second.
                Self::new(Code::Unavailable, detail).retry_after(WITHOUT_ROOM)
            }
            Fault::Unknown(why) => {
                tracing::warn!(why, "outcome unknown");
                Self::new(Code::OutcomeUnknown, "no answer from the seats' store; send it again")
            }
            Fault::Invalid { field, message } => Self::invalid(field, message),
            Fault::Internal(why) => {
                tracing::error!(why, "internal");
                Self::new(Code::Internal, "a bug; the request id leads to its log line")
            }
        }
    }
}
