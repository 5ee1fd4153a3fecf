//! Booking ids: made, not drawn. The same customer, show and Idempotency-Key
//! always make the same id, on every instance (INV-8), and the id itself
//! proves whose it is without a look-up: that tells a hold that is gone (410)
//! from an id that never was (404).
//!
//! An id is 64 bits of HMAC over (user, show, key), then 64 bits of HMAC over
//! those bits, user and show.

use hmac::{Hmac, Mac};
use rand::Rng as _;
use seat_model::{BookingId, ShowId, UserId};
use sha2::Sha256;

use crate::planted_bugs::NEW_BOOKING_ON_RETRY;

/// Crockford's alphabet: no letter that is read as a digit.
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Makes and checks booking ids, ticket codes and hashes of bodies, all under
/// the secret that every instance shares.
#[derive(Clone)]
pub(crate) struct BookingIds {
    mac: Hmac<Sha256>,
}

impl BookingIds {
    pub(crate) fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::new_from_slice(secret).expect("any length is a key");
        Self { mac }
    }

    /// The booking of this request.
    pub(crate) fn make(&self, user: &UserId, show: &ShowId, key: &str) -> BookingId {
        let mut name = self.digest("key", &[user.as_str(), show.as_str(), key].map(str::as_bytes));
        if NEW_BOOKING_ON_RETRY.is_planted() {
            name = rand::rng().random();
        }
        let mut id = [0; 16];
        id[..8].copy_from_slice(&name[..8]);
        let proof = self.proof(&id[..8], user, show);
        id[8..].copy_from_slice(&proof);
        BookingId::from_bytes(id)
    }

    /// Whether this id was made for this customer and show.
    pub(crate) fn verify(&self, id: BookingId, user: &UserId, show: &ShowId) -> bool {
        let id = id.to_bytes();
        let proof = self.proof(&id[..8], user, show);
        // In constant time, so that nobody can guess a proof byte by byte.
        proof.iter().zip(&id[8..]).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    /// What is shown at the door for a ticket.
    pub(crate) fn ticket_code(&self, id: BookingId, number: u16, seat: &str) -> String {
        let digest = self.digest("code", &[&id.to_bytes(), &number.to_be_bytes(), seat.as_bytes()]);
        digest[..16].iter().map(|byte| char::from(CODE_ALPHABET[usize::from(byte % 32)])).collect()
    }

    /// The hash of a request's body: 128 bits, hexadecimal. Keyed, because it
    /// is stored beside seats and a body may hold a payment token.
    pub(crate) fn body_hash(&self, call: &str, body: &[u8]) -> String {
        let digest = self.digest("body", &[call.as_bytes(), body]);
        digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn proof(&self, name: &[u8], user: &UserId, show: &ShowId) -> [u8; 8] {
        let digest =
            self.digest("proof", &[name, user.as_str().as_bytes(), show.as_str().as_bytes()]);
        let mut proof = [0; 8];
        proof.copy_from_slice(&digest[..8]);
        proof
    }

    /// Every field with its length before it, so that no two lists of fields
    /// are ever the same bytes.
    fn digest(&self, purpose: &str, fields: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        for field in std::iter::once(&purpose.as_bytes()).chain(fields) {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> BookingIds {
        BookingIds::new(b"a secret of more than thirty-two bytes")
    }

    fn user(text: &str) -> UserId {
        UserId::new(text).unwrap()
    }

    fn show(text: &str) -> ShowId {
        ShowId::new(text).unwrap()
    }

    #[test]
    fn the_same_request_is_the_same_booking_and_any_other_is_another() {
        let ids = ids();
        let one = ids.make(&user("ann"), &show("hamlet"), "k1");
        assert_eq!(one, self::ids().make(&user("ann"), &show("hamlet"), "k1"));
        for (other_user, other_show, key) in [
            ("bob", "hamlet", "k1"),
            ("ann", "carmen", "k1"),
            ("ann", "hamlet", "k2"),
            // The same bytes when they are simply joined.
            ("annh", "amlet", "k1"),
            ("ann", "hamletk", "1"),
        ] {
            assert_ne!(one, ids.make(&user(other_user), &show(other_show), key));
        }
    }

    #[test]
    fn an_id_proves_whose_it_is() {
        let ids = ids();
        let id = ids.make(&user("ann"), &show("hamlet"), "k1");
        assert!(ids.verify(id, &user("ann"), &show("hamlet")));
        assert!(!ids.verify(id, &user("bob"), &show("hamlet")));
        assert!(!ids.verify(id, &user("ann"), &show("carmen")));
        assert!(!ids.verify(id, &user("annh"), &show("amlet")));
        for bit in 0..128 {
            let forged = (u128::from_be_bytes(id.to_bytes()) ^ (1 << bit)).to_be_bytes();
            let forged = BookingId::from_bytes(forged);
            assert!(!ids.verify(forged, &user("ann"), &show("hamlet")), "bit {bit}");
        }
        let elsewhere = BookingIds::new(b"another secret");
        assert!(!elsewhere.verify(id, &user("ann"), &show("hamlet")));
    }

    #[test]
    fn the_id_of_a_known_request_never_changes() {
        let id = ids().make(&user("ann"), &show("hamlet"), "k1");
        assert_eq!(id.to_string(), GOLDEN);
    }

    /// An id that changes would turn every replay into a second booking.
    const GOLDEN: &str = "b24ce3f1e78cfc657ab6c845dbe75408";

    #[test]
    fn codes_differ_by_ticket() {
        let ids = ids();
        let id = ids.make(&user("ann"), &show("hamlet"), "k1");
        let code = ids.ticket_code(id, 1, "A-1");
        assert_eq!(code.len(), 16);
        assert_ne!(code, ids.ticket_code(id, 2, "A-1"));
        assert_ne!(code, ids.ticket_code(id, 1, "A-2"));
    }
}
