//! Parts of a request: an operation that came with others in one request, a
//! statement to a store. Must not know what they do.

use std::future::Future;
use std::time::Instant;

use opentelemetry::trace::SpanKind;
use trace_context::{Carried, Trace};

use crate::spans;

/// Works on behalf of whoever is named beside an operation, so that what is
/// logged and asked meanwhile has its ids. Where its trace is kept, one line
/// says that it is done. `doing` is the operation's name.
pub async fn on_behalf_of<F: Future>(
    carried: Option<&Carried>,
    doing: &'static str,
    work: F,
) -> F::Output {
    match carried.and_then(|carried| carried.trace(doing)) {
        Some(trace) => under(trace, SpanKind::Server, work).await,
        None => work.await,
    }
}

/// A part of what this task works on that is worth a line of its own where the
/// trace is kept, such as the statement that makes a sale.
pub async fn as_part<F: Future>(doing: &'static str, work: F) -> F::Output {
    match Trace::current().filter(Trace::is_sampled) {
        Some(whole) => under(whole.part(doing), SpanKind::Client, work).await,
        None => work.await,
    }
}

async fn under<F: Future>(trace: Trace, kind: SpanKind, work: F) -> F::Output {
    if !trace.is_sampled() {
        return trace.scope(work).await;
    }
    let begun = Instant::now();
    let done = trace.clone().scope(work).await;
    let took = begun.elapsed();
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    trace.clone().enter(|| tracing::info!(took_us, "worked on"));
    spans::keep(&trace, kind, took, |_| {});
    done
}
