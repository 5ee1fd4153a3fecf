//! A text in the encodings a browser may ask for, made once.

use std::io::Write as _;

use axum::http::HeaderValue;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Levels that cost milliseconds at the start; the last percent would cost a second.
const BROTLI_LEVEL: u32 = 9;
const BROTLI_WINDOW: u32 = 20;
const BUFFER_BYTES: usize = 16 * 1024;

/// A text, plain and compressed.
pub(super) struct Encoded {
    pub(super) plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
}

impl Encoded {
    pub(super) fn new(text: &str) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
        let mut brotli =
            brotli::CompressorWriter::new(Vec::new(), BUFFER_BYTES, BROTLI_LEVEL, BROTLI_WINDOW);
        let brotli =
            brotli.write_all(text.as_bytes()).and_then(|()| brotli.flush()).map(|()| brotli);
        // What does not get smaller is sent as it is.
        let smaller = |bytes: Vec<u8>| (bytes.len() < text.len()).then(|| Bytes::from(bytes));
        Self {
            plain: Bytes::copy_from_slice(text.as_bytes()),
            gzip: gzip.ok().and_then(smaller),
            brotli: brotli.ok().map(brotli::CompressorWriter::into_inner).and_then(smaller),
        }
    }

    /// The smallest form that this `Accept-Encoding` takes, and its name.
    pub(super) fn accepted(&self, asked: Option<&HeaderValue>) -> (Bytes, Option<&'static str>) {
        let asked = asked.and_then(|value| value.to_str().ok()).unwrap_or_default();
        for (name, body) in [("br", &self.brotli), ("gzip", &self.gzip)] {
            if let Some(body) = body.as_ref().filter(|_| takes(asked, name)) {
                return (body.clone(), Some(name));
            }
        }
        (self.plain.clone(), None)
    }
}

/// Whether an `Accept-Encoding` names this encoding and does not forbid it.
fn takes(asked: &str, name: &str) -> bool {
    asked.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        named && weight.and_then(|text| text.parse().ok()) != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn asked(text: &str) -> Option<HeaderValue> {
        Some(HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn every_form_holds_the_same_text() {
        let text = "one seat, one owner; ".repeat(200);
        let file = Encoded::new(&text);
        let (gzip, name) = file.accepted(asked("gzip, deflate").as_ref());
        assert_eq!(name, Some("gzip"));
        let mut read = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        let (brotli, name) = file.accepted(asked("gzip, br;q=0.5").as_ref());
        assert_eq!(name, Some("br"));
        read.clear();
        brotli::Decompressor::new(&brotli[..], 4096).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        assert!(brotli.len() < text.len() / 10 && gzip.len() < text.len() / 10);
    }

    #[test]
    fn an_encoding_is_sent_only_to_those_who_take_it() {
        let file = Encoded::new(&"seat ".repeat(100));
        for none in [None, asked("identity"), asked("br;q=0, gzip; q=0"), asked("brotli")] {
            assert_eq!(file.accepted(none.as_ref()).1, None, "{none:?}");
        }
        assert_eq!(file.accepted(asked("br;q=0, GZIP").as_ref()).1, Some("gzip"));
    }

    #[test]
    fn what_would_grow_stays_as_it_is() {
        assert_eq!(Encoded::new("a").accepted(asked("br, gzip").as_ref()).1, None);
    }
}
