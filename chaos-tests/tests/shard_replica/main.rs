//! A shard with a replica: what is acknowledged is on both servers, and when one
//! is lost for good the other leads, with nothing lost and nothing sold twice.
//!
//! One cluster is started before the first test and stopped after the last. The
//! tests run one after the other, as each breaks the shard that all of them use.
#![expect(clippy::print_stderr, reason = "tests tell what they do")]

mod losing;
mod tools;
mod whole;

#[path = "../platform/operator.rs"]
#[expect(dead_code, reason = "the platform's tests use the rest")]
mod operator;
#[path = "../platform/world.rs"]
#[expect(dead_code, reason = "the platform's tests use the rest")]
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use local_cluster::{NodeKind, Profile, StartedCluster, Topology, service};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Mutex;
use world::World;

/// Its cluster's tag.
const TAG: &str = "replicas";

/// The shard that loses its servers.
const SHARD: &str = "shard-0";

/// Names a test after its function and runs it on the world, mended.
macro_rules! trials {
    ($world:expr, $runtime:expr, $($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        vec![$($({
            let (world, runtime): (Arc<Mutex<World>>, Handle) = ($world.clone(), $runtime.clone());
            Trial::test(concat!(stringify!($module), "::", stringify!($name)), move || {
                runtime.block_on(async {
                    let mut world = world.lock().await;
                    whole::mend(&mut world).await;
                    $module::$name(&mut world).await;
                });
                Ok(())
            })
        },)*)*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let runtime = Runtime::new().expect("a runtime");
    let world = match runtime.block_on(start()) {
        Ok(world) => Arc::new(Mutex::new(world)),
        Err(error) => {
            eprintln!("the cluster did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let failed = libtest_mimic::run(&arguments, trials(&world, runtime.handle())).has_failed();
    let cluster = runtime.block_on(world.lock()).cluster.clone();
    if failed {
        eprintln!("the logs of the cluster are kept in {}", cluster.root().display());
    }
    match runtime.block_on(cluster.down(failed)) {
        Err(error) => {
            eprintln!("the cluster did not stop: {error}");
            ExitCode::FAILURE
        }
        Ok(()) if failed => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

async fn start() -> Result<World, String> {
    // Reconciled sooner than in production, so that the tests need not wait.
    let sale = toml::toml! {
        confirming_for_ms = 3000
        committer = { wait_max_ms = 500 }
        connections = { acquire_timeout_ms = 500, statement_timeout_ms = 1500 }
    };
    let mut topology = Topology::new(TAG, Profile::Tiny)
        .only(|kind| !kind.is_watcher())
        .with_override(NodeKind::BookingApi, "sale", toml::Value::Table(sale));
    topology.set_count(NodeKind::Shard, 1);
    topology.set_count(NodeKind::ShardReplica, 1);
    // Somebody sells while the other is led to another server.
    topology.set_count(NodeKind::BookingApi, 2);
    if let Some((program, source)) = service::stale_programs(&topology).first() {
        let (program, source) = (program.display(), source.display());
        return Err(format!("{program} is older than {source}; build it with: {}", service::BUILD));
    }
    // What an interrupted run left is not adopted: the tests begin from nothing.
    if let Ok(leftover) = StartedCluster::attach(None, TAG) {
        leftover.down(false).await.map_err(|error| error.to_string())?;
    }
    let cluster = StartedCluster::up(topology).await.map_err(|error| error.to_string())?;
    Ok(World::new(cluster).await)
}

/// In this order the lead goes to the replica, and back at the end.
fn trials(world: &Arc<Mutex<World>>, runtime: &Handle) -> Vec<Trial> {
    trials!(world, runtime,
        losing::{
            what_the_replica_has_not_is_not_acknowledged,
            what_was_acknowledged_is_there_after_a_promotion,
        },
        tools::{
            the_old_primary_comes_back_only_as_a_replica,
            a_shard_that_is_restored_has_its_replica_anew,
        },
        losing::{a_crowd_loses_nothing_with_the_primary},
    )
}
