//! The chaos harness and the tests of the whole platform: customers that
//! record what they asked and were told, faults, and judges.
//!
//! Architecture invariant: nothing here links a service. The platform is seen
//! through sockets and processes, as a customer and an operator would.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a run tells what it does")]

mod caller;
pub mod carrier;
pub mod checkers;
mod coverage;
pub mod faults;
pub mod final_state;
pub mod hall;
pub mod history;
mod look;
pub mod options;
pub mod planted;
pub mod programme;
mod recorder;
pub mod report;
pub mod run;
pub mod scenario;
pub mod score;
pub mod stage;
pub mod verdict;
mod visits;
mod wait;
pub mod workload;

pub use caller::{Answer, Call, Caller};
pub use coverage::Coverage;
pub use look::settled;
pub use recorder::Recorder;
pub use visits::{Visits, visited};
pub use wait::{eventually, wait_until};
