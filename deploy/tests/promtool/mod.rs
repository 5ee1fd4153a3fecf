//! What checks that Prometheus understands a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use local_cluster::programs;

/// A folder of the launcher's sources.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs it on some files; what it refuses fails the test, in its own words.
pub(crate) fn promtool(words: &[&str], files: &[PathBuf]) {
    let program = programs::PROMTOOL.find().expect("promtool, of the package prometheus");
    let output = Command::new(program).args(words).args(files).stdin(Stdio::null()).output();
    let output = output.expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
