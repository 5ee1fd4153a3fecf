//! Money: integer minor units and an ISO 4217 code. No floating point, ever.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::IdError;

/// An ISO 4217 currency code: three upper-case letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl Currency {
    /// Checks the shape of the code.
    ///
    /// # Errors
    /// When it is not three upper-case ASCII letters.
    pub fn new(code: impl Into<String>) -> Result<Self, IdError> {
        let code = code.into();
        if code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Self(code))
        } else {
            Err(IdError("must be an ISO 4217 code, three upper-case letters"))
        }
    }

    /// The code itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Currency {
    type Error = IdError;
    fn try_from(code: String) -> Result<Self, IdError> {
        Self::new(code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.0
    }
}

/// A price or an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units (cents, pence, yen): never negative, at most 10^12.
    pub price: u64,
    /// The currency it is counted in.
    pub currency: Currency,
}

impl Money {
    /// The largest price accepted, so that ten seats always fit a JSON integer.
    pub const MAX_PRICE: u64 = 1_000_000_000_000;
}
