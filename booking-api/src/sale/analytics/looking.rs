//! What an organiser may look at: which hours, and what is known of them.

use seat_model::{PerformanceId, SeatId, Timestamp};

use super::{Analytics, HOUR_MS};
use crate::catalogue::{AnalyticsHours, CatalogueError, Hours};

/// What an answer covers where nothing was said: 31 days.
const DEFAULT_RANGE_MS: i64 = 31 * 24 * HOUR_MS;

/// The first millisecond of the year 9999; later ones are nobody's business.
const LATEST_MS: i64 = 253_370_764_800_000;

/// What is known of a performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    /// When its sales were counted: what was sold later may be missing.
    /// `None`: nothing was sold yet, or nothing was counted.
    pub(crate) counted_at: Option<Timestamp>,
    /// The hours.
    pub(crate) hours: AnalyticsHours,
    /// The seats most often wanted in vain, since the sale began.
    pub(crate) contested: Vec<(SeatId, u64)>,
}

impl Analytics {
    /// Reads what is known of some hours of a performance.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn look(
        &self,
        performance: &PerformanceId,
        hours: Hours,
    ) -> Result<Looked, CatalogueError> {
        // First: what is counted in between is then newer than it says.
        let counted = self.catalogue.sales_counted(performance).await?;
        Ok(Looked {
            counted_at: counted.map(|counted| counted.at),
            hours: self.catalogue.analytics_hours(performance, hours).await?,
            contested: self.catalogue.seat_conflicts(performance, self.config.max_seats).await?,
        })
    }

    /// The whole hours that were asked for.
    ///
    /// # Errors
    /// The field that cannot be, and why.
    pub(crate) fn hours(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Hours, (&'static str, String)> {
        hours(from, to, now, self.config.max_range_ms())
    }
}

fn hours(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
    longest_ms: i64,
) -> Result<Hours, (&'static str, String)> {
    for (field, at) in [("from", from), ("to", to)] {
        if at.is_some_and(|at| !(0..LATEST_MS).contains(&at.as_millis())) {
            return Err((field, "must be between the years 1970 and 9998".to_owned()));
        }
    }
    let end = to.unwrap_or(now).as_millis().clamp(0, LATEST_MS);
    let begin = from.map_or_else(|| (end - DEFAULT_RANGE_MS).max(0), Timestamp::as_millis);
    if begin >= end {
        return Err(("from", "must be before `to`".to_owned()));
    }
    let hours = Hours {
        from: begin.div_euclid(HOUR_MS) * HOUR_MS,
        to: (end - 1).div_euclid(HOUR_MS) * HOUR_MS + HOUR_MS,
    };
    if hours.to - hours.from > longest_ms + HOUR_MS {
        let days = longest_ms / (24 * HOUR_MS);
        return Err(("from", format!("must be at most {days} days before `to`")));
    }
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn at(millis: i64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(millis))
    }

    fn asked(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Hours, &'static str> {
        let now = Timestamp::from_millis(100 * DAY_MS + 5);
        hours(from, to, now, 40 * DAY_MS).map_err(|(field, _)| field)
    }

    #[test]
    fn an_hour_that_is_touched_is_shown_whole() {
        let one = Hours { from: HOUR_MS, to: 2 * HOUR_MS };
        assert_eq!(asked(at(HOUR_MS + 7), at(HOUR_MS + 8)), Ok(one));
        assert_eq!(asked(at(HOUR_MS), at(2 * HOUR_MS)), Ok(one));
        let two = Hours { from: HOUR_MS, to: 3 * HOUR_MS };
        assert_eq!(asked(at(2 * HOUR_MS - 1), at(2 * HOUR_MS + 1)), Ok(two));
    }

    #[test]
    fn the_last_month_is_shown_where_nothing_is_said() {
        let month = Hours { from: 69 * DAY_MS, to: 100 * DAY_MS + HOUR_MS };
        assert_eq!(asked(None, None), Ok(month));
        assert_eq!(asked(None, at(DAY_MS)), Ok(Hours { from: 0, to: DAY_MS }));
    }

    #[test]
    fn times_that_make_no_sense_are_named() {
        assert_eq!(asked(at(5), at(5)), Err("from"));
        assert_eq!(asked(at(-1), None), Err("from"));
        assert_eq!(asked(None, at(i64::MAX)), Err("to"));
        assert_eq!(asked(at(0), at(41 * DAY_MS)), Err("from"), "more than is shown at once");
        assert!(asked(at(0), at(40 * DAY_MS)).is_ok());
    }
}
