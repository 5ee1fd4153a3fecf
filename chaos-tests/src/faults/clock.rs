//! The wall clock of every instance of a service jumps (libfaketime), forwards
//! or backwards, and later back again: what they call now is not what the others
//! do. Deadlines, tokens and ages are told by it; order never is.

use std::path::{Path, PathBuf};

use local_cluster::{NodeKind, Topology};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::Harm;
use crate::stage::Stage;

/// Services whose clocks can be moved.
const KINDS: [NodeKind; 3] = [NodeKind::BookingApi, NodeKind::LockService, NodeKind::ViewService];

/// By so many seconds.
const JUMPS_S: [i64; 3] = [-60, 60, 3_600];

const LIBRARIES: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

pub(crate) struct Clock {
    kind: NodeKind,
    by_s: i64,
}

impl Harm for Clock {
    fn draw(dice: &mut StdRng, _stage: &Stage) -> Option<Self> {
        Some(Self { kind: *KINDS.choose(dice)?, by_s: *JUMPS_S.choose(dice)? })
    }

    fn name(&self) -> String {
        format!("the clock of every {} is moved by {} ms", self.kind, self.by_s * 1_000)
    }

    async fn make(&mut self, stage: &Stage) -> Result<(), String> {
        set(stage, self.kind, self.by_s)
    }

    async fn heal(&mut self, stage: &Stage) -> Result<(), String> {
        set(stage, self.kind, 0)
    }

    fn missing() -> Option<String> {
        library().is_none().then(|| "libfaketime (package libfaketime)".to_owned())
    }
}

/// Starts the services of a topology so that their clocks can be moved by files
/// in this folder.
///
/// # Errors
/// Where the folder cannot be written, or libfaketime is not there.
pub(crate) fn prepare(mut topology: Topology, folder: &Path) -> Result<Topology, String> {
    let library = library().ok_or("there is no libfaketime")?;
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    for kind in KINDS {
        write(folder, kind, 0)?;
        let file = file_of(folder, kind).display().to_string();
        topology = topology
            .with_variable(kind, "LD_PRELOAD", library.display().to_string())
            .with_variable(kind, "FAKETIME_TIMESTAMP_FILE", file)
            // Read at every question, so that nobody is told the old time.
            .with_variable(kind, "FAKETIME_NO_CACHE", "1")
            // Who measures how long something takes is not lied to.
            .with_variable(kind, "FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    Ok(topology)
}

/// Moves the clocks: every reading after this is another. An error where an
/// instance runs whose clock cannot be moved.
fn set(stage: &Stage, kind: NodeKind, by_s: i64) -> Result<(), String> {
    let folder = stage.clocks.as_deref().ok_or("the clocks of this run cannot be moved")?;
    write(folder, kind, by_s)?;
    let nodes = stage.cluster.nodes().map_err(|error| error.to_string())?;
    for node in nodes.into_iter().filter(|node| node.kind == kind) {
        let Some(pid) = node.pid else { continue };
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
        let maps = maps.map_err(|error| format!("{}: {error}", node.name))?;
        if !maps.contains("libfaketime") {
            return Err(format!("{} has its clock from the kernel", node.name));
        }
    }
    Ok(())
}

fn write(folder: &Path, kind: NodeKind, by_s: i64) -> Result<(), String> {
    // Whole or not at all: it is read at any moment.
    let (file, draft) = (file_of(folder, kind), folder.join("draft"));
    std::fs::write(&draft, format!("{by_s:+}\n")).map_err(|error| error.to_string())?;
    std::fs::rename(&draft, &file).map_err(|error| format!("{}: {error}", file.display()))
}

fn file_of(folder: &Path, kind: NodeKind) -> PathBuf {
    folder.join(kind.as_str())
}

/// The library, which stands in a folder named after the machine, or not.
fn library() -> Option<PathBuf> {
    let name = Path::new("faketime/libfaketime.so.1");
    LIBRARIES.iter().find_map(|folder| {
        let folder = Path::new(folder);
        let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = std::iter::once(folder.to_owned()).chain(below.map(|entry| entry.path()));
        folders.map(|folder| folder.join(name)).find(|file| file.is_file())
    })
}
