//! How a Seatlock process starts, listens, reports and stops; the same in all
//! services, whose `main` is one call of [`run`].
//!
//! Must not know: seats, shows, any store.

mod admin;
mod answer;
mod background;
pub mod clock;
mod config;
mod extract;
pub mod fail_points;
mod lanes;
mod listen;
mod log_lines;
pub mod planted_bugs;
mod process;
mod rate_limit;
mod readiness;
mod red;
mod reference;
mod request;
mod spans;
mod telemetry;
mod work;

/// A quarter of a lock-service's time went into the system's allocator: many
/// small short-lived values on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use answer::ApiProblem;
pub use background::Background;
pub use config::{ConfigError, ServiceConfig, load_config};
pub use extract::{ApiBytes, ApiJson, ApiPath, ApiQuery, BODY_LIMIT_BYTES};
pub use listen::ListenConfig;
pub use process::{Faults, Process, run};
pub use rate_limit::{RateLimit, RateLimitConfig};
pub use readiness::{Component, Readiness};
pub use red::Red;
pub use request::finish_router;
pub use spans::{SpansError, export_spans};
pub use telemetry::{Sampler, TelemetryConfig};
pub use work::{as_part, on_behalf_of};
