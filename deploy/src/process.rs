//! The one place that spawns and signals nodes. It must not know what a node
//! is; it knows processes, and that a process id alone names nobody.
//!
//! A node is a daemon: a session of its own, nothing on standard input, a log
//! file on standard output and error, and none of the caller's other files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::time::Instant;

/// How often a process is looked at while waiting for its end.
const POLL: Duration = Duration::from_millis(20);

/// Run by bash between fork and exec. It waits for one line before it becomes
/// the node: the launcher writes that line only after the pid is on disk, and
/// a launcher that dies first closes the pipe. So there is never a node that
/// no state file knows. Then it closes whatever the caller had open and raises
/// the limit of open files as far as it may.
const GATE: &str = r#"read -r _ || exit 143
for fd in /proc/self/fd/*; do
  fd=${fd##*/}
  [ "$fd" -gt 2 ] && eval "exec $fd>&-"
done
ulimit -S -n "$(ulimit -H -n)" 2>/dev/null
exec "$@" </dev/null"#;

/// A process that cannot be mistaken for another: pids are used again, a pid
/// with its start time is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id; also its session and process group.
    pub pid: i32,
    /// Clock ticks after boot at which it began, from `/proc/PID/stat`.
    pub start_time: u64,
}

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs, or could.
    Running,
    /// Stopped by a signal: paused.
    Paused,
    /// Ended, or its pid is somebody else's by now.
    Gone,
}

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set besides the caller's.
    pub env: BTreeMap<String, String>,
    /// Its working folder.
    pub folder: PathBuf,
    /// Where standard output and error are appended.
    pub log: PathBuf,
    /// The network namespace it lives in; none: the caller's.
    pub network: Option<PathBuf>,
}

/// A process that exists but has not become the node yet.
#[must_use = "without release() it ends at once"]
pub(crate) struct Gated {
    id: ProcessId,
    gate: ChildStdin,
}

impl Gated {
    pub(crate) const fn id(&self) -> ProcessId {
        self.id
    }

    /// Lets it become the node. Call this once its id is on disk.
    pub(crate) async fn release(mut self) -> io::Result<()> {
        self.gate.write_all(b"go\n").await?;
        self.gate.shutdown().await
    }
}

