//! The slow picker: says how good the best choice is by trying every run, one
//! seat at a time, and every way to sit apart. Shares nothing with the fast
//! one but the chart.

use seat_model::Chart;
use seat_picker::{NoChoice, Step, Wanted};

/// How good a choice is: the rung, people sitting alone, the sum of distances.
pub(crate) type Quality = (Step, usize, u64);

/// A hall with some seats taken.
pub(crate) struct Hall<'c> {
    pub(crate) chart: &'c Chart,
    pub(crate) taken: &'c [bool],
}

impl Hall<'_> {
    fn linked(&self, a: usize, b: usize) -> bool {
        let block = |i: usize| self.chart.seats.get(i).map(|seat| seat.block);
        a.abs_diff(b) == 1 && block(a).is_some() && block(a) == block(b)
    }

    fn beside(&self, seat: usize) -> impl Iterator<Item = usize> + '_ {
        let both = [seat.wrapping_sub(1), seat + 1];
        both.into_iter().filter(move |&other| self.linked(seat.min(other), seat.max(other)))
    }

    fn accessible(&self, seat: usize) -> bool {
        self.chart.seats[seat].marks.accessible
    }

    #[expect(clippy::cast_possible_truncation, reason = "plans are some thousand units wide")]
    fn far(&self, seat: usize) -> u64 {
        (self.chart.seats[seat].place.distance(self.chart.focal_point) * 1e6).round() as u64
    }

    /// The usual distance between neighbours, in the same parts.
    #[expect(clippy::cast_possible_truncation, reason = "plans are some thousand units wide")]
    pub(crate) fn spacing(&self) -> u64 {
        let pairs = self.chart.seats.windows(2).enumerate();
        let mut gaps: Vec<u64> = pairs
            .filter(|(i, _)| self.linked(*i, i + 1))
            .map(|(_, pair)| (pair[0].place.distance(pair[1].place) * 1e6).round() as u64)
            .collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied().unwrap_or(0)
    }

    fn lone(&self, seat: usize, taken: impl Fn(usize) -> bool) -> bool {
        !self.accessible(seat) && !taken(seat) && self.beside(seat).all(taken)
    }

    /// How good these seats are, whoever chose them.
    pub(crate) fn quality(&self, seats: &[usize]) -> Quality {
        let sum = seats.iter().map(|&i| self.far(i)).sum();
        if seats.windows(2).all(|pair| self.linked(pair[0], pair[1])) {
            let then = |i: usize| self.taken[i] || seats.contains(&i);
            let tidy = !seats
                .iter()
                .flat_map(|&i| self.beside(i))
                .any(|i| self.lone(i, then) && !self.lone(i, |i| self.taken[i]));
            return (if tidy { Step::Adjacent } else { Step::AdjacentWithOrphans }, 0, sum);
        }
        let alone = |seat: &&usize| !self.beside(**seat).any(|other| seats.contains(&other));
        let one_zone = seats.windows(2).all(|pair| self.zone(pair[0]) == self.zone(pair[1]));
        let step = if one_zone { Step::OneSection } else { Step::AcrossSections };
        (step, seats.iter().filter(alone).count(), sum)
    }

    fn zone(&self, seat: usize) -> usize {
        self.chart.seats[seat].zone
    }

    /// The best there is.
    pub(crate) fn best(&self, wanted: &Wanted) -> Result<Quality, NoChoice> {
        let size = wanted.quantity as usize;
        let seats = self.chart.seats.len();
        let of_tier = |i: &usize| self.chart.seats[*i].tier == wanted.tier && !self.taken[*i];
        let runs = (0..(seats + 1).saturating_sub(size))
            .map(|first| (first..first + size).collect::<Vec<usize>>())
            .filter(|run| run.iter().all(of_tier) && self.enough(run, wanted) == [true; 2])
            .filter(|run| run.windows(2).all(|pair| self.linked(pair[0], pair[1])));
        if let Some(best) = runs.map(|run| self.quality(&run)).min() {
            return Ok(best);
        }
        let free: Vec<usize> = (0..seats).filter(of_tier).collect();
        let count = |kind: bool| free.iter().filter(|&&i| self.accessible(i) == kind).count();
        let (quantity, accessible) = (size, wanted.accessible as usize);
        if count(true) < accessible || count(false) < quantity - accessible {
            return Err(NoChoice::SoldOut);
        }
        if !wanted.accept_split {
            return Err(NoChoice::NoAdjacentSeats);
        }
        let zones = free.chunk_by(|a, b| self.zone(*a) == self.zone(*b));
        let apart = zones.filter_map(|zone| self.apart(zone, quantity, accessible)).min();
        if let Some((alone, sum)) = apart {
            return Ok((Step::OneSection, alone, sum));
        }
        let (alone, sum) = self.apart(&free, quantity, accessible).ok_or(NoChoice::SoldOut)?;
        Ok((Step::AcrossSections, alone, sum))
    }

    /// Whether exactly the wanted number is ordinary, and accessible.
    fn enough(&self, run: &[usize], wanted: &Wanted) -> [bool; 2] {
        let accessible = run.iter().filter(|&&i| self.accessible(i)).count();
        [accessible == wanted.accessible as usize, run.len() == wanted.quantity as usize]
    }

    /// The fewest people alone, then the smallest sum, of all ways to choose
    /// among these seats: the best for every (how many, how many accessible,
    /// company of the last one) after each seat.
    fn apart(&self, seats: &[usize], quantity: usize, accessible: usize) -> Option<(usize, u64)> {
        type Best = Option<(usize, u64)>;
        let better = |one: Best, other: Best| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // The last one: not chosen, chosen and alone so far, chosen with company.
        let mut best = vec![vec![[None::<(usize, u64)>; 3]; accessible + 1]; quantity + 1];
        best[0][0][0] = Some((0, 0));
        let mut last = None;
        for &seat in seats {
            let linked = last.is_some_and(|last| self.linked(last, seat));
            let mut now = vec![vec![[None; 3]; accessible + 1]; quantity + 1];
            let special = usize::from(self.accessible(seat));
            for (count, by_kind) in best.iter().enumerate() {
                for (kind, [not, alone, with]) in by_kind.iter().enumerate() {
                    now[count][kind][0] =
                        better(now[count][kind][0], better(*not, better(*alone, *with)));
                    let Some(next) =
                        now.get_mut(count + 1).and_then(|row| row.get_mut(kind + special))
                    else {
                        continue;
                    };
                    let far = self.far(seat);
                    let sit = |from: Best, alone: usize| {
                        from.map(|(before, sum)| (before + alone, sum + far))
                    };
                    if linked {
                        let joined = alone.map(|(before, sum)| (before - 1, sum));
                        next[1] = better(next[1], sit(*not, 1));
                        next[2] = better(next[2], sit(better(joined, *with), 0));
                    } else {
                        let any = better(*not, better(*alone, *with));
                        next[1] = better(next[1], sit(any, 1));
                    }
                }
            }
            (best, last) = (now, Some(seat));
        }
        best[quantity][accessible].into_iter().flatten().min()
    }
}
