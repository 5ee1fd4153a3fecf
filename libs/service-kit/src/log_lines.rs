//! Logs: JSON lines on standard output, each with the ids of the request that
//! it is about. Must not know what is logged.

use std::fmt;

use trace_context::Trace;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

/// `RUST_LOG` chooses, `info` otherwise.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .fmt_fields(JsonFields::new())
        .event_format(WithIds::default())
        .with_env_filter(filter)
        .init();
}

/// The library's line and the ids behind it. They come from the task and not
/// from a span: a span would be formatted for each request, and hardly any
/// request logs (docs/adr/0018-one-id-from-the-door-to-the-ledger.md).
struct WithIds(Format<Json>);

impl Default for WithIds {
    fn default() -> Self {
        Self(format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for WithIds
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = Trace::current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::with_capacity(512);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let open = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        let own = trace.traceparent();
        let (id, route) = (quoted(trace.request_id())?, quoted(trace.doing())?);
        writeln!(
            writer,
            "{open},\"request_id\":{id},\"trace_id\":\"{:032x}\",\"span_id\":\"{:016x}\",\
             \"route\":{route}}}",
            own.trace_id, own.span_id
        )
    }
}

fn quoted(text: &str) -> Result<String, fmt::Error> {
    serde_json::to_string(text).map_err(|_| fmt::Error)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use hyper::header::HeaderValue;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Paper {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is written of this, line by line.
    fn written(say: impl FnOnce()) -> Vec<Value> {
        let paper = Paper::default();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(WithIds::default())
            .with_writer(paper.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_about_a_request_has_its_ids() {
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
        let id = HeaderValue::from_static("r-\"1\"");
        let trace = Trace::new(caller, true, id, "/v1/book/{show}");
        let lines = written(|| {
            trace.clone().enter(|| tracing::warn!(seats = 2, "of \"a\" {{request}}"));
            tracing::warn!("of none");
        });
        let own = trace.traceparent();
        assert_eq!(lines[0]["level"], "WARN");
        assert_eq!(
            (&lines[0]["seats"], &lines[0]["message"]),
            (&json!(2), &json!("of \"a\" {request}"))
        );
        assert_eq!(lines[0]["request_id"], "r-\"1\"");
        assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(lines[0]["span_id"], format!("{:016x}", own.span_id));
        assert_eq!(lines[0]["route"], "/v1/book/{show}");
        assert_eq!(lines[1]["message"], "of none");
        assert!(lines[1].get("trace_id").is_none(), "{}", lines[1]);
    }
}
