//! Requests under a key that are running in this instance: a second one is
//! told to come again. Another instance needs no telling: what it does under
//! the same key leads to the same booking.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use seat_model::UserId;

use super::error::SaleError;

type Name = (UserId, String, String);

/// All running requests; clones share them.
#[derive(Clone)]
pub(crate) struct InFlight {
    running: Arc<Mutex<HashSet<Name>>>,
    max: usize,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        Self { running: Arc::default(), max }
    }

    /// Enters a request; it leaves when the guard is dropped.
    pub(crate) fn enter(&self, user: &UserId, scope: &str, key: &str) -> Result<Guard, SaleError> {
        let name = (user.clone(), scope.to_owned(), key.to_owned());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.contains(&name) {
            return Err(SaleError::RequestInFlight);
        }
        if running.len() >= self.max {
            return Err(SaleError::Unavailable("too many requests are running".into()));
        }
        running.insert(name.clone());
        Ok(Guard { running: self.running.clone(), name })
    }
}

/// A running request.
#[must_use]
pub(crate) struct Guard {
    running: Arc<Mutex<HashSet<Name>>>,
    name: Name,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_runs_once_and_few_run_at_all() {
        let in_flight = InFlight::new(2);
        let ann = UserId::new("ann").unwrap();
        let first = in_flight.enter(&ann, "book", "k").unwrap();
        assert!(matches!(in_flight.enter(&ann, "book", "k"), Err(SaleError::RequestInFlight)));
        let _other = in_flight.enter(&ann, "confirm", "k").unwrap();
        assert!(matches!(in_flight.enter(&ann, "book", "l"), Err(SaleError::Unavailable(_))));
        drop(first);
        assert!(in_flight.enter(&ann, "book", "k").is_ok());
    }
}
