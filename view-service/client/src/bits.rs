//! The seat map in two bits a seat: `Accept: application/octet-stream`. Both
//! sides of the format stand here, so that they cannot drift apart.
//!
//! Numbers are little-endian.
//!
//! | At | Bytes | What |
//! | --- | --- | --- |
//! | 0 | 4 | `SLSM` |
//! | 4 | 1 | version of the format, 1 |
//! | 5 | 1 | flags: bit 0 the map is stale; the others are 0 |
//! | 6 | 2 | `n`, the length of the plan's id |
//! | 8 | 8 | revision |
//! | 16 | 8 | as of, in milliseconds since 1970-01-01T00:00Z, signed |
//! | 24 | 4 | seats of the plan |
//! | 28 | 4 | seats that are free |
//! | 32 | `n` | the plan's id, ASCII |
//! | 32 + `n` | seats ÷ 4, rounded up | the seats, in plan order: seat `i` has bits `2·(i mod 4)` and the next of byte `i div 4`; 0 free, 1 held, 2 sold; bits after the last seat are 0 |
//!
//! Plan order is that of `GET /v1/plans/{planId}`: zone by zone, row by row,
//! seat by seat.

use seat_model::{Chart, PlanId, PublicSeatState, Timestamp};

use crate::wire::SeatMap;

/// The media type it is asked for and sent as.
pub const MEDIA_TYPE: &str = "application/octet-stream";

const MAGIC: [u8; 4] = *b"SLSM";
const VERSION: u8 = 1;
const STALE: u8 = 1;
const HEAD_BYTES: usize = 32;
const SEATS_A_BYTE: usize = 4;

/// Why bytes are no seat map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBits(&'static str);

/// The states of a plan's seats, two bits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatStates {
    count: usize,
    bytes: Vec<u8>,
}

impl SeatStates {
    /// So many free seats.
    #[must_use]
    pub fn free(count: usize) -> Self {
        Self { count, bytes: vec![0; count.div_ceil(SEATS_A_BYTE)] }
    }

    /// How many seats there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Two bits a seat, as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Says what is true of a seat, by its number in plan order; a number
    /// beyond the last one changes nothing.
    pub fn set(&mut self, seat: usize, state: PublicSeatState) {
        if seat < self.count {
            let (byte, shift) = (seat / SEATS_A_BYTE, seat % SEATS_A_BYTE * 2);
            self.bytes[byte] = self.bytes[byte] & !(0b11 << shift) | bits_of(state) << shift;
        }
    }

    /// What is true of a seat; `None` beyond the last one.
    #[must_use]
    pub fn get(&self, seat: usize) -> Option<PublicSeatState> {
        let byte = (seat < self.count).then(|| self.bytes[seat / SEATS_A_BYTE])?;
        state_of(byte >> (seat % SEATS_A_BYTE * 2) & 0b11)
    }
}

const fn bits_of(state: PublicSeatState) -> u8 {
    match state {
        PublicSeatState::Free => 0,
        PublicSeatState::Held => 1,
        PublicSeatState::Sold => 2,
    }
}

const fn state_of(bits: u8) -> Option<PublicSeatState> {
    match bits {
        0 => Some(PublicSeatState::Free),
        1 => Some(PublicSeatState::Held),
        2 => Some(PublicSeatState::Sold),
        _ => None,
    }
}

/// A seat map as it stands in the compact form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatBits {
    /// What the projection had reached.
    pub revision: u64,
    /// When that was last known to be the newest.
    pub as_of: Timestamp,
    /// Whether the projection is behind, or its source away.
    pub stale: bool,
    /// The seating plan whose order it is in.
    pub plan_id: PlanId,
    /// Seats of the plan that are free.
    pub seats_available: u32,
    /// Every seat of the plan.
    pub states: SeatStates,
}