/// Makes a process that waits for [`Gated::release`].
pub(crate) fn spawn(launch: &Launch) -> io::Result<Gated> {
    let log = open_log(&launch.log)?;
    // setsid(1) does not fork here: the child is no group leader yet, so the
    // pid stays the same up to the node itself.
    let mut command = Command::new("setsid");
    command.args(["bash", "-c", GATE, "seatlock-node"]);
    if let Some(network) = &launch.network {
        // It becomes the program, so the pid stays the same.
        command.arg("nsenter").arg(format!("--net={}", network.display()));
    }
    let mut child = command
        .arg(&launch.program)
        .args(&launch.args)
        .envs(&launch.env)
        .current_dir(&launch.folder)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(false)
        .spawn()?;
    let gone = || io::Error::other("the process ended before it began");
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(gone)?;
    let start_time = read_stat(pid).ok_or_else(gone)?.start_time;
    let gate = child.stdin.take().ok_or_else(gone)?;
    // Dropping the child leaves it running; tokio reaps it when it ends.
    Ok(Gated { id: ProcessId { pid, start_time }, gate })
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// What the process is doing now.
#[must_use]
pub(crate) fn liveness(id: ProcessId) -> Liveness {
    match read_stat(id.pid) {
        Some(stat) if stat.start_time == id.start_time => stat.liveness(),
        Some(_) | None => Liveness::Gone,
    }
}

/// Whether the program's file was replaced since it started: a newer build
/// exists than the one that runs.
#[must_use]
pub(crate) fn runs_replaced_program(id: ProcessId) -> bool {
    std::fs::read_link(format!("/proc/{}/exe", id.pid))
        .is_ok_and(|exe| exe.to_string_lossy().ends_with(" (deleted)"))
}

/// Sends a signal to the whole session of a process, if it is still the same
/// process. `false` when there was nobody to signal.
pub(crate) fn signal(id: ProcessId, signal: Signal) -> io::Result<bool> {
    if liveness(id) == Liveness::Gone {
        return Ok(false);
    }
    match killpg(Pid::from_raw(id.pid), signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Asks a process to end, wakes it if it is paused, and kills it when `grace`
/// is over. Returns whether it went by itself.
pub(crate) async fn stop(id: ProcessId, grace: Duration) -> io::Result<bool> {
    signal(id, Signal::SIGTERM)?;
    signal(id, Signal::SIGCONT)?;
    if wait_gone(id, grace).await {
        return Ok(true);
    }
    kill(id).await?;
    Ok(false)
}

/// Kills a process and returns once it is gone.
pub(crate) async fn kill(id: ProcessId) -> io::Result<()> {
    const DEATH: Duration = Duration::from_secs(10);
    signal(id, Signal::SIGKILL)?;
    if wait_gone(id, DEATH).await {
        return Ok(());
    }
    Err(io::Error::other(format!("process {} does not end after SIGKILL", id.pid)))
}

async fn wait_gone(id: ProcessId, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while liveness(id) != Liveness::Gone {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

struct Stat {
    state: char,
    threads: u32,
    start_time: u64,
}

impl Stat {
    /// The state is the first thread's. A killed process whose other threads
    /// are not through yet, one of them in an fsync perhaps, is shown as a
    /// zombie and still has its ports and files: it is not gone.
    const fn liveness(&self) -> Liveness {
        match self.state {
            'Z' | 'X' | 'x' if self.threads <= 1 => Liveness::Gone,
            'T' | 't' => Liveness::Paused,
            _ => Liveness::Running,
        }
    }
}

fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name is in brackets and may hold blanks and brackets itself:
/// fields are counted from the last closing one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // proc(5): state is field 3, the count of threads field 20, the start
    // time field 22.
    let threads = fields.nth(16)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, threads, start_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path, script: &str) -> Launch {
        Launch {
            program: PathBuf::from("bash"),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
            folder: folder.to_owned(),
            log: folder.join("node.log"),
            network: None,
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_fields() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.threads, stat.start_time), ('S', 1, 4242));
    }

    #[test]
    fn a_zombie_with_threads_is_not_gone() {
        // As Linux shows a program whose first thread ended before the others.
        let text = |threads: u32| {
            let stat =
                format!("9 (etcd) Z 1 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 {threads} 0 42 0");
            parse_stat(&stat).unwrap().liveness()
        };
        assert_eq!(text(2), Liveness::Running);
        assert_eq!(text(1), Liveness::Gone);
        assert_eq!(text(0), Liveness::Gone);
    }

    #[test]
    fn the_same_pid_with_another_start_is_somebody_else() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let start_time = read_stat(pid).unwrap().start_time;
        assert_eq!(liveness(ProcessId { pid, start_time }), Liveness::Running);
        let other = ProcessId { pid, start_time: start_time + 1 };
        assert_eq!(liveness(other), Liveness::Gone);
        assert!(!signal(other, Signal::SIGKILL).unwrap());
    }

    #[tokio::test]
    async fn a_node_has_a_session_a_log_and_no_other_files() {
        let dir = tempfile::tempdir().unwrap();
        // Counted without a pipe: the shell's own ends of it would count, too.
        let script = "echo $COLOUR; for fd in /proc/$$/fd/*; do [ -e $fd ] && n=$((n+1)); done; \
                      echo $n; echo bad >&2; exec tail -f /dev/null";
        let gated = spawn(&launch(dir.path(), script)).unwrap();
        let id = gated.id();
        gated.release().await.unwrap();
        let log = dir.path().join("node.log");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !std::fs::read_to_string(&log).unwrap().contains("bad") {
            assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(&log).unwrap());
            tokio::task::yield_now().await;
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "blue\n3\nbad\n");
        let session = nix::unistd::getsid(Some(Pid::from_raw(id.pid))).unwrap();
        assert_eq!(session.as_raw(), id.pid);

        assert!(signal(id, Signal::SIGSTOP).unwrap());
        while liveness(id) != Liveness::Paused {
            tokio::task::yield_now().await;
        }
        assert!(stop(id, Duration::from_secs(10)).await.unwrap(), "a paused node ends, too");
        assert_eq!(liveness(id), Liveness::Gone);
    }

    #[tokio::test]
    async fn a_launcher_that_dies_before_it_wrote_the_pid_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let gated = spawn(&launch(dir.path(), "exec tail -f /dev/null")).unwrap();
        let id = gated.id();
        drop(gated);
        assert!(wait_gone(id, Duration::from_secs(10)).await);
    }
}
