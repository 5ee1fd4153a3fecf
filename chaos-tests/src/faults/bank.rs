//! The bank declines, turns away, delays, loses and repeats.

use payment_gateway_client::wire::Faults;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::Harm;
use crate::stage::Stage;

pub(crate) struct Bank {
    faults: Faults,
}

impl Harm for Bank {
    fn draw(dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        let mut every = |from: u64| dice.random_range(from..from + 6);
        let faults = Faults {
            decline_every: every(5),
            turn_away_every: every(4),
            lose_every: every(3),
            repeat_every: every(3),
            late_every: every(4),
            late_ms: 700,
            ..Faults::default()
        };
        Some(Self { faults })
    }

    fn name(&self) -> String {
        let Faults { decline_every, turn_away_every, lose_every, .. } = self.faults;
        format!(
            "the bank declines every {decline_every}th, turns away every {turn_away_every}th and \
             loses every {lose_every}th answer"
        )
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let gateway = stage.gateway().map_err(|error| error.to_string())?;
        gateway.set_faults(&self.faults).await.map(drop).map_err(|error| error.to_string())
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let gateway = stage.gateway().map_err(|error| error.to_string())?;
        let none = Faults::default();
        gateway.set_faults(&none).await.map(drop).map_err(|error| error.to_string())
    }
}
