//! The encodings of an answer: which one a client prefers, and each made once,
//! when the first client asks for it. Must not know what is in the answer.

use std::io::Write as _;

use axum::http::header::ACCEPT_ENCODING;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::OnceCell;

/// Below this the head of the answer outweighs what is saved.
const WORTH_BYTES: usize = 256;

/// Compressing more than this takes long enough to be in the way of others.
const ASIDE_BYTES: usize = 32 << 10;

const BUFFER_BYTES: usize = 16 << 10;

/// How much is done for a smaller answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// For what is replaced within a second.
    Quick,
    /// For what stays: the last percent would still cost too much.
    Thorough,
}

impl Effort {
    const fn gzip(self) -> Compression {
        match self {
            Self::Quick => Compression::fast(),
            Self::Thorough => Compression::best(),
        }
    }

    /// Level and the logarithm of the window.
    const fn brotli(self) -> (u32, u32) {
        match self {
            Self::Quick => (1, 18),
            Self::Thorough => (9, 20),
        }
    }
}

/// What a content is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Encoding {
    /// The one that these headers like best; among equals the smallest.
    pub(super) fn preferred(asked: &HeaderMap) -> Self {
        let mut wishes = Wishes::default();
        for value in asked.get_all(ACCEPT_ENCODING) {
            wishes.read(value.to_str().unwrap_or_default());
        }
        wishes.best()
    }

    /// As `Content-Encoding` has it; none for plain.
    pub(super) const fn name(self) -> Option<HeaderValue> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Brotli => Some(HeaderValue::from_static("br")),
        }
    }
}

/// Weights in thousandths; `None`: not named.
#[derive(Debug, Default)]
struct Wishes {
    brotli: Option<u16>,
    gzip: Option<u16>,
    plain: Option<u16>,
    others: Option<u16>,
}

impl Wishes {
    fn read(&mut self, text: &str) {
        for one in text.split(',') {
            let mut parts = one.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let place = if name.eq_ignore_ascii_case("br") {
                &mut self.brotli
            } else if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                &mut self.gzip
            } else if name.eq_ignore_ascii_case("identity") {
                &mut self.plain
            } else if name == "*" {
                &mut self.others
            } else {
                continue;
            };
            *place = Some(weight(parts));
        }
    }

    fn best(&self) -> Encoding {
        // What is not named is as welcome as `*`; plain always is, but least.
        let of = |wish: Option<u16>| wish.or(self.others).unwrap_or(0);
        let ranked = [
            (of(self.brotli), Encoding::Brotli),
            (of(self.gzip), Encoding::Gzip),
            (of(self.plain), Encoding::Plain),
        ];
        let mut best = (0, Encoding::Plain);
        for candidate in ranked {
            if candidate.0 > best.0 {
                best = candidate;
            }
        }
        best.1
    }
}

/// The weight among an element's parameters, in thousandths (RFC 9110, 12.4.2):
/// 1000 where there is none, 0 where it makes no sense.
pub(super) fn weight<'t>(mut parameters: impl Iterator<Item = &'t str>) -> u16 {
    let named = parameters.find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(text) = named else { return 1000 };
    let mut digits = text.bytes();
    let whole = match digits.next() {
        Some(b'1') => 1000,
        Some(b'0') => 0,
        _ => return 0,
    };
    if digits.next().is_some_and(|point| point != b'.') {
        return 0;
    }
    let mut fraction = 0;
    for unit in [100, 10, 1] {
        match digits.next() {
            Some(digit @ b'0'..=b'9') => fraction += u16::from(digit - b'0') * unit,
            Some(_) => return 0,
            None => break,
        }
    }
    (whole + fraction).min(1000)
}

/// A content in every form that was ever asked for.
#[derive(Debug)]
pub(super) struct Forms {
    plain: Bytes,
    effort: Effort,
    /// `None` inside: it would not get smaller.
    gzip: OnceCell<Option<Bytes>>,
    brotli: OnceCell<Option<Bytes>>,
}

impl Forms {
    pub(super) fn new(plain: Bytes, effort: Effort) -> Self {
        Self { plain, effort, gzip: OnceCell::new(), brotli: OnceCell::new() }
    }

    pub(super) const fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The content in this form, or as it is where that is no larger. Whoever
    /// asks while it is being made waits for the first one.
    pub(super) async fn get(&self, wanted: Encoding) -> (Bytes, Encoding) {
        let place = match wanted {
            _ if self.plain.len() < WORTH_BYTES => return (self.plain.clone(), Encoding::Plain),
            Encoding::Plain => return (self.plain.clone(), Encoding::Plain),
            Encoding::Gzip => &self.gzip,
            Encoding::Brotli => &self.brotli,
        };
        match place.get_or_init(|| self.make(wanted)).await {
            Some(smaller) => (smaller.clone(), wanted),
            None => (self.plain.clone(), Encoding::Plain),
        }
    }

