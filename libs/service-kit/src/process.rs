//! `main`, the same in all services: parse, load and check the
//! configuration, telemetry, bind, build, run, drain with a deadline, exit code.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use clap::Parser;
use prometheus::{IntGaugeVec, Opts, Registry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::background::Background;
use crate::config::{self, ServiceConfig};
use crate::fail_points::FailPoints;
use crate::lanes::Lanes;
use crate::listen::{self, ListenConfig};
use crate::planted_bugs::PlantedBugs;
use crate::readiness::Readiness;
use crate::red::Red;
use crate::spans::export_spans;
use crate::telemetry::Sampler;
use crate::{admin, log_lines, reference, request};

/// The command line of a service.
#[derive(Debug, Parser)]
#[group(required = true, multiple = false)]
struct Args {
    /// The configuration file (TOML).
    #[arg(long)]
    config: Option<PathBuf>,
    /// Prints every key that the configuration may have, as Markdown.
    #[arg(long)]
    configuration_reference: bool,
}

/// What a service is given to build itself with.
#[derive(Debug, Clone)]
pub struct Process {
    /// What it needs and whether it has it.
    pub readiness: Readiness,
    /// Where its metrics are registered.
    pub registry: Registry,
    /// Its background work, and the token that ends it.
    pub background: Background,
}

/// What can be broken in a faulty build of a service; nothing in any other.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Where it can be told to die, pause or lose an answer.
    pub fail_points: &'static FailPoints,
    /// What it can be told to do wrong.
    pub planted_bugs: &'static PlantedBugs,
}

impl Faults {
    /// A service that is only built sound.
    pub const NONE: Self = Self { fail_points: FailPoints::NONE, planted_bugs: PlantedBugs::NONE };
}

/// Runs a service to its end. `build` makes the router; what must keep running
/// beside it goes to [`Process::background`]. `env_prefix` such as `LOCK_SERVICE_`.
pub fn run<C, B, F, E>(env_prefix: &str, faults: Faults, build: B) -> ExitCode
where
    C: ServiceConfig,
    B: FnOnce(C, Process) -> F,
    F: Future<Output = Result<Router, E>>,
    E: std::fmt::Display,
{
    if faults.fail_points.listed() || faults.planted_bugs.listed() {
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let Some(path) = args.config.filter(|_| !args.configuration_reference) else {
        let page = reference::markdown(&reference::schema::<C>(), env_prefix);
        let printed = std::io::stdout().write_all(page.as_bytes());
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    log_lines::start();
    if let Err(error) = faults.fail_points.arm_from_environment() {
        return failed("a fail point is refused", &error);
    }
    faults.planted_bugs.plant_from_environment();
    let config: C = match config::load_config(&path, env_prefix) {
        Ok(config) => config,
        Err(error) => return failed("the configuration is refused", &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed("no runtime", &error),
    };
    let service = env_prefix.trim_end_matches('_').to_lowercase().replace('_', "-");
    runtime.block_on(run_until_told(service, config, faults, build))
}

async fn run_until_told<C, B, F, E>(
    service: String,
    config: C,
    faults: Faults,
    build: B,
) -> ExitCode
where
    C: ServiceConfig,
    B: FnOnce(C, Process) -> F,
    F: Future<Output = Result<Router, E>>,
    E: std::fmt::Display,
{
    let name = config.name().to_owned();
    let how = config.listen();
    let sampler = Sampler::new(config.telemetry());
    let bound =
        tokio::try_join!(TcpListener::bind(how.listen), TcpListener::bind(how.admin_listen));
    let (listener, admin_listener) = match bound {
        Ok(bound) => bound,
        Err(error) => return failed("could not bind", &error),
    };
    let lanes = match Lanes::open(how.lanes) {
        Ok(lanes) => lanes,
        Err(error) => return failed("no threads to answer on", &error),
    };
    let process = Process {
        readiness: Readiness::default(),
        registry: Registry::new(),
        background: Background::default(),
    };
    let red = match register_process_metrics(&process.registry) {
        Ok(red) => red,
        Err(error) => return failed("could not register metrics", &error),
    };
    let (telemetry, instance) = (config.telemetry(), config.name());
    if let Err(error) =
        export_spans(&service, instance, telemetry, &process.registry, &process.background)
    {
        return failed("spans cannot be exported", &error);
    }
    // Before `build` has registered what it needs, nothing would be missing: the
    // process must not call itself ready then.
    let built = process.readiness.required("start");
    // The admin port answers while the service is still being built, so that
    // an operator can read what it waits for.
    let admin = admin::router(process.readiness.clone(), process.registry.clone());
    let admin = faults.fail_points.add_routes(admin);
    let admin_end = process.background.shutdown().child_token();
    let admin_how = ListenConfig { max_connections: 64, ..how };
    let admin = tokio::spawn(async move {
        let here = Lanes::none();
        listen::serve(admin_listener, admin, admin_how, &here, admin_end).await
    });

    let router = tokio::select! {
        router = build(config, process.clone()) => match router {
            Ok(router) => router,
            Err(error) => return failed("could not start", &error),
        },
        () = told_to_stop() => return ExitCode::SUCCESS,
    };
    let router = request::finish_router(router, red, sampler);
    built.up();
    let shutdown = process.background.shutdown();
    tracing::info!(service = name, listen = %how.listen, admin = %how.admin_listen, "serving");
    tokio::spawn({
        let (shutdown, readiness) = (shutdown.clone(), process.readiness.clone());
        async move {
            told_to_stop().await;
            readiness.leave();
            tokio::select! {
                () = tokio::time::sleep(how.leave) => {}
                // Who says it twice does not want to wait.
                () = told_to_stop() => {}
            }
            shutdown.cancel();
        }
    });
    let served = listen::serve(listener, router, how, &lanes, shutdown).await;
    // What a request left behind it may still run in its lane.
    let finished = process.background.drain(how.drain).await;
    drop(lanes);
    admin.abort();
    if process.background.gave_up() {
        // Who gave up has said why, as an error: once is enough.
        tracing::warn!(service = name, "stopped, because it cannot go on");
        ExitCode::FAILURE
    } else if served && finished {
        tracing::info!(service = name, "stopped");
        ExitCode::SUCCESS
    } else {
        tracing::error!(service = name, served, finished, "stopped before everything had ended");
        ExitCode::FAILURE
    }
}

fn register_process_metrics(registry: &Registry) -> prometheus::Result<Red> {
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let build = IntGaugeVec::new(
        Opts::new("seatlock_build_info", "The version that runs, as a label; always 1."),
        &["version"],
    )?;
    registry.register(Box::new(build.clone()))?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Red::new(registry)
}

async fn told_to_stop() {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the default action ends the process anyway.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%error, "{what}");
    ExitCode::FAILURE
}
