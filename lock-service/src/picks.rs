//! Best available: the plans this instance was given, and a choice from one of
//! them around what the mirror shows as taken and what others are about to take.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use seat_model::{Chart, Plan, PlanId, SeatId};
use seat_picker::{NoChoice, Prepared, Wanted, leaves_single, pick};

/// The plans, made ready; the one not used for longest is forgotten first.
pub struct Plans {
    inner: Mutex<Remembered>,
    at_most: usize,
}

#[derive(Default)]
struct Remembered {
    plans: HashMap<PlanId, (Arc<Prepared>, u64)>,
    uses: u64,
}

impl Plans {
    /// Remembers at most so many.
    #[must_use]
    pub fn new(at_most: usize) -> Self {
        Self { inner: Mutex::new(Remembered::default()), at_most }
    }

    /// A plan, if it is remembered.
    #[must_use]
    pub fn get(&self, id: &PlanId) -> Option<Arc<Prepared>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let now = inner.uses;
        let (prepared, used) = inner.plans.get_mut(id)?;
        *used = now;
        Some(prepared.clone())
    }

    /// Makes a plan ready and remembers it. Slow for a large one: not for a
    /// runtime thread.
    pub fn put(&self, id: PlanId, plan: &Plan) {
        let prepared = Arc::new(Prepared::new(Arc::new(Chart::new(plan))));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let now = inner.uses;
        inner.plans.insert(id, (prepared, now));
        while inner.plans.len() > self.at_most {
            let oldest = inner.plans.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            inner.plans.remove(&oldest);
        }
    }
}

/// Why there is no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPick {
    /// Not even if nobody else were about to take any.
    Truly(NoChoice),
    /// Only because others are about to take some: look again when they are done.
    Crowded,
}

/// The best seats that are neither taken nor about to be.
///
/// # Errors
/// See [`NoPick`].
pub fn choose(
    prepared: &Prepared,
    wanted: &Wanted,
    taken: impl Fn(&SeatId) -> bool,
    reserved: &HashSet<&SeatId>,
) -> Result<Vec<SeatId>, NoPick> {
    let seats = &prepared.chart().seats;
    let id = |i: usize| &seats[i].id;
    match pick(prepared, wanted, |i| taken(id(i)) || reserved.contains(id(i))) {
        Ok(choice) => Ok(choice.seats.into_iter().map(|i| id(i).clone()).collect()),
        Err(why) if reserved.is_empty() => Err(NoPick::Truly(why)),
        Err(_) => match pick(prepared, wanted, |i| taken(id(i))) {
            Ok(_) => Err(NoPick::Crowded),
            Err(why) => Err(NoPick::Truly(why)),
        },
    }
}

/// The seats that a hand-picked choice would leave alone, if it is to be
/// refused for them. Seats that the plan does not have count for nothing.
#[must_use]
pub fn singles(
    prepared: &Prepared,
    chosen: &[SeatId],
    taken: impl Fn(&SeatId) -> bool,
) -> Option<Vec<SeatId>> {
    let chart = prepared.chart();
    let numbers: Vec<usize> = chosen.iter().filter_map(|seat| chart.index_of(seat)).collect();
    let lone = leaves_single(prepared, &numbers, |i| taken(&chart.seats[i].id))?;
    Some(lone.into_iter().map(|i| chart.seats[i].id.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hall() -> Plan {
        let seats: Vec<String> = (1..=4)
            .map(|n| {
                format!(
                    r#"{{"seat_guid":"A{n}","seat_number":"{n}","position":{{"x":{n},"y":0}},
                    "category":"Stalls"}}"#
                )
            })
            .collect();
        let text = format!(
            r#"{{"name":"Hall","categories":[{{"name":"Stalls"}}],"size":{{"width":9,"height":9}},
            "zones":[{{"position":{{"x":0,"y":0}},"rows":[{{"row_number":"A","seats":[{}]}}]}}]}}"#,
            seats.join(",")
        );
        serde_json::from_str(&text).unwrap()
    }

    fn id(n: usize) -> SeatId {
        SeatId::new(format!("A{n}")).unwrap()
    }

    #[test]
    fn a_crowd_is_told_from_a_full_house() {
        let plans = Plans::new(1);
        let plan = PlanId::new("hall").unwrap();
        plans.put(plan.clone(), &hall());
        let prepared = plans.get(&plan).unwrap();
        let wanted = Wanted { tier: 0, quantity: 2, accessible: 0, accept_split: false };
        let (one, two, three) = (id(1), id(2), id(3));
        let mut reserved = HashSet::new();
        let found = choose(&prepared, &wanted, |_| false, &reserved);
        assert_eq!(found.unwrap().len(), 2);
        reserved.extend([&two, &three]);
        assert_eq!(choose(&prepared, &wanted, |_| false, &reserved), Err(NoPick::Crowded));
        let full = |seat: &SeatId| *seat != one;
        let why = choose(&prepared, &wanted, full, &reserved);
        assert_eq!(why, Err(NoPick::Truly(NoChoice::SoldOut)));
        plans.put(PlanId::new("other").unwrap(), &hall());
        assert!(plans.get(&plan).is_none(), "only one is remembered");
    }

    #[test]
    fn a_lone_seat_is_named() {
        let plans = Plans::new(1);
        let plan = PlanId::new("hall").unwrap();
        plans.put(plan.clone(), &hall());
        let prepared = plans.get(&plan).unwrap();
        let lone = singles(&prepared, &[id(2), id(3)], |_| false);
        assert_eq!(lone, Some(vec![id(1), id(4)]));
        assert_eq!(singles(&prepared, &[id(1), id(2)], |_| false), None);
    }
}
