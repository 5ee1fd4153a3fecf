//! The lock-service process of a faulty build: the same program with fail points,
//! and with bugs it can be told to have. For tests only.

use std::process::ExitCode;

fn main() -> ExitCode {
    lock_service::run()
}
