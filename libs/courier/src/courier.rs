//! Carries operations to one instance, many in one request: while the instance
//! has not said that it got the last ones, whatever else comes waits and goes
//! along next. No timers: a lone operation waits for nobody, a crowd pays for
//! one request together. Each is answered by itself, as soon as its answer is
//! there.
//!
//! Must not know: what an operation does, which instance it should go to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use seat_model::Problem;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::lines::JsonLines;
use crate::link::{Link, LinkError};

/// Where operations are posted, and how much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path.
    pub path: &'static str,
    /// Operations in one request, at most.
    pub max_operations: usize,
    /// Bytes of one operation, at most; whom it is done for comes on top.
    pub max_operation_bytes: usize,
    /// Operations that wait for the courier; more are refused, unsent.
    pub max_waiting: usize,
    /// Requests under way at once. A slow operation keeps its request open, so
    /// there are more of these than a fast instance ever needs.
    pub max_under_way: usize,
}

/// Requests at once that the instance has not begun to answer, which it does as
/// soon as it has read them: one is being read while the next is written.
const MAX_ON_THE_ROAD: usize = 2;

/// An operation on its way.
struct Parcel<A> {
    /// The operation as a line of JSON, without its end.
    line: Vec<u8>,
    tell: Waiting<A>,
}

/// Who waits for an answer.
type Waiting<A> = oneshot::Sender<Result<A, LinkError>>;

/// All couriers to one instance, whose answers are `A`: each line of an answer
/// is the operation's place in the request, from 0 on, and its answer. A
/// problem of the whole request is everybody's.
pub struct Courier<A> {
    link: Arc<Link>,
    route: Route,
    /// How long one request may take.
    patience: Duration,
    /// Where parcels are dropped; begun on first use, again when its runtime ended.
    inbox: Mutex<Option<mpsc::Sender<Parcel<A>>>>,
}

impl<A: DeserializeOwned + From<Problem> + Send + 'static> Courier<A> {
    /// To the instance behind this link; connects on first use.
    #[must_use]
    pub const fn new(link: Arc<Link>, route: Route, patience: Duration) -> Self {
        Self { link, route, patience, inbox: Mutex::new(None) }
    }

    /// Sends an operation and waits for its answer, as long as one request may
    /// take and not longer. Its line says whom it is done for
    /// ([`trace_context::write_line`]).
    ///
    /// # Errors
    /// `NotSent`: it surely had no effect. `Broken`: nobody knows.
    pub async fn carry(&self, line: Vec<u8>) -> Result<A, LinkError> {
        if line.len() > self.route.max_operation_bytes {
            return Err(LinkError::NotSent("the operation is too long".into()));
        }
        let line = trace_context::write_line(line);
        let (tell, told) = oneshot::channel();
        if self.inbox().try_send(Parcel { line, tell }).is_err() {
            return Err(LinkError::NotSent("too many operations wait to be sent".into()));
        }
        match tokio::time::timeout(self.patience, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LinkError::Broken("the courier was lost".into())),
            Err(_) => Err(LinkError::Broken("did not answer in time".into())),
        }
    }

    fn inbox(&self) -> mpsc::Sender<Parcel<A>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = inbox.as_ref().filter(|inbox| !inbox.is_closed()) {
            return open.clone();
        }
        let (sender, parcels) = mpsc::channel(self.route.max_waiting);
        tokio::spawn(leave_with_all(self.link.clone(), self.route, self.patience, parcels));
        inbox.insert(sender).clone()
    }
}

/// Ends when nobody can send any more.
async fn leave_with_all<A: DeserializeOwned + From<Problem> + Send + 'static>(
    link: Arc<Link>,
    route: Route,
    patience: Duration,
    mut parcels: mpsc::Receiver<Parcel<A>>,
) {
    let places = Arc::new(Semaphore::new(route.max_under_way));
    let road = Arc::new(Semaphore::new(MAX_ON_THE_ROAD));
    let mut waiting = Vec::new();
    while parcels.recv_many(&mut waiting, route.max_operations).await > 0 {
        // Whoever was woken together with the first one gets on as well.
        tokio::task::yield_now().await;
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok(road) = road.clone().acquire_owned().await else { return };
        while waiting.len() < route.max_operations
            && let Ok(parcel) = parcels.try_recv()
        {
            waiting.push(parcel);
        }
        // Who waits no longer has said "unknown" already.
        let load: Vec<Parcel<A>> = waiting.drain(..).filter(|p| !p.tell.is_closed()).collect();
        let link = link.clone();
        tokio::spawn(async move {
            deliver(&link, route, patience, load, road).await;
            drop(place);
        });
    }
}

/// One request and its answers.
async fn deliver<A: DeserializeOwned + From<Problem>>(
    link: &Link,
    route: Route,
    patience: Duration,
    load: Vec<Parcel<A>>,
    road: OwnedSemaphorePermit,
) {
    let mut body = BytesMut::with_capacity(load.iter().map(|parcel| parcel.line.len() + 1).sum());
    let mut waiting = Vec::with_capacity(load.len());
    for Parcel { line, tell } in load {
        body.extend_from_slice(&line);
        body.extend_from_slice(b"\n");
        waiting.push(Some(tell));
    }
    let answering = answer(link, route, body.freeze(), &mut waiting, road);
    let left_over = match tokio::time::timeout(patience, answering).await {
        Ok(Ok(())) => LinkError::Broken("the answer ended early".into()),
        Ok(Err(error)) => error,
        Err(_) => LinkError::Broken("did not answer in time".into()),
    };
    for tell in waiting.into_iter().flatten() {
        // Whoever is gone does not care.
        let _ = tell.send(Err(left_over.clone()));
    }
}

/// Tells each as its line comes.
async fn answer<A: DeserializeOwned + From<Problem>>(
    link: &Link,
    route: Route,
    body: Bytes,
    waiting: &mut [Option<Waiting<A>>],
    road: OwnedSemaphorePermit,
) -> Result<(), LinkError> {
    let answer = link.send(Method::POST, route.path, Some(body)).await?;
    drop(road);
    if answer.status() != StatusCode::OK {
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| LinkError::Broken(error.to_string()))?.to_bytes();
        let problem: Problem = serde_json::from_slice(&body)
            .map_err(|_| LinkError::Broken(format!("answered {status} without a problem body")))?;
        for tell in waiting.iter_mut().filter_map(Option::take) {
            let _ = tell.send(Ok(A::from(problem.clone())));
        }
        return Ok(());
    }
    let mut lines = JsonLines::new(answer.into_body().into_data_stream());
    while let Some((at, answer)) = lines.next::<(usize, A)>().await.map_err(LinkError::Broken)? {
        if let Some(tell) = waiting.get_mut(at).and_then(Option::take) {
            let _ = tell.send(Ok(answer));
        }
    }
    Ok(())
}
