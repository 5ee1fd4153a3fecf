//! The one place where the errors of this crate's front half become answers:
//! every variant is listed.

use seat_model::Code;
use service_kit::ApiProblem;

use crate::auth::PasswordError;
use crate::catalogue::CatalogueError;

impl From<CatalogueError> for ApiProblem {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Unavailable(why) => {
                tracing::warn!(why, "the catalogue is away");
                Self::new(Code::Unavailable, "the catalogue is away; nothing was written")
            }
            CatalogueError::OutcomeUnknown(why) => {
                tracing::warn!(why, "the catalogue did not answer a commit");
                Self::new(
                    Code::OutcomeUnknown,
                    "it was sent and no answer came; ask again with the same Idempotency-Key",
                )
            }
            CatalogueError::Broken(why) => {
                tracing::error!(why, "the catalogue is not as expected");
                Self::new(Code::Internal, "a bug; the request id leads to its log line")
            }
        }
    }
}

impl From<PasswordError> for ApiProblem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Self::new(Code::Unavailable, "too many people are logging in; nothing was written")
            }
            PasswordError::Broken(why) => {
                tracing::error!(why, "a password could not be hashed or compared");
                Self::new(Code::Internal, "a bug; the request id leads to its log line")
            }
        }
    }
}
