//! The part of a trace that is worked on now. It belongs to a task, not to a
//! thread: whatever the task awaits finds it, and what it spawns must be told
//! with [`inherit`]. Must not know what is done with it.

use std::future::Future;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::traceparent::{TRACEPARENT, Traceparent};

static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest `tracestate` that is passed on, in bytes: what the
/// recommendation asks of everybody. A longer one is dropped whole.
pub(crate) const MAX_STATE_BYTES: usize = 512;

tokio::task_local! {
    static CURRENT: Option<Trace>;
}

/// A part of a trace: one request, or one operation of many that came in one.
/// Clones are the same part.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Part>);

#[derive(Debug)]
struct Part {
    own: Traceparent,
    caller: Option<NonZeroU64>,
    request_id: HeaderValue,
    state: Option<HeaderValue>,
    doing: Box<str>,
}

impl Trace {
    /// A part that answers this caller; without one it is the first of a new
    /// trace, whose id is the request's where that is a UUID, so that people
    /// have one id to look for. `doing` is a route or an operation, never
    /// anything of a customer's.
    #[must_use]
    pub fn new(
        caller: Option<Traceparent>,
        sampled: bool,
        request_id: HeaderValue,
        doing: &str,
    ) -> Self {
        let trace_id = match caller {
            Some(caller) => caller.trace_id,
            None => id_of(&request_id).unwrap_or_else(fresh_trace_id),
        };
        Self(Arc::new(Part {
            own: Traceparent { trace_id, span_id: fresh_span_id(), sampled },
            caller: caller.map(|caller| caller.span_id),
            request_id,
            state: None,
            doing: doing.into(),
        }))
    }

    /// A part of this part, such as one statement of a request.
    #[must_use]
    pub fn part(&self, doing: &str) -> Self {
        let Part { own, request_id, state, .. } = &*self.0;
        Self(Arc::new(Part {
            own: Traceparent { span_id: fresh_span_id(), ..*own },
            caller: Some(own.span_id),
            request_id: request_id.clone(),
            state: state.clone(),
            doing: doing.into(),
        }))
    }

    /// The same with what vendors keep in the caller's `tracestate`, in the
    /// order it came. It is nothing without a `traceparent`.
    #[must_use]
    pub fn with_state_of(self, headers: &HeaderMap) -> Self {
        if self.0.caller.is_none() || !headers.contains_key(&TRACESTATE) {
            return self;
        }
        let values = headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes);
        let all = values.collect::<Vec<_>>().join(&b',');
        self.with_state(HeaderValue::from_bytes(&all).ok())
    }

    pub(crate) fn with_state(self, state: Option<HeaderValue>) -> Self {
        let Part { own, caller, request_id, doing, .. } = &*self.0;
        let state = state
            .filter(|state| (1..=MAX_STATE_BYTES).contains(&state.len()) && state.to_str().is_ok());
        Self(Arc::new(Part {
            own: *own,
            caller: *caller,
            request_id: request_id.clone(),
            state,
            doing: doing.clone(),
        }))
    }

    /// The part that this task works on.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// Works on this part.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(Some(self), work)
    }

    /// Does something on this part's behalf, at once.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Some(self), work)
    }

    /// What whoever is asked on its behalf is told.
    #[must_use]
    pub fn traceparent(&self) -> Traceparent {
        self.0.own
    }

    /// The whole trace's id as it is written everywhere.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.0.own.trace_id)
    }

    /// The span of whoever asked for this part.
    #[must_use]
    pub fn caller(&self) -> Option<NonZeroU64> {
        self.0.caller
    }

    /// Whether it is kept: logged when it is done, and exported.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.own.sampled
    }

    /// The request's id: visible ASCII.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.0.request_id.to_str().unwrap_or_default()
    }

    /// The caller's `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.0.state.as_ref().and_then(|state| state.to_str().ok())
    }

    /// The route or the operation.
    #[must_use]
    pub fn doing(&self) -> &str {
        &self.0.doing
    }

    /// Tells whoever gets a request with these headers.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        let Part { own, request_id, state, .. } = &*self.0;
        if let Ok(own) = HeaderValue::try_from(own.to_string()) {
            headers.insert(TRACEPARENT.clone(), own);
        }
        headers.insert(X_REQUEST_ID.clone(), request_id.clone());
        if let Some(state) = state {
            headers.insert(TRACESTATE.clone(), state.clone());
        }
    }
}

