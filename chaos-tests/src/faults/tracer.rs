//! System calls of a node that end otherwise than the kernel would have them:
//! strace, from outside, so that it works on programs as they are.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use local_cluster::NodeKind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::process::{Child, Command};

use crate::stage::Stage;
use crate::wait::wait_until;

/// How long attaching and letting go may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Some system calls of one node, as `inject` says (strace's syntax).
pub(super) struct Tracer(Child);

const FLUSHES: &str = "fdatasync,fsync";

/// What makes a file longer, or puts something into it.
const WRITES: &str = "write,pwrite64,writev,pwritev,fallocate,ftruncate";

impl Tracer {
    /// Every flush.
    pub(super) async fn of_flushes(
        stage: &Stage,
        node: &str,
        inject: &str,
    ) -> Result<Self, String> {
        Self::attach(stage, node, FLUSHES, &[], inject).await
    }

    /// Everything that is written to these files, and to nothing else: what
    /// goes over lines is written, too.
    pub(super) async fn of_writes(
        stage: &Stage,
        node: &str,
        files: &[PathBuf],
        inject: &str,
    ) -> Result<Self, String> {
        Self::attach(stage, node, WRITES, files, inject).await
    }

    /// Attaches, and returns once it is, or once the node is gone: the first call
    /// that failed may have ended it.
    async fn attach(
        stage: &Stage,
        node: &str,
        calls: &str,
        files: &[PathBuf],
        inject: &str,
    ) -> Result<Self, String> {
        let found = stage.cluster.node(node).map_err(|error| error.to_string())?;
        let pid = found.pid.ok_or_else(|| format!("{node} does not run"))?;
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:{inject}")]);
        for file in files {
            command.arg("-P").arg(file);
        }
        let tracer = command
            .args(["-o", "/dev/null", "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        wait_until(PATIENCE, || async {
            let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
                return Ok(());
            };
            let traced = status
                .lines()
                .any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"));
            if traced { Ok(()) } else { Err(format!("strace is not attached to {pid}")) }
        })
        .await?;
        Ok(Self(tracer))
    }

    /// Lets go, and returns once it has.
    pub(super) async fn let_go(mut self) -> Result<(), String> {
        // It lets go of the node when it is interrupted, and ends by itself when
        // the node does.
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGINT).map_err(|error| error.to_string())?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.0.wait()).await;
        ended.map(drop).map_err(|_| "strace does not end".to_owned())
    }
}

/// Any node that keeps its promises on a disk.
pub(super) fn any_keeper(dice: &mut StdRng, stage: &Stage) -> Option<String> {
    let nodes = stage.cluster.topology().nodes.iter();
    let kinds = [NodeKind::Etcd, NodeKind::Shard, NodeKind::PaymentGateway];
    let keepers: Vec<_> = nodes.filter(|node| kinds.contains(&node.kind)).collect();
    keepers.choose(dice).map(|node| node.name.clone())
}

/// What it takes that this machine does not have.
pub(super) fn missing() -> Option<String> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("strace").is_file());
    (!found).then(|| "strace (package strace)".to_owned())
}
