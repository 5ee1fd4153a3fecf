//! How much is asked for in a second: on every day at its peak, and in an
//! on-sale. Pure arithmetic on the inputs; knows no costs.

use serde::Serialize;

use super::inputs::Inputs;

const DAY_S: f64 = 86_400.0;
const MONTH_S: f64 = 30.0 * DAY_S;

/// What is asked for in a second; seats are counted one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    /// Seats held.
    pub(crate) holds: f64,
    /// Holds that are refused.
    pub(crate) refusals: f64,
    /// Seats sold.
    pub(crate) tickets: f64,
    /// Seats given back after they were sold.
    pub(crate) cancels: f64,
    /// Pages of the list of shows.
    pub(crate) lists: f64,
    /// Shows' pages.
    pub(crate) shows: f64,
    /// Seat maps that are sent.
    pub(crate) maps: f64,
    /// Seat maps that have not changed.
    pub(crate) unchanged: f64,
    /// Events, each of which may tell of several seats.
    pub(crate) events: f64,
    /// Event streams opened.
    pub(crate) openings: f64,
    /// Event streams open: not in a second, but at any moment.
    pub(crate) streams: f64,
    /// Events delivered.
    pub(crate) sightings: f64,
}

/// The whole seller, at the peak of a usual week.
pub(crate) fn every_day(inputs: &Inputs) -> Rates {
    let i = inputs;
    let visits = i.users_per_month * i.visits_per_user / MONTH_S * i.peak_to_mean;
    let tickets = i.tickets_per_day / DAY_S * i.peak_to_mean;
    let taken = tickets * i.holds_per_sale;
    let cancels = tickets * i.cancelled_share;
    let looked = visits * i.maps_per_visit;
    // Held, then sold or free again.
    let events = 2.0 * taken + cancels;
    let streams = looked * i.minutes_on_map * 60.0;
    let checks = streams / i.check_every_s;
    let of_a_map = events / i.performances_live * i.crowding;
    // Changes come independently. Averaged before the curve, which is an upper
    // bound: the crowded maps are changed anyway.
    let changed = 1.0 - (-of_a_map * i.check_every_s).exp();
    Rates {
        holds: taken * i.sends,
        refusals: taken * i.refusals_per_hold,
        tickets,
        cancels,
        lists: visits * i.lists_per_visit,
        shows: visits * i.shows_per_visit,
        maps: looked * (1.0 - i.unchanged_share) + checks * changed,
        unchanged: looked * i.unchanged_share + checks * (1.0 - changed),
        events,
        openings: looked,
        streams,
        sightings: of_a_map * streams,
    }
}

/// One performance that sells so many seats a second to people who are let in
/// just as fast as they can be served.
pub(crate) fn let_in(inputs: &Inputs, tickets: f64, seats_of_an_event: f64) -> Rates {
    let i = inputs;
    let people = tickets / i.tickets_per_booking;
    let taken = tickets / i.bought_share;
    let events = 2.0 * taken / seats_of_an_event.max(1.0);
    let streams = people * i.minutes_inside * 60.0;
    Rates {
        holds: taken * i.sends,
        refusals: people * (i.tries - 1.0).max(0.0) * i.sends,
        tickets,
        shows: people,
        // Such a map has always changed.
        maps: people * i.maps_each + streams / i.check_every_s,
        events,
        openings: people,
        streams,
        sightings: events * streams,
        ..Rates::default()
    }
}

/// The first minute of the same without anything that holds people back: all
/// who come try, and one show sells what it can.
pub(crate) fn stormed(
    inputs: &Inputs,
    sold_at_most: f64,
    seats_of_an_event: f64,
) -> (Rates, Storm) {
    let i = inputs;
    let people = i.on_sale_people * i.first_minute_share;
    let arrivals = people / 60.0;
    let attempts = arrivals * i.tries * i.sends;
    let taken = sold_at_most / i.bought_share;
    let events = 2.0 * taken / seats_of_an_event.max(1.0);
    let rates = Rates {
        holds: taken,
        refusals: (attempts - taken / i.tickets_per_booking).max(0.0),
        tickets: sold_at_most,
        shows: arrivals,
        maps: arrivals * i.maps_each + people / i.check_every_s,
        events,
        openings: arrivals,
        streams: people,
        sightings: events * people,
        ..Rates::default()
    };
    (rates, Storm { people, seats_asked_for: attempts * i.tickets_per_booking })
}

