//! A dozen shows and their evenings, counted from a day. Pure: the same day
//! makes the same world.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use seat_model::Timestamp;

/// One of the demo's houses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum House {
    /// 240 seats.
    Cinema,
    /// About 1,100 seats.
    Theatre,
    /// 18,000 seats.
    Arena,
}

impl House {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cinema, Self::Theatre, Self::Arena];

    /// Prices by tier, in minor units of a currency with two digits.
    pub(crate) const fn prices(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Cinema => &[("Front", 900), ("Standard", 1_150), ("Premium", 1_400)],
            Self::Theatre => &[
                ("Stalls Front", 9_500),
                ("Stalls", 6_500),
                ("Balcony Front", 5_500),
                ("Balcony", 2_900),
            ],
            Self::Arena => &[
                ("Lower Side", 14_900),
                ("Lower End", 10_900),
                ("Upper Side", 7_900),
                ("Upper End", 4_900),
            ],
        }
    }
}

/// A show of the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoShow {
    /// Fixed for ever: scripts and people may rely on it.
    pub show_id: &'static str,
    /// Its title.
    pub name: &'static str,
    /// Its evenings.
    pub performances: Vec<DemoPerformance>,
}

/// One evening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoPerformance {
    /// The city.
    pub location: &'static str,
    /// The venue's name.
    pub venue: &'static str,
    /// An IANA name.
    pub time_zone: &'static str,
    /// ISO 4217; all of them have two digits.
    pub currency: &'static str,
    /// Which plan.
    pub house: House,
    /// When it begins.
    pub starts_at: Timestamp,
    /// Seats that are sold from the start.
    pub sold: u32,
}

struct Place {
    location: &'static str,
    venue: &'static str,
    time_zone: &'static str,
    currency: &'static str,
    house: House,
}

const fn place(
    location: &'static str,
    venue: &'static str,
    time_zone: &'static str,
    currency: &'static str,
    house: House,
) -> Place {
    Place { location, venue, time_zone, currency, house }
}

const BERLIN: Place = place("Berlin", "Kino Lumen", "Europe/Berlin", "EUR", House::Cinema);
const LISBON: Place = place("Lisbon", "Cinema Azul", "Europe/Lisbon", "EUR", House::Cinema);
const TORONTO: Place = place("Toronto", "Maple Screen", "America/Toronto", "CAD", House::Cinema);
const MUMBAI: Place = place("Mumbai", "Marine Talkies", "Asia/Kolkata", "INR", House::Cinema);
const LONDON: Place =
    place("London", "Old Exchange Theatre", "Europe/London", "GBP", House::Theatre);
const VIENNA: Place = place("Vienna", "Theater am Ring", "Europe/Vienna", "EUR", House::Theatre);
const NEW_YORK: Place =
    place("New York", "Ferry Street Theatre", "America/New_York", "USD", House::Theatre);
const SYDNEY: Place =
    place("Sydney", "Harbour Playhouse", "Australia/Sydney", "AUD", House::Theatre);
const MADRID: Place = place("Madrid", "Arena Meridiano", "Europe/Madrid", "EUR", House::Arena);
const CHICAGO: Place = place("Chicago", "Meridian Arena", "America/Chicago", "USD", House::Arena);

/// Day after the first, hour, minute, seats sold.
type Evening = (i8, i8, i8, u32);

