//! The latest changes of one performance, for those who watch and those who
//! come back after a break.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use seat_model::{PublicSeatState, SeatId, Timestamp};
use tokio::sync::broadcast;
use view_service_client::wire::SeatChange;

use super::memory::Known;

/// A change and, once somebody watched, its rendered form: rendered once,
/// however many watch.
#[derive(Debug)]
pub struct Event {
    /// What changed.
    pub change: SeatChange,
    frame: OnceLock<Bytes>,
}

impl Event {
    fn new(revision: u64, as_of: Timestamp, seats: BTreeMap<SeatId, PublicSeatState>) -> Self {
        Self { change: SeatChange { revision, as_of, seats }, frame: OnceLock::new() }
    }

    /// The event as it travels.
    pub fn frame(&self) -> Bytes {
        self.frame
            .get_or_init(|| {
                let data = serde_json::to_string(&self.change).unwrap_or_default();
                let id = self.change.revision;
                Bytes::from(format!("event: change\nid: {id}\ndata: {data}\n\n"))
            })
            .clone()
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum Message {
    /// Some seats changed.
    Change(Arc<Event>),
    /// What was told no longer holds: begin with a snapshot.
    Reset,
}

/// Where a watcher begins.
#[derive(Debug)]
pub enum Start {
    /// These changes follow what it has.
    Resume(Vec<Arc<Event>>),
    /// There is a gap: the whole map.
    Snapshot(Known),
}

/// A watcher's place: nothing between `start` and `receiver` is lost.
#[derive(Debug)]
pub struct Subscription {
    /// What to say first.
    pub start: Start,
    /// What happens from then on; bounded, a slow reader sees `Lagged`.
    pub receiver: broadcast::Receiver<Message>,
}

/// The live side of a performance.
#[derive(Debug)]
pub(super) struct Live {
    history: VecDeque<Arc<Event>>,
    /// Every change after this revision is in `history`.
    resumable_from: u64,
    sender: Option<broadcast::Sender<Message>>,
}

impl Live {
    pub(super) fn new(resumable_from: u64) -> Self {
        Self { history: VecDeque::new(), resumable_from, sender: None }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.receiver_count() > 0)
    }

    pub(super) fn tell(
        &mut self,
        revision: u64,
        as_of: Timestamp,
        seats: BTreeMap<SeatId, PublicSeatState>,
        at_most: usize,
    ) {
        let event = Arc::new(Event::new(revision, as_of, seats));
        if self.history.len() >= at_most
            && let Some(dropped) = self.history.pop_front()
        {
            self.resumable_from = dropped.change.revision;
        }
        self.history.push_back(Arc::clone(&event));
        self.send(Message::Change(event));
    }

    /// Forgets the past, which was another cell's.
    pub(super) fn reset(&mut self, revision: u64) {
        self.history.clear();
        self.resumable_from = revision;
        self.send(Message::Reset);
    }

    fn send(&mut self, message: Message) {
        if let Some(sender) = &self.sender
            && sender.send(message).is_err()
        {
            // The last watcher has gone.
            self.sender = None;
        }
    }

    /// Changes after `last`; `None` where some are missing.
    pub(super) fn since(&self, last: u64) -> Option<Vec<Arc<Event>>> {
        (last >= self.resumable_from).then(|| {
            self.history.iter().filter(|event| event.change.revision > last).cloned().collect()
        })
    }

    pub(super) fn watch(&mut self, queue: usize) -> broadcast::Receiver<Message> {
        self.sender.get_or_insert_with(|| broadcast::Sender::new(queue)).subscribe()
    }
}
