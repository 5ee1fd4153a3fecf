//! The process `payment-gateway --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run("PAYMENT_GATEWAY_", service_kit::Faults::NONE, payment_gateway::start)
}
