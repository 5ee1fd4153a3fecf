//! A node's line carries little: what it sends waits in a queue, and what does
//! not fit the queue is lost.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Harm, wire};
use crate::stage::Stage;

pub(crate) struct ThinPipe {
    node: String,
    kbit: u32,
}

impl Harm for ThinPipe {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        Some(Self { node: wire::anybody(dice, stage)?, kbit: dice.random_range(200..2_000) })
    }

    fn name(&self) -> String {
        format!("{} sends {} kbit/s at most", self.node, self.kbit)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let rate = format!("{}kbit", self.kbit);
        let command = ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", &rate];
        let queue = ["burst", "16k", "latency", "300ms"];
        wire::on_host(stage, &self.node, &[&command[..], &queue[..]].concat()).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::on_host(stage, &self.node, &["tc", "qdisc", "del", "dev", "eth0", "root"]).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