/// The demo's shows, beginning on the day after `today`.
#[must_use]
pub fn shows(today: Date) -> Vec<DemoShow> {
    let show = |show_id, name, evenings: &[(&Place, Evening)]| {
        let performances = evenings.iter().map(|(place, when)| at(place, today, *when)).collect();
        DemoShow { show_id, name, performances }
    };
    vec![
        show(
            "night-train",
            "Night Train to Trieste",
            &[(&BERLIN, (1, 20, 15, 120)), (&BERLIN, (2, 20, 15, 0)), (&LISBON, (5, 21, 0, 60))],
        ),
        show("paper-moons", "Paper Moons", &[(&LISBON, (2, 18, 30, 0)), (&TORONTO, (4, 19, 0, 0))]),
        show(
            "monsoon-letters",
            "Monsoon Letters",
            &[(&MUMBAI, (1, 19, 0, 0)), (&MUMBAI, (8, 19, 0, 0))],
        ),
        show(
            "the-quiet-orbit",
            "The Quiet Orbit",
            &[(&TORONTO, (3, 20, 0, 118)), (&BERLIN, (9, 22, 30, 0))],
        ),
        show(
            "the-glass-orchard",
            "The Glass Orchard",
            &[(&LONDON, (1, 19, 30, 540)), (&LONDON, (6, 14, 30, 0)), (&LONDON, (6, 19, 30, 0))],
        ),
        show(
            "salt-and-iron",
            "Salt and Iron",
            &[(&VIENNA, (3, 19, 0, 0)), (&VIENNA, (4, 19, 0, 0))],
        ),
        show(
            "king-of-rats",
            "King of Rats",
            &[(&NEW_YORK, (2, 20, 0, 0)), (&NEW_YORK, (10, 20, 0, 0))],
        ),
        show(
            "letters-home",
            "Letters Home",
            &[(&SYDNEY, (5, 19, 30, 0)), (&LONDON, (12, 19, 30, 0))],
        ),
        show(
            "a-winter-quartet",
            "A Winter Quartet",
            &[(&VIENNA, (7, 19, 30, 0)), (&NEW_YORK, (13, 19, 30, 0))],
        ),
        show(
            "aurora-live",
            "Aurora: Live in the Round",
            &[(&MADRID, (7, 21, 0, 300)), (&CHICAGO, (11, 20, 0, 0))],
        ),
        show("city-derby", "City Derby", &[(&MADRID, (10, 18, 0, 0))]),
        show("tin-giants-tour", "Tin Giants: The Last Tour", &[(&CHICAGO, (14, 19, 30, 0))]),
    ]
}

fn at(place: &Place, today: Date, (day, hour, minute, sold): Evening) -> DemoPerformance {
    let local = today.saturating_add(i64::from(day).days()).at(hour, minute, 0, 0);
    // A machine without time zones still gets a world, at UTC's hours.
    let zone = TimeZone::get(place.time_zone).unwrap_or(TimeZone::UTC);
    // 20:15 on a day whose clocks change is still one moment.
    let instant = zone.to_ambiguous_zoned(local).compatible();
    let millis = instant.map_or(0, |zoned| zoned.timestamp().as_millisecond());
    DemoPerformance {
        location: place.location,
        venue: place.venue,
        time_zone: place.time_zone,
        currency: place.currency,
        house: place.house,
        starts_at: Timestamp::from_millis(millis),
        sold,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_dozen_shows_in_many_places_over_two_weeks() {
        let today = date(2026, 11, 23);
        let shows = shows(today);
        let ids: BTreeSet<_> = shows.iter().map(|show| show.show_id).collect();
        assert_eq!(ids.len(), 12);
        let evenings: Vec<_> = shows.iter().flat_map(|show| &show.performances).collect();
        let cities: BTreeSet<_> = evenings.iter().map(|p| p.location).collect();
        let zones: BTreeSet<_> = evenings.iter().map(|p| p.time_zone).collect();
        assert!(cities.len() >= 8 && zones.len() >= 8, "{cities:?} {zones:?}");
        let from = Timestamp::from_millis(jiff_millis("2026-11-23T00:00:00Z"));
        let to = Timestamp::from_millis(jiff_millis("2026-12-09T00:00:00Z"));
        assert!(evenings.iter().all(|p| p.starts_at > from && p.starts_at < to));
        assert!(evenings.iter().filter(|p| p.sold > 0).count() >= 4);
    }

    #[test]
    fn an_evening_is_at_its_hour_in_its_own_zone() {
        let berlin = shows(date(2026, 11, 23))[0].performances[0].starts_at;
        assert_eq!(berlin.to_string(), "2026-11-24T19:15:00.000Z");
    }

    #[test]
    fn every_tier_of_every_house_has_a_price() {
        let plans = [super::super::cinema(), super::super::theatre(), super::super::arena()];
        for (house, plan) in House::ALL.into_iter().zip(plans) {
            let priced: Vec<_> = house.prices().iter().map(|(tier, _)| *tier).collect();
            let tiers: Vec<_> = plan.categories.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(priced, tiers);
        }
    }

    fn jiff_millis(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }
}
