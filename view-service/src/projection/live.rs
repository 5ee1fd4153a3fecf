//! The latest changes of one performance, for those who watch and those who
//! come back after a break.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::broadcast;
use view_service_client::wire::SeatChange;

/// A change and, once somebody watched, its rendered form: rendered once,
/// however many watch.
#[derive(Debug)]
pub struct Event {
    /// What changed.
    pub change: SeatChange,
    /// What the performance became with it, see [`super::Stand::version`].
    pub version: u64,
    frame: OnceLock<Bytes>,
}

impl Event {
    const fn new(change: SeatChange, version: u64) -> Self {
        Self { change, version, frame: OnceLock::new() }
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
    /// There is a gap: the whole map, as it is after the place was taken.
    /// Changes that the receiver still has and that are part of it are told by
    /// their version.
    Snapshot,
}

/// A watcher's place: nothing between `start` and `receiver` is lost.
#[derive(Debug)]
pub struct Subscription {
    /// What to say first.
    pub start: Start,
    /// The state of the performance when the place was taken; it only grows
    /// while somebody watches.
    pub version: u64,
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

    pub(super) fn tell(&mut self, change: SeatChange, version: u64, at_most: usize) {
        let event = Arc::new(Event::new(change, version));
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
