//! What messages are signed with. A webhook's secret is made from its id, not
//! drawn and kept: whoever reads the catalogue learns none, and a repeated
//! request is shown the same one (INV-8).

use hmac::{Hmac, Mac};
use seat_model::WebhookId;
use sha2::Sha256;
use standardwebhooks::Webhook as Signer;

/// Makes the secrets of all webhooks from the platform's own.
#[derive(Clone)]
pub(super) struct Secrets {
    mac: Hmac<Sha256>,
}

impl Secrets {
    /// With the secret that all instances share.
    pub(super) fn new(platform: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::new_from_slice(platform).expect("any length is a key");
        Self { mac }
    }

    /// As its owner is shown it: `whsec_` and base64, as Standard Webhooks has it.
    pub(super) fn shown(&self, webhook: &WebhookId) -> String {
        format!("whsec_{}", base64(&self.bytes(webhook)))
    }

    /// What signs its messages.
    pub(super) fn signer(&self, webhook: &WebhookId) -> Option<Signer> {
        Signer::from_bytes(self.bytes(webhook).to_vec()).ok()
    }

    fn bytes(&self, webhook: &WebhookId) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(b"webhook\0");
        mac.update(webhook.as_str().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Base64 with padding: one use is not worth a dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 63;
            let padded = place > chunk.len();
            text.push(if padded { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> WebhookId {
        WebhookId::new(text).unwrap()
    }

    #[test]
    fn what_is_shown_verifies_what_is_signed() {
        let secrets = Secrets::new(b"a secret of more than thirty-two bytes");
        let shown = secrets.shown(&id("wh-1"));
        assert!(shown.starts_with("whsec_") && shown.len() == 6 + 44);
        let sign = |signer: &Signer| signer.sign("msg", 1, b"{}").unwrap();
        let theirs = Signer::new(&shown).unwrap();
        assert_eq!(sign(&theirs), sign(&secrets.signer(&id("wh-1")).unwrap()));
        assert_ne!(sign(&theirs), sign(&secrets.signer(&id("wh-2")).unwrap()));
        let elsewhere = Secrets::new(b"another secret");
        assert_ne!(shown, elsewhere.shown(&id("wh-1")));
    }

    #[test]
    fn base64_is_as_the_standard_has_it() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xfe]), "/+/+");
    }
}
