//! What is sent to a node comes late, each packet by another while, so that
//! some overtake others.

use std::ops::RangeInclusive;
use std::process::Stdio;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{Harm, wire};
use crate::carrier;
use crate::stage::Stage;

/// How long the carrier may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Late {
    node: String,
    late_ms: RangeInclusive<u64>,
    carrier: Option<Child>,
}

impl Late {
    /// The rule that hands packets to the carrier; not in nftables' words, which
    /// fewer kernels have for it.
    async fn rule(&self, stage: &Stage, does: &str) -> Result<(), String> {
        let queue = carrier::QUEUE.to_string();
        let words = ["-i", "eth0", "-j", "NFQUEUE", "--queue-num", &queue];
        let rule = [&["iptables-legacy", "--wait", does, "INPUT"][..], &words[..]].concat();
        wire::on_host(stage, &self.node, &rule).await
    }
}

impl Harm for Late {
    fn draw(dice: &mut StdRng, stage: &Stage) -> Option<Self> {
        let node = wire::anybody(dice, stage)?;
        let from = dice.random_range(2..60);
        Some(Self { node, late_ms: from..=from + dice.random_range(1..120), carrier: None })
    }

    fn name(&self) -> String {
        let (from, to) = (self.late_ms.start(), self.late_ms.end());
        format!("what is sent to {} comes {from} to {to} ms late", self.node)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        let namespace = stage.cluster.topology().namespace_of(&self.node);
        let namespace = namespace.ok_or_else(|| format!("{} has no host", self.node))?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let (name, value) = carrier::order(&self.late_ms);
        let mut carrier = Command::new("nsenter")
            .arg(format!("--net={}", namespace.display()))
            .arg(this)
            .env(name, value)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("nsenter: {error}"))?;
        let output = carrier.stdout.take().ok_or("the carrier has no output")?;
        let mut lines = BufReader::new(output).lines();
        let said = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        match said {
            Ok(Ok(Some(line))) if line == carrier::READY => {}
            said => return Err(format!("the carrier does not begin: {said:?}")),
        }
        self.carrier = Some(carrier);
        self.rule(stage, "--append").await
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        let Some(mut carrier) = self.carrier.take() else { return Ok(()) };
        let gone = self.rule(stage, "--delete").await;
        // What it still has is lost, as packets are, and sent again.
        carrier.kill().await.map_err(|error| format!("the carrier: {error}"))?;
        gone
    }

    fn missing() -> Option<String> {
        wire::missing().or_else(|| {
            let rule = "mount -t tmpfs tmpfs /run && \
                        iptables-legacy --append INPUT --jump NFQUEUE --queue-num 0";
            let tried = std::process::Command::new("unshare")
                .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", rule])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status();
            let able = tried.is_ok_and(|status| status.success());
            (!able).then(|| "iptables-legacy (package iptables) with NFQUEUE".to_owned())
        })
    }
}
