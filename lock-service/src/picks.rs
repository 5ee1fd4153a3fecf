//! Best available: the plans this instance was given, and a choice from one of
//! them around what the mirror shows as taken and what others are about to take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use seat_model::{Chart, Plan, PlanId, SeatId};
use seat_picker::{NoChoice, Prepared, SeatSet, Spread, Wanted, leaves_single, pick};

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

/// The best seats that are neither taken nor about to be. Microseconds: it is
/// called while nobody else can choose.
///
/// # Errors
/// See [`NoPick`].
pub fn choose(
    prepared: &Prepared,
    wanted: &Wanted,
    taken: &SeatSet,
    reserved: Option<&SeatSet>,
    spread: Spread,
) -> Result<Vec<SeatId>, NoPick> {
    let picked = match reserved {
        Some(reserved) => {
            let mut away = taken.clone();
            away.insert_all(reserved);
            pick(prepared, wanted, &away, spread)
        }
        None => pick(prepared, wanted, taken, spread),
    };
    match (picked, reserved) {
        (Ok(choice), _) => {
            let seats = &prepared.chart().seats;
            Ok(choice.seats.into_iter().map(|i| seats[i].id.clone()).collect())
        }
        (Err(why), None) => Err(NoPick::Truly(why)),
        (Err(_), Some(_)) => match pick(prepared, wanted, taken, Spread::NONE) {
            Ok(_) => Err(NoPick::Crowded),
            Err(why) => Err(NoPick::Truly(why)),
        },
    }
}

/// The seats that a hand-picked choice would leave alone, if it is to be
/// refused for them; nothing for a choice with taken seats in it, because
/// whoever asks for those is to hear that first. Seats that the plan does not
/// have count for nothing.
#[must_use]
pub fn singles(prepared: &Prepared, chosen: &[SeatId], taken: &SeatSet) -> Option<Vec<SeatId>> {
    let chart = prepared.chart();
    let numbers: Vec<usize> = chosen.iter().filter_map(|seat| chart.index_of(seat)).collect();
    if numbers.iter().any(|&number| taken.contains(number)) {
        return None;
    }
    let lone = leaves_single(prepared, &numbers, taken)?;
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
        let seats = |numbers: &[usize]| {
            let mut seats = prepared.no_seats();
            seats.extend(numbers.iter().copied());
            seats
        };
        let choose = |taken: &[usize], reserved: &[usize]| {
            let reserved = (!reserved.is_empty()).then(|| seats(reserved));
            choose(&prepared, &wanted, &seats(taken), reserved.as_ref(), Spread::NONE)
        };
        assert_eq!(choose(&[], &[]).unwrap().len(), 2);
        assert_eq!(choose(&[], &[1, 2]), Err(NoPick::Crowded));
        assert_eq!(choose(&[1, 2, 3], &[1, 2]), Err(NoPick::Truly(NoChoice::SoldOut)));
        assert_eq!(choose(&[1, 2], &[]), Err(NoPick::Truly(NoChoice::NoAdjacentSeats)));
        plans.put(PlanId::new("other").unwrap(), &hall());
        assert!(plans.get(&plan).is_none(), "only one is remembered");
    }

    #[test]
    fn a_lone_seat_is_named() {
        let plans = Plans::new(1);
        let plan = PlanId::new("hall").unwrap();
        plans.put(plan.clone(), &hall());
        let prepared = plans.get(&plan).unwrap();
        let mut taken = prepared.no_seats();
        let lone = singles(&prepared, &[id(2), id(3)], &taken);
        assert_eq!(lone, Some(vec![id(1), id(4)]));
        assert_eq!(singles(&prepared, &[id(1), id(2)], &taken), None);
        taken.insert(1);
        let why = singles(&prepared, &[id(2), id(3)], &taken);
        assert_eq!(why, None, "one of them is taken, and that is what matters");
    }
}
