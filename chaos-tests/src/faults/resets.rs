//! Connections of a node are reset now and then, in the middle of anything.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Harm, wire};
use crate::stage::Stage;

pub(crate) struct Resets {
    one_in: u32,
    rule: wire::Rule,
}

impl Harm for Resets {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let node = wire::anybody(dice, stage)?;
        let one_in = dice.random_range(50..400);
        let words =
            format!("meta l4proto tcp numgen random mod {one_in} == 0 reject with tcp reset");
        Some(Self { one_in, rule: wire::Rule { node, table: "resets", words } })
    }

    fn name(&self) -> String {
        format!("one in {} packets to {} resets its connection", self.one_in, self.rule.node)
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
