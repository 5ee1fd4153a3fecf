//! Seats of one plan as bits in plan order, and how to read many at once.

use std::ops::Range;

/// How many seats a word holds.
pub(crate) const WORD: usize = 64;

/// A set of seats of one plan, each by its number in plan order: an eighth of a
/// byte a seat, whichever are in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeatSet {
    words: Vec<u64>,
    seats: usize,
}

impl SeatSet {
    /// No seat of a plan with so many.
    #[must_use]
    pub fn new(seats: usize) -> Self {
        Self { words: vec![0; seats.div_ceil(WORD)], seats }
    }

    /// How many seats the plan has.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.seats
    }

    /// How many seats are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no seat is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether a seat is in it; one that the plan does not have never is.
    #[must_use]
    pub fn contains(&self, seat: usize) -> bool {
        self.words.get(seat / WORD).is_some_and(|word| word >> (seat % WORD) & 1 == 1)
    }

    /// Puts a seat in; `true` if it was not there. A seat that the plan does
    /// not have is left out.
    pub fn insert(&mut self, seat: usize) -> bool {
        let new = seat < self.seats && !self.contains(seat);
        if new {
            self.words[seat / WORD] |= 1 << (seat % WORD);
        }
        new
    }

    /// Takes a seat out; `true` if it was there.
    pub fn remove(&mut self, seat: usize) -> bool {
        let there = self.contains(seat);
        if there {
            self.words[seat / WORD] &= !(1 << (seat % WORD));
        }
        there
    }

    /// Puts all seats of another set of the same plan in.
    pub fn insert_all(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// How many seats are in this set and not in the other.
    pub(crate) fn count_without(&self, other: &Self) -> usize {
        let words = self.words.iter().zip(&other.words);
        words.map(|(word, without)| (word & !without).count_ones() as usize).sum()
    }

    pub(crate) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// The seats from this one on: bit `i` is seat `from + i`. There are none
    /// past the plan's end.
    pub(crate) fn window(&self, from: usize) -> u128 {
        let (word, bit) = (from / WORD, from % WORD);
        let at = |index| u128::from(self.word(index));
        let two = at(word) | at(word + 1) << WORD;
        if bit == 0 { two } else { two >> bit | at(word + 2) << (2 * WORD - bit) }
    }

    /// The same with two seats more before: bit `i + 2` is seat `from + i`.
    pub(crate) fn window_around(&self, from: usize) -> u128 {
        match from.checked_sub(2) {
            Some(before) => self.window(before),
            None => self.window(0) << (2 - from),
        }
    }
}

impl Extend<usize> for SeatSet {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, seats: I) {
        for seat in seats {
            self.insert(seat);
        }
    }
}

/// The words that a range of seats touches, each with a mask of the seats of
/// the range in it.
pub(crate) fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let words = range.start / WORD..range.end.div_ceil(WORD);
    words.map(move |word| {
        let (begin, end) = (word * WORD, (word + 1) * WORD);
        let from = u64::MAX << range.start.saturating_sub(begin);
        let to = u64::MAX >> end.saturating_sub(range.end);
        (word, from & to)
    })
}

/// The positions of the bits that are set, lowest first.
pub(crate) fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        lowest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_come_and_go() {
        let mut set = SeatSet::new(130);
        assert!(set.insert(0) && set.insert(129) && !set.insert(129) && !set.insert(130));
        assert!(set.contains(129) && !set.contains(128) && !set.contains(500));
        assert_eq!((set.len(), set.capacity()), (2, 130));
        assert!(set.remove(0) && !set.remove(0));
        let mut more = SeatSet::new(130);
        more.extend([3, 64, 200]);
        more.insert_all(&set);
        assert_eq!((more.len(), more.count_without(&set)), (3, 2));
        assert!(!set.is_empty() && SeatSet::new(7).is_empty());
    }

    #[test]
    fn a_window_begins_anywhere() {
        let seats = [0, 1, 63, 64, 127, 128, 191];
        let mut set = SeatSet::new(192);
        set.extend(seats);
        for from in 0..200 {
            let expected = seats
                .iter()
                .filter(|&&seat| seat >= from && seat < from + 128)
                .fold(0_u128, |bits, seat| bits | 1 << (seat - from));
            assert_eq!(set.window(from), expected, "from {from}");
            assert_eq!(set.window_around(from) >> 2, expected & (u128::MAX >> 2), "around {from}");
        }
        assert_eq!(set.window_around(1) & 3, 0b10, "seat 0 is the one before, and none before it");
        assert_eq!(set.window_around(65) & 3, 0b11);
    }

    #[test]
    fn masks_cover_a_range_and_nothing_else() {
        for range in [0..1, 0..64, 5..9, 60..70, 64..128, 3..200, 7..7] {
            let seats: Vec<usize> = masks(range.clone())
                .flat_map(|(word, mask)| ones(mask).map(move |bit| word * WORD + bit))
                .collect();
            assert_eq!(seats, range.collect::<Vec<_>>());
        }
    }
}