/// Who storms it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Storm {
    /// People who came in the first minute.
    pub(crate) people: f64,
    /// Seats that they ask for in a second.
    pub(crate) seats_asked_for: f64,
}

impl Rates {
    /// The part of one of so many cells.
    pub(crate) fn share(self, part: f64) -> Self {
        Self {
            holds: self.holds * part,
            refusals: self.refusals * part,
            tickets: self.tickets * part,
            cancels: self.cancels * part,
            lists: self.lists * part,
            shows: self.shows * part,
            maps: self.maps * part,
            unchanged: self.unchanged * part,
            events: self.events * part,
            openings: self.openings * part,
            streams: self.streams * part,
            sightings: self.sightings * part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= wanted.abs() * 1e-9, "{found}, should be {wanted}");
    }

    #[test]
    fn a_day_is_spread_over_its_seconds_and_raised_to_its_peak() {
        let inputs = Inputs {
            users_per_month: 30.0 * 86_400.0,
            visits_per_user: 2.0,
            tickets_per_day: 86_400.0,
            peak_to_mean: 5.0,
            holds_per_sale: 2.0,
            sends: 1.1,
            refusals_per_hold: 0.5,
            cancelled_share: 0.1,
            maps_per_visit: 3.0,
            unchanged_share: 0.25,
            minutes_on_map: 1.0,
            performances_live: 100.0,
            crowding: 10.0,
            check_every_s: 10.0,
            ..Inputs::default()
        };
        let rates = every_day(&inputs);
        close(rates.tickets, 5.0);
        close(rates.holds, 11.0);
        close(rates.refusals, 5.0);
        close(rates.cancels, 0.5);
        // 180 pages ask again each second; a map has 2.05 changes a second.
        let changed = 1.0 - (-20.5_f64).exp();
        close(rates.maps, 22.5 + 180.0 * changed);
        close(rates.unchanged, 7.5 + 180.0 * (1.0 - changed));
        close(rates.events, 20.5);
        close(rates.streams, 1_800.0);
        close(rates.sightings, 20.5 * 1_800.0 / 10.0);
        close(rates.share(0.5).maps, rates.maps / 2.0);
    }

    #[test]
    fn who_is_let_in_is_who_can_be_served() {
        let inputs = Inputs {
            tickets_per_booking: 2.0,
            bought_share: 0.5,
            minutes_inside: 1.0,
            tries: 3.0,
            sends: 1.0,
            maps_each: 4.0,
            check_every_s: 5.0,
            ..Inputs::default()
        };
        let rates = let_in(&inputs, 100.0, 20.0);
        close(rates.holds, 200.0);
        close(rates.refusals, 100.0);
        close(rates.maps, 200.0 + 600.0);
        close(rates.streams, 3_000.0);
        close(rates.events, 20.0);
        close(rates.sightings, 60_000.0);
    }

    #[test]
    fn a_storm_is_refused_but_for_what_one_show_can_sell() {
        let inputs = Inputs {
            on_sale_people: 120_000.0,
            first_minute_share: 0.5,
            tries: 2.0,
            sends: 1.0,
            tickets_per_booking: 2.0,
            bought_share: 0.5,
            ..Inputs::default()
        };
        let (rates, storm) = stormed(&inputs, 100.0, 1.0);
        close(storm.people, 60_000.0);
        close(storm.seats_asked_for, 4_000.0);
        close(rates.holds, 200.0);
        close(rates.refusals, 1_900.0);
        close(rates.sightings, 400.0 * 60_000.0);
    }
}
