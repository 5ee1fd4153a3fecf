//! Bearer tokens: JWT, HS256 and nothing else, so that neither `none` nor
//! another algorithm can be smuggled in through the header.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use seat_model::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::config::Secret;

const ISSUER: &str = "seatlock";

/// What the bearer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Books seats.
    Customer,
    /// Makes plans, shows and performances, and sees what was sold.
    Organiser,
    /// May do all of it.
    Admin,
}

impl Role {
    /// As in tokens and rows.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        match text {
            "customer" => Some(Self::Customer),
            "organiser" => Some(Self::Organiser),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: Role,
    iat: i64,
    exp: i64,
    iss: String,
}

/// Who a good token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: UserId,
    pub(crate) role: Role,
}

/// Why a token is refused; shown to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not one of ours")]
    Forged,
    #[error("the token could not be signed")]
    NotSigned,
}

/// Signs and checks tokens.
#[derive(Clone)]
pub(crate) struct Tokens {
    keys: Arc<(EncodingKey, DecodingKey, Validation)>,
}

impl Tokens {
    /// With the secret that all instances share.
    pub(crate) fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_aud = false;
        // An expired token is expired: nobody but us makes them, on one clock.
        validation.leeway = 0;
        let encoding = EncodingKey::from_secret(secret.as_bytes());
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Self { keys: Arc::new((encoding, decoding, validation)) }
    }

    /// Signs a token; answers it with its end.
    pub(crate) fn sign(
        &self,
        user: &UserId,
        role: Role,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<(String, Timestamp), TokenError> {
        let iat = now.as_millis() / 1000;
        let exp = iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 2000));
        let claims = Claims { sub: user.to_string(), role, iat, exp, iss: ISSUER.to_owned() };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.keys.0)
            .map_err(|_| TokenError::NotSigned)?;
        Ok((token, Timestamp::from_millis(exp.saturating_mul(1000))))
    }

    /// Checks signature, issuer and time.
    pub(crate) fn check(&self, token: &str) -> Result<Bearer, TokenError> {
        let decoded = decode::<Claims>(token, &self.keys.1, &self.keys.2).map_err(|error| {
            match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Forged,
            }
        })?;
        let user = UserId::new(decoded.claims.sub).map_err(|_| TokenError::Forged)?;
        Ok(Bearer { user, role: decoded.claims.role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens() -> Tokens {
        Tokens::new(&Secret::from(SECRET))
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &serde_json::Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    }

    fn claims() -> serde_json::Value {
        let now = service_kit::clock::now().as_millis() / 1000;
        serde_json::json!({
            "sub": "ada", "role": "organiser", "iat": now, "exp": now + 60, "iss": "seatlock",
        })
    }

    fn with(name: &str, value: impl Into<serde_json::Value>) -> serde_json::Value {
        let mut claims = claims();
        claims[name] = value.into();
        claims
    }

    #[test]
    fn what_is_signed_is_accepted() {
        let user = UserId::new("ada").unwrap();
        let now = service_kit::clock::now();
        let (token, end) =
            tokens().sign(&user, Role::Customer, now, Duration::from_secs(60)).unwrap();
        assert_eq!(tokens().check(&token), Ok(Bearer { user, role: Role::Customer }));
        assert!((59_000..=60_000).contains(&(end.as_millis() - now.as_millis())));
        let launcher = signed(Algorithm::HS256, SECRET, &claims());
        assert_eq!(tokens().check(&launcher).unwrap().role, Role::Organiser);
    }

    #[test]
    fn expired_and_forged_tokens_are_refused() {
        let expired = signed(Algorithm::HS256, SECRET, &with("exp", 1_000_000));
        assert_eq!(tokens().check(&expired), Err(TokenError::Expired));
        let others = [
            signed(Algorithm::HS256, "another secret, also of 32 bytes!", &claims()),
            signed(Algorithm::HS512, SECRET, &claims()),
            signed(Algorithm::HS256, SECRET, &with("iss", "somebody")),
            signed(Algorithm::HS256, SECRET, &with("role", "root")),
            signed(Algorithm::HS256, SECRET, &with("sub", "a/b")),
            "a.b.c".to_owned(),
            String::new(),
        ];
        for token in others {
            assert_eq!(tokens().check(&token), Err(TokenError::Forged), "{token}");
        }
    }

    #[test]
    fn a_token_without_an_algorithm_is_refused() {
        let good = signed(Algorithm::HS256, SECRET, &claims());
        let payload = good.split('.').nth(1).unwrap();
        // {"typ":"JWT","alg":"none"}
        let header = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
        for token in [format!("{header}.{payload}."), format!("{header}.{payload}.x")] {
            assert_eq!(tokens().check(&token), Err(TokenError::Forged));
        }
    }
}
