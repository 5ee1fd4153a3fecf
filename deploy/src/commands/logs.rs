//! `logs`: the log of one node, or the end of every log with its node's name
//! in front; `-f` goes on.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use local_cluster::{Node, StartedCluster};

use super::{Failure, Outcome};

/// How often followed logs are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Of each log, where all are shown.
const TAIL_BYTES: u64 = 4_000;

pub(crate) async fn run(cluster: &StartedCluster, node: Option<&str>, follow: bool) -> Outcome {
    let nodes = match node {
        Some(name) => vec![cluster.node(name)?],
        None => cluster.nodes()?,
    };
    let many = nodes.len() > 1;
    let mut logs: Vec<Log> = nodes.into_iter().map(|node| Log::open(node, many)).collect();
    loop {
        for log in &mut logs {
            match log.print_new() {
                // Whoever reads it has seen enough (`| head`).
                Err(error) if is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
                other => other?,
            }
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn is_broken_pipe(error: &Failure) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

struct Log {
    node: Node,
    prefix: String,
    reader: Option<BufReader<File>>,
    from_end: bool,
    /// A line whose end has not been written yet.
    rest: Vec<u8>,
}

impl Log {
    fn open(node: Node, many: bool) -> Self {
        let prefix = if many { format!("{:18}| ", node.name) } else { String::new() };
        Self { node, prefix, reader: None, from_end: many, rest: Vec::new() }
    }

    fn print_new(&mut self) -> Result<(), Failure> {
        if self.reader.is_none() {
            // A node that never started has no log yet.
            let Ok(file) = File::open(&self.node.log) else { return Ok(()) };
            let mut reader = BufReader::new(file);
            let length = reader.get_ref().metadata()?.len();
            if self.from_end && length > TAIL_BYTES {
                reader.seek(SeekFrom::Start(length - TAIL_BYTES))?;
                reader.read_until(b'\n', &mut Vec::new())?;
            }
            self.reader = Some(reader);
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let mut out = std::io::stdout().lock();
        loop {
            let read = reader.read_until(b'\n', &mut self.rest)?;
            if read == 0 || self.rest.last() != Some(&b'\n') {
                break;
            }
            out.write_all(self.prefix.as_bytes())?;
            out.write_all(&self.rest)?;
            self.rest.clear();
        }
        out.flush()?;
        Ok(())
    }
}
