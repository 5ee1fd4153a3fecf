//! `traceparent`: read as strictly as the recommendation asks, written as
//! version 00. Must not know what a request is.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::HeaderName;

pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Characters of a `traceparent` of version 00.
pub(crate) const LENGTH: usize = 55;

/// The only flag that is known; what else a caller sets is not passed on.
const SAMPLED: u8 = 1;

/// Whose part of which trace a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    /// The whole trace.
    pub trace_id: NonZeroU128,
    /// The span of whoever asks.
    pub span_id: NonZeroU64,
    /// Whether the caller keeps this trace, and asks others to keep it.
    pub sampled: bool,
}

/// Not a `traceparent`: whoever gets one begins a trace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Traceparent {
    /// The one a request came with; none where it is missing, malformed, or
    /// there several times.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        value.to_str().ok()?.parse().ok()
    }
}

impl FromStr for Traceparent {
    type Err = Malformed;

    /// A later version may only add to the end, so its beginning is understood.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (known, rest) = text.as_bytes().split_at_checked(LENGTH).ok_or(Malformed)?;
        let dashed = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        let version = hex(&known[..2])?;
        let ended = match rest {
            [] => true,
            [next, ..] => version != 0 && *next == b'-',
        };
        if !dashed || !ended || version == 0xff {
            return Err(Malformed);
        }
        let span_id = u64::try_from(hex(&known[36..52])?).map_err(|_| Malformed)?;
        let flags = u8::try_from(hex(&known[53..])?).map_err(|_| Malformed)?;
        Ok(Self {
            trace_id: NonZeroU128::new(hex(&known[3..35])?).ok_or(Malformed)?,
            span_id: NonZeroU64::new(span_id).ok_or(Malformed)?,
            sampled: flags & SAMPLED != 0,
        })
    }
}

/// Lower case only, as the recommendation says.
fn hex(digits: &[u8]) -> Result<u128, Malformed> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(Malformed),
        };
        Ok((value << 4) | u128::from(digit))
    })
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_the_same() {
        let read: Traceparent = GOOD.parse().unwrap();
        assert_eq!(read.trace_id.get(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(read.span_id.get(), 0xb7ad_6b71_6920_3331);
        assert!(read.sampled);
        assert_eq!(read.to_string(), GOOD);
    }

    #[test]
    fn of_the_flags_only_sampled_is_kept() {
        let text = |flags: &str| format!("{}{flags}", &GOOD[..53]);
        for (flags, kept) in [("00", "00"), ("01", "01"), ("ff", "01"), ("fe", "00")] {
            let read: Traceparent = text(flags).parse().unwrap();
            assert_eq!(read.to_string(), text(kept), "{flags}");
        }
    }

    #[test]
    fn a_later_version_is_understood_as_far_as_it_is_known() {
        let later = format!("cc{}", &GOOD[2..]);
        for good in [later.clone(), format!("{later}-more"), format!("{later}-")] {
            let read: Traceparent = good.parse().unwrap();
            assert_eq!(read.to_string(), GOOD, "{good}");
        }
        assert_eq!(format!("{later}more").parse::<Traceparent>(), Err(Malformed));
    }

    #[test]
    fn what_is_malformed_is_none() {
        let bad = [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-00"),
            format!("{GOOD}0"),
            format!("ff{}", &GOOD[2..]),
            GOOD.to_uppercase(),
            GOOD.replace('-', "_"),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace("b7ad", "b7ag"),
            GOOD.replace("b7ad", "ä7a"),
            format!(" {}", &GOOD[1..]),
        ];
        for bad in bad {
            assert_eq!(bad.parse::<Traceparent>(), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_as_good_as_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Traceparent::of(&headers), None);
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(Traceparent::of(&headers), GOOD.parse().ok());
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(Traceparent::of(&headers), None);
    }
}
