//! What the sizing goes by besides the unit costs: how large the seller is, how
//! its customers behave, what machines there are and how full they may be.
//! Every number is an assumption that a reader may replace
//! (`--inputs FILE`, a JSON object with any of these keys).

use serde::{Deserialize, Serialize};

/// All inputs. Shares are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Inputs {
    /// People who come in a month.
    pub(crate) users_per_month: f64,
    /// Performances on sale at once.
    pub(crate) performances_live: f64,
    /// Tickets sold in a day.
    pub(crate) tickets_per_day: f64,
    /// People who come for the one on-sale.
    pub(crate) on_sale_people: f64,
    /// Seats of its one performance.
    pub(crate) on_sale_seats: f64,

    /// How often each comes in a month.
    pub(crate) visits_per_user: f64,
    /// Seats in a usual house.
    pub(crate) house_seats: f64,
    /// Tickets of a booking.
    pub(crate) tickets_per_booking: f64,
    /// Days from a ticket's sale to its performance, on average.
    pub(crate) days_to_performance: f64,
    /// Days that bookings stay on their shard.
    pub(crate) days_kept: f64,
    /// Holds for each hold that is bought.
    pub(crate) holds_per_sale: f64,
    /// Minutes that a hold lasts until it is bought or let go, on average.
    pub(crate) minutes_held: f64,
    /// Refused holds for each hold.
    pub(crate) refusals_per_hold: f64,
    /// The share of tickets that are cancelled.
    pub(crate) cancelled_share: f64,
    /// Times a request is sent on average, resends included.
    pub(crate) sends: f64,
    /// Lists of shows looked at in a visit.
    pub(crate) lists_per_visit: f64,
    /// Shows' pages looked at in a visit.
    pub(crate) shows_per_visit: f64,
    /// Seat maps looked at in a visit.
    pub(crate) maps_per_visit: f64,
    /// The share of seat maps that have not changed since they were looked at.
    pub(crate) unchanged_share: f64,
    /// Minutes that a seat map stays open, and its event stream with it.
    pub(crate) minutes_on_map: f64,
    /// Seconds after which an open page asks for its map again, stream or not.
    pub(crate) check_every_s: f64,
    /// How often a change meets somebody who watches, in the times it would if
    /// all performances were alike.
    pub(crate) crowding: f64,
    /// The busiest minute of the week, in means.
    pub(crate) peak_to_mean: f64,
    /// The busiest cell's share, in means.
    pub(crate) busiest_cell: f64,

    /// The share of the on-sale's people who come in its first minute.
    pub(crate) first_minute_share: f64,
    /// Holds that each of them tries for before they have seats or give up.
    pub(crate) tries: f64,
    /// Seat maps that each of them looks at.
    pub(crate) maps_each: f64,
    /// Minutes that they stay, once they are let in.
    pub(crate) minutes_inside: f64,
    /// The share of the on-sale's holds that are bought.
    pub(crate) bought_share: f64,

    /// How fast a core is, in cores of the machine that was measured.
    pub(crate) core_speed: f64,
    /// Cores that one process can keep busy for one show: etcd's leader applies
    /// on one thread, lock-service has one batch under way.
    pub(crate) cores_of_one_show: f64,
    /// Cores of a member of etcd.
    pub(crate) etcd_cores: f64,
    /// Cores of a shard.
    pub(crate) shard_cores: f64,
    /// Cores of an instance of a service, and of a load balancer.
    pub(crate) service_cores: f64,
    /// Memory of any of them, in GiB.
    pub(crate) memory_gib: f64,
    /// The quota of etcd's database, in GiB.
    pub(crate) etcd_quota_gib: f64,
    /// The part of it at which lock-service refuses what is new.
    pub(crate) etcd_refuses_at: f64,
    /// Disk of a shard, in GiB.
    pub(crate) shard_disk_gib: f64,
    /// Days that binary logs stay.
    pub(crate) binlog_days: f64,
    /// Network of a load balancer, in Gbit/s.
    pub(crate) network_gbit: f64,
    /// `maxconn` of a load balancer.
    pub(crate) balancer_connections: f64,
    /// `event_streams` of a view-service.
    pub(crate) view_streams: f64,
    /// How much of processors and networks is used at the peak.
    pub(crate) use_at_peak: f64,
    /// How much of memory, disks and etcd's room is used.
    pub(crate) use_of_stores: f64,
    /// Zones, of which one may be lost.
    pub(crate) zones: f64,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            users_per_month: 50e6,
            performances_live: 30_000.0,
            tickets_per_day: 2e6,
            on_sale_people: 1.5e6,
            on_sale_seats: 60_000.0,

            visits_per_user: 3.0,
            house_seats: 5_000.0,
            tickets_per_booking: 2.5,
            days_to_performance: 45.0,
            days_kept: 400.0,
            holds_per_sale: 1.5,
            minutes_held: 4.0,
            refusals_per_hold: 0.2,
            cancelled_share: 0.05,
            sends: 1.05,
            lists_per_visit: 3.0,
            shows_per_visit: 2.0,
            maps_per_visit: 2.0,
            unchanged_share: 0.3,
            minutes_on_map: 2.0,
            check_every_s: 5.0,
            crowding: 20.0,
            peak_to_mean: 6.0,
            busiest_cell: 1.3,

            first_minute_share: 0.4,
            tries: 3.0,
            maps_each: 4.0,
            minutes_inside: 5.0,
            bought_share: 0.8,

            core_speed: 1.0,
            cores_of_one_show: 2.0,
            etcd_cores: 8.0,
            shard_cores: 16.0,
            service_cores: 8.0,
            memory_gib: 64.0,
            etcd_quota_gib: 8.0,
            etcd_refuses_at: 0.8,
            shard_disk_gib: 1_000.0,
            binlog_days: 2.0,
            network_gbit: 10.0,
            balancer_connections: 20_000.0,
            view_streams: 10_000.0,
            use_at_peak: 0.5,
            use_of_stores: 0.6,
            zones: 3.0,
        }
    }
}

