//! Moving the show to the other shard, in five steps. Each may be repeated and
//! as much time as it likes may pass between two of them, or for ever.

use crate::names::{Place, at};
use crate::shard::{Placement, Shard};
use crate::state::State;

/// How far the move is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Mover {
    /// Nobody moves the show.
    #[default]
    Idle,
    /// The old placement is frozen, until it is deleted.
    Frozen,
    /// Bookings, tombstones, tickets and outbox are on the new shard, too.
    Copied,
    /// The new shard has a placement with the next epoch.
    Placed,
    /// The map names the new shard.
    Flipped,
    /// The old copy is deleted.
    Deleted,
}

const OLD: Place = Place { shard: 0, epoch: 0 };
const NEW: Place = Place { shard: 1, epoch: 1 };

impl State {
    /// The next step of the move.
    pub fn move_on(&mut self) {
        self.mover = match self.mover {
            Mover::Idle => {
                let placement = Placement { epoch: OLD.epoch, frozen: true };
                self.shards[at(OLD.shard)].placement = Some(placement);
                Mover::Frozen
            }
            Mover::Frozen => {
                let copy = Shard { placement: None, ..self.shards[at(OLD.shard)] };
                self.shards[at(NEW.shard)] = copy;
                Mover::Copied
            }
            Mover::Copied => {
                let placement = Placement { epoch: NEW.epoch, frozen: false };
                self.shards[at(NEW.shard)].placement = Some(placement);
                Mover::Placed
            }
            Mover::Placed => {
                self.etcd.map.place = NEW;
                self.etcd.map.version += 1;
                Mover::Flipped
            }
            Mover::Flipped | Mover::Deleted => {
                self.shards[at(OLD.shard)] = Shard::default();
                Mover::Deleted
            }
        };
    }
}
