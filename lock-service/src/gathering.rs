//! `POST /v1/operations`: many operations in one request, each worked on and
//! answered by itself, as soon as it is done.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lock_service_client::wire::{
    AcquireToConfirm, Answer, AnswerLine, MAX_OPERATION_BYTES, MAX_OPERATIONS, Operation,
};
use service_kit::{ApiBytes, ApiProblem, on_behalf_of};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use trace_context::{MAX_CARRIED_BYTES, read_line};

use crate::engine::Engine;
use crate::fail_points;
use crate::fault::Fault;
use crate::operations::Asked;
use crate::routes::{App, too_many};

/// Answers sent together at most: what is encoded at once stays small enough
/// for memory that was just used for the one before.
const CHUNK: usize = 32;

/// The largest request, in bytes.
const LIMIT_BYTES: usize = MAX_OPERATIONS * (MAX_OPERATION_BYTES + MAX_CARRIED_BYTES + 1);

pub(crate) async fn answer_all(
    State(app): State<App>,
    ApiBytes(body): ApiBytes<LIMIT_BYTES>,
) -> Result<Response, ApiProblem> {
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_OPERATIONS {
        let detail = format!("a request has at most {MAX_OPERATIONS} operations");
        return Err(ApiProblem::invalid("body", detail));
    }
    let (done, answered) = mpsc::channel(lines.len().max(1));
    let working: FuturesUnordered<_> = lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let read = read_line::<Operation>(line);
            let app = app.clone();
            async move {
                let answer = match read {
                    Ok((carried, operation)) => {
                        let doing = name(&operation);
                        on_behalf_of(carried.as_ref(), doing, app.work_on(operation)).await
                    }
                    Err(error) => Err(ApiProblem::invalid("operation", error.to_string())),
                };
                let no_verdict = |problem: ApiProblem| Answer::Problem(problem.problem().clone());
                AnswerLine(at, answer.unwrap_or_else(no_verdict))
            }
        })
        .collect();
    // To its end, even when the caller hangs up: a torn acquire would leave
    // its seats reserved by nobody.
    drop(app.engine.background.finish(async move {
        let mut answers = working.ready_chunks(CHUNK);
        while let Some(ready) = answers.next().await {
            if fail_points::ANSWERING.is_lost().await {
                continue;
            }
            // There is room for a chunk of each; a caller that left reads none.
            let _ = done.send(encode(&ready)).await;
        }
    }));
    let body = ReceiverStream::new(answered).map(Ok::<_, std::convert::Infallible>);
    Ok(([("content-type", "application/x-ndjson")], Body::from_stream(body)).into_response())
}

fn encode(answers: &[AnswerLine]) -> Bytes {
    let mut lines = Vec::with_capacity(answers.len() * 512);
    for answer in answers {
        let whole = lines.len();
        if serde_json::to_writer(&mut lines, answer).is_err() {
            // Half a line would spoil the next; a missing one is "unknown".
            lines.truncate(whole);
        } else {
            lines.push(b'\n');
        }
    }
    lines.into()
}

impl App {
    /// One operation, within the bound on requests in flight. A bug in it is
    /// its own: the others of the request are answered.
    async fn work_on(self, operation: Operation) -> Result<Answer, ApiProblem> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(too_many());
        };
        let metrics = &self.engine.metrics;
        let (name, begun) = (name(&operation), Instant::now());
        metrics.in_flight.inc();
        let answered = AssertUnwindSafe(do_it(&self.engine, operation)).catch_unwind().await;
        metrics.in_flight.dec();
        metrics.operation_took(name, begun.elapsed());
        let answered =
            answered.unwrap_or_else(|_| Err(Fault::Internal(format!("{name} panicked"))));
        answered.map_err(ApiProblem::from)
    }
}

async fn do_it(engine: &Arc<Engine>, operation: Operation) -> Result<Answer, Fault> {
    let moved = match operation {
        Operation::Acquire(acquire) => {
            return engine.acquire(acquire, None).await.map(Answer::Acquired);
        }
        Operation::AcquireToConfirm(AcquireToConfirm { acquire, shards_revision }) => {
            return engine.acquire(acquire, Some(shards_revision)).await.map(Answer::Acquired);
        }
        Operation::Free(seats) => return engine.free(seats).await.map(Answer::Freed),
        Operation::Booking(booking) => return engine.booking(booking).await.map(Answer::Booking),
        Operation::Room => return engine.room_to_confirm().map(|()| Answer::Room),
        Operation::Extend(at) => engine.extend(at).await,
        Operation::BeginConfirm(begin) => engine.begin_confirm(begin).await,
        Operation::Release(at) => engine.end(Asked::Release, at).await,
        Operation::StepBack(at) => engine.end(Asked::StepBack, at).await,
        Operation::Finish(at) => engine.end(Asked::Finish, at).await,
        Operation::Abort(at) => engine.end(Asked::Abort, at).await,
    };
    moved.map(Answer::Moved)
}

const fn name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Acquire(_) => "acquire",
        Operation::AcquireToConfirm(_) => "acquire_to_confirm",
        Operation::Extend(_) => "extend",
        Operation::Release(_) => "release",
        Operation::BeginConfirm(_) => "begin_confirm",
        Operation::StepBack(_) => "step_back",
        Operation::Finish(_) => "finish",
        Operation::Abort(_) => "abort",
        Operation::Free(_) => "free",
        Operation::Booking(_) => "booking",
        Operation::Room => "room",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_version_before_are_read_and_ours_it_cannot_read() {
        let plain: &[u8] = b"\"room\"";
        let (carried, operation) = read_line::<Operation>(plain).unwrap();
        assert_eq!((carried, operation), (None, Operation::Room));
        // Why lock-service is upgraded before booking-api, and goes back after
        // it: a version before reads a line as nothing but an operation.
        let before = |line: &[u8]| serde_json::from_slice::<Operation>(line);
        assert_eq!(before(plain).unwrap(), Operation::Room);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let ours = format!(r#"[{{"traceparent":"{parent}","request_id":"r-1"}},"room"]"#);
        let (carried, operation) = read_line::<Operation>(ours.as_bytes()).unwrap();
        assert!(carried.is_some_and(|carried| carried.request_id == "r-1"));
        assert_eq!(operation, Operation::Room);
        assert!(before(ours.as_bytes()).is_err());
    }
}