impl Inputs {
    /// Inputs that a sizing can be worked out from: what is divided by is above
    /// nothing, shares are shares.
    ///
    /// # Errors
    /// Names the first that is not so.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let above_nothing = [
            ("on_sale_seats", self.on_sale_seats),
            ("house_seats", self.house_seats),
            ("tickets_per_booking", self.tickets_per_booking),
            ("performances_live", self.performances_live),
            ("check_every_s", self.check_every_s),
            ("bought_share", self.bought_share),
            ("core_speed", self.core_speed),
            ("cores_of_one_show", self.cores_of_one_show),
            ("etcd_cores", self.etcd_cores),
            ("shard_cores", self.shard_cores),
            ("service_cores", self.service_cores),
            ("memory_gib", self.memory_gib),
            ("etcd_quota_gib", self.etcd_quota_gib),
            ("etcd_refuses_at", self.etcd_refuses_at),
            ("shard_disk_gib", self.shard_disk_gib),
            ("network_gbit", self.network_gbit),
            ("balancer_connections", self.balancer_connections),
            ("view_streams", self.view_streams),
            ("use_at_peak", self.use_at_peak),
            ("use_of_stores", self.use_of_stores),
        ];
        let shares = [
            ("cancelled_share", self.cancelled_share),
            ("unchanged_share", self.unchanged_share),
            ("first_minute_share", self.first_minute_share),
            ("bought_share", self.bought_share),
            ("etcd_refuses_at", self.etcd_refuses_at),
            ("use_at_peak", self.use_at_peak),
            ("use_of_stores", self.use_of_stores),
        ];
        if let Ok(serde_json::Value::Object(all)) = serde_json::to_value(self)
            && let Some((name, _)) =
                all.iter().find(|(_, value)| value.as_f64().is_none_or(|value| value < 0.0))
        {
            return Err(format!("{name} must not be below 0"));
        }
        if let Some((name, _)) = above_nothing.iter().find(|(_, value)| *value <= 0.0) {
            return Err(format!("{name} must be above 0"));
        }
        if let Some((name, _)) = shares.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(format!("{name} must be 0 to 1"));
        }
        if self.zones < 2.0 {
            return Err("zones must be at least 2: one of them may be lost".to_owned());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_input_may_be_replaced_and_none_may_be_misspelt() {
        let some: Inputs = serde_json::from_str(r#"{"tickets_per_day": 5, "zones": 4}"#).unwrap();
        assert_eq!(some, Inputs { tickets_per_day: 5.0, zones: 4.0, ..Inputs::default() });
        assert!(serde_json::from_str::<Inputs>(r#"{"tickets_a_day": 5}"#).is_err());
    }

    #[test]
    fn inputs_that_mean_nothing_are_named() {
        assert!(Inputs::default().checked().is_ok());
        let wrong = [
            (Inputs { core_speed: 0.0, ..Inputs::default() }, "core_speed"),
            (Inputs { use_at_peak: 1.5, ..Inputs::default() }, "use_at_peak"),
            (Inputs { tries: -1.0, ..Inputs::default() }, "tries"),
            (Inputs { zones: 1.0, ..Inputs::default() }, "zones"),
        ];
        for (inputs, name) in wrong {
            assert!(inputs.checked().unwrap_err().contains(name), "{name}");
        }
    }
}
