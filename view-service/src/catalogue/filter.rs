//! Which shows and performances are asked for.

use seat_model::folded;

use crate::catalogue::cursor::Cursor;
use crate::catalogue::record::{PerformanceRecord, ShowRecord};

/// Which performances. The date is the venue's own: a show at 23:30 is on the
/// evening people go out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// A place.
    pub location: Option<Typed>,
}

/// What somebody typed, in the two forms in which the catalogue may have it:
/// folded, or, where it was written before names were folded, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Typed {
    /// Without case, accents and superfluous blanks.
    pub folded: String,
    /// Without case and outer blanks.
    pub lower: String,
}

impl Typed {
    /// `None` where nothing was typed.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let folded = folded(text);
        (!folded.is_empty()).then(|| Self { folded, lower: text.trim().to_lowercase() })
    }

    fn is(&self, key: &str) -> bool {
        key == self.folded || key == self.lower
    }
}

impl Filter {
    /// Reads both filters; empty ones are none.
    ///
    /// # Errors
    /// When the date is none.
    pub fn new(date: Option<&str>, location: Option<&str>) -> Result<Self, &'static str> {
        let date = match date.filter(|date| !date.is_empty()) {
            Some(text) => {
                let exact = text.parse::<jiff::civil::Date>();
                if text.len() != 10 || exact.is_err() {
                    return Err("must be a date such as 2026-11-23");
                }
                Some(text.to_owned())
            }
            None => None,
        };
        Ok(Self { date, location: location.and_then(Typed::new) })
    }

    /// Whether every performance is asked for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.date.is_none() && self.location.is_none()
    }

    /// Whether this performance is asked for.
    #[must_use]
    pub fn takes(&self, performance: &PerformanceRecord) -> bool {
        self.date.as_ref().is_none_or(|date| *date == performance.local_date)
            && self.location.as_ref().is_none_or(|place| place.is(&performance.location_key))
    }
}

/// Which page of which shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// A show is listed where one of its performances is asked for.
    pub filter: Filter,
    /// Part of the name.
    pub name_part: Option<Typed>,
    /// After this show.
    pub after: Option<Cursor>,
    /// Shows on the page.
    pub limit: usize,
}

impl ListQuery {
    /// Whether this show is on this page or a later one.
    #[must_use]
    pub fn takes(&self, show: &ShowRecord) -> bool {
        self.after.as_ref().is_none_or(|after| show.show_id > after.0)
            && self.name_part.as_ref().is_none_or(|part| folded(&show.name).contains(&part.folded))
            && show.performances.iter().any(|performance| self.filter.takes(performance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_dates_and_locations_are_compared_without_case() {
        for bad in ["2026-13-01", "2026-02-30", "20261123", "2026-1-1", "tomorrow"] {
            assert!(Filter::new(Some(bad), None).is_err(), "{bad}");
        }
        let place = Filter::new(None, Some("  ZÜRICH ")).unwrap().location.unwrap();
        assert!(["zurich", "zürich"].iter().all(|key| place.is(key)) && !place.is("graz"));
        assert!(Filter::new(Some(""), Some(" ")).unwrap().is_open());
    }

    #[test]
    fn a_late_show_is_on_its_own_date() {
        // 23:30 in Vienna, the next day already in UTC+1's east; 22:30 in UTC.
        let performance = PerformanceRecord {
            performance_id: "p-1".parse().unwrap(),
            location: "Wien".into(),
            location_key: "wien".into(),
            venue: "Burg".into(),
            time_zone: "Europe/Vienna".into(),
            starts_at: "2026-11-23T22:30:00.000Z".parse().unwrap(),
            local_date: "2026-11-23".into(),
            plan_id: "plan".parse().unwrap(),
            prices: std::collections::BTreeMap::new(),
            on_sale_at: None,
        };
        assert!(Filter::new(Some("2026-11-23"), Some("wien")).unwrap().takes(&performance));
        assert!(!Filter::new(Some("2026-11-24"), None).unwrap().takes(&performance));
        assert!(!Filter::new(None, Some("Graz")).unwrap().takes(&performance));
    }
}
