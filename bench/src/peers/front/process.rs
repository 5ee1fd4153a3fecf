//! Starting and ending the front.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::{ARGUMENT, Config};
use crate::Failure;
use crate::usage::Watched;

/// A front that runs; it ends when this does, or with the whole program.
pub(crate) struct Front {
    child: Child,
    /// Kept open: its end ends the front.
    input: ChildStdin,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Front {
    /// Starts this program as a front and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (mut input, output) = input.zip(output).ok_or("the front has no pipes")?;
        let mut line = serde_json::to_vec(config)?;
        line.push(b'\n');
        input.write_all(&line).await?;
        let said = BufReader::new(output).lines().next_line().await?;
        let address = said.ok_or("the front ended")?.parse()?;
        Ok(Self { child, input, address })
    }

    /// As a process to watch.
    pub(crate) fn watched(&self, number: usize) -> Option<Watched> {
        Some(Watched { name: format!("front-{number}"), pid: self.child.id()? })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it ended badly.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        drop(self.input);
        let ended = self.child.wait().await?;
        if ended.success() { Ok(()) } else { Err(format!("the front ended with {ended}").into()) }
    }
}