impl SeatBits {
    /// Writes it.
    ///
    /// # Panics
    /// Never: plans have far fewer than 2³² seats and ids fewer than 2¹⁶ bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let plan_id = self.plan_id.as_str().as_bytes();
        let id_bytes = u16::try_from(plan_id.len()).expect("an id has at most 64 bytes");
        let total = u32::try_from(self.states.count).expect("a plan has at most 8 MiB");
        let mut all = Vec::with_capacity(HEAD_BYTES + plan_id.len() + self.states.bytes.len());
        all.extend_from_slice(&MAGIC);
        all.extend_from_slice(&[VERSION, if self.stale { STALE } else { 0 }]);
        all.extend_from_slice(&id_bytes.to_le_bytes());
        all.extend_from_slice(&self.revision.to_le_bytes());
        all.extend_from_slice(&self.as_of.as_millis().to_le_bytes());
        all.extend_from_slice(&total.to_le_bytes());
        all.extend_from_slice(&self.seats_available.to_le_bytes());
        all.extend_from_slice(plan_id);
        all.extend_from_slice(&self.states.bytes);
        all
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is none, of another version, or of another length than it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadBits> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or(BadBits("its head is cut off"))?;
        if head[..4] != MAGIC {
            return Err(BadBits("it does not begin with SLSM"));
        }
        if head[4] != VERSION {
            return Err(BadBits("its version is not known here"));
        }
        let id_bytes = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let (id, seats) = bytes[HEAD_BYTES..]
            .split_at_checked(id_bytes)
            .ok_or(BadBits("the plan's id is cut off"))?;
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        let count = usize::try_from(u32_at(head, 24)).map_err(|_| BadBits("too many seats"))?;
        if seats.len() != count.div_ceil(SEATS_A_BYTE) {
            return Err(BadBits("it has not as many seats as it says"));
        }
        let states = SeatStates { count, bytes: seats.to_vec() };
        if (0..count).any(|seat| states.get(seat).is_none()) {
            return Err(BadBits("a seat is in no state that is known here"));
        }
        Ok(Self {
            revision: u64_at(head, 8),
            as_of: Timestamp::from_millis(u64_at(head, 16).cast_signed()),
            stale: head[5] & STALE != 0,
            plan_id: id.ok_or(BadBits("the plan's id is none"))?,
            seats_available: u32_at(head, 28),
            states,
        })
    }

    /// The same map by the names of the seats; `None` where the chart is not
    /// that of this plan.
    #[must_use]
    pub fn into_map(self, chart: &Chart) -> Option<SeatMap> {
        if chart.seats.len() != self.states.count {
            return None;
        }
        let seat = |number: usize| {
            let state = self.states.get(number)?;
            (state != PublicSeatState::Free).then(|| (chart.seats[number].id.clone(), state))
        };
        Some(SeatMap {
            revision: self.revision,
            as_of: self.as_of,
            stale: self.stale,
            plan_id: self.plan_id.clone(),
            seats_total: self.states.count as u64,
            seats_available: u64::from(self.seats_available),
            seats: (0..self.states.count).filter_map(seat).collect(),
        })
    }
}

fn u32_at(head: &[u8; HEAD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn u64_at(head: &[u8; HEAD_BYTES], at: usize) -> u64 {
    u64::from(u32_at(head, at)) | u64::from(u32_at(head, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SeatBits {
        let mut states = SeatStates::free(6);
        states.set(1, PublicSeatState::Held);
        states.set(4, PublicSeatState::Sold);
        states.set(4, PublicSeatState::Held);
        states.set(5, PublicSeatState::Sold);
        states.set(6, PublicSeatState::Sold);
        SeatBits {
            revision: 0x0102_0304_0506,
            as_of: Timestamp::from_millis(-2),
            stale: true,
            plan_id: "ab".parse().unwrap(),
            seats_available: 3,
            states,
        }
    }

    /// Whoever reads it in another language has these bytes to go by.
    #[test]
    fn it_is_written_as_it_is_documented() {
        #[rustfmt::skip]
        let wanted = [
            b'S', b'L', b'S', b'M', 1, 1, 2, 0,
            6, 5, 4, 3, 2, 1, 0, 0,
            0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            6, 0, 0, 0, 3, 0, 0, 0,
            b'a', b'b', 0b0000_0100, 0b0000_1001,
        ];
        assert_eq!(sample().encode(), wanted);
        assert_eq!(SeatBits::decode(&wanted), Ok(sample()));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let whole = sample().encode();
        for length in 0..whole.len() {
            assert!(SeatBits::decode(&whole[..length]).is_err(), "{length} bytes of it");
        }
        for (at, byte) in [(0, b'X'), (4, 2), (24, 9), (32, b' '), (34, 0b11)] {
            let mut other = whole.clone();
            other[at] = byte;
            assert!(SeatBits::decode(&other).is_err(), "byte {at} is {byte}");
        }
        assert!(SeatBits::decode(&[whole, vec![0]].concat()).is_err());
    }
}
