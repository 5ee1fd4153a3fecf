//! Which shows and performances are asked for.

use crate::catalogue::cursor::Cursor;
use crate::catalogue::record::{PerformanceRecord, ShowRecord};

/// Which performances. The date is the venue's own: a show at 23:30 is on the
/// evening people go out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// As locations are compared: lower case, no outer blanks.
    pub location_key: Option<String>,
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
        let location_key =
            location.map(|text| text.trim().to_lowercase()).filter(|key| !key.is_empty());
        Ok(Self { date, location_key })
    }

    /// Whether every performance is asked for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.date.is_none() && self.location_key.is_none()
    }

    /// Whether this performance is asked for.
    #[must_use]
    pub fn takes(&self, performance: &PerformanceRecord) -> bool {
        self.date.as_ref().is_none_or(|date| *date == performance.local_date)
            && self.location_key.as_ref().is_none_or(|key| *key == performance.location_key)
    }
}

/// Which page of which shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// A show is listed where one of its performances is asked for.
    pub filter: Filter,
    /// Part of the name, in lower case.
    pub name_part: Option<String>,
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
            && self.name_part.as_ref().is_none_or(|part| show.name.to_lowercase().contains(part))
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
        let filter = Filter::new(Some("2026-11-23"), Some("  WIEN ")).unwrap();
        assert_eq!(filter.location_key.as_deref(), Some("wien"));
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
