//! People who look without a pause while something happens, through the load
//! balancer and without asking twice: promise 4 as a measurement. It must not
//! know what happens.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};

use crate::caller::Caller;

/// What visitors saw.
#[derive(Debug, Default)]
pub struct Visits {
    /// Views that were answered with 200.
    pub answered: usize,
    /// How long the slowest of all took.
    pub longest: Duration,
    /// Views that were not: which, and what came instead.
    pub failed: Vec<String>,
}

/// Lets so many visitors look at every page, again and again, until
/// `meanwhile` has ended, and gives what that gave.
pub async fn visited<T>(
    anybody: &Caller,
    visitors: usize,
    pages: &[String],
    meanwhile: impl Future<Output = T>,
) -> (Visits, T) {
    let over = Cell::new(false);
    let seen = RefCell::new(Visits::default());
    let visitor = async |_| {
        // Connections of their own, as people have.
        let person = anybody.afresh();
        while !over.get() {
            for path in pages {
                let asked = Instant::now();
                let answer = person.get(path.as_str()).try_send().await;
                let took = asked.elapsed();
                let mut seen = seen.borrow_mut();
                seen.longest = seen.longest.max(took);
                match answer {
                    Ok(answer) if answer.status == 200 => seen.answered += 1,
                    Ok(answer) => seen.failed.push(format!("{path}: {}", answer.text())),
                    Err(error) => seen.failed.push(format!("{path} after {took:?}: {error:?}")),
                }
            }
        }
    };
    let until_over = async {
        let outcome = meanwhile.await;
        over.set(true);
        outcome
    };
    let (_, outcome) = join(join_all((0..visitors).map(visitor)), until_over).await;
    (seen.into_inner(), outcome)
}
