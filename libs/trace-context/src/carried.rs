//! A part of a trace as data: beside an operation that travels with others in
//! one request, whose headers can only speak for one, and in the ledger's
//! outbox. Must not know the operations.

use hyper::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::trace::{MAX_STATE_BYTES, Trace};
use crate::traceparent::LENGTH;

/// The longest request id, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What [`write_line`] adds to an operation at most, in bytes. A character of
/// an id or a state takes two where it must be escaped.
pub const MAX_CARRIED_BYTES: usize =
    LENGTH + 2 * MAX_REQUEST_ID_BYTES + 2 * MAX_STATE_BYTES + FRAME.len();

const FRAME: &str = r#"[{"traceparent":"","request_id":"","tracestate":""},]"#;

/// Whom something is done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// As the header.
    pub traceparent: String,
    /// As the header `x-request-id`.
    pub request_id: String,
    /// As the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

impl Carried {
    /// What this task works on, for whoever goes on with it.
    #[must_use]
    pub fn current() -> Option<Self> {
        Trace::current().map(|trace| Self {
            traceparent: trace.traceparent().to_string(),
            request_id: trace.request_id().to_owned(),
            tracestate: trace.state().map(str::to_owned),
        })
    }

    /// The part of the trace that does this for it; none where what was
    /// carried makes no sense.
    #[must_use]
    pub fn trace(&self, doing: &str) -> Option<Trace> {
        let caller = self.traceparent.parse().ok()?;
        let fine = (1..=MAX_REQUEST_ID_BYTES).contains(&self.request_id.len())
            && self.request_id.bytes().all(|byte| byte.is_ascii_graphic());
        let id = HeaderValue::from_str(&self.request_id).ok().filter(|_| fine)?;
        let trace = Trace::new(Some(caller), caller.sampled, id, doing);
        Some(match &self.tracestate {
            Some(state) => trace.with_state(HeaderValue::from_str(state).ok()),
            None => trace,
        })
    }
}

/// An operation as a line: itself, or `[carried, operation]` where this task
/// works on a part of a trace.
#[must_use]
pub fn write_line(operation: Vec<u8>) -> Vec<u8> {
    let Some(carried) = Carried::current() else { return operation };
    let mut line = Vec::with_capacity(operation.len() + LENGTH + 128);
    line.push(b'[');
    if serde_json::to_writer(&mut line, &carried).is_err() {
        return operation;
    }
    line.push(b',');
    line.extend_from_slice(&operation);
    line.push(b']');
    line
}

/// Reads what [`write_line`] wrote, for operations that are no arrays.
///
/// # Errors
/// When it is no such line.
pub fn read_line<O: DeserializeOwned>(
    line: &[u8],
) -> Result<(Option<Carried>, O), serde_json::Error> {
    if line.first() == Some(&b'[') {
        return serde_json::from_slice(line)
            .map(|(carried, operation): (Carried, O)| (Some(carried), operation));
    }
    serde_json::from_slice(line).map(|operation| (None, operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn carried(request_id: &str, tracestate: Option<&str>) -> Carried {
        Carried {
            traceparent: CALLER.to_owned(),
            request_id: request_id.to_owned(),
            tracestate: tracestate.map(str::to_owned),
        }
    }

    #[test]
    fn an_operation_takes_its_trace_along() {
        let trace = carried("r-1", Some("a=b")).trace("confirm").unwrap();
        let line = trace.clone().enter(|| write_line(b"{\"n\":1}".to_vec()));
        let (with, operation) = read_line::<serde_json::Value>(&line).unwrap();
        assert_eq!(operation, serde_json::json!({"n": 1}));
        let there = with.unwrap().trace("commit").unwrap();
        assert_eq!(there.traceparent().trace_id, trace.traceparent().trace_id);
        assert_eq!(there.caller(), Some(trace.traceparent().span_id));
        assert_eq!((there.request_id(), there.state()), ("r-1", Some("a=b")));
        assert!(there.is_sampled());
    }

    #[test]
    fn without_a_trace_a_line_is_the_operation() {
        let line = write_line(b"\"room\"".to_vec());
        assert_eq!(line, b"\"room\"");
        let (with, operation) = read_line::<String>(&line).unwrap();
        assert_eq!((with, operation.as_str()), (None, "room"));
        assert!(read_line::<String>(b"[1,\"room\"]").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_no_trace() {
        assert!(carried("", None).trace("x").is_none());
        assert!(carried("a b", None).trace("x").is_none());
        assert!(carried(&"r".repeat(129), None).trace("x").is_none());
        let bad = Carried { traceparent: "00".to_owned(), ..carried("r-1", None) };
        assert!(bad.trace("x").is_none());
    }

    #[test]
    fn the_longest_line_is_within_the_bound() {
        let state = "\\".repeat(MAX_STATE_BYTES);
        let longest = carried(&"\"".repeat(MAX_REQUEST_ID_BYTES), Some(&state));
        let line = longest.trace("x").unwrap().enter(|| write_line(Vec::new()));
        assert_eq!(line.len(), MAX_CARRIED_BYTES);
    }
}