    async fn make(&self, wanted: Encoding) -> Option<Bytes> {
        let (plain, effort) = (self.plain.clone(), self.effort);
        if plain.len() <= ASIDE_BYTES {
            return compress(&plain, wanted, effort);
        }
        let made = tokio::task::spawn_blocking(move || compress(&plain, wanted, effort));
        made.await.ok().flatten()
    }
}

/// `None` where it would not get smaller.
fn compress(plain: &Bytes, wanted: Encoding, effort: Effort) -> Option<Bytes> {
    let made = match wanted {
        Encoding::Plain => None,
        Encoding::Gzip => {
            let mut gzip = GzEncoder::new(Vec::new(), effort.gzip());
            gzip.write_all(plain).and_then(|()| gzip.finish()).ok()
        }
        Encoding::Brotli => {
            let (level, window) = effort.brotli();
            let mut brotli = brotli::CompressorWriter::new(Vec::new(), BUFFER_BYTES, level, window);
            let written = brotli.write_all(plain);
            written.is_ok().then(|| brotli.into_inner())
        }
    };
    made.filter(|made| made.len() < plain.len()).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn preferred(text: &str) -> Encoding {
        let mut headers = HeaderMap::new();
        for line in text.split('|').filter(|line| !line.is_empty()) {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        Encoding::preferred(&headers)
    }

    #[test]
    fn the_encoding_with_the_highest_weight_is_chosen_and_the_smallest_among_equals() {
        for (asked, wanted) in [
            ("", Encoding::Plain),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip;q=0.9, br;q=0.5", Encoding::Gzip),
            ("GZIP|br;q=0.001", Encoding::Gzip),
            ("br;q=0, gzip; q=0.3", Encoding::Gzip),
            ("br ; Q = 0.5 , x-gzip;q=0.4", Encoding::Brotli),
            ("identity", Encoding::Plain),
            ("identity;q=1, gzip;q=0.5", Encoding::Plain),
            ("gzip;q=0.1", Encoding::Gzip),
            ("*", Encoding::Brotli),
            ("*;q=0.5, br;q=0", Encoding::Gzip),
            ("br;q=0, gzip;q=0.000", Encoding::Plain),
            ("br;q=nonsense, brotli, gzip;q=2", Encoding::Plain),
            ("deflate, zstd", Encoding::Plain),
        ] {
            assert_eq!(preferred(asked), wanted, "{asked:?}");
        }
    }

    #[test]
    fn a_weight_has_at_most_three_digits() {
        let of = |text: &str| weight(text.split(';').map(str::trim));
        assert_eq!(
            [of(""), of("q=1"), of("q=1.000"), of("level=1;q=0.25")],
            [1000, 1000, 1000, 250]
        );
        assert_eq!([of("q=0"), of("q="), of("q=.5"), of("q=0,5"), of("q=0.5x")], [0; 5]);
    }

    #[tokio::test]
    async fn every_form_holds_the_same_text_and_is_made_once() {
        let text = "one seat, one owner; ".repeat(4_000);
        for (effort, length) in [(Effort::Quick, 8_000), (Effort::Thorough, 84_000)] {
            let forms = Forms::new(Bytes::from(text[..length].to_owned()), effort);
            let (gzip, encoding) = forms.get(Encoding::Gzip).await;
            assert_eq!(encoding, Encoding::Gzip);
            let mut read = String::new();
            flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut read).unwrap();
            assert_eq!(read, text[..length]);
            let (brotli, encoding) = forms.get(Encoding::Brotli).await;
            assert_eq!(encoding, Encoding::Brotli);
            read.clear();
            brotli::Decompressor::new(&brotli[..], 4096).read_to_string(&mut read).unwrap();
            assert_eq!(read, text[..length]);
            assert!(brotli.len() < length / 10 && gzip.len() < length / 10);
            assert_eq!(forms.get(Encoding::Brotli).await.0.as_ptr(), brotli.as_ptr());
            assert_eq!(forms.get(Encoding::Plain).await, (forms.plain().clone(), Encoding::Plain));
        }
    }

    #[tokio::test]
    async fn what_would_not_get_smaller_stays_as_it_is() {
        let noise: Vec<u8> =
            (0..2_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for plain in [
            Bytes::from_static(b"short"),
            compress(&Bytes::from(noise), Encoding::Brotli, Effort::Thorough).unwrap_or_default(),
        ] {
            let forms = Forms::new(plain.clone(), Effort::Quick);
            assert_eq!(forms.get(Encoding::Gzip).await, (plain, Encoding::Plain));
        }
    }
}
