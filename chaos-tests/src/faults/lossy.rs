//! A node loses some of the packets that are sent to it.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Harm, wire};
use crate::stage::Stage;

pub(crate) struct Lossy {
    percent: u32,
    rule: wire::Rule,
}

impl Harm for Lossy {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let node = wire::anybody(dice, stage)?;
        let percent = dice.random_range(1..=30);
        let words = format!("numgen random mod 100 < {percent} drop");
        Some(Self { percent, rule: wire::Rule { node, table: "lossy", words } })
    }

    fn name(&self) -> String {
        format!("{} loses {} % of what is sent to it", self.rule.node, self.percent)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        wire::set(stage, std::slice::from_ref(&self.rule)).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::clear(stage, std::slice::from_ref(&self.rule)).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
