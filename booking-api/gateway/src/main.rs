//! The process `payment-gateway --config FILE.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::run("PAYMENT_GATEWAY_", payment_gateway::start)
}
