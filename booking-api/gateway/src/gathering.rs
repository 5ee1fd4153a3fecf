//! `POST /v1/operations`: many operations in one request, each worked on and
//! answered by itself, as soon as it is done; or late, twice or never, where
//! the sandbox is told to.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use payment_gateway_client::wire::{
    Answer, MAX_MEMO_BYTES, MAX_OPERATION_BYTES, MAX_OPERATIONS, Operation, Refusal, Verdict,
};
use seat_model::Code;
use service_kit::{ApiBytes, ApiProblem, on_behalf_of};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use trace_context::{MAX_CARRIED_BYTES, read_line};

use crate::ledger::Change;
use crate::misbehaviour::Treatment;
use crate::routes::App;

/// The largest request, in bytes.
const LIMIT_BYTES: usize = MAX_OPERATIONS * (MAX_OPERATION_BYTES + MAX_CARRIED_BYTES + 1);

/// An answer that never comes keeps its request open for so long; every caller
/// has given up before.
const NEVER: Duration = Duration::from_secs(20);

/// The longest refund key.
const MAX_REFUND_KEY: usize = 64;

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
    let mut working: FuturesUnordered<_> = lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let read = read_line::<Operation>(line);
            let app = app.clone();
            async move {
                let (answer, times) = match read {
                    Ok((carried, operation)) => {
                        let doing = operation.name();
                        on_behalf_of(carried.as_ref(), doing, app.treat(operation)).await
                    }
                    Err(error) => (Err(ApiProblem::invalid("operation", error.to_string())), 1),
                };
                let answer = answer.map_or_else(
                    |problem| Answer::Problem(problem.problem().clone()),
                    Answer::Verdict,
                );
                encode(at, &answer).repeat(times)
            }
        })
        .collect();
    // To its end, even when the caller hangs up, as a real gateway would.
    drop(app.background.finish(async move {
        while let Some(line) = working.next().await {
            if !line.is_empty() {
                // There is room for a line of each; a caller that left reads none.
                let _ = done.send(Bytes::from(line)).await;
            }
        }
    }));
    let body = ReceiverStream::new(answered).map(Ok::<_, Infallible>);
    Ok(([("content-type", "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// A line, or nothing: a missing one is "unknown", half a one would spoil the next.
fn encode(at: usize, answer: &Answer) -> Vec<u8> {
    let mut line = serde_json::to_vec(&(at, answer)).unwrap_or_default();
    if !line.is_empty() {
        line.push(b'\n');
    }
    line
}

impl App {
    /// One operation, and how many times it is answered. A bug in it is its
    /// own: the others of the request are answered.
    async fn treat(self, operation: Operation) -> (Result<Verdict, ApiProblem>, usize) {
        if let Err(problem) = check(&operation) {
            return (Err(problem), 1);
        }
        let Some(treatment) = self.misbehaviour.treat(&operation) else {
            return (Err(ApiProblem::invalid("token", "is not known to the sandbox")), 1);
        };
        let Ok(_place) = self.places.try_acquire() else {
            return (Err(turned_away()), 1);
        };
        let worked = AssertUnwindSafe(self.work_on(operation, treatment)).catch_unwind().await;
        let answer = worked
            .unwrap_or_else(|_| Err(ApiProblem::new(Code::Internal, "an operation panicked")));
        if treatment.ignored || treatment.lost && !treatment.turned_away {
            self.wait(NEVER).await;
            return (answer, 0);
        }
        self.wait(treatment.late).await;
        (answer, if treatment.twice { 2 } else { 1 })
    }

    async fn work_on(
        &self,
        operation: Operation,
        treatment: Treatment,
    ) -> Result<Verdict, ApiProblem> {
        let Treatment { turned_away: away, delay, ignored, declined, refused, .. } = treatment;
        let verdict = if away {
            Err(turned_away())
        } else if ignored {
            Err(ApiProblem::new(Code::OutcomeUnknown, "ignored, as the token says"))
        } else if refused {
            Ok(Verdict::Refused(Refusal::ByBank))
        } else {
            self.wait(delay).await;
            self.desk.write(Change { operation: operation.clone(), declined }).await
        };
        self.metrics.done(&operation, verdict.as_ref().ok().copied());
        verdict
    }

    /// Not past the end of the process.
    async fn wait(&self, how_long: Duration) {
        if how_long.is_zero() {
            return;
        }
        let shutdown = self.background.shutdown();
        tokio::select! {
            () = tokio::time::sleep(how_long) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

fn turned_away() -> ApiProblem {
    ApiProblem::new(Code::Unavailable, "too many operations are in flight")
}

fn check(operation: &Operation) -> Result<(), ApiProblem> {
    match operation {
        Operation::Authorise(asked) if asked.memo.len() > MAX_MEMO_BYTES => {
            Err(ApiProblem::invalid("memo", format!("has more than {MAX_MEMO_BYTES} bytes")))
        }
        Operation::Refund { refund_key, .. }
            if refund_key.is_empty() || refund_key.len() > MAX_REFUND_KEY =>
        {
            Err(ApiProblem::invalid("refund_key", "has not 1 to 64 bytes"))
        }
        _ => Ok(()),
    }
}
