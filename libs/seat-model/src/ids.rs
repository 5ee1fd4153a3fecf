//! Identifiers: one type each, so that a show can never be passed for a
//! performance. All are strings on the wire.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use smol_str::SmolStr;

/// Why a string is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub &'static str);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// The rule for this kind of identifier, in words.
            pub fn new(text: impl Into<SmolStr>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err(IdError($rule)) }
            }

            /// The identifier as it travels.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromText(|text: &str| Self::new(text), $rule))
            }
        }
    };
}

/// Reads a value from its text without a copy of it.
struct FromText<F>(F, &'static str);

impl<T, F: for<'t> Fn(&'t str) -> Result<T, IdError>> Visitor<'_> for FromText<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text that {}", self.1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// 1–64 of `a-z 0-9 - _`.
fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// 1–128 visible ASCII characters without `/`, which separates etcd keys.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

/// 2–255 bytes, no control characters, no outer blanks: what the pretix format allows.
/// A `/` is fine: the seat is the last part of its etcd key.
fn is_guid(text: &str) -> bool {
    text.chars().count() >= 2
        && text.len() <= 255
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

const BOOKING: &str = "must be 32 lower-case hexadecimal digits";

/// 32 lower-case hexadecimal digits.
fn is_booking(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

text_id!(
    /// A show: the organiser's choice, the sharding key.
    ShowId, is_slug, "must be 1 to 64 of a-z, 0-9, - and _"
);
text_id!(
    /// One evening of a show at a place.
    PerformanceId, is_slug, "must be 1 to 64 of a-z, 0-9, - and _"
);
text_id!(
    /// A seating plan, immutable once imported.
    PlanId, is_slug, "must be 1 to 64 of a-z, 0-9, - and _"
);
text_id!(
    /// A MySQL shard, as named in the shard map.
    ShardId, is_slug, "must be 1 to 64 of a-z, 0-9, - and _"
);
text_id!(
    /// Where an organiser wants to be told of bookings.
    WebhookId, is_slug, "must be 1 to 64 of a-z, 0-9, - and _"
);
text_id!(
    /// A customer, an organiser or an administrator: the subject of a token.
    UserId, is_name, "must be 1 to 128 visible ASCII characters without /"
);
text_id!(
    /// One seat of a performance: the `seat_guid` of its plan.
    SeatId, is_guid, "must be 2 to 255 bytes without outer blanks or control characters"
);
text_id!(
    /// One seat of a booking that was paid for.
    TicketId, is_name, "must be 1 to 128 visible ASCII characters without /"
);

/// A hold and whatever becomes of it: 128 bits, 32 hexadecimal digits.
///
/// Made from (user, show, idempotency key), not drawn: the same request under
/// the same key is the same booking on every instance (INV-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BookingId(u128);

impl BookingId {
    /// Wraps the 16 bytes of an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for BookingId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if !is_booking(text) {
            return Err(IdError(BOOKING));
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| IdError(BOOKING))
    }
}

impl Serialize for BookingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BookingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText(|text: &str| text.parse(), BOOKING))
    }
}

impl TryFrom<String> for BookingId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<BookingId> for String {
    fn from(id: BookingId) -> String {
        id.to_string()
    }
}

/// Names one attempt to confirm a booking. Only the attempt whose nonce is on
/// the seats may commit or step back (INV-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce(u64);

impl Nonce {
    /// Wraps a number that must never repeat for one booking; draw it at random.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for Nonce {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        u64::from_str_radix(&text, 16)
            .map(Self)
            .map_err(|_| IdError("must be up to 16 hexadecimal digits"))
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        nonce.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_id_is_a_slug() {
        assert!(ShowId::new("hamlet-2026_a").is_ok());
        for bad in ["", "Hamlet", "ham let", "ham/let", &"x".repeat(65)] {
            assert!(ShowId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_seat_id_keeps_inner_blanks_only() {
        assert!(SeatId::new("Goal Stand 4-A-1").is_ok());
        for bad in ["A", " A1", "A1 ", "A\n1", ""] {
            assert!(SeatId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_booking_id_survives_its_text() {
        let id = BookingId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<BookingId>(), Ok(id));
        assert!("ABCDEF".parse::<BookingId>().is_err());
        assert!("+0000000000000000000000000000001".parse::<BookingId>().is_err());
    }
}
