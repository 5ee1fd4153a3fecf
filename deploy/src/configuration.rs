//! The reference of every service's configuration: what the programs print of
//! themselves, under what is true of all of them. It must not know a key.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::programs::ProgramsError;
use crate::topology::{NodeKind, Profile, Topology};
use crate::{Programs, service};

/// What no program can say of itself: how a key is set, and the launcher's own variables.
const HEAD: &str = include_str!("configuration.md");

/// Why there is no reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// A program is missing.
    #[error(transparent)]
    Missing(#[from] ProgramsError),
    /// A program could not be run, or does not know its own reference.
    #[error("{program} prints no reference ({why}); build it with: {}", service::BUILD)]
    Silent {
        /// Which one.
        program: PathBuf,
        /// What it said, or the system.
        why: String,
    },
}

/// The reference as Markdown: docs/CONFIGURATION.md.
///
/// # Errors
/// See [`ReferenceError`].
pub fn reference() -> Result<String, ReferenceError> {
    let topology = Topology::new("reference", Profile::Tiny).only(NodeKind::is_service);
    let programs = Programs::find(&topology)?;
    let mut page = HEAD.to_owned();
    for kind in NodeKind::ALL.into_iter().filter(|kind| kind.is_service()) {
        page += &format!("\n## {kind}\n\n{}", printed_by(programs.of(kind))?);
    }
    Ok(page)
}

fn printed_by(program: PathBuf) -> Result<String, ReferenceError> {
    let output =
        Command::new(&program).arg("--configuration-reference").stdin(Stdio::null()).output();
    let why = match output {
        Ok(output) if output.status.success() => match String::from_utf8(output.stdout) {
            Ok(text) => return Ok(text),
            Err(error) => error.to_string(),
        },
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ReferenceError::Silent { program, why })
}
