//! A node's disk takes its time: every flush (`fsync`, `fdatasync`) returns
//! later. Done from outside with strace, so that it works on programs as they
//! are.

use std::process::Stdio;
use std::time::Duration;

use local_cluster::NodeKind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::process::{Child, Command};

use super::Harm;
use crate::stage::Stage;
use crate::wait::wait_until;

pub(crate) struct SlowDisk {
    node: String,
    delay_ms: u32,
    tracer: Option<Child>,
}

/// How long attaching and letting go may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Harm for SlowDisk {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let nodes = stage.cluster.topology().nodes.iter();
        let kept = [NodeKind::Etcd, NodeKind::Shard, NodeKind::PaymentGateway];
        let nodes: Vec<_> = nodes.filter(|node| kept.contains(&node.kind)).collect();
        let node = nodes.choose(dice)?.name.clone();
        Some(Self { node, delay_ms: dice.random_range(50..400), tracer: None })
    }

    fn name(&self) -> String {
        format!("every flush of {} takes {} ms longer", self.node, self.delay_ms)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let node = stage.cluster.node(&self.node).map_err(|error| error.to_string())?;
        let pid = node.pid.ok_or_else(|| format!("{} does not run", self.node))?;
        let inject = format!("inject=fdatasync,fsync:delay_exit={}", self.delay_ms * 1_000);
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", &inject])
            .args(["-o", "/dev/null", "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        self.tracer = Some(tracer);
        wait_until(PATIENCE, || async {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.map_err(|error| error.to_string())?;
            let traced = status
                .lines()
                .any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"));
            if traced { Ok(()) } else { Err(format!("strace is not attached to {pid}")) }
        })
        .await
    }

    async fn heal(&mut self, _stage: &Stage) -> Result<(), String> {
        let Some(mut tracer) = self.tracer.take() else { return Ok(()) };
        // It lets go of the node when it is interrupted.
        if let Some(pid) = tracer.id().and_then(|pid| i32::try_from(pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGINT).map_err(|error| error.to_string())?;
        }
        let ended = tokio::time::timeout(PATIENCE, tracer.wait()).await;
        ended.map(drop).map_err(|_| "strace does not end".to_owned())
    }

    fn missing() -> Option<String> {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join("strace").is_file());
        (!found).then(|| "strace (package strace)".to_owned())
    }
}