/// Work to be spawned, on behalf of whatever the spawning task works on.
pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Trace::current(), work)
}

fn id_of(request_id: &HeaderValue) -> Option<NonZeroU128> {
    let id = uuid::Uuid::try_parse_ascii(request_id.as_bytes()).ok()?;
    NonZeroU128::new(id.as_u128())
}

fn fresh_trace_id() -> NonZeroU128 {
    // Once in 2^128 it would be nothing.
    NonZeroU128::new(rand::random()).unwrap_or(NonZeroU128::MIN)
}

fn fresh_span_id() -> NonZeroU64 {
    NonZeroU64::new(rand::random()).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn child() -> Trace {
        Trace::new(CALLER.parse().ok(), true, HeaderValue::from_static("r-1"), "/v1/book/{show}")
    }

    #[test]
    fn a_part_keeps_the_trace_and_has_a_span_of_its_own() {
        let (one, other) = (child(), child());
        let caller: Traceparent = CALLER.parse().unwrap();
        assert_eq!(one.traceparent().trace_id, caller.trace_id);
        assert_eq!(one.caller(), Some(caller.span_id));
        assert_ne!(one.traceparent().span_id, caller.span_id);
        assert_ne!(one.traceparent().span_id, other.traceparent().span_id);
    }

    #[test]
    fn a_new_trace_has_the_requests_id_where_that_is_one() {
        let new = |id| Trace::new(None, false, HeaderValue::from_static(id), "/");
        let told = new("0192f1c8-6f3b-7c61-9d7e-2f7e6f0a1b2c").traceparent().to_string();
        assert!(told.starts_with("00-0192f1c86f3b7c619d7e2f7e6f0a1b2c-"), "{told}");
        assert!(told.ends_with("-00"), "{told}");
        assert_ne!(new("r-1").traceparent().trace_id, new("r-1").traceparent().trace_id);
        assert_eq!(new("r-1").caller(), None);
    }

    #[test]
    fn a_part_of_a_part_is_asked_by_it() {
        let whole = child();
        let part = whole.part("CALL commit_group");
        assert_eq!(part.caller(), Some(whole.traceparent().span_id));
        assert_ne!(part.traceparent().span_id, whole.traceparent().span_id);
        assert_eq!(part.trace_id(), whole.trace_id());
        assert_eq!((part.request_id(), part.doing()), ("r-1", "CALL commit_group"));
    }

    #[test]
    fn whoever_is_asked_is_told_of_it() {
        let mut came = HeaderMap::new();
        came.append("tracestate", HeaderValue::from_static("rojo=00f067aa0ba902b7"));
        came.append("tracestate", HeaderValue::from_static("congo=t61rcWkgMzE"));
        let trace = child().with_state_of(&came);
        let mut sent = HeaderMap::new();
        trace.write_headers(&mut sent);
        assert_eq!(sent["traceparent"], trace.traceparent().to_string().as_str());
        assert_eq!(sent["x-request-id"], "r-1");
        assert_eq!(sent["tracestate"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    }

    #[test]
    fn a_state_without_a_caller_or_end_is_dropped() {
        let mut came = HeaderMap::new();
        came.insert("tracestate", HeaderValue::from_static("a=b"));
        let alone = Trace::new(None, false, HeaderValue::from_static("r-1"), "/");
        assert_eq!(alone.with_state_of(&came).state(), None);
        let long = format!("a={}", "b".repeat(MAX_STATE_BYTES));
        came.insert("tracestate", HeaderValue::try_from(long).unwrap());
        assert_eq!(child().with_state_of(&came).state(), None);
    }

    #[tokio::test]
    async fn what_a_task_spawns_must_be_told() {
        assert!(Trace::current().is_none());
        let told = async { Trace::current().map(|trace| trace.request_id().to_owned()) };
        let (inherited, forgotten) = child()
            .scope(async {
                (tokio::spawn(inherit(told)), tokio::spawn(async { Trace::current() }))
            })
            .await;
        assert_eq!(inherited.await.unwrap().as_deref(), Some("r-1"));
        assert!(forgotten.await.unwrap().is_none());
    }
}
