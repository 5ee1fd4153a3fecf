//! `up`: starts or adopts a cluster, shows where it is, and, in the
//! foreground, stops it in order when it is told to end.

use std::process::ExitCode;
use std::time::Duration;

use local_cluster::{
    ClusterError, NodeKind, Profile, StartedCluster, StateError, Topology, demo_world, programs,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::output::Watcher;
use super::{Cli, Failure, Outcome, Part, UpOptions};

/// How often the foreground looks whether its cluster is still there.
const POLL: Duration = Duration::from_secs(1);

pub(crate) async fn run(cli: &Cli, options: &UpOptions) -> Outcome {
    let topology = topology(cli, options)?;
    if options.plan {
        print!("{}", StartedCluster::preview(topology)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let (None, Some(path)) = (&topology.etcd_program, programs::ETCD.find()) {
        let version = super::doctor::version(&programs::ETCD, &path);
        eprintln!("etcd: {} ({version})", path.display());
    }
    let mut ends = Ends::new()?;
    let watcher = Watcher::new();
    let since = Instant::now();
    let started = tokio::select! {
        started = start(topology, options, &watcher) => started,
        () = ends.recv() => {
            watcher.finish();
            return stop_half_started(cli).await;
        }
    };
    watcher.finish();
    let cluster = started?;
    eprintln!("ready after {:.1} s", since.elapsed().as_secs_f32());
    print_addresses(&cluster, cli)?;
    if options.detach {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("\nCtrl-C stops it.");
    if wait_for_end(cli, &mut ends).await {
        eprintln!("stopping");
        cluster.down(false).await?;
    } else {
        eprintln!("the cluster was stopped by another command");
    }
    Ok(ExitCode::SUCCESS)
}

fn topology(cli: &Cli, options: &UpOptions) -> Result<Topology, Failure> {
    let there = match cli.attach() {
        Ok(cluster) => Some(cluster.topology().clone()),
        Err(ClusterError::State(StateError::NoCluster { .. })) => None,
        Err(error) => return Err(error.into()),
    };
    let mut topology = match there {
        // Without a wish, what is there is what was meant.
        Some(there) if options.profile.is_none() && options.only.is_none() => there,
        _ => {
            let topology = Topology::new(&cli.tag, options.profile.unwrap_or(Profile::Ha));
            match options.only {
                Some(Part::Stores) => topology.only(NodeKind::is_store),
                None => topology,
            }
        }
    };
    if options.shard_replicas {
        let shards = topology.of_kind(NodeKind::Shard).count();
        topology.set_count(NodeKind::ShardReplica, shards);
    }
    topology.home.clone_from(&cli.home);
    if options.etcd.is_some() {
        topology.etcd_program.clone_from(&options.etcd);
    }
    Ok(topology)
}

async fn start(
    topology: Topology,
    options: &UpOptions,
    watcher: &Watcher,
) -> Result<StartedCluster, Failure> {
    let cluster = StartedCluster::up_with(topology, watcher.sink()).await?;
    let serves = [NodeKind::LoadBalancer, NodeKind::BookingApi, NodeKind::ViewService];
    if serves.into_iter().all(|kind| cluster.topology().has(kind)) && !options.no_demo {
        let since = Instant::now();
        let loaded = demo_world::load(&cluster).await.map_err(|error| {
            format!("the cluster runs, but its demo shows could not be loaded: {error}")
        })?;
        if loaded.performances > 0 {
            let (performances, seats) = (loaded.performances, loaded.seats_sold);
            let took = since.elapsed().as_secs_f32();
            watcher.line(&format!(
                "demo shows: {performances} performances added, {seats} seats sold, in {took:.1} s"
            ));
        }
    }
    Ok(cluster)
}

async fn stop_half_started(cli: &Cli) -> Outcome {
    eprintln!("interrupted; stopping");
    match cli.attach() {
        Ok(cluster) => cluster.down(false).await?,
        Err(ClusterError::State(StateError::NoCluster { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::FAILURE)
}

fn print_addresses(cluster: &StartedCluster, cli: &Cli) -> Result<(), Failure> {
    if !cluster.topology().has(NodeKind::LoadBalancer) {
        for node in cluster.nodes()? {
            println!("{:18} {}", node.name, node.address);
        }
        return Ok(());
    }
    let base = cluster.base_url();
    let tag = if cli.tag == local_cluster::DEFAULT_TAG {
        String::new()
    } else {
        format!(" --tag {}", cli.tag)
    };
    println!("\nseatlock    {base}/");
    println!("API docs    {base}/docs");
    println!("prometheus  {}", cluster.prometheus_url());
    println!("operations  {}", cluster.operations_url());
    println!("\nTry:");
    println!("  curl -s '{base}/v1/shows?limit=3'");
    println!("  TOKEN=$(./seatlock token --user ann{tag})");
    println!("  curl -s -H \"Authorization: Bearer $TOKEN\" {base}/v1/bookings");
    println!("  ./seatlock demo{tag}");
    Ok(())
}

/// The signals that ask for an end.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// `false` when the cluster went away by another's hand.
async fn wait_for_end(cli: &Cli, ends: &mut Ends) -> bool {
    loop {
        tokio::select! {
            () = ends.recv() => return true,
            () = tokio::time::sleep(POLL) => {
                if cli.attach().is_err() {
                    return false;
                }
            }
        }
    }
}
