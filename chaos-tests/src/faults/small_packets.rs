//! Big packets never reach a node: small requests work, large ones hang.

use rand::rngs::StdRng;

use super::{Harm, wire};
use crate::stage::Stage;

/// Bytes of the largest packet that arrives.
const LARGEST: u32 = 600;

pub(crate) struct SmallPackets(wire::Rule);

impl Harm for SmallPackets {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let node = wire::anybody(dice, stage)?;
        Some(Self(wire::Rule {
            node,
            table: "small_packets",
            words: format!("meta length > {LARGEST} drop"),
        }))
    }

    fn name(&self) -> String {
        format!("no packet above {LARGEST} bytes reaches {}", self.0.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        wire::set(stage, std::slice::from_ref(&self.0)).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::clear(stage, std::slice::from_ref(&self.0)).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
