//! Bearer tokens of a local cluster. Only the holder of the cluster's state
//! file can make them; booking-api only checks them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

/// Who the bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Buys seats.
    Customer,
    /// Makes plans, shows and performances.
    Organiser,
    /// May do all of it.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Customer => "customer",
            Self::Organiser => "organiser",
            Self::Admin => "admin",
        })
    }
}

/// A role that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}; there are customer, organiser and admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "customer" => Ok(Self::Customer),
            "organiser" => Ok(Self::Organiser),
            "admin" => Ok(Self::Admin),
            other => Err(UnknownRole(other.to_owned())),
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    role: Role,
    iat: i64,
    exp: i64,
    iss: &'static str,
}

/// A token that booking-api accepts for `ttl` from now.
pub(crate) fn mint(
    secret: &str,
    user: &str,
    role: Role,
    ttl: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let iat = jiff::Timestamp::now().as_second();
    let exp = iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
    let claims = Claims { sub: user, role, iat, exp, iss: "seatlock" };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn a_token_says_who_and_what_and_until_when() {
        let token = mint("secret", "ann", Role::Organiser, Duration::from_secs(60)).unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["seatlock"]);
        let key = DecodingKey::from_secret(b"secret");
        let claims = decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "ann");
        assert_eq!(claims["role"], "organiser");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert!(
            decode::<serde_json::Value>(&token, &DecodingKey::from_secret(b"x"), &validation)
                .is_err()
        );
    }
}
