//! Who is asking, and whether they may. Must not know: seats, stores.

mod extractor;
mod password;
mod token;

pub(crate) use extractor::{Customer, Newcomer, Organiser};
pub(crate) use password::{PasswordError, Passwords};
pub(crate) use token::{Role, Tokens};
