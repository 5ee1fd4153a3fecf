//! Some nodes hear nothing of some others, which hear them: requests arrive
//! and their answers do not, or the other way round.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::cut::Sides;
use super::{Harm, wire};
use crate::stage::Stage;

pub(crate) struct OneWay {
    sides: Sides,
    /// Whether the left side is the deaf one.
    left: bool,
    rules: Vec<wire::Rule>,
}

impl Harm for OneWay {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let sides = Sides::draw(dice, stage)?;
        Some(Self { sides, left: dice.random_range(0..2) == 0, rules: Vec::new() })
    }

    fn name(&self) -> String {
        let (left, right) = (self.sides.left.join(", "), self.sides.right.join(", "));
        let (deaf, unheard) = if self.left { (left, right) } else { (right, left) };
        format!("{deaf} does not hear {unheard}")
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let sides = &self.sides;
        self.rules = if self.left {
            sides.left_deaf(stage, "one_way")
        } else {
            sides.right_deaf(stage, "one_way")
        };
        wire::set(stage, &self.rules).await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        wire::clear(stage, &self.rules).await
    }

    fn missing() -> Option<String> {
        wire::missing()
    }
}
