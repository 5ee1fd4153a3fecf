//! What every test of the whole platform needs: a caller that records what it
//! asked and what came back, and conditions that are waited for.
//!
//! Architecture invariant: nothing here links a service. The platform is seen
//! through sockets and processes, as a customer and an operator would.

mod caller;
mod coverage;
mod wait;

pub use caller::{Answer, Call, Caller};
pub use coverage::Coverage;
pub use wait::{eventually, wait_until};
