//! What the sandbox does instead of what a good gateway would: by the
//! customer's token, and by the faults it was told to have. Counted, never
//! drawn, so that a run can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use payment_gateway_client::wire::{Faults, Operation};

/// How long `tok_slow` takes.
const SLOW: Duration = Duration::from_secs(3);

/// What a token makes of an authorise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Authorised.
    Ok,
    /// Declined.
    Declined,
    /// Authorised after three seconds.
    Slow,
    /// Never answered, and nothing is authorised.
    Unknown,
    /// Authorised, and never answered.
    Lost,
    /// Authorised, and answered twice.
    Twice,
}

impl Token {
    fn read(token: &str) -> Option<Self> {
        match token {
            "tok_ok" => Some(Self::Ok),
            "tok_declined" => Some(Self::Declined),
            "tok_slow" => Some(Self::Slow),
            "tok_unknown" => Some(Self::Unknown),
            "tok_lost" => Some(Self::Lost),
            "tok_twice" => Some(Self::Twice),
            _ => None,
        }
    }
}

/// How one operation will be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Treatment {
    /// Told to come again, unseen.
    pub(crate) turned_away: bool,
    /// Waits so long before it is done.
    pub(crate) delay: Duration,
    /// Is not done at all.
    pub(crate) ignored: bool,
    /// What the bank says to an authorise.
    pub(crate) declined: bool,
    /// The bank refuses it.
    pub(crate) refused: bool,
    /// Its answer is never given.
    pub(crate) lost: bool,
    /// Its answer comes so much later.
    pub(crate) late: Duration,
    /// Its answer is given twice.
    pub(crate) twice: bool,
}

#[derive(Default)]
struct Counters {
    authorise: AtomicU64,
    operation: AtomicU64,
}

/// The faults in force and how far each has counted.
#[derive(Default)]
pub(crate) struct Misbehaviour {
    faults: Mutex<Faults>,
    counters: Counters,
}

impl Misbehaviour {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults: Mutex::new(faults), counters: Counters::default() }
    }

    /// From now on; counting begins anew.
    pub(crate) fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        self.counters.authorise.store(0, Ordering::Relaxed);
        self.counters.operation.store(0, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this operation is treated; `None`: it has a token nobody knows.
    pub(crate) fn treat(&self, operation: &Operation) -> Option<Treatment> {
        let faults = self.faults();
        let count = self.counters.operation.fetch_add(1, Ordering::Relaxed) + 1;
        let mut treatment = Treatment {
            turned_away: hits(faults.turn_away_every, count),
            lost: hits(faults.lose_every, count),
            twice: hits(faults.repeat_every, count),
            ..Treatment::default()
        };
        if hits(faults.late_every, count) {
            treatment.late = Duration::from_millis(faults.late_ms);
        }
        match operation {
            Operation::Authorise(asked) => {
                let count = self.counters.authorise.fetch_add(1, Ordering::Relaxed) + 1;
                treatment.declined = hits(faults.decline_every, count);
                treatment.delay = Duration::from_millis(faults.authorise_delay_ms);
                match Token::read(&asked.token)? {
                    Token::Ok => {}
                    Token::Declined => treatment.declined = true,
                    Token::Slow => treatment.delay += SLOW,
                    Token::Unknown => treatment.ignored = true,
                    Token::Lost => treatment.lost = true,
                    Token::Twice => treatment.twice = true,
                }
            }
            Operation::Capture { .. } => treatment.refused = faults.refuse_captures,
            Operation::Refund { .. } => treatment.refused = faults.refuse_refunds,
            Operation::GiveUp(_) | Operation::Void(_) | Operation::VoidBooking(_) => {}
        }
        Some(treatment)
    }
}

const fn hits(every: u64, count: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use payment_gateway_client::wire::{Authorise, TOKENS};
    use seat_model::{BookingId, Currency};

    use super::*;

    fn authorise(token: &str) -> Operation {
        let booking = BookingId::from_bytes([1; 16]);
        Operation::Authorise(Authorise {
            reference: payment_gateway_client::wire::Reference::new(booking, "k").unwrap(),
            amount: 1,
            currency: Currency::new("EUR").unwrap(),
            token: token.into(),
            memo: String::new(),
        })
    }

    #[test]
    fn every_token_of_the_contract_is_known_and_no_other() {
        let sandbox = Misbehaviour::default();
        for token in TOKENS {
            assert!(sandbox.treat(&authorise(token)).is_some(), "{token}");
        }
        assert_eq!(sandbox.treat(&authorise("tok_of_another_bank")), None);
    }

    #[test]
    fn faults_hit_every_so_manieth_and_can_be_switched_off() {
        let sandbox = Misbehaviour::new(Faults { lose_every: 3, ..Faults::default() });
        let lost = |sandbox: &Misbehaviour| {
            (0..6).map(|_| sandbox.treat(&authorise("tok_ok")).unwrap().lost).collect::<Vec<_>>()
        };
        assert_eq!(lost(&sandbox), [false, false, true, false, false, true]);
        sandbox.set(Faults::default());
        assert_eq!(lost(&sandbox), [false; 6]);
    }
}
